// Calling routines: what is so of a routine by its body is so of those that call it.

interface Routine {
  readonly name: string;
  readonly body: string;
}

const WORD = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/g;

/** The words of a body that may name something, in lower case. */
export const wordsOf = (body: string): readonly string[] => body.toLowerCase().match(WORD) ?? [];

/** A body with a space for each comment; what only opens one stays, as it may be something else. */
export function withoutComments(body: string): string {
  const opening = /--|\/\*/g;
  const lastClosing = body.lastIndexOf('*/');
  let text = '';
  let from = 0;
  for (let found = opening.exec(body); found !== null; found = opening.exec(body)) {
    const { index } = found;
    const isLine = found[0] === '--';
    // Not looked for again from each that is not closed, of which there may be many.
    if (!isLine && index + 2 > lastClosing) continue;
    const end = isLine ? body.indexOf('\n', index) : body.indexOf('*/', index + 2) + 2;
    text += `${body.slice(from, index)} `;
    from = end < 0 ? body.length : end;
    opening.lastIndex = from;
  }
  return text + body.slice(from);
}

/** The names of routines whose bodies are so, and of those that name one of these; in lower case. */
export function withCallers(
  routines: readonly Routine[],
  isSo: (body: string) => boolean,
): ReadonlySet<string> {
  const first = routines.filter(({ body }) => isSo(body)).map(({ name }) => name.toLowerCase());
  if (first.length === 0) return new Set();
  const callers = routines.map(({ name, body }) => ({
    name: name.toLowerCase(),
    words: new Set(wordsOf(body)),
  }));
  return andCallers(first, callers);
}

/** `first`, and those of `callers` that name one of these, directly or not. */
export function andCallers(
  first: readonly string[],
  callers: readonly { readonly name: string; readonly words: ReadonlySet<string> }[],
): ReadonlySet<string> {
  const found = new Set(first);
  for (let before = -1; before !== found.size && found.size > 0; ) {
    before = found.size;
    for (const { name, words } of callers) {
      if (!found.has(name) && [...found].some((each) => words.has(each))) found.add(name);
    }
  }
  return found;
}

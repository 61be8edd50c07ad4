// Calling routines: what is so of a routine by its body is so of those that call it.

interface Routine {
  readonly name: string;
  readonly body: string;
}

const WORD = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/g;

export const COMMENT = /--[^\n]*|\/\*[\s\S]*?\*\//g;

/** The names of routines whose bodies are so, and of those that name one of these; in lower case. */
export function withCallers(
  routines: readonly Routine[],
  isSo: (body: string) => boolean,
): ReadonlySet<string> {
  const names = new Set(
    routines.filter(({ body }) => isSo(body)).map(({ name }) => name.toLowerCase()),
  );
  if (names.size === 0) return names;
  const others = routines.map(({ name, body }) => ({
    name: name.toLowerCase(),
    words: body.toLowerCase().match(WORD) ?? [],
  }));
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    for (const { name, words } of others) if (words.some((w) => names.has(w))) names.add(name);
  }
  return names;
}

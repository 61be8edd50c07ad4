// JSON in which integers stay exact: those past 2^53 are bigint here and plain numbers in the text.

const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;

type ReviverContext = { readonly source?: string };
type SourceAwareParse = (
  text: string,
  reviver: (this: unknown, key: string, value: unknown, context: ReviverContext) => unknown,
) => unknown;

/** `JSON.rawJSON` and the reviver's third argument are ES2026, newer than the library typings. */
const Json = JSON as unknown as {
  readonly parse: SourceAwareParse;
  readonly rawJSON: (text: string) => unknown;
};

function exactInteger(_key: string, value: unknown, context: ReviverContext): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context.source;
  return source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
}

/**
 * Parses JSON text; an integer literal that a double cannot hold exactly becomes a bigint.
 * @throws SyntaxError when the text is not JSON, RangeError when it nests too deeply to walk.
 */
export function parseExactJson(text: string): unknown {
  return Json.parse(text, exactInteger);
}

/** The JSON text of `value`, bigints written as plain JSON numbers with all their digits. */
export function exactJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'bigint' ? Json.rawJSON(member.toString()) : member,
  );
}

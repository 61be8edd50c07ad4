// Backslash escapes of COPY's text format.

const LETTERS: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{1,2})|([\s\S]))/g;

/** The bytes of a field, as characters of Latin-1, without its escapes. */
export function unescapeText(field: string): string {
  return field.replace(ESCAPE, (_, octal?: string, hex?: string, letter?: string) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return LETTERS[letter!] ?? letter!;
  });
}

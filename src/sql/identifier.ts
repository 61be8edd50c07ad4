// Identifiers: the names that words and quoted names in a text mean to a server.

import type { Token } from './token.ts';

/** NAMEDATALEN - 1: longer names are cut, between characters. */
const NAME_BYTES_MAX = 63;

/** No name of so many UTF-16 units has more bytes. */
const SHORT = Math.floor(NAME_BYTES_MAX / 3);

const UNICODE_ESCAPE = /\\(?:\\|\+([0-9a-f]{6})|([0-9a-f]{4}))/gi;

/** A word in lower case. Source: downcase_identifier, which folds nothing but ASCII in UTF8. */
export function foldedWord(word: string): string {
  if (!/[\u0080-\uffff]/.test(word)) return word.toLowerCase();
  return word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The name that a word, or a name in quotes (also U&"…", but for UESCAPE), means. */
export function identifierOf({ kind, text }: Pick<Token, 'kind' | 'text'>): string {
  if (kind !== 'name') return cut(text);
  const isEscaped = !text.startsWith('"');
  const name = text.slice(isEscaped ? 3 : 1, -1).replaceAll('""', '"');
  return cut(isEscaped ? unescaped(name) : name);
}

/** A surrogate pair may be written as two escapes, which come together here. */
function unescaped(name: string): string {
  return name.replace(UNICODE_ESCAPE, (written, long?: string, short?: string) => {
    const digits = long ?? short;
    if (digits === undefined) return '\\';
    const point = Number.parseInt(digits, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : written;
  });
}

function cut(name: string): string {
  if (name.length <= SHORT) return name;
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length <= NAME_BYTES_MAX) return name;
  let end = NAME_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

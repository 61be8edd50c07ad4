// Lexemes: where PostgreSQL's scanner (scan.l) ends a string, comment, number or name.

/** Bits of CHAR_CLASS. Characters past ASCII are name characters, as scan.l has it. */
export const SPACE = 1;
export const NAME_START = 2;
export const DIGIT = 4;
export const OPERATOR = 8;

const CHAR_CLASS = new Uint8Array(128);
for (const c of ' \t\n\r\f\v') CHAR_CLASS[c.charCodeAt(0)] = SPACE;
for (let c = 97; c <= 122; c++) {
  CHAR_CLASS[c] = NAME_START;
  CHAR_CLASS[c - 32] = NAME_START;
}
CHAR_CLASS[95] = NAME_START;
for (let c = 48; c <= 57; c++) CHAR_CLASS[c] = DIGIT;
for (const c of '~!@#^&|`?+-*/%<>=') CHAR_CLASS[c.charCodeAt(0)] = OPERATOR;

/** The class of a UTF-16 code unit; 0 for punctuation and control characters. */
export function classOf(code: number): number {
  return code < 128 ? CHAR_CLASS[code]! : NAME_START;
}

export const QUOTE = 39;
export const DOUBLE_QUOTE = 34;
export const DOLLAR = 36;
export const MINUS = 45;
export const SLASH = 47;
export const STAR = 42;
const BACKSLASH = 92;

/** All `…End` functions give the index behind the lexeme, -1 when it is not ended. */
export function nameEnd(sql: string, start: number): number {
  let i = start + 1;
  for (; i < sql.length; i++) {
    const code = sql.charCodeAt(i);
    if ((classOf(code) & (NAME_START | DIGIT)) === 0 && code !== DOLLAR) break;
  }
  return i;
}

/** From the opening quote (' or "); a doubled quote stands for itself. */
export function quotedEnd(sql: string, start: number): number {
  const quote = sql[start]!;
  let i = start + 1;
  for (;;) {
    i = sql.indexOf(quote, i);
    if (i < 0) return -1;
    if (sql.charCodeAt(i + 1) !== sql.charCodeAt(start)) return i + 1;
    i += 2;
  }
}

/** From the opening quote of B'…' and X'…', where a doubled quote is an end and a new string. */
export function bitsEnd(sql: string, start: number): number {
  const end = sql.indexOf("'", start + 1);
  return end < 0 ? -1 : end + 1;
}

/** From the opening quote of E'…', where a backslash escapes. */
export function escapedEnd(sql: string, start: number): number {
  for (let i = start + 1; i < sql.length; i++) {
    const code = sql.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) {
      if (sql.charCodeAt(i + 1) !== QUOTE) return i + 1;
      i++;
    }
  }
  return -1;
}

/** From the `$` of $tag$…$tag$; 0 when no dollar quote starts here. */
export function dollarQuotedEnd(sql: string, start: number): number {
  let i = start + 1;
  if ((classOf(sql.charCodeAt(i)) & NAME_START) !== 0 && i < sql.length) {
    for (i++; i < sql.length; i++) {
      if ((classOf(sql.charCodeAt(i)) & (NAME_START | DIGIT)) === 0) break;
    }
  }
  if (sql.charCodeAt(i) !== DOLLAR) return 0;
  const tag = sql.slice(start, i + 1);
  const end = sql.indexOf(tag, i + 1);
  return end < 0 ? -1 : end + tag.length;
}

/**
 * Behind a string and the strings that continue it: on a later line, with nothing but white space
 * and line comments between, in the mode of the first. `endOf` gives the end of each.
 */
export function continuedEnd(
  sql: string,
  start: number,
  endOf: (sql: string, start: number) => number,
): number {
  let end = endOf(sql, start);
  while (end >= 0) {
    const next = continuation(sql, end);
    if (next < 0) return end;
    end = endOf(sql, next);
  }
  return -1;
}

/** The opening quote of a continuing string; -1 when none follows. */
function continuation(sql: string, end: number): number {
  let newline = false;
  for (let i = end; i < sql.length; ) {
    const code = sql.charCodeAt(i);
    if (code === QUOTE) return newline ? i : -1;
    if (code === 10 || code === 13) newline = true;
    if (classOf(code) === SPACE) i++;
    else if (code === MINUS && sql.charCodeAt(i + 1) === MINUS) i = lineCommentEnd(sql, i);
    else return -1;
  }
  return -1;
}

export function lineCommentEnd(sql: string, start: number): number {
  for (let i = start + 2; i < sql.length; i++) {
    const code = sql.charCodeAt(i);
    if (code === 10 || code === 13) return i;
  }
  return sql.length;
}

/** Block comments nest. */
export function blockCommentEnd(sql: string, start: number): number {
  let depth = 0;
  for (let i = start; i < sql.length - 1; i++) {
    const code = sql.charCodeAt(i);
    if (code === SLASH && sql.charCodeAt(i + 1) === STAR) {
      depth++;
      i++;
    } else if (code === STAR && sql.charCodeAt(i + 1) === SLASH) {
      depth--;
      i++;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

/** Behind white space and comments; -1 when a comment is not ended. */
export function skipBlank(sql: string, start: number): number {
  let i = start;
  while (i < sql.length) {
    const code = sql.charCodeAt(i);
    if (classOf(code) === SPACE) i++;
    else if (code === MINUS && sql.charCodeAt(i + 1) === MINUS) i = lineCommentEnd(sql, i);
    else if (code === SLASH && sql.charCodeAt(i + 1) === STAR) {
      i = blockCommentEnd(sql, i);
      if (i < 0) return -1;
    } else break;
  }
  return i;
}

export function digitsEnd(sql: string, start: number): number {
  let i = start;
  while (i < sql.length && classOf(sql.charCodeAt(i)) === DIGIT) i++;
  return i;
}

const PREFIXED = /(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)/y;

const UNDERSCORE = 95;
const DOT = 46;

/** decinteger: digits with single underscores between them. */
function decimalEnd(sql: string, start: number): number {
  let i = digitsEnd(sql, start);
  while (i > start && sql.charCodeAt(i) === UNDERSCORE) {
    const end = digitsEnd(sql, i + 1);
    if (end === i + 1) break;
    i = end;
  }
  return i;
}

/**
 * From a digit, or a point before a digit. `plain` is false for 0x…, 0o…, 0b… and 1_000, whose
 * values need more than their digits.
 */
export function numberEnd(sql: string, start: number): { end: number; plain: boolean } {
  let i = decimalEnd(sql, start);
  if (i === start + 1 && sql.charCodeAt(start) === 48) {
    PREFIXED.lastIndex = start;
    if (PREFIXED.test(sql)) return { end: PREFIXED.lastIndex, plain: false };
  }
  // `1..10` is two integers around `..`.
  if (sql.charCodeAt(i) === DOT && sql.charCodeAt(i + 1) !== DOT) i = decimalEnd(sql, i + 1);
  if ((sql.charCodeAt(i) | 32) === 101) {
    const sign = sql.charCodeAt(i + 1);
    const from = sign === 43 || sign === MINUS ? i + 2 : i + 1;
    const end = decimalEnd(sql, from);
    if (end > from) i = end;
  }
  return { end: i, plain: !hasUnderscore(sql, start, i) };
}

function hasUnderscore(sql: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (sql.charCodeAt(i) === UNDERSCORE) return true;
  return false;
}

// Tokens: a statement's text cut as PostgreSQL's scanner cuts it, with character offsets.

import { foldedWord } from './identifier.ts';
import {
  bitsEnd,
  blockCommentEnd,
  classOf,
  continuedEnd,
  DIGIT,
  DOLLAR,
  DOUBLE_QUOTE,
  digitsEnd,
  dollarQuotedEnd,
  escapedEnd,
  lineCommentEnd,
  MINUS,
  NAME_START,
  nameEnd,
  numberEnd,
  OPERATOR,
  QUOTE,
  quotedEnd,
  SLASH,
  SPACE,
  STAR,
} from './lexeme.ts';

export type TokenKind = 'word' | 'name' | 'number' | 'string' | 'parameter' | 'operator' | 'mark';

/** Offsets are UTF-16 indexes. `text` is the token as written, of a word in lower case. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Tokens without comments; null when a string or comment is not ended. */
export function tokenize(sql: string): readonly Token[] | null {
  const tokens: Token[] = [];
  let i = 0;
  while (i < sql.length) {
    const code = sql.charCodeAt(i);
    const kind = classOf(code);
    if (kind === SPACE) {
      i++;
      continue;
    }
    if (code === MINUS && sql.charCodeAt(i + 1) === MINUS) {
      i = lineCommentEnd(sql, i);
      continue;
    }
    if (code === SLASH && sql.charCodeAt(i + 1) === STAR) {
      i = blockCommentEnd(sql, i);
      if (i < 0) return null;
      continue;
    }
    const token = tokenAt(sql, i, code, kind);
    if (token === null) return null;
    tokens.push(token);
    i = token.end;
  }
  return tokens;
}

const JOINED_PAST_COMMENT = /'\s*--[^\n\r]*[\n\r][\s\S]*'/;

/**
 * True where a string may be continued behind a comment (`'a' -- c`, newline, `'b'`), which the
 * server takes and the parser's scanner, as it keeps comments, does not.
 */
export function joinsPastComment(tokens: readonly Token[]): boolean {
  return tokens.some(({ kind, text }) => kind === 'string' && JOINED_PAST_COMMENT.test(text));
}

/** A word that a server reads, in a string, as the time at which it does. */
export const HAS_TIME_WORD = /\b(?:now|today|tomorrow|yesterday)\b/i;

/** True for a string that may be read as the time at which its server parses it: `'now'`. */
export const mayTellTime = ({ kind, text }: Token): boolean =>
  kind === 'string' && HAS_TIME_WORD.test(text);

/** The same of a text in which one may stand. */
export const mayHoldTime = (sql: string): boolean =>
  HAS_TIME_WORD.test(sql) && (tokenize(sql)?.some(mayTellTime) ?? true);

/** The tokens of a text that holds one statement. */
export function withoutSemicolons(tokens: readonly Token[]): readonly Token[] {
  const isSemicolon = ({ kind, text }: Token) => kind === 'mark' && text === ';';
  return tokens.some(isSemicolon) ? tokens.filter((token) => !isSemicolon(token)) : tokens;
}

function tokenAt(sql: string, start: number, code: number, kind: number): Token | null {
  const make = (kind: TokenKind, end: number): Token | null =>
    end < 0 ? null : { kind, start, end, text: sql.slice(start, end) };
  if (kind === NAME_START) return wordAt(sql, start, make);
  const digitFollows = classOf(sql.charCodeAt(start + 1)) === DIGIT && start + 1 < sql.length;
  if (kind === DIGIT || (code === 46 && digitFollows)) {
    return make('number', numberEnd(sql, start).end);
  }
  if (code === QUOTE) return make('string', continuedEnd(sql, start, quotedEnd));
  if (code === DOUBLE_QUOTE) return make('name', quotedEnd(sql, start));
  if (code === DOLLAR) {
    if (digitFollows) return make('parameter', digitsEnd(sql, start + 1));
    const end = dollarQuotedEnd(sql, start);
    return end === 0 ? make('mark', start + 1) : make('string', end);
  }
  if (kind === OPERATOR) return make('operator', operatorEnd(sql, start));
  const pair = sql.slice(start, start + 2);
  const paired = pair === '::' || pair === ':=' || pair === '..';
  return make('mark', start + (paired ? 2 : 1));
}

function wordAt(
  sql: string,
  start: number,
  make: (kind: TokenKind, end: number) => Token | null,
): Token | null {
  const end = nameEnd(sql, start);
  const next = sql.charCodeAt(end);
  const letter = end - start === 1 ? sql[start]!.toLowerCase() : '';
  if (next === QUOTE && letter !== '') {
    if (letter === 'e') return make('string', continuedEnd(sql, end, escapedEnd));
    // N'…' is a word and a string to the scanner too.
    if (letter === 'b' || letter === 'x') return make('string', continuedEnd(sql, end, bitsEnd));
  }
  if (letter === 'u' && next === 38) {
    const quote = sql.charCodeAt(end + 1);
    if (quote === QUOTE) return make('string', continuedEnd(sql, end + 1, quotedEnd));
    if (quote === DOUBLE_QUOTE) return make('name', quotedEnd(sql, end + 1));
  }
  return { kind: 'word', start, end, text: foldedWord(sql.slice(start, end)) };
}

const ALLOWS_TRAILING_SIGN = /[~!@#^&|`?%]/;

/** The longest run, cut where a comment starts and of trailing + and - as scan.l does. */
function operatorEnd(sql: string, start: number): number {
  let end = start;
  while (end < sql.length && classOf(sql.charCodeAt(end)) === OPERATOR) {
    const pair = sql.slice(end, end + 2);
    if (end > start && (pair === '--' || pair === '/*')) break;
    end++;
  }
  if (end - start > 1 && !ALLOWS_TRAILING_SIGN.test(sql.slice(start, end))) {
    while (end - start > 1 && (sql[end - 1] === '+' || sql[end - 1] === '-')) end--;
  }
  return end;
}

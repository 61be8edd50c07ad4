// Shape: a statement's text with its literals lifted out, the key of the plan cache.

import {
  blockCommentEnd,
  classOf,
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
  skipBlank,
} from './lexeme.ts';

export interface Shape {
  /** Equal for texts that differ only in literals of the same class, and in comments. */
  readonly key: string;
  /** The literals as written, in order: `42`, `'a''b'`, `1.5`. */
  readonly literals: readonly string[];
}

const DOT = 46;
const SHAPED = new Set(['select', 'insert', 'update', 'delete', 'merge', 'with', 'values']);

/**
 * null: the text is declined (a utility statement, an exotic literal, nothing to be lifted safely).
 * `starts` receives the index of each literal.
 */
export function shapeOf(sql: string, starts?: number[]): Shape | null {
  let i = skipBlank(sql, 0);
  if (i < 0 || i >= sql.length) return null;
  if (!SHAPED.has(sql.slice(i, nameEnd(sql, i)).toLowerCase())) return null;
  const literals: string[] = [];
  let key = '';
  let copied = i;
  while (i < sql.length) {
    const code = sql.charCodeAt(i);
    const kind = classOf(code);
    if (kind === SPACE) {
      i++;
      continue;
    }
    if (kind === NAME_START) {
      const end = nameEnd(sql, i);
      const next = end - i === 1 ? sql.charCodeAt(end) : 0;
      if (next !== QUOTE && next !== 38) {
        i = end;
        continue;
      }
      const letter = code | 32;
      if (next === 38 && letter === 117) return null;
      if (next === 38) {
        i = end;
        continue;
      }
      if (letter !== 101) return null;
      const stringEnd = escapedEnd(sql, end);
      if (stringEnd < 0 || continues(sql, stringEnd)) return null;
      key += `${sql.slice(copied, i)}\x01e`;
      literals.push(sql.slice(i, stringEnd));
      starts?.push(i);
      copied = i = stringEnd;
      continue;
    }
    let end: number;
    let mark: string;
    if (kind === DIGIT || (code === 46 && classOf(sql.charCodeAt(i + 1)) === DIGIT)) {
      const number = numberEnd(sql, i);
      if (!number.plain) return null;
      end = number.end;
      mark = numberMark(sql, i, end);
    } else if (code === QUOTE) {
      end = quotedEnd(sql, i);
      if (end < 0 || continues(sql, end)) return null;
      mark = '\x01s';
    } else {
      const next = blankOrOther(sql, i, code, kind);
      if (next < 0) return null;
      if (next > i + 1 && (code === MINUS || code === SLASH)) {
        key += `${sql.slice(copied, i)} `;
        copied = next;
      }
      i = next;
      continue;
    }
    key += sql.slice(copied, i) + mark;
    literals.push(sql.slice(i, end));
    starts?.push(i);
    copied = i = end;
  }
  return { key: key + sql.slice(copied), literals };
}

/** Behind a comment, a name in quotes, a parameter or one other character; -1 to decline. */
function blankOrOther(sql: string, i: number, code: number, kind: number): number {
  const next = sql.charCodeAt(i + 1);
  if (code === MINUS && next === MINUS) return lineCommentEnd(sql, i);
  if (code === SLASH && next === STAR) return blockCommentEnd(sql, i);
  if (kind === OPERATOR) return i + 1;
  if (code === DOUBLE_QUOTE) return quotedEnd(sql, i);
  if (code === DOLLAR) {
    if (classOf(next) === DIGIT) return digitsEnd(sql, i + 1);
    // A dollar-quoted string is left in the key: a body is seldom the same text twice.
    const end = dollarQuotedEnd(sql, i);
    return end === 0 ? -1 : end;
  }
  if (code === DOT && next === DOT) return i + 2;
  return code < 32 || code === 127 ? -1 : i + 1;
}

/** int32, larger or decimal: they are different constants in the parser's tree. */
function numberMark(sql: string, start: number, end: number): string {
  for (let i = start; i < end; i++) {
    if (classOf(sql.charCodeAt(i)) !== DIGIT) return '\x01d';
  }
  return end - start < 10 || Number(sql.slice(start, end)) <= 2147483647 ? '\x01i' : '\x01l';
}

/** Another string behind white space would be its continuation. */
function continues(sql: string, end: number): boolean {
  const next = skipBlank(sql, end);
  return next < 0 || sql.charCodeAt(next) === QUOTE;
}

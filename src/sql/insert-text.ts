// Insert text: where the parts of an INSERT stand in its text, so that its rows can be replaced.

import { closing, depthsOf } from './clause.ts';
import type { InsertStatement } from './statement.ts';
import type { Token } from './token.ts';

export interface InsertText {
  /** WITH … in front of INSERT, or ''. */
  readonly with: string;
  /** INSERT INTO t [AS a] */
  readonly target: string;
  /** The same with [(columns)] [OVERRIDING …] and a space behind. */
  readonly into: string;
  /** Some column is given a part of itself only: (a[1], b.c). */
  readonly hasParts: boolean;
  readonly overriding: 'system' | 'user' | null;
  /** The query that gives the rows, VALUES among them; DEFAULT VALUES. */
  readonly source: string;
  /** Its first token. */
  readonly first: number;
  /** ON CONFLICT … RETURNING …, with a space in front, or ''. */
  readonly tail: string;
}

/** OVERRIDING … VALUE and a space, or ''. */
export const overridingOf = ({ overriding }: InsertText): string =>
  overriding === null ? '' : `OVERRIDING ${overriding.toUpperCase()} VALUE `;

/** null where the parts are not certain. */
export function insertText(
  sql: string,
  tokens: readonly Token[],
  statement: InsertStatement,
): InsertText | null {
  if (tokens.some((token) => isWord(token, 'uescape'))) return null;
  const depths = depthsOf(tokens);
  const insert = tokens.findIndex((token, i) => depths[i] === 0 && isWord(token, 'insert'));
  if (insert < 0 || !isWord(tokens[insert + 1], 'into')) return null;
  const parts = partsBefore(tokens, insert + 2, statement);
  if (parts === null) return null;
  const { target, list, first } = parts;
  const tail = tailStart(tokens, depths, first, statement);
  if (tail === null || tail <= first) return null;
  const text = (from: number, to: number) =>
    to <= from ? '' : sql.slice(tokens[from]!.start, tokens[to - 1]!.end);
  const overriding = isWord(tokens[first - 1], 'value') && list < first ? tokens[first - 2] : null;
  return {
    with: sql.slice(0, tokens[insert]!.start),
    target: text(insert, target),
    into: `${text(insert, first)} `,
    hasParts: tokens.slice(target, list).some(({ text: mark }) => mark === '.' || mark === '['),
    overriding: overriding == null ? null : overriding.text === 'user' ? 'user' : 'system',
    source: text(first, tail),
    first,
    tail: tail < tokens.length ? ` ${text(tail, tokens.length)}` : '',
  };
}

/** The items of each row of VALUES; `first`: the word's token. null where they are not certain. */
export function valuesText(
  sql: string,
  tokens: readonly Token[],
  first: number,
): readonly RowText[] | null {
  const depths = depthsOf(tokens);
  const rows: RowText[] = [];
  if (!isWord(tokens[first], 'values')) return null;
  let i = first + 1;
  for (;;) {
    const end = tokens[i]?.text === '(' ? closing(tokens, i) : null;
    if (end === null) return null;
    const depth = depths[i]! + 1;
    const items: string[] = [];
    let start = i + 1;
    for (let j = start; j <= end; j++) {
      if (j < end && (tokens[j]!.text !== ',' || depths[j] !== depth)) continue;
      if (j === start) return null;
      items.push(sql.slice(tokens[start]!.start, tokens[j - 1]!.end));
      start = j + 1;
    }
    rows.push({ text: sql.slice(tokens[i]!.start, tokens[end]!.end), items });
    i = end + 1;
    if (tokens[i]?.text !== ',') return rows;
    i++;
  }
}

export interface RowText {
  /** With its brackets. */
  readonly text: string;
  readonly items: readonly string[];
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/**
 * `at`: of the table's name. Tokens behind the table, behind the list of columns, and the first of
 * the rows' query.
 */
function partsBefore(
  tokens: readonly Token[],
  at: number,
  { columns, alias }: InsertStatement,
): { target: number; list: number; first: number } | null {
  let i = at + 1;
  while (tokens[i]?.text === '.') i += 2;
  if (alias !== null) i += 2;
  const target = i;
  if (columns !== null) {
    const end = tokens[i]?.text === '(' ? closing(tokens, i) : null;
    if (end === null) return null;
    i = end + 1;
  }
  const list = i;
  if (isWord(tokens[i], 'overriding')) i += 3;
  return i < tokens.length ? { target, list, first: i } : null;
}

function tailStart(
  tokens: readonly Token[],
  depths: readonly number[],
  from: number,
  { conflict, returning }: InsertStatement,
): number | null {
  const top = (i: number) => depths[i] === 0 && tokens[i - 1]?.text !== '.';
  let end = tokens.length;
  if (returning.length > 0) {
    end = tokens.findIndex((token, i) => i >= from && top(i) && isWord(token, 'returning'));
    if (end < 0) return null;
  }
  if (conflict === null) return end;
  // `conflict` may be a column's name: JOIN … ON conflict. The clause is the last of them.
  for (let i = end - 1; i > from; i--) {
    if (top(i) && isWord(tokens[i], 'on') && isWord(tokens[i + 1], 'conflict')) return i;
  }
  return null;
}

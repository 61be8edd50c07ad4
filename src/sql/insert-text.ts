// Insert text: where the parts of an INSERT stand in its text, so that its rows can be replaced.

import { closing, depthsOf } from './clause.ts';
import type { InsertStatement } from './statement.ts';
import type { Token } from './token.ts';

export interface InsertText {
  /** WITH … in front of INSERT, or ''. */
  readonly with: string;
  /** INSERT INTO t [AS a] [(columns)] [OVERRIDING …], with a space behind. */
  readonly into: string;
  /** The query that gives the rows, VALUES among them. */
  readonly source: string;
  /** ON CONFLICT … RETURNING …, with a space in front, or ''. */
  readonly tail: string;
}

/** null where the parts are not certain. */
export function insertText(
  sql: string,
  tokens: readonly Token[],
  statement: InsertStatement,
): InsertText | null {
  const depths = depthsOf(tokens);
  const insert = tokens.findIndex((token, i) => depths[i] === 0 && isWord(token, 'insert'));
  if (insert < 0 || !isWord(tokens[insert + 1], 'into') || statement.source === null) return null;
  const first = sourceStart(tokens, insert + 2, statement);
  if (first === null) return null;
  const tail = tailStart(tokens, depths, first, statement);
  if (tail === null || tail <= first) return null;
  const behind =
    tail < tokens.length ? ` ${sql.slice(tokens[tail]!.start, tokens.at(-1)!.end)}` : '';
  return {
    with: sql.slice(0, tokens[insert]!.start),
    into: `${sql.slice(tokens[insert]!.start, tokens[first - 1]!.end)} `,
    source: sql.slice(tokens[first]!.start, tokens[tail - 1]!.end),
    tail: behind,
  };
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/** `at`: of the table's name. */
function sourceStart(
  tokens: readonly Token[],
  at: number,
  { columns, alias }: InsertStatement,
): number | null {
  let i = at + 1;
  while (tokens[i]?.text === '.') i += 2;
  if (alias !== null) i += 2;
  if (columns !== null) {
    const end = tokens[i]?.text === '(' ? closing(tokens, i) : null;
    if (end === null) return null;
    i = end + 1;
  }
  if (isWord(tokens[i], 'overriding')) i += 3;
  return i < tokens.length ? i : null;
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

// Modify text: where the parts of an UPDATE or DELETE stand in its text.

import { clauseAt, closing, depthsOf, itemsBetween } from './clause.ts';
import type { Token } from './token.ts';

export interface ModifyText {
  /** WITH … in front of the command, or ''. */
  readonly with: string;
  /** [ONLY] t [*] [AS a] */
  readonly target: string;
  /** The assignments of SET, each with the columns on its left. */
  readonly assignments: readonly AssignmentText[];
  /** The items of FROM or USING, or ''. */
  readonly from: string;
  /** WHERE …, or ''. */
  readonly where: string;
  /** The items of RETURNING; WITH (OLD AS …) is none of them. */
  readonly returning: readonly ReturningText[];
}

export interface ReturningText {
  readonly text: string;
  /** Where it begins in the statement's. */
  readonly start: number;
}

export interface AssignmentText {
  /** As many as there are columns on the left. */
  readonly values: readonly string[];
}

/** null where the parts are not certain. */
export function modifyText(
  sql: string,
  tokens: readonly Token[],
  verb: 'update' | 'delete',
): ModifyText | null {
  if (tokens.some((token) => isWord(token, 'uescape'))) return null;
  const depths = depthsOf(tokens);
  const top = (i: number) => depths[i] === 0 && tokens[i - 1]?.text !== '.';
  const command = tokens.findIndex((token, i) => top(i) && isWord(token, verb));
  if (command < 0) return null;
  const first = command + (verb === 'delete' ? 2 : 1);
  const starts = new Map<string, number>();
  for (let i = first; i < tokens.length; i++) {
    const name = top(i) ? partAt(tokens, i, verb, starts) : null;
    if (name !== null && !starts.has(name)) starts.set(name, i);
  }
  const order = [...starts.values()].sort((a, b) => a - b);
  const text = (from: number, to: number) =>
    to <= from ? '' : sql.slice(tokens[from]!.start, tokens[to - 1]!.end);
  const part = (name: string, skip: number): string => {
    const start = starts.get(name);
    if (start === undefined) return '';
    return text(start + skip, order.find((each) => each > start) ?? tokens.length);
  };
  const set = starts.get('set');
  if ((verb === 'update') !== (set !== undefined)) return null;
  const behindSet = set === undefined ? 0 : (order.find((each) => each > set) ?? tokens.length);
  const split = { sql, tokens, depths };
  const assignments = set === undefined ? [] : assignmentTexts(split, set + 1, behindSet);
  const returning = starts.get('returning');
  if (assignments === null) return null;
  return {
    with: sql.slice(0, tokens[command]!.start),
    target: text(first, order[0] ?? tokens.length),
    assignments,
    from: part(verb === 'update' ? 'from' : 'using', 1),
    where: part('where', 0),
    returning: returning === undefined ? [] : returningTexts(split, returning),
  };
}

/** The items behind the token that is RETURNING. */
export function returningTexts(
  { sql, tokens, depths }: Split,
  returning: number,
): readonly ReturningText[] {
  const first = behindNames(tokens, returning);
  return itemsBetween(tokens, depths, first, tokens.length).map(([from, to]) => {
    const { start } = tokens[from]!;
    return { text: sql.slice(start, tokens[to - 1]!.end), start };
  });
}

/** The first token of RETURNING's items, behind WITH (OLD AS …, NEW AS …). */
function behindNames(tokens: readonly Token[], returning: number): number {
  const end = isWord(tokens[returning + 1], 'with') ? closing(tokens, returning + 2) : null;
  return (end ?? returning) + 1;
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

function partAt(
  tokens: readonly Token[],
  i: number,
  verb: 'update' | 'delete',
  starts: ReadonlyMap<string, number>,
): string | null {
  const token = tokens[i]!;
  if (token.kind !== 'word') return null;
  if (token.text === 'set' && verb === 'update' && starts.size === 0) return 'set';
  if (token.text === 'returning') return 'returning';
  // JOIN … USING comes behind the USING of DELETE.
  if (token.text === 'using' && verb === 'delete' && starts.size === 0) return 'using';
  const clause = clauseAt(tokens, i);
  if (clause === 'where') return 'where';
  return clause === 'from' && verb === 'update' && starts.has('set') ? 'from' : null;
}

interface Split {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly depths: readonly number[];
}

/** The columns of a sub-query's one row; as the sub-query itself, more rows are an error. */
function columnsOf(query: string, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => `c${i + 1}`);
  return names.map(
    (name) => `(SELECT assigned.${name} FROM ${query} AS assigned(${names.join(', ')}))`,
  );
}

/** Between the tokens `from` and `to`; null where they are not certain. */
export function assignmentTexts(split: Split, from: number, to: number): AssignmentText[] | null {
  const { sql, tokens, depths } = split;
  const text = ([start, end]: readonly [number, number]) =>
    sql.slice(tokens[start]!.start, tokens[end - 1]!.end);
  const assignments: AssignmentText[] = [];
  for (const [start, end] of itemsBetween(tokens, depths, from, to)) {
    const equals = tokens.findIndex(
      (token, i) => i > start && i < end && token.text === '=' && depths[i] === depths[start],
    );
    if (equals < 0) return null;
    if (tokens[start]!.text !== '(') {
      assignments.push({ values: [text([equals + 1, end])] });
      continue;
    }
    const open = isWord(tokens[equals + 1], 'row') ? equals + 2 : equals + 1;
    if (tokens[open]?.text !== '(' || closing(tokens, open) !== end - 1) return null;
    if (isWord(tokens[open + 1], 'select') || isWord(tokens[open + 1], 'with')) {
      const count = itemsBetween(tokens, depths, start + 1, equals - 1).length;
      assignments.push({ values: columnsOf(text([open, end]), count) });
      continue;
    }
    assignments.push({ values: itemsBetween(tokens, depths, open + 1, end - 1).map(text) });
  }
  return assignments;
}

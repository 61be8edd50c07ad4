// Merge rows: MERGE on each shard with the rows of its source that were computed before.

import { quoteName } from '../base/quote.ts';
import { type JoinedRow, type MergeRowsMerge, SOURCE_END } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { type CarriedColumn, carriedRef, carriedRelation, carriedSql } from './carried.ts';
import { Answer, type CarriedWrite, runWithRows } from './carried-statement.ts';
import { differs } from './reference-write.ts';
import type { WriteResult } from './write.ts';

export interface MergeWrite extends CarriedWrite {
  readonly merge: MergeRowsMerge;
  readonly columns: readonly CarriedColumn[];
  /** As SQL, of the columns; null: their types' own. */
  readonly collations: readonly (string | null)[];
  /** The columns' names, unquoted. */
  readonly names: readonly string[];
  /** DataRow bodies in the formats of the columns. */
  readonly rows: readonly Buffer[];
  /** The shard of each row; null: every row goes to every shard. */
  readonly rowShards: readonly number[] | null;
  /** All shards, in their order. */
  readonly shards: readonly number[];
}

/**
 * Shard by shard, in their order. Without rows the home shard is told all the same: the statement may have
 * triggers, or be forbidden.
 */
export async function mergeRows(write: MergeWrite): Promise<WriteResult> {
  const { merge, columns, rows, rowShards } = write;
  const answer = new Answer(write.bytesMax);
  const sql = sqlOf(write);
  for (const shard of merge.table.kind === 'home' ? [HOME_SHARD] : write.shards) {
    const isOwn = (i: number) => rowShards === null || rowShards[i] === shard;
    const own = rows.filter((_, i) => isOwn(i));
    const alsoWithout = merge.bySource || (rows.length === 0 && shard === HOME_SHARD);
    // Of a reference table the home shard answers; the other copies must do the same.
    const isCopy = merge.table.kind === 'reference' && shard !== HOME_SHARD;
    const given = isCopy ? new Answer(write.bytesMax) : answer;
    await runWithRows({ ...write, alsoWithout }, shard, sql, columns, own, given);
    if (given.count === answer.count) continue;
    throw differs(shard, `MERGE ${given.count}`, `MERGE ${answer.count}`);
  }
  return { rows: answer.rows, tag: `MERGE ${answer.count}` };
}

function sqlOf(write: MergeWrite): string {
  const { merge, columns, collations, names, parameters } = write;
  const { before, aliases, after } = merge;
  if (aliases.length > 1) return `${before}(${sourceSql(write, [])})${after}`;
  const rows = carriedSql(columns, parameters.types.length + 1, collations);
  const list = names.length === 0 ? '' : ` (${names.map(quoteName).join(', ')})`;
  return `${before}(${rows}) AS ${aliases[0]}${list}${after}`;
}

/**
 * The source as relations of their names, beside the rows that carry it and what is told of them. `present`, as
 * SQL: whether a row is of the source; '': all are.
 */
export function sourceSql(
  { merge, names, columns, collations, parameters }: Omit<MergeWrite, 'rowShards'>,
  beside: readonly CarriedColumn[],
  present = '',
): string {
  const first = parameters.types.length + 1;
  const carried = carriedRelation([...columns, ...beside], first, collations);
  let at = 0;
  const relations = merge.aliases.map((alias) => {
    const end = merge.aliases.length === 1 ? names.length : names.indexOf(SOURCE_END, at);
    const own = names.slice(at, end).map((name, i) => ({ name, ref: carriedRef(at + i) }));
    at = end + 1;
    return { alias, own };
  });
  const joined = merge.joined ?? relations.map((_, i): JoinedRow => i).reduce(sideBySide);
  const text = joinedText(joined, relations);
  if (present === '') return `${carried} CROSS JOIN ${text}`;
  return `${carried} LEFT JOIN ${text} ON ${present}`;
}

const sideBySide = (left: JoinedRow, right: JoinedRow): JoinedRow => ({
  type: 'CROSS',
  left,
  right,
  using: '',
});

interface CarriedSource {
  readonly alias: string;
  readonly own: readonly { readonly name: string; readonly ref: string }[];
}

function joinedText(joined: JoinedRow, relations: readonly CarriedSource[]): string {
  if (typeof joined === 'number') return relationText(relations[joined]!);
  const { type, left, right, using } = joined;
  if (type === 'FULL') return fullText(joined, relations);
  const join = `${using === null ? 'NATURAL ' : ''}${type} JOIN`;
  return `(${joinedText(left, relations)} ${join} ${joinedText(right, relations)}${using ?? ''})`;
}

/** Of which one side may have no row, and then has NULLs only; the other is the row then. */
function fullText(
  { left, right, using }: Exclude<JoinedRow, number>,
  relations: readonly CarriedSource[],
): string {
  const [a, b] = [relations[left as number]!, relations[right as number]!];
  const natural = using === null ? 'NATURAL ' : '';
  const first = relationText(a, `${isThere(a)} OR NOT ${isThere(b)}`);
  return `(${first} ${natural}FULL JOIN ${relationText(b, isThere(b))}${using ?? ''})`;
}

const isThere = ({ own }: CarriedSource): string =>
  `(${['false', ...own.map(({ ref }) => `${ref} IS DISTINCT FROM NULL`)].join(' OR ')})`;

function relationText({ alias, own }: CarriedSource, where = ''): string {
  const shown = own.map(({ name, ref }) => `${ref} AS ${quoteName(name)}`).join(', ');
  return `LATERAL (SELECT ${shown}${where === '' ? '' : ` WHERE ${where}`}) AS ${alias}`;
}

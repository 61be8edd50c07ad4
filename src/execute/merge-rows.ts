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
    const given = isCopy ? new Answer(write.bytesMax, true) : answer;
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
 * SQL: whether a row is of the source; '': all are. A relation that has no row there is NULL itself, and not a row of NULLs.
 */
export function sourceSql(
  { merge, names, columns, collations, parameters }: Omit<MergeWrite, 'rowShards'>,
  beside: readonly CarriedColumn[],
  present = '',
): string {
  const parameter = parameters.types.length + 1;
  const carried = carriedRelation([...columns, ...beside], parameter, collations);
  let at = 0;
  const isOne = merge.aliases.length === 1;
  const relations = merge.aliases.map((alias) => {
    const end = isOne ? names.length : names.indexOf(SOURCE_END, at);
    const own = names.slice(at, end).map((name, i) => ({ name, ref: carriedRef(at + i) }));
    at = end + 1;
    return { alias, own, isThere: carriedRef(end) };
  });
  const first = relations[0]!;
  if (isOne && present === '') return `${carried} CROSS JOIN ${relationText(first)}`;
  if (isOne) return `${carried} LEFT JOIN ${relationText(first)} ON ${present}`;
  if (merge.joined !== null) {
    return `${carried} LEFT JOIN ${joinedText(merge.joined, relations)} ON ${first.isThere} IS NOT NULL`;
  }
  const joins = relations.map((each) => ` LEFT JOIN ${relationText(each)} ON ${each.isThere}`);
  return `${carried}${joins.join('')}`;
}

interface CarriedSource {
  readonly alias: string;
  readonly own: readonly { readonly name: string; readonly ref: string }[];
  /** As SQL, of several: NULL where there is no row of the source at all. */
  readonly isThere: string;
}

function joinedText(joined: JoinedRow, relations: readonly CarriedSource[]): string {
  if (typeof joined === 'number') return relationText(relations[joined]!);
  const { type, left, right, using } = joined;
  if (type === 'FULL') return fullText(joined, relations);
  if (type === 'CROSS')
    return `(${sideText(left, relations)} CROSS JOIN ${sideText(right, relations)})`;
  const join = `${using === null ? 'NATURAL ' : ''}${type} JOIN`;
  return `(${joinedText(left, relations)} ${join} ${joinedText(right, relations)}${using ?? ''})`;
}

/** Side by side with another: of no columns either where a relation has no row there. ON sees none but the two. */
function sideText(joined: JoinedRow, relations: readonly CarriedSource[]): string {
  if (typeof joined !== 'number') return joinedText(joined, relations);
  const own = relations[joined]!;
  const name = quoteName(`drive.side ${joined + 1}`);
  const side = `LATERAL (SELECT ${own.isThere} AS ${name}) AS ${name}`;
  return `(${side} LEFT JOIN ${relationText(own)} ON ${name}.${name})`;
}

/** Of which one side may have no row; the other is the row then. */
function fullText(
  { left, right, using }: Exclude<JoinedRow, number>,
  relations: readonly CarriedSource[],
): string {
  const [a, b] = [relations[left as number]!, relations[right as number]!];
  const natural = using === null ? 'NATURAL ' : '';
  const [first, second] = [relationText(a, a.isThere), relationText(b, b.isThere)];
  return `(${first} ${natural}FULL JOIN ${second}${using ?? ''})`;
}

function relationText({ alias, own }: CarriedSource, where = ''): string {
  const shown = own.map(({ name, ref }) => `${ref} AS ${quoteName(name)}`).join(', ');
  return `LATERAL (SELECT ${shown}${where === '' ? '' : ` WHERE ${where}`}) AS ${alias}`;
}

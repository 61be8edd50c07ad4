// Merge rows: MERGE on each shard with the rows of its source that were computed before.

import { quoteName } from '../base/quote.ts';
import { type MergeRowsMerge, SOURCE_END } from '../plan/staged.ts';
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
  const list = names.map(quoteName).join(', ');
  return `${before}(${rows}) AS ${aliases[0]} (${list})${after}`;
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
    const shown = names
      .slice(at, end)
      .map((name, i) => `${carriedRef(at + i)} AS ${quoteName(name)}`);
    at = end + 1;
    const row = `SELECT ${shown.join(', ')}`;
    if (present === '') return ` CROSS JOIN LATERAL (${row}) AS ${alias}`;
    return ` LEFT JOIN LATERAL (${row} WHERE ${present}) AS ${alias} ON true`;
  });
  return [carried, ...relations].join('');
}

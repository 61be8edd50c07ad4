// Insert rows: writes computed rows to the shards of their keys, to home, or to every shard.

import { MERGE_ROW_OVERHEAD_BYTES, WRITE_BATCH_BYTES } from '../base/limits.ts';
import { exactRow } from '../plan/exact-row.ts';
import type { InsertRowsMerge } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { parseCommandTag } from '../wire/query.ts';
import { carriedArrays, carriedSql, carriedValuesSql } from './carried.ts';
import { type BoundParameters, withArrays } from './parameters.ts';
import { insertPlaced } from './placed-insert.ts';
import { differs, writeReference } from './reference-write.ts';
import { formatsWithKey, type KeyedRows, withoutKeys } from './returned-order.ts';
import { type Carriage, type GivenRows, returnsTooMuch } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import { LateStrays, type Straying } from './straying.ts';
import type { Transaction } from './transaction.ts';
import { inOrder, inRowOrder, type WriteResult } from './write.ts';

export interface RowsWrite extends GivenRows {
  /** The transaction the statement runs in; it enlists the shards. */
  readonly transaction: Transaction;
  readonly merge: InsertRowsMerge;
  /** DataRow bodies in the formats of the carriage. */
  readonly rows: readonly Buffer[];
  readonly carriage: Carriage;
  /** The columns of each row, 0-based, that are to get their DEFAULT; null: none of any row. */
  readonly defaults: readonly ReadonlySet<number>[] | null;
  /** All shards, for a reference table. */
  readonly shards: readonly number[];
  /** The client's, with the types that one server resolved. */
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** How many columns the client is given; 0 without RETURNING. */
  readonly columnCount: number;
  /** Bound of the RETURNING rows, which are held until every shard has answered. */
  readonly bytesMax: number;
  /** null: no trigger gives its rows keys of other shards. */
  readonly straying: Straying | null;
}

interface Answer extends KeyedRows {
  readonly count: bigint;
}

/**
 * Shard by shard, in their order. Without rows the home shard is told all the same: the statement may have
 * triggers, or be forbidden.
 */
export async function insertRows(write: RowsWrite): Promise<WriteResult> {
  const { merge, rows, rowShards } = write;
  if (merge.table.kind === 'reference') {
    return merge.whole ? repeatEverywhere(write) : insertEverywhere(write);
  }
  if (merge.table.kind === 'home') {
    const answer = await insertOn(write, HOME_SHARD, null, 0);
    return { rows: answer.rows, tag: `INSERT 0 ${answer.count}` };
  }
  const shards = rows.length === 0 ? [HOME_SHARD] : [...new Set(rowShards)].sort((a, b) => a - b);
  const { straying } = write;
  if (straying?.strays.onInsert === true && rows.length > 0) return insertStraying(write, straying);
  const keyReturned =
    straying === null && (shards.length < 2 || merge.keyReturned === null)
      ? null
      : (straying?.strays.returned ?? `, ${merge.keyReturned}`);
  const strays = straying === null ? null : new LateStrays(write, straying);
  const answers = new Map<number, Answer>();
  let bytes = 0;
  for (const shard of shards) {
    const positions = [...rows.keys()].filter((i) => rowShards[i] === shard);
    const insert = () => insertOn(partOf(write, positions), shard, keyReturned, bytes);
    const answer = await (strays === null ? insert() : strays.update(shard, insert));
    for (const key of answer.keys) strays?.add(shard, key);
    answers.set(shard, answer);
    for (const row of answer.rows) bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
  }
  await strays?.takeHome();
  const ordered = keyReturned === null ? inRowOrder(rowShards, answers) : inOrder(write, answers);
  return { rows: write.columnCount === 0 ? [] : ordered, tag: tagOf(answers) };
}

/** The same for rows to which triggers may give keys of other shards. */
async function insertStraying(write: RowsWrite, straying: Straying): Promise<WriteResult> {
  const { strays, placement } = straying;
  const placed = await insertPlaced<Answer>({
    ...write,
    placement,
    insert: (shard, positions, bytesBefore) =>
      insertOn(partOf(write, positions), shard, strays.returned, bytesBefore),
    checkTriggers: () => straying.checkInsert(),
  });
  const { answers, rowShards } = placed;
  const rows = write.columnCount === 0 ? [] : inOrder({ ...write, rowShards }, answers);
  return { rows, tag: tagOf(answers) };
}

const tagOf = (answers: ReadonlyMap<number, Answer>): string =>
  `INSERT 0 ${[...answers.values()].reduce((sum, { count }) => sum + count, 0n)}`;

const partOf = (write: RowsWrite, positions: readonly number[]): RowsWrite => ({
  ...write,
  rows: positions.map((i) => write.rows[i]!),
  defaults: write.defaults === null ? null : positions.map((i) => write.defaults![i]!),
});

/** `keyReturned`: what asks for the key behind what is returned. `bytesBefore`: of the rows that other shards have answered. */
async function insertOn(
  write: RowsWrite,
  shard: number,
  keyReturned: string | null,
  bytesBefore: number,
): Promise<Answer> {
  const { transaction, merge, carriage, resultFormats: wanted, bytesMax } = write;
  const returned: Buffer[] = [];
  let count = 0n;
  const connection = await transaction.enlistWriter(shard);
  const sql = sqlOf(write, `${merge.after}${keyReturned ?? ''}`);
  const resultFormats = keyReturned === null ? wanted : formatsWithKey(wanted);
  const repeats = merge.table.kind === 'reference' && shard !== HOME_SHARD;
  let bytes = bytesBefore;
  for (const batch of batchesOf(write.rows, carriage)) {
    const parameters = parametersOf(write, batch);
    const stream = await openShardStream(connection, { sql, parameters, resultFormats, repeats });
    for (let next = await stream.next(); next !== null; next = await stream.next()) {
      for (const row of next) {
        bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
        returned.push(row);
      }
      if (bytes > bytesMax) {
        await stream.discard();
        throw returnsTooMuch(bytesMax);
      }
    }
    await stream.done;
    count += parseCommandTag(stream.tag).rows ?? 0n;
  }
  const keyed = keyReturned === null ? { rows: returned, keys: [] } : withoutKeys(returned, wanted);
  return { ...keyed, count };
}

/** ON CONFLICT DO UPDATE: every copy does the same with the same rows, and one of them answers. */
async function repeatEverywhere(write: RowsWrite): Promise<WriteResult> {
  const home = await insertOn(write, HOME_SHARD, null, 0);
  for (const shard of write.shards) {
    if (shard === HOME_SHARD) continue;
    const { count } = await insertOn(write, shard, null, 0);
    if (count !== home.count) throw differs(shard, `INSERT 0 ${count}`, `INSERT 0 ${home.count}`);
  }
  return { rows: home.rows, tag: `INSERT 0 ${home.count}` };
}

/** The home shard makes the rows, which are then copied to the others. */
async function insertEverywhere(write: RowsWrite): Promise<WriteResult> {
  const { transaction, merge, rows, carriage, shards, resultFormats, columnCount } = write;
  const { table, after } = merge;
  const whole = `${columnCount > 0 ? ',' : ' RETURNING'} ${exactRow(table.alias, table.name)}`;
  const homeSql = sqlOf(write, `${after}${whole}`);
  const given: Buffer[] = [];
  let count = 0n;
  for (const batch of batchesOf(rows, carriage)) {
    const answer = await writeReference({
      transaction,
      shards,
      sql: homeSql,
      merge: {
        how: 'reference',
        rows: { homeSql, table: table.name, columns: table.columns },
      },
      parameters: parametersOf(write, batch),
      resultFormats,
      columnCount,
      bytesMax: write.bytesMax,
    });
    given.push(...answer.rows);
    count += parseCommandTag(answer.tag).rows ?? 0n;
  }
  return { rows: given, tag: `INSERT 0 ${count}` };
}

function sqlOf({ merge, carriage, parameters, defaults }: RowsWrite, after: string): string {
  const { columns } = carriage;
  const first = parameters.types.length + 1;
  const rows =
    defaults === null ? carriedSql(columns, first) : carriedValuesSql(columns, first, defaults);
  return `${merge.before}${rows}${after}`;
}

/** The client's parameters and the rows' arrays behind them. */
function parametersOf(
  { parameters, carriage, defaults }: RowsWrite,
  rows: readonly Buffer[],
): BoundParameters {
  const isLeft = (column: number) => defaults?.every((own) => own.has(column)) ?? false;
  const arrays = carriedArrays(carriage.columns, rows);
  return withArrays(
    parameters,
    arrays.map((array, i) => (isLeft(i) ? null : array)),
  );
}

/** One at least. */
function* batchesOf(rows: readonly Buffer[], { whole }: Carriage): Generator<readonly Buffer[]> {
  let start = 0;
  let bytes = 0;
  for (const [i, row] of rows.entries()) {
    bytes += row.length;
    if (whole || bytes <= WRITE_BATCH_BYTES) continue;
    yield rows.slice(start, i + 1);
    start = i + 1;
    bytes = 0;
  }
  if (start < rows.length || start === 0) yield rows.slice(start);
}

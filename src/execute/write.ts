// Writes over several shards: one statement, one transaction, one command tag.

import { MERGE_ROW_OVERHEAD_BYTES } from '../base/limits.ts';
import type { InsertMerge, WriteMerge } from '../plan/plan.ts';
import { parseCommandTag } from '../wire/query.ts';
import type { BoundParameters } from './parameters.ts';
import { insertPlaced } from './placed-insert.ts';
import { formatsWithKey, inKeyOrder, type KeyedRows, withoutKeys } from './returned-order.ts';
import { type GivenRows, returnsTooMuch } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import { LateStrays, type Straying } from './straying.ts';
import type { Transaction } from './transaction.ts';

export interface WriteRequest {
  /** The transaction the statement runs in; it enlists the shards. */
  readonly transaction: Transaction;
  readonly targets: readonly number[];
  /** Asks for the key already where rows may stray. */
  readonly sql: string;
  readonly merge: WriteMerge | InsertMerge;
  /** INSERT: the shard of each row, in the order of VALUES, and its key. */
  readonly rowShards: readonly number[];
  readonly rowKeys: readonly (bigint | null)[];
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** Bound of the RETURNING rows, which are held until every shard has answered. */
  readonly bytesMax: number;
  /** null: no trigger gives its rows keys of other shards. */
  readonly straying: Straying | null;
}

export interface WriteResult {
  /** DataRow bodies of RETURNING; those of INSERT in the order of VALUES. */
  readonly rows: readonly Buffer[];
  readonly tag: string;
}

/**
 * Visits the shards in their order, one after the other: two statements that write the same shards
 * then wait for each other instead of deadlocking.
 */
export async function writeShards(request: WriteRequest): Promise<WriteResult> {
  const { merge, targets, straying } = request;
  if (merge.how === 'insert' && straying?.strays.onInsert === true) {
    return writePlaced(request, merge, straying);
  }
  const keyReturned = keyOf(request);
  const strays = straying?.strays.returned == null ? null : new LateStrays(request, straying);
  const held = { bytes: 0 };
  const answers = new Map<number, ShardAnswer>();
  for (const shard of targets) {
    const sql = sqlFor(request, shard, keyReturned);
    const write = () => writeOn(request, shard, sql, keyReturned !== null, held);
    const answer = await (strays === null ? write() : strays.update(shard, write));
    for (const key of answer.keys) strays?.add(shard, key);
    answers.set(shard, answer);
  }
  await strays?.takeHome();
  return { rows: rowsOf(request, answers), tag: tagOf(answers) };
}

/** INSERT whose rows triggers may give keys of other shards. */
async function writePlaced(
  request: WriteRequest,
  merge: InsertMerge,
  straying: Straying,
): Promise<WriteResult> {
  const { transaction, rowShards, rowKeys } = request;
  const { placement, strays } = straying;
  const { answers, rowShards: placed } = await insertPlaced<ShardAnswer>({
    transaction,
    placement,
    rowShards,
    rowKeys,
    insert(shard, positions, bytesBefore) {
      const rows = positions.map((i) => merge.rows[i]!);
      const sql = `${merge.before}${rows.join(', ')}${merge.after}${strays.returned}`;
      return writeOn(request, shard, sql, true, { bytes: bytesBefore });
    },
    checkTriggers: () => straying.checkInsert(),
  });
  const rows = straying.columnCount === 0 ? [] : inOrder({ rowShards: placed, rowKeys }, answers);
  return { rows, tag: tagOf(answers) };
}

interface ShardAnswer extends KeyedRows {
  readonly verb: string;
  readonly count: bigint;
}

/** `asksKey`: the key is the last column that is returned. `held`: what others have returned. */
async function writeOn(
  { transaction, parameters, resultFormats: wanted, bytesMax }: WriteRequest,
  shard: number,
  sql: string,
  asksKey: boolean,
  held: { bytes: number },
): Promise<ShardAnswer> {
  const connection = await transaction.enlistWriter(shard);
  const resultFormats = asksKey ? formatsWithKey(wanted) : wanted;
  const stream = await openShardStream(connection, { sql, parameters, resultFormats });
  const rows: Buffer[] = [];
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    for (const row of batch) {
      held.bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
      rows.push(row);
    }
    if (held.bytes > bytesMax) {
      await stream.discard();
      throw returnsTooMuch(bytesMax);
    }
  }
  await stream.done;
  const { verb, rows: count } = parseCommandTag(stream.tag);
  const keyed = asksKey ? withoutKeys(rows, wanted) : { rows, keys: [] };
  return { ...keyed, verb, count: count ?? 0n };
}

function tagOf(answers: ReadonlyMap<number, ShardAnswer>): string {
  const [first] = answers.values();
  const total = [...answers.values()].reduce((sum, { count }) => sum + count, 0n);
  return first?.verb === 'INSERT' ? `INSERT 0 ${total}` : `${first?.verb} ${total}`;
}

/** What asks for the key. Where one shard has all rows it gives them in order. */
function keyOf({ merge, targets, straying }: WriteRequest): string | null {
  if (straying?.strays.returned != null) return straying.strays.returned;
  if (merge.how !== 'insert' || targets.length < 2 || merge.keyReturned === null) return null;
  return `, ${merge.keyReturned}`;
}

function rowsOf(request: WriteRequest, answers: ReadonlyMap<number, ShardAnswer>): Buffer[] {
  const { merge, straying, rowShards } = request;
  if (straying?.columnCount === 0) return [];
  if (merge.how === 'write') return concat(answers);
  return keyOf(request) === null ? inRowOrder(rowShards, answers) : inOrder(request, answers);
}

function sqlFor(
  { merge, sql, rowShards }: WriteRequest,
  shard: number,
  keyReturned: string | null,
): string {
  if (merge.how === 'write') return sql;
  return `${insertText(merge, rowShards, shard)}${keyReturned ?? ''}`;
}

/** The INSERT of the rows of one shard; `rowShards`: the shard of each row of VALUES. */
export function insertText(
  merge: InsertMerge,
  rowShards: readonly number[],
  shard: number,
): string {
  const rows = merge.rows.filter((_, i) => rowShards[i] === shard);
  return `${merge.before}${rows.join(', ')}${merge.after}`;
}

function concat(answers: ReadonlyMap<number, { readonly rows: readonly Buffer[] }>): Buffer[] {
  return [...answers.values()].flatMap((answer) => answer.rows);
}

/** Where each row gave one by its place, else by its key. */
export function inOrder(given: GivenRows, answers: ReadonlyMap<number, KeyedRows>): Buffer[] {
  const count = concat(answers).length;
  return count === given.rowShards.length
    ? inRowOrder(given.rowShards, answers)
    : inKeyOrder(given, answers);
}

/**
 * Each shard answers its rows in the order it was given them. Where a row gave none, as by a trigger, the positions
 * are not known.
 */
export function inRowOrder(
  rowShards: readonly number[],
  answers: ReadonlyMap<number, { readonly rows: readonly Buffer[] }>,
): Buffer[] {
  const all = concat(answers);
  if (all.length !== rowShards.length) return all;
  const taken = new Map<number, number>();
  return rowShards.map((shard) => {
    const index = taken.get(shard) ?? 0;
    taken.set(shard, index + 1);
    return answers.get(shard)!.rows[index]!;
  });
}

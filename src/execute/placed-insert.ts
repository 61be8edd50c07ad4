// Placed insert: rows whose sharding keys triggers give are inserted where the keys belong that they get there.

import { SqlError } from '../base/errors.ts';
import { MERGE_ROW_OVERHEAD_BYTES, PLACED_ROWS_MAX } from '../base/limits.ts';
import { refused } from '../plan/unsupported.ts';
import { query, ServerError } from '../pool/query.ts';
import type { Placement } from '../topology/placement.ts';
import type { KeyedRows } from './returned-order.ts';
import type { GivenRows } from './row-set.ts';
import type { Transaction } from './transaction.ts';

/** The keys that the statement gives the rows, and where they go by them. */
export interface PlacedInsert<Answer extends KeyedRows> extends GivenRows {
  readonly transaction: Transaction;
  readonly placement: Placement;
  /** Inserts the rows at these positions; a trigger may leave some out. `bytesBefore`: of what other shards have returned. */
  insert(shard: number, positions: readonly number[], bytesBefore: number): Promise<Answer>;
  /** Throws 0A000 where a trigger may give a row another key on another shard. */
  checkTriggers(): Promise<void>;
}

export interface Placed<Answer extends KeyedRows> {
  readonly rowShards: readonly number[];
  readonly answers: ReadonlyMap<number, Answer>;
}

/**
 * Rows are tried where their own keys belong. Where a trigger gives one a key of another shard, all is taken back,
 * and each goes where it belongs by its final key, as it was: its triggers, what it conflicts with and what it refers to
 * are met there.
 */
export async function insertPlaced<Answer extends KeyedRows>(
  write: PlacedInsert<Answer>,
): Promise<Placed<Answer>> {
  // A row without a key is tried on any shard, where it must not be by chance that it stays.
  if (write.rowKeys.includes(null)) await write.checkTriggers();
  const tried = await attempt(write, write.rowShards);
  if (tried.isPlaced) return tried;
  const rowShards = await placesBehind(write, tried);
  const again = await attempt(write, rowShards);
  if (again.error !== null) throw again.error;
  if (!again.isPlaced) throw unsteady();
  return again;
}

const unsteady = (): SqlError =>
  new SqlError({ ...refused('triggerKey'), detail: 'It has given a row another key each time.' });

interface Attempt<Answer extends KeyedRows> extends Placed<Answer> {
  /** Of the first shard that has failed. */
  readonly error: ServerError | null;
  readonly isPlaced: boolean;
}

/** Of a row that lies on a shard where it does not belong. */
const isStray = (
  { placement }: { readonly placement: Placement },
  shard: number,
  key: bigint | null,
): boolean => key !== null && placement.shardOf(key) !== shard;

/** Leaves nothing behind unless all rows are in their places. */
async function attempt<Answer extends KeyedRows>(
  write: PlacedInsert<Answer>,
  rowShards: readonly number[],
): Promise<Attempt<Answer>> {
  const answers = new Map<number, Answer>();
  let error: ServerError | null = null;
  let bytes = 0;
  const shards = [...new Set(rowShards)].sort((a, b) => a - b);
  for (const shard of shards) {
    const positions = [...rowShards.keys()].filter((i) => rowShards[i] === shard);
    const answer = await within(write, shard, positions, bytes);
    if (answer instanceof ServerError) {
      error ??= answer;
      continue;
    }
    answers.set(shard, answer);
    for (const row of answer.rows) bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
  }
  for (const { keys } of answers.values()) {
    if (keys.includes(null)) throw new SqlError(refused('insertDefault'));
  }
  const isPlaced =
    error === null &&
    [...answers].every(([shard, { keys }]) => !keys.some((key) => isStray(write, shard, key)));
  await end(write, shards, isPlaced ? 'RELEASE drive_placing' : TAKE_BACK);
  return { rowShards, answers, error, isPlaced };
}

const TAKE_BACK = 'ROLLBACK TO SAVEPOINT drive_placing; RELEASE drive_placing';

/** In a savepoint that is to be ended. What may be so because the row is on a wrong shard is given. */
async function within<Answer extends KeyedRows>(
  { transaction, insert }: PlacedInsert<Answer>,
  shard: number,
  positions: readonly number[],
  bytesBefore: number,
): Promise<Answer | ServerError> {
  await query(await transaction.enlistWriter(shard), 'SAVEPOINT drive_placing');
  try {
    return await insert(shard, positions, bytesBefore);
  } catch (error) {
    if (error instanceof ServerError && OF_ROWS.test(error.fields.code)) return error;
    throw error;
  }
}

/** Integrity constraints, and what triggers raise. */
const OF_ROWS = /^(?:23|P0)/;

async function end(
  { transaction }: { readonly transaction: Transaction },
  shards: readonly number[],
  sql: string,
): Promise<void> {
  for (const shard of shards) await query(await transaction.enlist(shard), sql);
}

/** Throws what the attempt has failed with where that has nothing to do with places. */
async function placesBehind<Answer extends KeyedRows>(
  write: PlacedInsert<Answer>,
  tried: Attempt<Answer>,
): Promise<readonly number[]> {
  const { rowShards, answers, error } = tried;
  try {
    await write.checkTriggers();
  } catch (refusal) {
    throw error ?? refusal;
  }
  const places = [...rowShards];
  for (const shard of new Set(rowShards)) {
    const positions = [...rowShards.keys()].filter((i) => rowShards[i] === shard);
    const keys = answers.get(shard)?.keys ?? [];
    // Which rows are left out is not told.
    if (keys.length !== positions.length && positions.length > PLACED_ROWS_MAX) {
      throw error ?? tooMany();
    }
    for (const [at, i] of positions.entries()) {
      const key = keys.length === positions.length ? keys[at]! : null;
      places[i] = key === null ? await placeOf(write, shard, i) : write.placement.shardOf(key);
    }
  }
  if (error !== null && places.every((shard, i) => shard === rowShards[i])) throw error;
  return places;
}

const tooMany = (): SqlError =>
  new SqlError({
    ...refused('triggerKey'),
    detail: `It leaves out some of more than ${PLACED_ROWS_MAX} rows of one shard.`,
    hint: 'Insert fewer rows with one statement.',
  });

/**
 * By the row alone. A shard where it fails may lack what it refers to, which is with its final key; where it fails
 * everywhere it stays, to fail as it should.
 */
async function placeOf<Answer extends KeyedRows>(
  write: PlacedInsert<Answer>,
  own: number,
  position: number,
): Promise<number> {
  const others = Array.from({ length: write.placement.shardCount }, (_, shard) => shard);
  for (const shard of [own, ...others.filter((each) => each !== own)]) {
    const answer = await within(write, shard, [position], 0);
    await end(write, [shard], TAKE_BACK);
    if (answer instanceof ServerError) continue;
    const [key = null] = answer.keys;
    return key === null ? own : write.placement.shardOf(key);
  }
  return own;
}

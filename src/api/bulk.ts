// One bulk: N records in one transaction over all shards, by COPY, a batch at a time.

import type { Connection, Database, Row } from './database.ts';
import { databaseFailure, isRolledBack } from './database-failure.ts';
import { ApiFailure } from './failure.ts';
import { BULK_BATCH_ROWS } from './limits.ts';
import { intOf } from './row.ts';

/** How far a bulk is: rows answered per shard. Nothing is visible to others before the end. */
export interface BulkTally {
  inserted: number;
  readonly perShard: Map<number, number>;
}

/** The COMMIT was sent and its answer never came: all of it is written, or nothing. */
export class OutcomeUnknown extends ApiFailure {
  constructor(count: number, cause: unknown) {
    super(
      503,
      'The connection broke during COMMIT: either all ' +
        `${count} records are written or none is. Look before you try again.`,
      { cause },
    );
    this.name = 'OutcomeUnknown';
  }
}

/** The bulk was stopped before COMMIT: nothing is written. */
export class BulkCancelled extends ApiFailure {
  constructor() {
    super(409, 'The bulk was cancelled: nothing is written.');
    this.name = 'BulkCancelled';
  }
}

const COPY = 'COPY file_metadata (user_id, file_name) FROM STDIN';

function rowsOf(first: number, end: number): string {
  let rows = '';
  for (let id = first; id < end; id++) rows += `${id}\tfile_${id}.txt\n`;
  return rows;
}

/** `rows`: what each shard says it has taken of the last COPY. */
function add(tally: BulkTally, rows: readonly Row[]): void {
  for (const row of rows) {
    const shard = intOf(row, 'shard_id');
    const count = Number(row.rows);
    tally.perShard.set(shard, (tally.perShard.get(shard) ?? 0) + count);
    tally.inserted += count;
  }
}

async function copyAll(
  connection: Connection,
  count: number,
  tally: BulkTally,
  signal: AbortSignal,
): Promise<void> {
  for (let first = 0; first < count && !signal.aborted; first += BULK_BATCH_ROWS) {
    await connection.copy(COPY, rowsOf(first, Math.min(first + BULK_BATCH_ROWS, count)));
    add(tally, await connection.rows({ text: 'SHOW drive.copied' }));
  }
}

async function commit(connection: Connection, count: number): Promise<void> {
  let tag: string;
  try {
    tag = await connection.command('COMMIT');
  } catch (error) {
    if (isRolledBack(error)) throw error;
    throw new OutcomeUnknown(count, error);
  }
  // COMMIT of a transaction that has failed is no error in SQL: it says ROLLBACK.
  if (tag !== 'COMMIT') throw new Error(`COMMIT was answered ${tag}`);
}

/**
 * Writes records with user_id 0 … count-1 and names `file_<i>.txt`, all or nothing; `tally` tells
 * how far it is. Memory is bounded by a few batches whatever the count.
 * @throws BulkCancelled when `signal` aborts before COMMIT, OutcomeUnknown, or ApiFailure 503, 504
 * or 500; of these only OutcomeUnknown leaves open whether anything is written.
 */
export async function writeBulk(
  database: Database,
  count: number,
  tally: BulkTally,
  signal: AbortSignal,
): Promise<void> {
  const connection = await database.connect();
  let broken = true;
  try {
    await connection.command('BEGIN');
    await copyAll(connection, count, tally, signal);
    if (signal.aborted) {
      await connection.command('ROLLBACK');
      throw new BulkCancelled();
    }
    await commit(connection, count);
    broken = false;
  } catch (error) {
    broken = !(error instanceof BulkCancelled);
    throw databaseFailure(error);
  } finally {
    connection.release(broken);
  }
}

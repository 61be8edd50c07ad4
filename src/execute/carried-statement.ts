// Carried statement: one statement of a shard with rows that were computed before.

import { MERGE_ROW_OVERHEAD_BYTES } from '../base/limits.ts';
import { parseCommandTag } from '../wire/query.ts';
import { type CarriedColumn, carriedArrays } from './carried.ts';
import { type BoundParameters, withArrays } from './parameters.ts';
import { returnsTooMuch } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import type { Transaction } from './transaction.ts';

export interface CarriedWrite {
  readonly transaction: Transaction;
  /** The client's, with the types that one server resolved. */
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  readonly bytesMax: number;
  /** The statement has something to do where there are no rows for it. */
  readonly alsoWithout?: boolean;
}

/** What the shards have answered so far. `ofCopy`: a copy of a reference table, for which another answers the client. */
export class Answer {
  readonly rows: Buffer[] = [];
  readonly ofCopy: boolean;
  count = 0n;
  #bytes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number, ofCopy = false) {
    this.#bytesMax = bytesMax;
    this.ofCopy = ofCopy;
  }

  /** False when that is too much. */
  add(rows: readonly Buffer[]): boolean {
    for (const row of rows) {
      this.#bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
      this.rows.push(row);
    }
    return this.#bytes <= this.#bytesMax;
  }
}

/** Runs `sql` with the rows as arrays behind the client's parameters; not without rows. */
export async function runWithRows(
  write: CarriedWrite,
  shard: number,
  sql: string,
  columns: readonly CarriedColumn[],
  rows: readonly Buffer[],
  answer: Answer,
): Promise<void> {
  if (rows.length === 0 && !write.alsoWithout) return;
  const { transaction, parameters, resultFormats, bytesMax } = write;
  const connection = await transaction.enlistWriter(shard);
  const arrays = carriedArrays(columns, rows);
  const stream = await openShardStream(connection, {
    sql,
    parameters: withArrays(parameters, arrays),
    resultFormats,
    repeats: answer.ofCopy,
  });
  for (let next = await stream.next(); next !== null; next = await stream.next()) {
    if (answer.add(next)) continue;
    await stream.discard();
    throw returnsTooMuch(bytesMax);
  }
  await stream.done;
  answer.count += parseCommandTag(stream.tag).rows ?? 0n;
}

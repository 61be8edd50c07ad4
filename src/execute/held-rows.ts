// HeldRows: all rows of one shard, read before another shard is asked.

import { SqlError } from '../base/errors.ts';
import { MERGE_ROW_OVERHEAD_BYTES } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { FieldDescription } from '../wire/row.ts';
import { openShardStream, type ShardStatement } from './shard-stream.ts';

/** Reads as a stream does. */
export interface HeldRows {
  readonly fields: readonly FieldDescription[];
  /** All of them, whatever has been read. */
  readonly rows: readonly Buffer[];
  readonly count: number;
  readonly bytes: number;
  next(): Promise<readonly Buffer[] | null>;
  discard(): Promise<void>;
  /** They have all come. */
  readonly error: null;
}

/** Rejects as openShardStream does, and with 53400 past `bytesMax`; nothing is owed then. */
export async function readHeld(
  connection: ServerConnection,
  statement: ShardStatement,
  bytesMax: number,
): Promise<HeldRows> {
  const stream = await openShardStream(connection, statement);
  let rows: readonly Buffer[] | null = [];
  let bytes = 0;
  const all: Buffer[] = [];
  for (rows = await stream.next(); rows !== null; rows = await stream.next()) {
    for (const row of rows) bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
    all.push(...rows);
    if (bytes <= bytesMax) continue;
    await stream.discard();
    throw new SqlError({
      code: SQLSTATE.configurationLimitExceeded,
      message: `the rows locked on several shards take more than ${bytesMax} bytes`,
      hint: 'Lock fewer rows with one statement, or make merge.bytesMax larger.',
    });
  }
  await stream.done;
  return heldRows(stream.fields, all);
}

/** Rows that are all at hand; `bytes` counts them. */
export function heldRows(fields: readonly FieldDescription[], rows: readonly Buffer[]): HeldRows {
  let left: readonly Buffer[] | null = rows;
  return {
    fields,
    rows,
    count: rows.length,
    bytes: rows.reduce((sum, row) => sum + row.length + MERGE_ROW_OVERHEAD_BYTES, 0),
    async next() {
      const batch = left;
      left = null;
      return batch === null || batch.length === 0 ? null : batch;
    },
    discard: () => Promise.resolve(),
    error: null,
  };
}

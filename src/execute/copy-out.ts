// CopyOut: COPY TO STDOUT over several shards, as one stream.

import type { CopyOutMerge } from '../plan/copy-merge.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { carryingOf } from './copy-oids.ts';
import { type CopyOutShard, openCopyOutShard } from './copy-out-shard.ts';

/** What stands before the first row of the binary format: signature, flags, no extension. */
const BINARY_HEADER_BYTES = 19;

export interface CopyOut {
  /** CopyOutResponse, the CopyData messages of all shards and CopyDone. */
  readonly messages: AsyncGenerator<Buffer, void>;
  /** Rows of all shards; once `messages` is at its end. */
  rows(): bigint;
  /** Resolves when no connection owes anything more. To be called in any case. */
  close(): Promise<void>;
}

/**
 * Starts the COPY on all connections, which owe nothing and stay the caller's. Rejects, with nothing
 * owed, when a server refuses it. What arrives early is held, bounded, until it is its turn.
 */
export async function openCopyOut(
  connections: readonly ServerConnection[],
  sql: string,
  merge: CopyOutMerge,
): Promise<CopyOut> {
  const opened = await Promise.allSettled(
    connections.map(async (connection, i) => {
      // One stream alone is passed on as it is.
      const isAlone = connections.length === 1;
      const cut = isAlone ? null : cutOf(merge, i === 0, i === connections.length - 1);
      return openCopyOutShard(connection, sql, await carryingOf(connection, merge.rows), cut);
    }),
  );
  const shards = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const close = async () => {
    await Promise.all(shards.map((shard) => shard.discard()));
  };
  const refusal = opened.find((each) => each.status === 'rejected');
  if (refusal !== undefined) {
    await close();
    throw refusal.reason;
  }
  return {
    messages: messagesOf(shards),
    rows: () => shards.reduce((sum, shard) => sum + shard.rows, 0n),
    close,
  };
}

async function* messagesOf(shards: readonly CopyOutShard[]): AsyncGenerator<Buffer, void> {
  yield shards[0]!.response;
  for (const shard of shards) {
    for (let batch = await shard.next(); batch !== null; batch = await shard.next()) {
      yield batch;
    }
  }
  yield shards[0]!.end;
}

function cutOf({ format, header }: CopyOutMerge, isFirst: boolean, isLast: boolean) {
  if (format === 'binary') {
    return { firstBytes: BINARY_HEADER_BYTES, keepsFirst: isFirst, keepsTrailer: isLast };
  }
  if (isFirst || !header) return null;
  return { firstBytes: Number.POSITIVE_INFINITY, keepsFirst: false, keepsTrailer: true };
}

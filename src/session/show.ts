// SHOW drive.shard, drive.key, drive.shards and drive.copied: the session's route, the cluster's state.

import type { SessionContext } from './context.ts';
import type { LocalColumn, LocalResult } from './local-result.ts';
import type { SessionState } from './state.ts';

export type ShowName = 'drive.shard' | 'drive.key' | 'drive.shards' | 'drive.copied';

const SHARD_COLUMNS: readonly LocalColumn[] = [
  { name: 'shard_id', type: 'int4' },
  { name: 'database', type: 'text' },
  { name: 'host', type: 'text' },
  { name: 'port', type: 'int4' },
  { name: 'status', type: 'text' },
  { name: 'error', type: 'text' },
];

/** Counts are as wide as int8. */
const COPIED_COLUMNS: readonly LocalColumn[] = [
  { name: 'shard_id', type: 'int4' },
  { name: 'rows', type: 'text' },
];

export function showColumns(name: ShowName): readonly LocalColumn[] {
  if (name === 'drive.copied') return COPIED_COLUMNS;
  return name === 'drive.shards' ? SHARD_COLUMNS : [{ name, type: 'text' }];
}

/** `drive.shards` asks every shard, at once, whether it answers. */
export async function show(
  name: ShowName,
  { hand, copied }: SessionState,
  context: SessionContext,
): Promise<LocalResult> {
  const columns = showColumns(name);
  if (name === 'drive.shards') {
    return { columns, rows: await Promise.all(context.cluster.pools.map(shardRow)) };
  }
  if (name === 'drive.copied') {
    return { columns, rows: [...copied].map(([shard, rows]) => [shard, String(rows)]) };
  }
  let value = '';
  if (name === 'drive.shard' && hand?.by === 'shard') value = String(hand.shard);
  if (name === 'drive.key' && hand?.by === 'key') value = String(hand.key);
  return { columns, rows: [[value]] };
}

async function shardRow(
  pool: SessionContext['cluster']['pools'][number],
): Promise<(string | number | null)[]> {
  const { id, database, host, port } = pool.shard;
  try {
    pool.release(await pool.lease());
    return [id, database, host, port, 'up', null];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [id, database, host, port, 'down', reason];
  }
}

// SHOW drive.shard, key, shards, tables and copied: the session's route, the cluster's state.

import { atOnce, type Cluster } from '../execute/cluster.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { SessionContext } from './context.ts';
import type { LocalColumn, LocalResult } from './local-result.ts';
import type { SessionState } from './state.ts';

export type ShowName =
  | 'drive.shard'
  | 'drive.key'
  | 'drive.shards'
  | 'drive.tables'
  | 'drive.copied';

const SHARD_COLUMNS: readonly LocalColumn[] = [
  { name: 'shard_id', type: 'int4' },
  { name: 'database', type: 'text' },
  { name: 'host', type: 'text' },
  { name: 'port', type: 'int4' },
  { name: 'status', type: 'text' },
  { name: 'error', type: 'text' },
];

const TABLE_COLUMNS: readonly LocalColumn[] = ['schema', 'table', 'kind', 'key'].map((name) => ({
  name,
  type: 'text',
}));

/** Counts are as wide as int8. */
const COPIED_COLUMNS: readonly LocalColumn[] = [
  { name: 'shard_id', type: 'int4' },
  { name: 'rows', type: 'text' },
];

export function showColumns(name: ShowName): readonly LocalColumn[] {
  if (name === 'drive.copied') return COPIED_COLUMNS;
  if (name === 'drive.tables') return TABLE_COLUMNS;
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
    const { cluster } = context;
    return {
      columns,
      rows: await Promise.all(cluster.pools.map((each) => shardRow(each, cluster))),
    };
  }
  if (name === 'drive.copied') {
    return { columns, rows: [...copied].map(([shard, rows]) => [shard, String(rows)]) };
  }
  if (name === 'drive.tables') {
    const tables = [...context.topology().catalog.tables()].filter((t) => t.schema !== 'drive');
    const kindOf = (kind: string) => (kind === 'shardedView' ? 'sharded view' : kind);
    return { columns, rows: tables.map((t) => [t.schema, t.name, kindOf(t.kind), t.keyColumn]) };
  }
  let value = '';
  if (name === 'drive.shard' && hand?.by === 'shard') value = String(hand.shard);
  if (name === 'drive.key' && hand?.by === 'key') value = String(hand.key);
  return { columns, rows: [[value]] };
}

async function shardRow(
  { shard, downBecause }: ShardPool,
  cluster: Cluster,
): Promise<(string | number | null)[]> {
  const { id, database, host, port } = shard;
  try {
    if (downBecause !== null) throw downBecause;
    await atOnce(cluster, id, async () => undefined);
    return [id, database, host, port, 'up', null];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [id, database, host, port, 'down', reason];
  }
}

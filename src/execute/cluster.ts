// Cluster: the pools of all shards, and how a statement gets a connection with the right settings.

import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { NO_SETTINGS, type Settings, switchSql } from '../pool/settings.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { Shard } from '../topology/shard.ts';
import { type ShardOids, UNKNOWN_OIDS } from '../topology/shard-oids.ts';
import { Beside } from './beside.ts';

/** pools[i] and beside[i] serve shard i, and oids[i] is what all its connections go by. */
export interface Cluster {
  readonly pools: readonly ShardPool[];
  readonly beside: readonly Beside[];
  readonly oids: readonly ShardOids[];
}

/** `pool` makes a shard's pool, which is to open its connections with `connect`. */
export function makeCluster(
  shards: readonly Shard[],
  connect: (shard: Shard) => Promise<ServerConnection>,
  pool: (shard: Shard, connect: (shard: Shard) => Promise<ServerConnection>) => ShardPool,
): Cluster {
  const oids: ShardOids[] = shards.map(() => ({ ...UNKNOWN_OIDS }));
  const opened = async (shard: Shard): Promise<ServerConnection> => {
    const connection = await connect(shard);
    connection.oids = oids[shard.id]!;
    return connection;
  };
  const pools = shards.map((shard) => pool(shard, opened));
  return { pools, beside: pools.map((each) => new Beside(each, opened)), oids };
}

/** As a transaction that is over had changed it. */
export function forgetOids(cluster: Cluster, connection: ServerConnection): void {
  connection.oids = cluster.oids[connection.shard.id]!;
}

/** A connection of the pool on which exactly `settings` are in force. */
export async function borrow(
  cluster: Cluster,
  shard: number,
  settings: Settings,
): Promise<ServerConnection> {
  const connection = await cluster.pools[shard]!.lease(settings);
  try {
    await applySettings(connection, settings);
  } catch (error) {
    giveBack(cluster, connection);
    throw error;
  }
  return connection;
}

/**
 * Runs `use` on a connection without settings, and waits for nobody to give one back: takes a free one of the
 * pool, or one beside it, which is closed where the shard does not answer in time. For what others wait for, who
 * may have all of the pool.
 */
export async function atOnce<T>(
  cluster: Cluster,
  shard: number,
  use: (connection: ServerConnection) => Promise<T>,
): Promise<T> {
  const beside = cluster.beside[shard]!;
  const connection = cluster.pools[shard]!.tryAcquire(NO_SETTINGS);
  if (connection === null) return beside.run(use);
  try {
    return await beside.runOn(connection, async () => {
      await applySettings(connection, NO_SETTINGS);
      return use(connection);
    });
  } finally {
    giveBack(cluster, connection);
  }
}

/**
 * Brings an idle connection to `settings`. Waits for the server's word: a statement must not run
 * where its settings (a role, a search path) were refused.
 */
export async function applySettings(
  connection: ServerConnection,
  settings: Settings,
): Promise<void> {
  if (connection.settings.signature === settings.signature) return;
  const sql = switchSql(connection.settings, settings);
  try {
    await query(connection, sql);
  } catch (error) {
    connection.tainted = true;
    throw error;
  }
  connection.settings = settings;
}

export function giveBack(cluster: Cluster, connection: ServerConnection): void {
  forgetOids(cluster, connection);
  connection.onNotice = null;
  cluster.pools[connection.shard.id]!.release(connection);
}

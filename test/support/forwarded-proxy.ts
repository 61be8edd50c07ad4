// A proxy whose connections to each shard go through a forwarder of the test's.

import { createLog } from '../../src/base/log.ts';
import { type ConfigPart, loadConfig } from '../../src/control/config.ts';
import { startProxy } from '../../src/proxy.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { freshDatabases } from './cluster.ts';
import { Forwarder } from './forwarder.ts';
import type { Login } from './proxy.ts';

export interface ForwardedProxy {
  readonly login: Login;
  /** forwarders[i] stands before shard i. */
  readonly forwarders: readonly Forwarder[];
  /** The shards themselves, past the forwarders. */
  readonly shards: readonly Shard[];
  /** How messages name shard i. */
  readonly names: readonly string[];
  close(): Promise<void>;
}

/** Two shards, each with a table `files` sharded by user_id; `pool` as in the configuration. */
export async function startForwardedProxy(
  pool: Readonly<Record<string, number>>,
  prepare: (shard: Shard) => Promise<void>,
): Promise<ForwardedProxy> {
  const databases = await freshDatabases(2);
  for (const shard of databases.shards) await prepare(shard);
  const forwarders = databases.shards.map((shard) => new Forwarder(shard));
  const places = await Promise.all(forwarders.map((each) => each.start()));
  const overrides: ConfigPart = {
    shards: places.map(({ id: _, ...place }) => place),
    proxy: { port: 0 },
    pool,
  };
  const config = loadConfig({ env: {}, overrides });
  const proxy = await startProxy(config, createLog('silent'));
  const [user] = config.proxy.users;
  const { host, database } = config.proxy;
  return {
    login: { host, database, port: proxy.port, user: user!.name, password: user!.password },
    forwarders,
    shards: databases.shards,
    names: places.map((place) => `shard ${place.id} (127.0.0.1:${place.port})`),
    async close() {
      await proxy.close();
      await Promise.all(forwarders.map((each) => each.refuse()));
      await databases.drop();
    },
  };
}

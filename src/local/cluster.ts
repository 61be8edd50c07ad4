// The embedded cluster: one PostgreSQL server per shard, started together and stopped together.

import { join } from 'node:path';
import { SHARDS_MAX } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { Shard } from '../topology/shard.ts';
import { serverAccount } from './account.ts';
import { findBinaries } from './binaries.ts';
import { claimClusterFile, type Ownership, takeOwnership } from './cluster-file.ts';
import { clearLeftovers, ensureDataDirectory, SUPERUSER } from './data-directory.ts';
import { ensureDatabase, ensureName } from './database.ts';
import { LocalError } from './local-error.ts';
import { freePort, LOOPBACK, requireFreePort } from './port.ts';
import { dataHome, existingHome } from './reachable.ts';
import { installSchema } from './schema.ts';
import { LocalServer, type ServerOptions } from './server.ts';

export interface ClusterOptions {
  /** Created if missing; holds one data directory per shard. */
  readonly dataDirectory: string;
  readonly shards: number;
  /** Shard i listens on firstPort + i; 0: on free ports. */
  readonly firstPort: number;
  readonly log?: Logger;
  /** False: for data that nobody will miss, no waiting for the disk. Default true. */
  readonly durable?: boolean;
  /** Server parameters for all servers. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The name of the database that the proxy has, to be found on the home shard (ensureName). */
  readonly clientDatabase?: string;
}

export interface LocalCluster {
  readonly shards: readonly Shard[];
  /** The servers, by shard. */
  readonly servers: readonly LocalServer[];
  /** A superuser of all servers, for work that shard_user may not do. */
  readonly superuser: { readonly user: string; readonly password: string };
  /** Where the data really is (see reachable.ts). */
  readonly home: string;
  /** Tells `drive status` that all is up: the shards and `others`, name → host:port. */
  announce(
    others: Readonly<Record<string, string>>,
    processes: Readonly<Record<string, number>>,
  ): void;
  /** Stops all servers; a second call while the first runs makes it immediate. */
  close(): Promise<void>;
  /** Asks all servers to end at once without waiting: for the exit of this process. */
  kill(): void;
}

/** The role that owns the shards' databases and that the proxy logs in with. */
export const SHARD_ROLE = { user: 'shard_user', password: 'shard_pass' } as const;

/**
 * Starts the servers with the schema installed. Throws a LocalError, with nothing left running,
 * when a port is taken, the directory cannot be used or its data belongs to another cluster.
 */
export async function startCluster(options: ClusterOptions): Promise<LocalCluster> {
  const { shards, firstPort, durable = true } = options;
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new LocalError(`the number of shards is 1 to ${SHARDS_MAX}, not ${shards}`);
  }
  const used = existingHome(options.dataDirectory);
  const account = serverAccount(used === null ? undefined : join(used, 'shard-0'));
  const binaries = findBinaries(account);
  const home = dataHome(options.dataDirectory, account);
  const ids = Array.from({ length: shards }, (_, id) => id);
  const ownership = takeOwnership(options.dataDirectory);
  const servers: LocalServer[] = [];
  try {
    const { superuserPassword } = claimClusterFile(home, shards);
    const directories = ids.map((id) => join(home, `shard-${id}`));
    await all(directories, async (directory) => {
      const init = { binaries, account, superuserPassword, durable };
      await ensureDataDirectory(directory, init);
      if (await clearLeftovers(directory)) options.log?.warn({ directory }, 'stopped a leftover');
    });
    const ports = await choosePorts(ids, firstPort);
    const settings = { ...options.settings, ...(durable ? {} : { fsync: 'off' }) };
    const plans = directories.map((directory, id): ServerOptions => {
      const port = ports[id] as number;
      return { name: `shard ${id}`, directory, port, binaries, account, settings };
    });
    await all(plans, async (plan) => {
      const server = await LocalServer.start(plan);
      servers[ports.indexOf(plan.port)] = server;
    });
    const superuser = { user: SUPERUSER, password: superuserPassword };
    const result = ports.map((port, id): Shard => {
      return { id, host: LOOPBACK, port, database: `drive_shard_${id}`, ...SHARD_ROLE };
    });
    await all(result, (shard) => ensureDatabase(shard, superuser));
    const { clientDatabase } = options;
    if (clientDatabase !== undefined) await ensureName(clientDatabase, result[0]!, superuser);
    await installSchema(result);
    return handle({ shards: result, servers, superuser, home }, ownership);
  } catch (error) {
    await Promise.all(servers.map((server) => server?.stop('immediate')));
    ownership.release();
    throw error;
  }
}

function handle(
  parts: Omit<LocalCluster, 'announce' | 'close' | 'kill'>,
  { announce, release }: Ownership,
): LocalCluster {
  let closing = false;
  return {
    ...parts,
    announce(others, processes) {
      const own = parts.shards.map(({ id, host, port }) => [`shard ${id}`, `${host}:${port}`]);
      announce({ ...Object.fromEntries(own), ...others }, processes);
    },
    async close() {
      const how = closing ? 'immediate' : 'fast';
      closing = true;
      await Promise.all(parts.servers.map((server) => server.stop(how)));
      release();
    },
    kill() {
      for (const server of parts.servers) server.kill();
    },
  };
}

/** All ports are looked at before the first server starts: a taken one leaves nothing half done. */
async function choosePorts(ids: readonly number[], firstPort: number): Promise<number[]> {
  if (firstPort === 0) {
    const ports = new Set<number>();
    while (ports.size < ids.length) ports.add(await freePort());
    return [...ports];
  }
  for (const id of ids) {
    await requireFreePort(firstPort + id, LOOPBACK, `shard ${id}`, '--shard-port');
  }
  return ids.map((id) => firstPort + id);
}

/** Waits for all, also after a failure, so that nothing is still being started when it throws. */
async function all<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

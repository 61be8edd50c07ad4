// What a crash test stands on: shards and a proxy as processes of their own, to be killed.

import { join } from 'node:path';
import { serverAccount } from '../../src/local/account.ts';
import { findBinaries } from '../../src/local/binaries.ts';
import { type LocalCluster, startCluster } from '../../src/local/cluster.ts';
import { clearLeftovers } from '../../src/local/data-directory.ts';
import { serverProcesses } from '../../src/local/process-table.ts';
import { LocalServer } from '../../src/local/server.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { DriveProcess } from '../support/drive-process.ts';
import { keptPorts } from '../support/kept-ports.ts';
import type { Login } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { FaultPlan, StepForwarder } from './step-forwarder.ts';

/** Not synced to the disk: killing processes loses nothing that the kernel has been given. */
const SETTINGS = { fsync: 'off' } as const;

interface StandOptions {
  readonly shards: number;
  readonly proxies: number;
  readonly sql: readonly string[];
  readonly superuserSql?: readonly string[];
}

/** A proxy, and the forwarders that are its way to the shards. */
interface Place {
  readonly port: number;
  readonly forwarders: readonly StepForwarder[];
  readonly environment: Readonly<Record<string, string>>;
  process: DriveProcess | null;
  /** It is being started, or has been. */
  started: Promise<void>;
}

/** Servers, a forwarder before each for each proxy, and proxies behind them. */
export class Stand {
  readonly plan = new FaultPlan();
  /** Lines of level error in the logs of all proxies that have ended. */
  readonly errors: string[] = [];
  #cluster: LocalCluster;
  #servers: LocalServer[];
  #places: Place[] = [];

  private constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
    this.#servers = [...cluster.servers];
  }

  /**
   * Starts the shards and runs on each `superuserSql` as the superuser, then `sql`; the proxies are started by
   * startProxies.
   */
  static async start(
    directory: string,
    { shards, proxies, sql, superuserSql = [] }: StandOptions,
  ): Promise<Stand> {
    const dataDirectory = join(directory, 'cluster');
    const firstPort = await keptPorts(shards + proxies);
    const cluster = await startCluster({ dataDirectory, shards, firstPort, durable: false });
    const stand = new Stand(cluster);
    for (const { id } of cluster.shards) {
      for (const each of superuserSql) await stand.ask(id, each, cluster.superuser);
      for (const each of sql) await stand.ask(id, each);
    }
    for (let i = 0; i < proxies; i++) {
      stand.#places.push(await stand.#place(i, firstPort + shards + i));
    }
    return stand;
  }

  async #place(proxy: number, port: number): Promise<Place> {
    const environment: Record<string, string> = { DRIVE_LOG_LEVEL: 'warn' };
    const forwarders = this.shards.map((shard) => new StepForwarder(shard, proxy, this.plan));
    for (const forwarder of forwarders) {
      const { id, database } = forwarder.target;
      environment[`DB_SHARD_${id}_PORT`] = String(await forwarder.start());
      environment[`DB_SHARD_${id}_NAME`] = database;
    }
    return { port, forwarders, environment, process: null, started: Promise.resolve() };
  }

  get shards(): readonly Shard[] {
    return this.#cluster.shards;
  }

  /** One for each proxy, whether it is alive or not. */
  get logins(): readonly Login[] {
    const { user, password } = this.shards[0]!;
    return this.#places.map(({ port }) => ({
      host: '127.0.0.1',
      port,
      database: 'drive',
      user,
      password,
    }));
  }

  /** Rows of a query on one shard itself. */
  async ask(
    shard: number,
    sql: string,
    user: Partial<Pick<Login, 'user' | 'password'>> = {},
  ): Promise<(string | null)[][]> {
    const client = await connectAsText({ ...this.shards[shard]!, ...user });
    try {
      return await textRows(client, sql);
    } finally {
      await client.end();
    }
  }

  /** Resolves when all of them serve. */
  async startProxies(): Promise<void> {
    for (const place of this.#places) place.started = startProxy(place);
    await Promise.all(this.#places.map(({ started }) => started));
  }

  /** kill -9, and a new one, which the others need not wait for. */
  async killProxy(proxy: number): Promise<void> {
    const place = this.#places[proxy]!;
    // It is one that has been started, or nothing would have come from it.
    await place.started;
    await this.#endProxy(place, 'SIGKILL');
    place.started = startProxy(place);
  }

  /** kill -9 of every process of the shard's server, and a new start, which recovers from its log. */
  async killShard(shard: number): Promise<void> {
    const directory = join(this.#cluster.home, `shard-${shard}`);
    for (const pid of serverProcesses(directory)) killed(pid);
    await clearLeftovers(directory);
    const account = serverAccount(directory);
    const binaries = findBinaries(account);
    const { port } = this.shards[shard]!;
    const options = { name: `shard ${shard}`, directory, port, binaries, account };
    this.#servers[shard] = await LocalServer.start({ ...options, settings: SETTINGS });
  }

  async close(): Promise<void> {
    for (const place of this.#places) {
      await place.started;
      if (place.process !== null) await this.#endProxy(place, 'SIGTERM');
      await Promise.all(place.forwarders.map((each) => each.close()));
    }
    await Promise.all(this.#servers.map((server) => server.stop('immediate')));
    await this.#cluster.close();
  }

  async #endProxy(place: Place, signal: NodeJS.Signals): Promise<void> {
    const drive = place.process!;
    drive.signal(signal);
    const { code, err } = await drive.ended();
    this.errors.push(...err.split('\n').filter((line) => /^\{"level":[56]0|^[^{]/.test(line)));
    if (signal !== 'SIGKILL' && code !== 0) this.errors.push(`the proxy ended with ${code}`);
    place.process = null;
  }
}

/** One process without a primary: killing it ends all of the proxy. */
async function startProxy(place: Place): Promise<void> {
  const args = ['proxy', '--workers', '0', '--proxy-port', String(place.port)];
  place.process = new DriveProcess(args, place.environment);
  await place.process.untilOutput(/^drive proxy: /);
}

/** A process that has just ended by itself is as dead. */
function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

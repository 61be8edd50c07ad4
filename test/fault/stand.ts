// What a crash test stands on: shards and a proxy as processes of their own, to be killed.

import { join } from 'node:path';
import { serverAccount } from '../../src/local/account.ts';
import { findBinaries } from '../../src/local/binaries.ts';
import { type LocalCluster, startCluster } from '../../src/local/cluster.ts';
import { clearLeftovers } from '../../src/local/data-directory.ts';
import { freePort } from '../../src/local/port.ts';
import { serverProcesses } from '../../src/local/process-table.ts';
import { LocalServer } from '../../src/local/server.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { DriveProcess } from '../support/drive-process.ts';
import type { Login } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { FaultPlan, StepForwarder } from './step-forwarder.ts';

/** Not synced to the disk: killing processes loses nothing that the kernel has been given. */
const SETTINGS = { fsync: 'off' } as const;

/** `shards` servers, a forwarder before each, and a proxy behind them. */
export class Stand {
  readonly plan = new FaultPlan();
  readonly login: Login;
  /** Lines of level error in the logs of all proxies that have ended. */
  readonly errors: string[] = [];
  #cluster: LocalCluster;
  #forwarders: readonly StepForwarder[];
  #servers: LocalServer[];
  #environment: Readonly<Record<string, string>> = {};
  #proxy: DriveProcess | null = null;

  private constructor(cluster: LocalCluster, port: number) {
    this.#cluster = cluster;
    this.#servers = [...cluster.servers];
    this.#forwarders = cluster.shards.map((shard) => new StepForwarder(shard, this.plan));
    const [{ user, password }] = cluster.shards as readonly [Shard];
    this.login = { host: '127.0.0.1', port, database: 'drive', user, password };
  }

  /** Starts the shards and runs `sql` on each; the proxy is started by startProxy. */
  static async start(directory: string, shards: number, sql: readonly string[]): Promise<Stand> {
    const dataDirectory = join(directory, 'cluster');
    const cluster = await startCluster({ dataDirectory, shards, firstPort: 0, durable: false });
    const stand = new Stand(cluster, await freePort());
    for (const { id } of cluster.shards) for (const each of sql) await stand.ask(id, each);
    const environment: Record<string, string> = { DRIVE_LOG_LEVEL: 'warn' };
    for (const forwarder of stand.#forwarders) {
      const { id, database } = forwarder.target;
      environment[`DB_SHARD_${id}_PORT`] = String(await forwarder.start());
      environment[`DB_SHARD_${id}_NAME`] = database;
    }
    stand.#environment = environment;
    return stand;
  }

  get shards(): readonly Shard[] {
    return this.#cluster.shards;
  }

  /** Rows of a query on one shard itself. */
  async ask(shard: number, sql: string): Promise<(string | null)[][]> {
    const client = await connectAsText(this.shards[shard]!);
    try {
      return await textRows(client, sql);
    } finally {
      await client.end();
    }
  }

  async startProxy(): Promise<void> {
    const args = ['proxy', '--proxy-port', String(this.login.port)];
    this.#proxy = new DriveProcess(args, this.#environment);
    await this.#proxy.untilOutput(/^drive proxy: /);
  }

  /** kill -9, and a new one. */
  async killProxy(): Promise<void> {
    await this.#endProxy('SIGKILL');
    await this.startProxy();
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
    if (this.#proxy !== null) await this.#endProxy('SIGTERM');
    await Promise.all(this.#forwarders.map((each) => each.close()));
    await Promise.all(this.#servers.map((server) => server.stop('immediate')));
    await this.#cluster.close();
  }

  async #endProxy(signal: NodeJS.Signals): Promise<void> {
    this.#proxy!.signal(signal);
    const { code, err } = await this.#proxy!.ended();
    this.errors.push(...err.split('\n').filter((line) => /^\{"level":[56]0|^[^{]/.test(line)));
    if (signal !== 'SIGKILL' && code !== 0) this.errors.push(`the proxy ended with ${code}`);
    this.#proxy = null;
  }
}

/** A process that has just ended by itself is as dead. */
function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

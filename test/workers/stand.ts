// A proxy of several workers as its own process tree, over fresh databases of the test run.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../../src/base/pg.ts';
import { workerOf } from '../../src/session/siblings.ts';
import { until } from '../admin/operator.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { DriveProcess } from '../support/drive-process.ts';
import type { Login } from '../support/proxy.ts';

type Section = Readonly<Record<string, unknown>>;

/** One row, all values as text. */
export type Row = Readonly<Record<string, string>>;

export interface StandOptions {
  readonly directory: string;
  readonly name: string;
  readonly workers?: number;
  /** More of the configuration. */
  readonly proxy?: Section;
  readonly pool?: Section;
  readonly metrics?: Section;
}

export class Stand {
  readonly drive: DriveProcess;
  readonly databases: FreshDatabases;
  readonly login: Login;
  /** null: the configuration asks for none. */
  readonly metricsPort: number | null;
  #options: StandOptions;
  #clients = new Set<Client>();

  private constructor(
    options: StandOptions,
    drive: DriveProcess,
    databases: FreshDatabases,
    line: string,
  ) {
    this.#options = options;
    this.drive = drive;
    this.databases = databases;
    const [port, metricsPort] = [...line.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, n]) => Number(n));
    this.metricsPort = metricsPort ?? null;
    const user = { user: 'shard_user', password: 'shard_pass' };
    this.login = { host: '127.0.0.1', port: port!, database: 'drive', ...user };
  }

  static async start(options: StandOptions): Promise<Stand> {
    const databases = await freshDatabases(2);
    writeConfig(options, databases);
    const drive = new DriveProcess(['proxy', '--config', fileOf(options)]);
    return new Stand(options, drive, databases, await drive.untilOutput(/workers: \d+.*\n/));
  }

  /** What the next RELOAD or RESTART finds, in place of what was given at the start. */
  changeConfig(change: Pick<StandOptions, 'proxy' | 'pool' | 'workers'>): void {
    writeConfig({ ...this.#options, ...change }, this.databases);
  }

  /** The text is no configuration. */
  spoilConfig(): void {
    writeFileSync(fileOf(this.#options), '{ nonsense: true }');
  }

  /** `close` ends it, if it is still there. */
  async open(database = this.login.database, user: Partial<Login> = {}): Promise<Client> {
    const client = new Client({ ...this.login, database, ...user });
    // Some are ended by the proxy, which is what their tests are about.
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.add(client);
    return client;
  }

  /** One client of each of `count` workers, in the order of their numbers. */
  async onePerWorker(count = 2): Promise<Client[]> {
    const found = new Map<number, Client>();
    while (found.size < count) {
      const client = await this.open();
      const number = numberOf(client);
      if (found.has(number)) await this.end(client);
      else found.set(number, client);
    }
    return [...found].sort(([a], [b]) => a - b).map(([, client]) => client);
  }

  async end(client: Client): Promise<void> {
    this.#clients.delete(client);
    await client.end();
  }

  async show(name: string): Promise<Row[]> {
    const operator = await this.open('admin');
    try {
      const { rows } = await operator.query<Record<string, unknown>>(`SHOW ${name}`);
      return rows.map((row) =>
        Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])),
      );
    } finally {
      await this.end(operator);
    }
  }

  async order(command: string): Promise<void> {
    const operator = await this.open('admin');
    try {
      await operator.query(command);
    } finally {
      await this.end(operator);
    }
  }

  /** Process ids of the workers, by what SHOW WORKERS calls their state. */
  async pids(state = 'serving'): Promise<number[]> {
    const rows = await this.show('WORKERS');
    return rows.filter((row) => row.state === state).map(({ pid }) => Number(pid));
  }

  /** Resolves once so many workers serve. */
  async serving(count: number): Promise<void> {
    await until(async () => (await this.pids()).length === count);
  }

  async endClients(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => this.end(client)));
  }

  /** Ends everything; resolves with the exit code. */
  async close(): Promise<number | null> {
    await this.endClients();
    this.drive.signal('SIGTERM');
    const { code } = await this.drive.ended();
    await this.databases.drop();
    return code;
  }
}

/** The worker that serves the client. */
export function numberOf(client: Client): number {
  return workerOf(processIdOf(client));
}

export function processIdOf(client: Client): number {
  return (client as unknown as { processID: number }).processID;
}

/** Whether the process is there; one that has ended and waits for its parent's look is not. */
export function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return false;
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(file, 'latin1'));
  } catch (error) {
    // It ended between the two looks.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

const fileOf = ({ directory, name }: StandOptions): string => join(directory, `${name}.json`);

function writeConfig(options: StandOptions, databases: FreshDatabases): void {
  const { workers = 2, proxy = {}, pool = {}, metrics } = options;
  const shards = databases.shards.map(({ id: _, ...shard }) => shard);
  const content = {
    shards,
    proxy: { port: 0, workers, trust: ['127.0.0.1'], ...proxy },
    pool,
    ...(metrics === undefined ? {} : { metrics }),
  };
  writeFileSync(fileOf(options), JSON.stringify(content));
}

// The test stand: two embedded servers with data, and what is put in front of them for a case.

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../src/base/pg.ts';
import { type LocalCluster, startCluster } from '../src/local/cluster.ts';
import type { Shard } from '../src/topology/shard.ts';
import type { Case } from './cases.ts';
import type { Endpoint, Login, Target } from './endpoint.ts';
import { startPgbouncer } from './pgbouncer.ts';
import { startProxyProcess } from './proxy-process.ts';
import type { Service } from './service.ts';

export interface StandOptions {
  readonly rowsPerShard: number;
  /** Null: there is none. */
  readonly pgbouncer: string | null;
  readonly clientsMax: number;
  readonly profileDirectory: string | null;
}

/** An endpoint that is closed after use. */
export interface OpenEndpoint extends Endpoint {
  /** What the program in the middle said last, if it has ended; else null. */
  lastWords(): string | null;
  close(): Promise<void>;
}

/** Direct connections of 200 clients, and some more for the proxy beside them. */
const CONNECTIONS_MAX = '320';

export class Stand {
  readonly directory: string;
  readonly options: StandOptions;
  readonly #cluster: LocalCluster;
  readonly #verifier: string;
  readonly #services = new Set<Service>();

  private constructor(
    options: StandOptions,
    directory: string,
    cluster: LocalCluster,
    verifier: string,
  ) {
    this.options = options;
    this.directory = directory;
    this.#cluster = cluster;
    this.#verifier = verifier;
  }

  /** Starts two servers in a temporary directory, with fsync on, and fills them. */
  static async start(options: StandOptions): Promise<Stand> {
    const directory = mkdtempSync(join(tmpdir(), 'drive-bench-'));
    // The servers may run under another account.
    chmodSync(directory, 0o755);
    const dataDirectory = join(directory, 'data');
    mkdirSync(dataDirectory, { mode: 0o755 });
    const settings = { max_connections: CONNECTIONS_MAX };
    const cluster = await startCluster({ dataDirectory, shards: 2, firstPort: 0, settings });
    try {
      await Promise.all(cluster.shards.map((shard) => fill(shard, options.rowsPerShard)));
      const verifier = await readVerifier(cluster);
      return new Stand(options, directory, cluster, verifier);
    } catch (error) {
      await cluster.close();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** PostgreSQL's processes. */
  get servers(): readonly number[] {
    return this.#cluster.servers.map(({ pid }) => pid);
  }

  /** `poolSize` is pgbouncer's. */
  async open(target: Target, each: Case, poolSize: number): Promise<OpenEndpoint> {
    const [first, second] = this.#cluster.shards as readonly [Shard, Shard];
    if (target === 'direct') return direct(target, first);
    if (target === 'shard 1') return direct(target, second);
    const { clientsMax, pgbouncer, profileDirectory } = this.options;
    const common = {
      verifier: this.#verifier,
      trust: each.trust ?? false,
      clientsMax,
      directory: this.directory,
    };
    if (target === 'proxy') {
      const { shards } = this.#cluster;
      const proxy = await startProxyProcess({ ...common, shards, profileDirectory });
      const login = { ...loginOf(first), port: proxy.port, database: 'drive' };
      return this.#behind(target, login, proxy);
    }
    if (pgbouncer === null) throw new Error('there is no pgbouncer');
    const started = await startPgbouncer({ ...common, program: pgbouncer, shard: first, poolSize });
    const login = { ...loginOf(first), port: started.port };
    return this.#behind(target, login, started);
  }

  /** Takes away what a run has written, so that every run finds the same tables. */
  async tidy(): Promise<void> {
    for (const shard of this.#cluster.shards) {
      await onShard(shard, async (client) => {
        await client.query('TRUNCATE bench_sink, bench_spread');
        const { rowCount } = await client.query(
          'DELETE FROM file_metadata WHERE user_id >= 1000000000',
        );
        if (rowCount !== 0) await client.query('VACUUM file_metadata');
      });
    }
  }

  async close(): Promise<void> {
    await this.#cluster.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Ends at once what a case has open, and then everything: for an interrupted run. */
  async abort(): Promise<void> {
    for (const service of this.#services) service.kill();
    this.#cluster.kill();
    await this.close();
  }

  #behind(target: Target, login: Login, service: Service): OpenEndpoint {
    this.#services.add(service);
    const { pid, lastWords } = service;
    const close = async (): Promise<void> => {
      await service.stop();
      this.#services.delete(service);
    };
    return { target, login, middle: [pid], lastWords, close };
  }
}

function direct(target: Target, shard: Shard): OpenEndpoint {
  return {
    target,
    login: loginOf(shard),
    middle: [],
    lastWords: () => null,
    close: async () => {},
  };
}

function loginOf({ host, port, database, user, password }: Shard): Login {
  return { host, port, database, user, password };
}

/** On each shard: 100 MB. */
const WIDE_ROWS = 100_000;

async function fill(shard: Shard, rows: number): Promise<void> {
  await onShard(shard, async (client) => {
    await client.query(
      `INSERT INTO file_metadata (user_id, file_name, created_at)
       SELECT 2 * i + $1, 'file-' || i || '.txt', timestamptz '2025-01-01' + i * interval '7 min'
       FROM generate_series(0, $2 - 1) AS i`,
      [shard.id, rows],
    );
    await client.query('CREATE UNLOGGED TABLE bench_sink (line text)');
    await client.query(
      'CREATE UNLOGGED TABLE bench_spread (user_id bigint, file_name text, created_at timestamptz)',
    );
    await client.query('CREATE UNLOGGED TABLE bench_wide (user_id bigint, line text)');
    await client.query(
      `INSERT INTO bench_wide SELECT 2 * i + $1, repeat('x', 1000) FROM generate_series(1, $2) AS i`,
      [shard.id, WIDE_ROWS],
    );
    await client.query('VACUUM ANALYZE file_metadata');
  });
}

/** The password of shard 0's role as its server keeps it, so that all targets check the same. */
async function readVerifier({ shards, superuser }: LocalCluster): Promise<string> {
  const [first] = shards as readonly [Shard];
  let verifier = '';
  await onShard({ ...first, ...superuser }, async (client) => {
    const sql = 'SELECT rolpassword FROM pg_authid WHERE rolname = $1';
    const { rows } = await client.query<{ rolpassword: string }>(sql, [first.user]);
    verifier = rows[0]?.rolpassword ?? '';
  });
  return verifier;
}

async function onShard(shard: Shard, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client(loginOf(shard));
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

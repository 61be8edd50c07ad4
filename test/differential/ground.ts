// Ground of a differential test: plain servers and proxies over several numbers of shards.

import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { createLog } from '../../src/base/log.ts';
import { loadConfig } from '../../src/control/config.ts';
import { installSchema } from '../../src/local/schema.ts';
import { startProxy } from '../../src/proxy.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { connect } from '../parity/answer.ts';
import type { runServers, superusers } from '../support/cluster.ts';
import { MAKE_MEAN } from './rewording.ts';
import { BEFORE, insertionOrder, insertOf, type World } from './world.ts';

type Superuser = ReturnType<typeof superusers>['plain'];

/** One way to the same tables. */
export interface Side {
  readonly name: string;
  readonly client: pg.Client;
  readonly shards: number;
}

export interface Ground {
  readonly plain: Side;
  /** Plain servers with the rows in other orders and other plans: for what an answer depends on. */
  readonly witnesses: readonly Side[];
  /** By number of shards. */
  readonly proxies: ReadonlyMap<number, { readonly proxy: Side; readonly engine: Side }>;
  settle(world: World): Promise<void>;
  clear(world: World): Promise<void>;
  close(): Promise<void>;
}

/** How the rows lie on each plain server. */
const ORDERS = ['as made', 'reversed', 'shuffled', 'by length'] as const;

/** `locale`: an ICU locale for all databases, or null for the servers' own. */
export async function makeGround(
  servers: ReturnType<typeof runServers>,
  counts: readonly number[],
  locale: string | null,
): Promise<Ground> {
  const { shards, plain, superusers } = servers;
  const name = `diff_${randomBytes(4).toString('hex')}`;
  const closers: (() => Promise<void>)[] = [];
  const database = async (server: Shard, superuser: Superuser, called: string): Promise<Shard> => {
    const admin = await connect({ ...server, ...superuser, database: 'postgres' });
    const how =
      locale === null
        ? ''
        : ` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '${locale}' LOCALE 'C'`;
    await admin.query(`CREATE DATABASE ${called} OWNER ${server.user}${how}`);
    await admin.end();
    closers.unshift(async () => {
      const again = await connect({ ...server, ...superuser, database: 'postgres' });
      await again.query(`DROP DATABASE ${called} WITH (FORCE)`);
      await again.end();
    });
    return { ...server, database: called };
  };
  const side = async (
    called: string,
    login: Parameters<typeof connect>[0],
    shards = 1,
  ): Promise<Side> => {
    const client = await connect(login);
    // What one server answers soon may take others long, which have no statistics.
    await client.query("SET statement_timeout = '30s'");
    client.on('error', (error) => console.error(called, error.message));
    closers.unshift(() => client.end());
    return { name: called, client, shards };
  };
  const plains = await Promise.all(
    ['plain', 'witness 1', 'witness 2', 'witness 3'].map(async (called, i) =>
      side(called, await database(plain, superusers.plain, `${name}_p${i}`)),
    ),
  );
  await plains[1]!.client.query(
    'SET enable_hashagg = off; SET enable_hashjoin = off; SET enable_memoize = off',
  );
  await plains[2]!.client.query(
    'SET enable_sort = off; SET enable_mergejoin = off; SET enable_nestloop = off',
  );
  // A part of a table that is known to be empty is not read, nor are sub-queries beside it computed.
  await plains[3]!.client.query(
    'SET enable_partition_pruning = off; SET constraint_exclusion = off',
  );
  const proxies = new Map<number, { proxy: Side; engine: Side }>();
  for (const count of counts) {
    const own = await Promise.all(
      Array.from({ length: count }, async (_, id) => {
        const server = shards[id % shards.length]!;
        return { ...(await database(server, superusers.shards, `${name}_${count}_${id}`)), id };
      }),
    );
    await installSchema(own, { only: 'drive' });
    const config = loadConfig({
      env: {},
      overrides: { shards: own.map(({ id: _, ...shard }) => shard), proxy: { port: 0 } },
    });
    const log = createLog((process.env.TEST_LOG ?? 'silent') as 'info');
    const [user] = config.proxy.users;
    const start = async (forceEngine: boolean) => {
      const proxy = await startProxy(config, log, { forceEngine });
      closers.unshift(() => proxy.close());
      return {
        host: config.proxy.host,
        port: proxy.port,
        database: config.proxy.database,
        user: user!.name,
        password: user!.password,
      };
    };
    proxies.set(count, {
      proxy: await side(`${count} shards`, await start(false), count),
      engine: await side(`${count} shards, engine`, await start(true), count),
    });
  }
  const main = [...proxies.values()].map(({ proxy }) => proxy);
  for (const { client } of [...plains, ...main]) {
    for (const sql of BEFORE) await client.query(sql);
  }
  for (const sql of MAKE_MEAN) await plains[0]!.client.query(sql);
  const run = ({ client, name: called }: Side, sql: string) =>
    client.query(sql).catch((error: Error) => {
      throw new Error(`${called}: ${sql}: ${error.message}`, { cause: error });
    });
  const all = [...plains, ...main];
  return {
    plain: plains[0]!,
    witnesses: plains.slice(1),
    proxies,
    async settle(world) {
      await run(plains[0]!, `SET statement_timeout = '30s'`);
      await Promise.all(
        all.map(async (each) => {
          const at = plains.indexOf(each);
          for (const { sql, proxyOnly } of world.make)
            if (!proxyOnly || at < 0) await run(each, sql);
          for (const table of insertionOrder(world)) {
            const insert = insertOf(table, ORDERS[at] ?? 'as made');
            if (insert !== null) await run(each, insert);
          }
        }),
      );
      for (const each of plains.slice(0, 2)) await run(each, 'ANALYZE');
      await run(plains[0]!, `SET statement_timeout = '2s'`);
      // A proxy looks at the schema again when it meets a table that it does not know.
      const last = `last_${world.tables[0]!.name}`;
      for (const { proxy, engine } of proxies.values()) {
        await run(proxy, `CREATE TABLE ${last} ()`);
        await run(engine, `SELECT FROM ${last}`);
        await run(proxy, `DROP TABLE ${last}`);
      }
    },
    async clear(world) {
      // Tables of several kinds are dropped one by one.
      const drops = [
        ...world.views.toReversed().map((view) => `DROP VIEW IF EXISTS ${view.name}`),
        ...insertionOrder(world)
          .toReversed()
          .map((table) => `DROP TABLE IF EXISTS ${table.name}`),
      ];
      await Promise.all(
        all.map(async (each) => {
          for (const sql of drops) await run(each, sql);
        }),
      );
    },
    async close() {
      for (const close of closers) await close();
    },
  };
}

// The two sides of a parity test: one plain PostgreSQL, and the proxy over several shards.

import type pg from 'pg';
import { startTestProxy } from '../support/proxy.ts';
import { type Answer, ask, connect, REFUSED, unordered } from './answer.ts';
import { createTables, insertRows, TABLE_RULES } from './dataset.ts';

export interface ParityServers {
  readonly plain: pg.Client;
  readonly proxy: pg.Client;
  /** A proxy by which one server computes all it can, over temporary tables, on the same shards. */
  readonly engine: pg.Client;
  /** Direct connections to the shards. */
  readonly shards: readonly pg.Client[];
  close(): Promise<void>;
}

/** `merge`: settings of the proxy. */
export async function startParity(
  shardCount: number,
  merge: Readonly<Record<string, number>> = {},
): Promise<ParityServers> {
  const tested = await startTestProxy({
    shards: shardCount,
    config: { sharding: { tables: TABLE_RULES }, merge },
    prepare: async (databases) => {
      const clients = await Promise.all([databases.plain, ...databases.shards].map(connect));
      const [plain, ...shards] = clients;
      await createTables(plain!, shards);
      await Promise.all(clients.map((client) => client.end()));
    },
  });
  const plain = await connect(tested.plain);
  const shards = await Promise.all(tested.shards.map(connect));
  const proxy = await connect(tested.login);
  const config = { sharding: { tables: TABLE_RULES }, merge: { inlineRowsMax: 0 } };
  const forced = await tested.beside({ forceEngine: true, config });
  const engine = await connect(forced.login);
  for (const client of [plain, proxy]) await insertRows(client);
  return {
    plain,
    proxy,
    engine,
    shards,
    async close() {
      await Promise.all([plain, proxy, engine, ...shards].map((client) => client.end()));
      await forced.close();
      await tested.close();
    },
  };
}

export interface Comparison {
  readonly plain: Answer;
  readonly proxy: Answer;
  readonly engine: Answer;
  /** The proxy refused it with 0A000, PostgreSQL did not. */
  readonly refused: boolean;
}

/** Runs the statement on both; `ordered`: the order of the rows counts. */
export async function compare(
  servers: ParityServers,
  sql: string,
  { ordered, parameters }: { ordered: boolean; parameters?: readonly unknown[] },
): Promise<Comparison> {
  const [plain, proxy] = await Promise.all([
    ask(servers.plain, sql, parameters),
    ask(servers.proxy, sql, parameters),
  ]);
  // What writes is done once; what only one server was asked for again would be the same.
  const engine = isRead(sql) ? await ask(servers.engine, sql, parameters) : proxy;
  // Some conditions of FULL JOIN PostgreSQL itself does not support.
  const isRefusal = (answer: Answer) => answer.kind === 'error' && answer.code === REFUSED;
  const refused = isRefusal(proxy) && !isRefusal(plain);
  const form = (answer: Answer): Answer => {
    // What matters of an error is its code: positions and wording may speak of the shard.
    if (answer.kind === 'error') return { ...answer, message: '' };
    return ordered ? answer : unordered(answer);
  };
  return { plain: form(plain), proxy: form(proxy), engine: form(engine), refused };
}

const isRead = (sql: string) =>
  /^\W*(select|with|table|values)\b/i.test(sql) &&
  !/\(\s*(insert|update|delete|merge)\b/i.test(sql);

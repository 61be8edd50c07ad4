// A proxy for tests of the merge engine, and one PostgreSQL with the same rows.

import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient, rowsOf } from '../support/raw-client.ts';

const DDL = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TYPE place AS (x int, tag mood);
  CREATE TABLE files (
    user_id bigint NOT NULL, id int NOT NULL, name varchar(20), size numeric(9,2),
    feels mood, felt mood[], at place, made timestamptz, doc jsonb, raw bytea,
    PRIMARY KEY (user_id, id));
  CREATE FUNCTION my_function(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';`;
const HOME_DDL = 'CREATE TABLE notes (id int PRIMARY KEY, body text);';
const ROWS = Array.from(
  { length: 40 },
  (_, i) =>
    `(${i % 7}, ${i}, 'file ${i % 5}', ${i}.25, '${['sad', 'ok', 'happy'][i % 3]}', '{ok,sad}',
      '(${i},happy)', '2026-01-01T00:00:${10 + i}Z', '{"n": ${i}}', '\\x0${i % 10}')`,
).join(', ');
const INSERT = `INSERT INTO files VALUES ${ROWS}; INSERT INTO notes VALUES (1, 'one'), (2, 'two')`;

/** Rows of tables up to `inlineRowsMax` on each shard are copied as parameters. */
async function startEngineProxy(inlineRowsMax: number): Promise<TestProxy> {
  const proxy = await startTestProxy({
    shards: 3,
    config: { pool: { size: 4 }, merge: { spillBytesMax: 60_000, inlineRowsMax } },
    prepare: async ({ plain: one, shards }) => {
      for (const place of [one, ...shards]) {
        const direct = await RawClient.login(place);
        // Other servers give other oids to types made by users.
        if (place !== one) await direct.rows(`CREATE TYPE filler_${place.id} AS (x int)`);
        await direct.rows(DDL);
        if (place === one || place.id === 0) await direct.rows(HOME_DDL);
        await direct.close();
      }
    },
  });
  const plain = await RawClient.login(proxy.plain);
  await plain.rows(INSERT);
  const first = await RawClient.login(proxy.login);
  for (const sql of INSERT.split('; ')) await first.rows(sql);
  await first.close();
  await plain.close();
  return proxy;
}

/** What the tests of one describe block ask. */
export interface EngineStand {
  readonly proxy: TestProxy;
  /** A client of the proxy for each test, and one of one PostgreSQL for all. */
  readonly client: RawClient;
  readonly plain: RawClient;
  /** The same on both servers. */
  same(sql: string): Promise<void>;
}

/** To be called in a describe block; there is something in it while its tests run. */
export function engineStand(inlineRowsMax: number): EngineStand {
  let proxy: TestProxy;
  let client: RawClient;
  let plain: RawClient;

  beforeAll(async () => {
    proxy = await startEngineProxy(inlineRowsMax);
    plain = await RawClient.login(proxy.plain);
  });

  afterAll(async () => {
    await plain.close();
    await proxy.close();
  });

  beforeEach(async () => {
    client = await RawClient.login(proxy.login);
  });

  afterEach(() => client.close());

  return {
    get proxy() {
      return proxy;
    },
    get client() {
      return client;
    },
    get plain() {
      return plain;
    },
    async same(sql) {
      const answer = rowsOf(await client.query(sql));
      expect(answer, sql).toEqual(await plain.rows(sql));
      expect(answer.length, sql).toBeGreaterThan(0);
    },
  };
}

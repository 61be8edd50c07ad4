// Reference tables whose copies lie in another order on each shard: what is written stays the same on all.

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let tested: TestProxy;
let proxy: pg.Client;
let shards: pg.Client[];

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 3,
    config: {
      sharding: { tables: { rate: { kind: 'reference' }, source: { kind: 'reference' } } },
    },
  });
  const connect = async (login: pg.ClientConfig) => {
    const client = new pg.Client(login);
    await client.connect();
    return client;
  };
  proxy = await connect(tested.login);
  shards = await Promise.all(tested.shards.map(connect));
  await proxy.query(`CREATE TABLE rate (code text PRIMARY KEY, n int, f float);
    CREATE TABLE source (k int, x int, f float);
    INSERT INTO source SELECT g % 2, g, CASE g WHEN 1 THEN 1e16 WHEN 6 THEN -1e16 ELSE 1.5 END
      FROM generate_series(1, 12) g`);
  await proxy.query(`CREATE VIEW first_source AS SELECT x FROM source LIMIT 1;
    CREATE VIEW drawn AS SELECT code, n, random() AS r FROM rate;
    CREATE VIEW some_rates AS SELECT code, n FROM rate WHERE random() < 0.5;
    CREATE VIEW of_today AS SELECT code, n FROM rate WHERE now() > '2020-01-01'`);
  // As vacuum leaves them, which finds place for new rows on one shard and not on another.
  await shards[1]!.query(`WITH gone AS (DELETE FROM source RETURNING *)
    INSERT INTO source SELECT * FROM gone ORDER BY x DESC`);
});

beforeEach(() =>
  proxy.query(`DELETE FROM rate; INSERT INTO rate SELECT 'c' || g, g FROM generate_series(1, 9) g`),
);

afterAll(async () => {
  await Promise.all([proxy, ...shards].map((client) => client.end()));
  await tested.close();
});

async function expectAlike(): Promise<void> {
  const copies = await Promise.all(
    shards.map(async (shard) => (await shard.query('SELECT * FROM rate ORDER BY code')).rows),
  );
  for (const copy of copies) expect(copy).toEqual(copies[0]);
}

it.each([
  ['UPDATE rate SET n = x FROM source WHERE k = n % 2', 9],
  ['UPDATE rate SET n = s.x FROM (SELECT DISTINCT ON (k) k, x FROM source) s WHERE s.k = 1', 9],
  ['UPDATE rate SET n = (ARRAY(SELECT x FROM source))[1]', 9],
  ['UPDATE rate SET f = (SELECT sum(f) FROM source)', 9],
  ['UPDATE rate SET n = (SELECT x FROM first_source)', 9],
  ['UPDATE rate SET n = (SELECT (r * 1000)::int FROM drawn d WHERE d.code = rate.code)', 9],
  ['UPDATE drawn SET n = (r * 1000)::int', 9],
  [
    `MERGE INTO rate USING (SELECT DISTINCT ON (k) k, x FROM source) s ON code = 'c' || k
      WHEN MATCHED THEN UPDATE SET n = s.x`,
    1,
  ],
  [
    `MERGE INTO rate USING drawn ON rate.code = drawn.code
      WHEN MATCHED THEN UPDATE SET n = (drawn.r * 1000)::int`,
    9,
  ],
])('%s', async (sql, count) => {
  expect((await proxy.query(sql)).rowCount).toBe(count);
  await expectAlike();
});

it.each([
  'UPDATE rate SET n = 99 WHERE n IN (SELECT x FROM source TABLESAMPLE BERNOULLI (50))',
  'DELETE FROM rate WHERE code IN (SELECT code FROM drawn WHERE r < 0.5)',
])('%s, as many rows as it draws', async (sql) => {
  await proxy.query(sql);
  await expectAlike();
});

it.each(['UPDATE some_rates SET n = 1', 'DELETE FROM some_rates', 'DELETE FROM of_today'])(
  'refuses %s: each shard would find rows of its own',
  async (sql) => {
    await expect(proxy.query(sql)).rejects.toMatchObject({ code: '0A000' });
  },
);

// Materialized views over rows of several shards: kept on the home shard, they hold what one PostgreSQL keeps.

import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { ask, connect, unordered } from './answer.ts';

const SCHEMA = `
  CREATE TYPE mood AS ENUM ('sad', 'ok');
  CREATE TABLE files (user_id int8, id int4 CHECK (id >= 0), name text, size numeric, share float8, feels mood,
    at timestamptz, tags text[], twice int4 GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (user_id, id));
  INSERT INTO files SELECT i % 7, i, 'n' || i % 4, i / 3.0, i / 3.0, (ARRAY['sad', 'ok'])[1 + i % 2]::mood,
    '2026-10-25T00:15Z'::timestamptz + i * interval '15 minutes', ARRAY['a', NULL, i::text]
    FROM generate_series(1, 50) i;
  CREATE TABLE members (user_id int4 PRIMARY KEY, name text);
  INSERT INTO members SELECT i, 'm' || i FROM generate_series(0, 5) i;
  CREATE TABLE notes (id int4, body text);
  INSERT INTO notes VALUES (1, 'one'), (50, 'fifty');
  CREATE VIEW named AS SELECT name, count(*) AS n FROM files GROUP BY name`;

/** Their answers are compared, rows without their order. */
const SCRIPTS: readonly (readonly [name: string, steps: readonly string[]])[] = [
  [
    'is filled, and filled again',
    [
      `CREATE MATERIALIZED VIEW stats AS SELECT feels, count(*) AS n, sum(size) AS total, sum(twice) AS t
        FROM files GROUP BY feels`,
      'CREATE MATERIALIZED VIEW stats AS SELECT count(*) FROM files',
      'CREATE MATERIALIZED VIEW IF NOT EXISTS stats AS SELECT count(*) FROM files',
      'SELECT * FROM stats',
      `INSERT INTO files (user_id, id, size, feels) SELECT i % 7, i, i, 'ok' FROM generate_series(51, 70) i`,
      'SELECT * FROM stats',
      'REFRESH MATERIALIZED VIEW stats',
      'SELECT * FROM stats',
      'REFRESH MATERIALIZED VIEW CONCURRENTLY stats',
      'CREATE UNIQUE INDEX ON stats (feels)',
      'DELETE FROM files WHERE id > 60',
      'REFRESH MATERIALIZED VIEW CONCURRENTLY stats',
      'SELECT * FROM stats',
      'SELECT s.n, f.id FROM stats s JOIN files f USING (feels) WHERE f.id < 3',
      'SELECT count(*) FROM files',
      'DELETE FROM files WHERE id > 50',
      'ALTER MATERIALIZED VIEW stats RENAME TO facts',
      'REFRESH MATERIALIZED VIEW facts WITH NO DATA',
      'SELECT * FROM facts',
      'REFRESH MATERIALIZED VIEW facts',
      'SELECT * FROM facts',
      'ALTER TABLE files ALTER COLUMN size TYPE float8',
      'INSERT INTO facts VALUES (1)',
      'DROP VIEW facts',
      'DROP MATERIALIZED VIEW facts',
      'SELECT * FROM facts',
    ],
  ],
  [
    'has rows that a constraint NOT VALID does not look at',
    [
      'CREATE TABLE lax (user_id int4, n int4, m int4 CHECK (m < 99), t int4 GENERATED ALWAYS AS (n * 2) STORED)',
      'INSERT INTO lax SELECT i, i, i FROM generate_series(1, 20) i',
      'ALTER TABLE lax ADD CONSTRAINT "less; than" CHECK (n < 5) NOT VALID, ADD CONSTRAINT more CHECK (m + n < 7) NOT VALID',
      'CREATE MATERIALIZED VIEW loose AS SELECT count(*), sum(n), sum(t) FROM lax',
      'SELECT * FROM loose',
      'REFRESH MATERIALIZED VIEW loose',
      'SELECT * FROM loose',
      'INSERT INTO lax VALUES (1, 8, 1)',
      'ALTER TABLE lax VALIDATE CONSTRAINT more',
      'ALTER TABLE lax ADD CONSTRAINT some NOT NULL user_id NOT VALID',
      'REFRESH MATERIALIZED VIEW loose',
      'SELECT * FROM loose',
    ],
  ],
  [
    'reads home tables, views and other views that are kept',
    [
      `CREATE MATERIALIZED VIEW mixed AS SELECT f.id, f.name, n.body, m.name AS member
        FROM files f JOIN notes n USING (id) LEFT JOIN members m ON m.user_id = f.user_id WITH NO DATA`,
      'SELECT * FROM mixed',
      'REFRESH MATERIALIZED VIEW mixed',
      'SELECT * FROM mixed',
      'CREATE MATERIALIZED VIEW top AS SELECT * FROM named ORDER BY n DESC, name LIMIT 3',
      'SELECT * FROM top ORDER BY n DESC, name',
      'CREATE VIEW of_top AS SELECT t.n, f.id FROM top t JOIN files f USING (name) WHERE f.id < 5',
      'SELECT * FROM of_top',
      'CREATE MATERIALIZED VIEW most AS SELECT max(n) FROM top',
      'SELECT * FROM most',
      'CREATE MATERIALIZED VIEW ranked AS SELECT id, rank() OVER (ORDER BY size DESC, id) AS r FROM files',
      'SELECT * FROM ranked WHERE r < 4',
      'SELECT matviewname, ispopulated, definition FROM pg_matviews ORDER BY 1',
      'DROP MATERIALIZED VIEW top',
      'DROP MATERIALIZED VIEW top CASCADE',
      'DROP MATERIALIZED VIEW mixed, ranked',
    ],
  ],
  [
    'sees what its transaction has written, and is undone with it',
    [
      'CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM files',
      'BEGIN',
      `INSERT INTO files (user_id, id) VALUES (100, 100), (101, 101), (102, 102)`,
      'REFRESH MATERIALIZED VIEW counted',
      'SELECT * FROM counted',
      'SAVEPOINT a',
      'DELETE FROM files WHERE id = 101',
      'REFRESH MATERIALIZED VIEW counted',
      'SELECT * FROM counted',
      'ROLLBACK TO a',
      'SELECT * FROM counted',
      'ROLLBACK',
      'SELECT * FROM counted',
      'BEGIN',
      `INSERT INTO files (user_id, id) VALUES (100, 100), (101, 101), (102, 102)`,
      'CREATE MATERIALIZED VIEW ids AS SELECT id FROM files WHERE id >= 100 UNION SELECT id FROM notes',
      'COMMIT',
      'SELECT * FROM ids',
      'DELETE FROM files WHERE id >= 100',
      'BEGIN TRANSACTION READ ONLY',
      'REFRESH MATERIALIZED VIEW counted',
      'ROLLBACK',
      'BEGIN ISOLATION LEVEL REPEATABLE READ',
      'SELECT count(*) FROM files',
      'REFRESH MATERIALIZED VIEW counted',
      'SELECT * FROM counted',
      'COMMIT',
      'CREATE MATERIALIZED VIEW failed AS SELECT 1 / (id - 49) AS x, user_id FROM files UNION SELECT 1, 1',
      'SELECT * FROM failed',
      'DROP MATERIALIZED VIEW counted, ids',
    ],
  ],
  [
    'holds values as they are, whatever the session has set',
    [
      `SET TimeZone = 'Europe/Berlin'; SET DateStyle = 'German'; SET extra_float_digits = -3`,
      'CREATE MATERIALIZED VIEW exact AS SELECT * FROM files WHERE (SELECT count(*) FROM files) > 1',
      'RESET ALL',
      'SELECT user_id, id, share, feels, at, tags, twice FROM exact',
      'SELECT count(*) FROM exact e JOIN files f USING (user_id, id, share, feels, at)',
      'DROP MATERIALIZED VIEW exact',
    ],
  ],
];

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;
let home: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  plain = await connect(tested.plain);
  proxy = await connect(tested.login);
  home = await connect(tested.shards[0]!);
  for (const client of [plain, proxy]) await client.query(SCHEMA);
});

afterAll(async () => {
  await Promise.all([plain, proxy, home].map((client) => client.end()));
  await tested.close();
});

/** What must be gone behind every statement. */
async function childrenAtHome(): Promise<unknown> {
  const { rows } = await home.query('SELECT inhrelid::regclass FROM pg_inherits');
  return rows;
}

test.each(SCRIPTS)('a kept view %s', async (_, steps) => {
  for (const sql of steps) {
    const given = await ask(plain, sql);
    const told = await ask(proxy, sql);
    expect(unordered(told), sql).toEqual(unordered(given));
    expect(await childrenAtHome(), sql).toEqual([]);
  }
});

test('is the same by the extended protocol, and to other sessions', async () => {
  const sql = 'CREATE MATERIALIZED VIEW sent AS SELECT sum(id) FROM files';
  expect(await ask(proxy, sql, [])).toEqual(await ask(plain, sql, []));
  const other = await connect(tested.login);
  expect(await ask(other, 'SELECT * FROM sent')).toEqual(await ask(plain, 'SELECT * FROM sent'));
  await other.end();
  for (const client of [plain, proxy]) await client.query('DROP MATERIALIZED VIEW sent');
});

test('can be filled by several at once', async () => {
  await proxy.query('CREATE MATERIALIZED VIEW many AS SELECT count(*) FROM files, members');
  await proxy.query('CREATE MATERIALIZED VIEW more AS SELECT count(*) FROM members m, files f');
  const clients = await Promise.all([1, 2, 3, 4].map(() => connect(tested.login)));
  const fill = (client: pg.Client, i: number) =>
    client.query(`REFRESH MATERIALIZED VIEW ${i % 2 === 0 ? 'many' : 'more'}`);
  for (let round = 0; round < 3; round++) await Promise.all(clients.map(fill));
  expect((await proxy.query('SELECT * FROM many UNION ALL SELECT * FROM more')).rows).toEqual([
    { count: '300' },
    { count: '300' },
  ]);
  await Promise.all(clients.map((client) => client.end()));
  await proxy.query('DROP MATERIALIZED VIEW many, more');
});

test('can be cancelled while it is filled', async () => {
  const other = await connect(tested.login);
  const sql = 'CREATE MATERIALIZED VIEW slow AS SELECT count(*), pg_sleep(60)::text FROM files';
  const answer = ask(other, sql);
  const running = `SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE MATERIALIZED VIEW slow%'`;
  await expect.poll(async () => (await home.query(running)).rows.length).toBe(1);
  const { processID } = other as unknown as { processID: number };
  await proxy.query('SELECT pg_cancel_backend($1)', [processID]);
  expect(await answer).toMatchObject({ code: '57014' });
  expect(await childrenAtHome()).toEqual([]);
  expect(await ask(other, 'SELECT count(*) FROM files')).toMatchObject({ rows: [['50']] });
  await other.end();
});

test('copies no more than the limit', async () => {
  const small = await tested.beside({ config: { merge: { spillBytesMax: 300 } } });
  const client = await connect(small.login);
  const sql = 'CREATE MATERIALIZED VIEW large AS SELECT count(*) FROM files';
  expect(await ask(client, sql)).toMatchObject({ code: '53400' });
  expect(await childrenAtHome()).toEqual([]);
  await client.end();
  await small.close();
});

describe('is refused over', () => {
  beforeAll(async () => {
    await proxy.query(`
      CREATE TABLE parted (user_id int8, id int4) PARTITION BY LIST (id);
      CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
      CREATE TABLE base (user_id int8, id int4);
      CREATE TABLE derived (more int4) INHERITS (base);
      CREATE TABLE secured (user_id int8, id int4);
      ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
      CREATE MATERIALIZED VIEW own AS SELECT user_id, count(*) AS n FROM files GROUP BY user_id`);
  });

  test.each([
    ['a partitioned table', 'SELECT count(*) FROM parted'],
    ['a partition', 'SELECT count(*) FROM parted_1'],
    ['a table with children', 'SELECT count(*) FROM base'],
    ['a child', 'SELECT count(*) FROM derived'],
    ['row-level security', 'SELECT count(*) FROM secured'],
    ['a view that each shard keeps', 'SELECT sum(n) FROM own'],
    ['ONLY a table', 'SELECT count(*) FROM ONLY files'],
    ['the place of a row', 'SELECT count(*), min(tableoid::int8) FROM files'],
    ['the number of a shard', 'SELECT drive.shard_id(), count(*) FROM files GROUP BY 1'],
  ])('%s', async (_, query) => {
    const answer = await ask(proxy, `CREATE MATERIALIZED VIEW refused AS ${query}`);
    expect(answer).toMatchObject({ kind: 'error', code: '0A000' });
    expect(await ask(proxy, 'SELECT * FROM refused')).toMatchObject({ code: '42P01' });
  });
});

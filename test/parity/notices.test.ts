// Notices: what functions and triggers say on several shards, the client is told as by one PostgreSQL.

import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { ask, connect, unordered } from './answer.ts';

const TABLES = `
  CREATE TABLE files (user_id int8, id int4, name text, PRIMARY KEY (user_id, id));
  INSERT INTO files SELECT i % 3, i, 'n' FROM generate_series(1, 6) i;
  CREATE TABLE home (id int4 PRIMARY KEY, n int4);
  CREATE TABLE country (code text PRIMARY KEY, n int4)`;

const says = (name: string, kind: string, level: string) =>
  `CREATE FUNCTION ${name}(int4) RETURNS int4 LANGUAGE plpgsql ${kind} AS
    'BEGIN RAISE ${level} ''${name} %'', $1 USING DETAIL = ''of a row''; RETURN $1; END'`;

const ROUTINES = [
  says('loud', 'VOLATILE', 'NOTICE'),
  says('warned', 'STABLE', 'WARNING'),
  says('known', 'IMMUTABLE', 'INFO'),
  `CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''% % %'', TG_OP, TG_TABLE_NAME, coalesce(NEW, OLD); RETURN coalesce(NEW, OLD); END'`,
  ...['files', 'home', 'country'].map(
    (table) =>
      `CREATE TRIGGER told BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION told()`,
  ),
];

const STATEMENTS = [
  'SELECT loud(id) FROM files',
  'SELECT warned(id), known(id) FROM files',
  'SELECT sum(known(id)), max(warned(id)) FROM files',
  'SELECT id FROM files WHERE loud(id) > 2 ORDER BY id',
  'SELECT count(*) FROM files a JOIN files b ON a.id < b.id WHERE warned(a.id) > 2',
  'SELECT warned(1), count(*) FROM files',
  'SELECT id FROM files WHERE user_id = 1 AND warned(id) > 1',
  'SELECT nothing FROM files WHERE warned(id) > 1',
  'BEGIN',
  'SELECT warned(id) FROM files',
  'COMMIT',
  `INSERT INTO files VALUES (1, 100, 'x'), (2, 101, 'y'), (3, 102, 'z')`,
  'INSERT INTO files SELECT user_id + 1, id + 1000 FROM files WHERE id < 3',
  `UPDATE files SET name = 'x' WHERE id >= 100`,
  'UPDATE files SET name = warned(id)::text WHERE id = 100',
  'DELETE FROM files WHERE warned(id) > 100',
  `MERGE INTO files f USING (VALUES (1, 1), (2, 2000)) v (u, i) ON f.user_id = v.u AND f.id = v.i
    WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT VALUES (v.u, v.i)`,
  `INSERT INTO country VALUES ('a', 1), ('b', 2)`,
  'UPDATE country SET n = n + 1',
  `UPDATE country SET n = (SELECT count(*) FROM files) WHERE code = 'a'`,
  `INSERT INTO country VALUES ('a', 1) ON CONFLICT (code) DO UPDATE SET n = 5`,
  `INSERT INTO country SELECT 'x' || id, id FROM files WHERE id < 4 ON CONFLICT (code) DO UPDATE SET n = excluded.n`,
  `MERGE INTO country c USING (SELECT 'x' || id AS code, id FROM files) s ON s.code = c.code
    WHEN MATCHED AND id < 3 THEN UPDATE SET n = c.n WHEN NOT MATCHED AND id < 6 THEN INSERT VALUES (s.code, 0)`,
  `UPDATE country SET n = 4 FROM files WHERE files.id = 2 AND country.code = 'b'`,
  `UPDATE files SET name = g.id::text FROM (SELECT 4 AS id) g WHERE g.id = files.id RETURNING files.id`,
  'DELETE FROM files WHERE id = (SELECT max(id) FROM files)',
  'MERGE INTO files USING (VALUES (3)) v (i) ON id = i WHEN MATCHED THEN DELETE',
  'INSERT INTO home SELECT id, 1 FROM files WHERE id < 5',
  'UPDATE home SET n = 5 FROM files WHERE files.id = home.id',
  'DELETE FROM home USING files WHERE files.id = home.id',
  `WITH x AS (INSERT INTO home VALUES (60, 1) RETURNING id) INSERT INTO files SELECT 1, id + 500, 'w' FROM x`,
  'CREATE TABLE made AS SELECT loud(id) FROM files',
];

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;
let heard: string[] = [];

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  plain = await connect(tested.plain);
  proxy = await connect(tested.login);
  await plain.query(TABLES);
  await proxy.query(TABLES);
  await proxy.query(`SELECT create_reference_table('country')`);
  for (const client of [plain, proxy]) {
    for (const sql of ROUTINES) await client.query(sql);
    client.on('notice', ({ severity, code, message, detail }) => {
      heard.push([severity, code, message, detail].join());
    });
  }
});

afterAll(async () => {
  await Promise.all([plain, proxy].map((client) => client.end()));
  await tested.close();
});

/** The answer, and what was heard with it in no order. */
async function both(client: pg.Client, sql: string, parameters?: readonly unknown[]) {
  heard = [];
  const answer = await ask(client, sql, parameters);
  return { answer: unordered(answer), heard: heard.toSorted() };
}

test.each(STATEMENTS)('%s', async (sql) => {
  expect(await both(proxy, sql)).toEqual(await both(plain, sql));
});

test('by the extended protocol, again and again', async () => {
  const sql = 'SELECT warned(id) FROM files WHERE id > $1';
  for (let round = 0; round < 3; round++)
    expect(await both(proxy, sql, [3])).toEqual(await both(plain, sql, [3]));
});

test('no other session hears of it', async () => {
  const other = await connect(tested.login);
  const notices: unknown[] = [];
  other.on('notice', (notice) => notices.push(notice));
  for (let round = 0; round < 3; round++) {
    await Promise.all([
      proxy.query('SELECT loud(id) FROM files'),
      other.query('SELECT id FROM files'),
      other.query('SELECT count(*) FROM files'),
    ]);
  }
  expect(notices).toEqual([]);
  await other.end();
});

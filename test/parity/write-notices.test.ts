// Notices of writes over several shards: what triggers raise reaches the client, once.

import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connect } from './answer.ts';

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;

const TABLES = `
  CREATE TABLE files (user_id int, id int, n int, PRIMARY KEY (user_id, id));
  CREATE TABLE home (id int PRIMARY KEY, n int);
  CREATE TABLE country (id int PRIMARY KEY, n int)`;

const trigger = (table: string) =>
  `CREATE TRIGGER told BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION tell()`;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  plain = await connect(tested.plain);
  proxy = await connect(tested.login);
  for (const each of [plain, proxy]) for (const sql of TABLES.split(';')) await each.query(sql);
  await proxy.query(`SELECT create_reference_table('country')`);
  for (const each of [plain, proxy]) {
    await each.query(`CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE WARNING '% % %', TG_OP, TG_TABLE_NAME, coalesce(NEW.id, OLD.id) USING DETAIL = 'of a row';
      IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
      RETURN NEW; END $$`);
    for (const table of ['files', 'home', 'country']) await each.query(trigger(table));
  }
});

afterAll(async () => {
  await Promise.all([plain.end(), proxy.end()]);
  await tested.close();
});

async function noticesOf(client: pg.Client, sql: string): Promise<string[]> {
  const notices: string[] = [];
  const listen = ({ message, severity, detail }: { [field: string]: unknown }) =>
    notices.push(`${severity} ${message} ${detail}`);
  client.on('notice', listen as never);
  await client.query(sql);
  client.off('notice', listen as never);
  return notices.sort();
}

it.each([
  'INSERT INTO files VALUES (0, 2, 1), (1, 3, 1), (2, 4, 1)',
  'INSERT INTO files SELECT g, g + 10, 1 FROM generate_series(0, 2) g',
  'INSERT INTO files SELECT user_id + 1, id + 100, 1 FROM files WHERE id = 2',
  'UPDATE files SET n = 3 WHERE id IN (2, 4) RETURNING id',
  'UPDATE files SET n = g.id FROM (SELECT 4 AS id) g WHERE g.id = files.id',
  'DELETE FROM files WHERE id = (SELECT max(id) FROM files)',
  'MERGE INTO files USING (VALUES (0, 2), (7, 7)) v(u, i) ON user_id = u AND id = i WHEN MATCHED THEN UPDATE SET n = 9 WHEN NOT MATCHED THEN INSERT VALUES (u, i, 1)',
  'MERGE INTO files USING (VALUES (3)) v(i) ON id = i WHEN MATCHED THEN DELETE',
  'INSERT INTO home SELECT id, n FROM files WHERE id < 5',
  'UPDATE home SET n = 5 FROM files WHERE files.id = home.id',
  'DELETE FROM home USING files WHERE files.id = home.id',
  'INSERT INTO country VALUES (1, 1), (2, 2)',
  'INSERT INTO country SELECT id + 10, 1 FROM files WHERE id = 2 ON CONFLICT (id) DO UPDATE SET n = 3',
  'UPDATE country SET n = 2 WHERE id = 1',
  'UPDATE country SET n = 4 FROM files WHERE files.id = 2 AND country.id = 2',
  'WITH x AS (INSERT INTO home VALUES (60, 1) RETURNING id) INSERT INTO files SELECT 1, id + 500, 1 FROM x',
])('%s', async (sql) => {
  const one = await noticesOf(plain, sql);
  expect(one.length).toBeGreaterThan(0);
  expect(await noticesOf(proxy, sql)).toEqual(one);
});

// Parity of what is a session's own or on shard 0 alone, by statements that name sharded tables, too.

import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { ask, connect } from './answer.ts';

const SCHEMA = `
  CREATE TABLE files (user_id int8, id int4);
  INSERT INTO files SELECT g, g FROM generate_series(1, 9) g;
  CREATE TABLE other (user_id int8);
  CREATE TABLE home (id int4);
  CREATE TEMP TABLE own AS SELECT 1 AS a;
  CREATE TEMP TABLE second AS SELECT 1 AS a;
  CREATE FUNCTION pg_temp.more(int4) RETURNS int4 LANGUAGE sql AS 'SELECT $1 + 1';
  CREATE TYPE pg_temp.pair AS (a int4, b int4)`;

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  [plain, proxy] = await Promise.all([connect(tested.plain), connect(tested.login)]);
  for (const client of [plain, proxy]) {
    for (const sql of SCHEMA.split(';')) await client.query(sql);
  }
});

afterAll(async () => {
  await Promise.all([plain, proxy].map((client) => client.end()));
  await tested.close();
});

test('is answered as by one PostgreSQL', async () => {
  for (const sql of [
    'SELECT pg_temp.more(id) FROM files WHERE user_id = 1',
    'SELECT sum(pg_temp.more(id)) FROM files',
    'SELECT (ROW(id, id + 1)::pg_temp.pair).b FROM files WHERE user_id = 2',
    'INSERT INTO files VALUES (20, pg_temp.more(20)) RETURNING id',
    'INSERT INTO files SELECT user_id, pg_temp.more(id) FROM files WHERE user_id = 3 RETURNING id',
    'BEGIN',
    'LOCK TABLE own, files',
    'TRUNCATE own, other, second',
    'SELECT count(*) FROM own',
    'ROLLBACK',
    'SELECT count(*) FROM own',
    'GRANT SELECT ON own, other, home TO PUBLIC',
    'TRUNCATE other, own',
    'SELECT count(*) FROM own',
    'DROP TABLE own, nothing, other',
    'DROP TABLE IF EXISTS own, nothing, other',
    'SELECT count(*) FROM other',
    'DROP TABLE second, home, files',
    'SELECT count(*) FROM second',
  ]) {
    expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
  }
});

test('a home table is known by its name in a text, too, whichever shard the rows are on', async () => {
  for (const sql of [
    'CREATE TABLE alone (id int4)',
    'CREATE TABLE spread (user_id int8)',
    'INSERT INTO spread VALUES (1), (2), (3)',
    ...[1, 2, 3].flatMap((key) => [
      `SELECT 'alone'::regclass, regclass 'public.alone' FROM spread WHERE user_id = ${key}`,
      `SELECT to_regclass('alone'), has_table_privilege('alone', 'select') FROM spread WHERE user_id = ${key}`,
      `SELECT 'spread'::regclass, to_regclass('nothing') FROM spread WHERE user_id = ${key}`,
    ]),
    `SELECT pg_relation_size('alone') FROM spread`,
  ]) {
    expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
  }
});

test('is refused in what writes by itself, and so is a type of a home table on every shard', async () => {
  await proxy.query('CREATE TABLE files (user_id int8, id int4)');
  await proxy.query('CREATE TABLE home (id int4)');
  for (const [sql, message] of [
    ['UPDATE files SET id = pg_temp.more(id) WHERE user_id = 1', /pg_temp/],
    ['DELETE FROM files WHERE id = pg_temp.more(1)', /pg_temp/],
    ['CREATE TABLE more (user_id int8, h home)', /shard 0 alone/],
  ] as const) {
    await expect(proxy.query(sql), sql).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringMatching(message),
    });
  }
});

test('lists of tables with their schemas are told apart', async () => {
  for (const sql of [
    'CREATE SCHEMA app',
    'CREATE TABLE app.spread (user_id int8)',
    'CREATE TABLE app.alone (id int4)',
    'CREATE TABLE alone (id int4)',
    'CREATE VIEW app.seen AS SELECT * FROM app.alone',
    'CREATE VIEW seen AS SELECT * FROM app.spread',
    'TRUNCATE app.spread, app.alone',
    'DROP VIEW IF EXISTS app.seen, seen, app.missing',
    'DROP TABLE alone, app.spread, public.missing',
    'DROP TABLE public.alone, app.spread, app.alone',
    'SELECT * FROM app.spread',
    'SELECT * FROM app.alone',
    'DROP SCHEMA app',
  ]) {
    expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
  }
});

test('what is no table is dropped on every shard, also as a list, or by the name of a home table', async () => {
  const made = [
    'CREATE SCHEMA home',
    'CREATE SCHEMA beside',
    `COMMENT ON SCHEMA home IS 'x'`,
    'CREATE TABLE home.spread (user_id int8, id int8)',
    'CREATE INDEX spread_0 ON home.spread (user_id)',
    'CREATE INDEX spread_1 ON home.spread (id)',
    'CREATE SEQUENCE count_0',
    'CREATE SEQUENCE count_1',
    'CREATE COLLATION home FROM "C"',
    'GRANT USAGE ON SCHEMA home, beside TO PUBLIC',
    'GRANT USAGE ON SEQUENCE count_0, count_1 TO PUBLIC',
    `COMMENT ON COLUMN home.spread.id IS 'x'`,
  ];
  const dropped = [
    'DROP INDEX home.spread_0, home.spread_1',
    'DROP SEQUENCE count_0, count_1',
    'DROP COLLATION home',
    'DROP SCHEMA home',
    'DROP SCHEMA home, beside CASCADE',
  ];
  // What another shard had kept would be in the way of the second time.
  for (const sql of [...made, ...dropped, ...made, ...dropped]) {
    expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
  }
});

test('lists of what is on every shard and of what is on one alone change both', async () => {
  const made = [
    'CREATE SEQUENCE count_0',
    'CREATE SEQUENCE count_1',
    'CREATE SEQUENCE alone OWNED BY lone.id',
    'CREATE INDEX of_home ON lone (id)',
    'CREATE INDEX of_files ON apart (id)',
    `CREATE FUNCTION of_home() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM lone'`,
    `CREATE FUNCTION of_none(int) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  ];
  const granted = [
    'GRANT SELECT ON count_0, count_1 TO PUBLIC',
    'GRANT USAGE ON SEQUENCE count_0, alone TO PUBLIC',
    'GRANT SELECT ON apart, lone, count_1 TO PUBLIC',
    'REVOKE SELECT ON count_0, count_1, apart FROM PUBLIC',
  ];
  const dropped = [
    'DROP INDEX of_home, of_files',
    'DROP FUNCTION of_home(), of_none(int)',
    'DROP SEQUENCE count_0, alone, count_1',
  ];
  const tables = ['CREATE TABLE lone (id int4)', 'CREATE TABLE apart (user_id int8, id int4)'];
  for (const sql of [...tables, ...made, ...granted, ...dropped, ...made, ...dropped]) {
    expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
  }
});

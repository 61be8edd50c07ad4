// Names of PostgreSQL's own that users have given to what is theirs, by the search path.

import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { ask, connect } from './answer.ts';

const SCHEMA = `
  CREATE TABLE t (user_id int, s text);
  INSERT INTO t SELECT g, 'A' || g FROM generate_series(1, 9) g;
  CREATE SCHEMA functions; CREATE SCHEMA operators; CREATE SCHEMA types; CREATE SCHEMA others;
  CREATE FUNCTION functions.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || random()';
  CREATE FUNCTION functions.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
  CREATE OPERATOR operators.= (FUNCTION = functions.same, LEFTARG = int, RIGHTARG = int);
  CREATE DOMAIN types.date AS text;
  CREATE FUNCTION others.lower(t) RETURNS text LANGUAGE sql AS 'SELECT $1.s';
  CREATE TABLE others.path (a int);
  CREATE TABLE public.pg_stats (user_id int, a int);
  INSERT INTO public.pg_stats SELECT g, g FROM generate_series(1, 9) g;
  CREATE TABLE others.pg_stats (user_id int, a int)`;

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  [plain, proxy] = await Promise.all([connect(tested.plain), connect(tested.login)]);
  for (const client of [plain, proxy]) await client.query(SCHEMA);
});

afterAll(async () => {
  await Promise.all([plain, proxy].map((client) => client.end()));
  await tested.close();
});

const under = async (path: string) => {
  for (const client of [plain, proxy]) await client.query(`SET search_path = ${path}`);
};

const STATEMENTS = [
  'SELECT count(DISTINCT lower(s)) FROM t',
  'SELECT count(*) FROM t WHERE user_id = 3',
  "SELECT count(*) FROM t WHERE s = '2020-01-01'::date::text",
  'SELECT lower(t) FROM t WHERE user_id = 3',
];

test.each(['public', 'functions, operators, types, public', 'others, pg_catalog, public'])(
  'are answered where they mean what they do elsewhere: %s',
  async (path) => {
    await under(path);
    for (const sql of STATEMENTS) expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
  },
);

test.each(['functions', 'operators', 'types'])('are refused behind %s', async (schema) => {
  await under(`${schema}, pg_catalog, public`);
  for (const sql of [...STATEMENTS, 'UPDATE t SET s = s', 'COPY t TO STDOUT']) {
    await expect(proxy.query(sql), sql).rejects.toMatchObject({ code: '0A000' });
  }
  expect(await ask(proxy, "SELECT lower('A') > '0'")).toEqual(
    await ask(plain, "SELECT lower('A') > '0'"),
  );
});

test.each(['public', 'others, public', 'pg_catalog, public'])(
  "a table of a system view's name is not meant by it: %s",
  async (path) => {
    await under(path);
    for (const sql of [
      "SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'pg_catalog'",
      'SELECT count(*) FROM pg_stats WHERE user_id = 3',
      'INSERT INTO pg_stats VALUES (1, 1)',
      'SELECT sum(a) FROM public.pg_stats',
      'DROP TABLE pg_stats',
    ]) {
      expect(await ask(proxy, sql), sql).toEqual(await ask(plain, sql));
    }
  },
);

test('a table that stands before the system view is meant by it', async () => {
  await under('public, pg_catalog');
  const sql = 'SELECT sum(a) FROM pg_stats';
  expect(await ask(proxy, sql)).toEqual(await ask(plain, sql));
});

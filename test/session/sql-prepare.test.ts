// PREPARE, EXECUTE and DEALLOCATE of SQL: over shards, and as PostgreSQL answers them.

import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../parity/answer.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let client: pg.Client;
let plain: pg.Client;

const TABLE = 'CREATE TABLE items (user_id int8, name text, price numeric, made date)';

beforeAll(async () => {
  proxy = await startTestProxy({
    prepare: async ({ shards, plain: oracle }) => {
      for (const server of [...shards, oracle]) {
        const direct = new pg.Client(server);
        await direct.connect();
        await direct.query(TABLE);
        await direct.end();
      }
    },
  });
  client = new pg.Client(proxy.login);
  plain = new pg.Client(proxy.plain);
  await Promise.all([client.connect(), plain.connect()]);
});

afterAll(async () => {
  await Promise.all([client.end(), plain.end()]);
  await proxy.close();
});

test('a script of them is answered as by one PostgreSQL', async () => {
  const script = [
    'PREPARE put (bigint, text, numeric) AS INSERT INTO items (user_id, name, price) VALUES ($1, $2, $3)',
    "EXECUTE put(1, 'one', 1.5)",
    "EXECUTE put(2, 'it''s', -2)",
    'EXECUTE put(-9223372036854775808, NULL, NULL)',
    'PREPARE one AS SELECT name, price FROM items WHERE user_id = $1',
    'EXECUTE one(2)',
    "EXECUTE one('1')",
    'EXECUTE one(77)',
    'PREPARE every AS SELECT user_id, name FROM items ORDER BY user_id',
    'EXECUTE every',
    'PREPARE total(numeric) AS SELECT count(*), sum(price) FROM items WHERE price > $1',
    'EXECUTE total(-10)',
    'EXECUTE total(1.25)',
    'PREPARE several AS INSERT INTO items (user_id, name) VALUES ($1, $2), (4, $2) RETURNING user_id, name',
    "EXECUTE several(3, 'x')",
    'EXECUTE several(3)',
    'EXECUTE nothing(1)',
    'PREPARE one AS SELECT 1',
    'PREPARE wrong AS SELECT nothing FROM items',
    'PREPARE constant AS SELECT 1 AS a, $1::text AS b',
    "EXECUTE constant('z')",
    'BEGIN',
    "EXECUTE put(5, 'five', 5)",
    'EXECUTE every',
    'ROLLBACK',
    'EXECUTE every',
    'DEALLOCATE one',
    'EXECUTE one(1)',
    'DEALLOCATE one',
    'DEALLOCATE PREPARE every',
    'DEALLOCATE ALL',
    'EXECUTE total(1)',
  ];
  for (const sql of script) {
    const [expected, given] = [await ask(plain, sql), await ask(client, sql)];
    expect(given, sql).toEqual(expected);
  }
});

test('arguments that are cast to the type of their parameter are what PostgreSQL makes of them', async () => {
  const script = [
    'PREPARE typed(int, float, text, date, numeric, bool) AS SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e, $6 AS f',
    "EXECUTE typed(5::smallint, 10.5::float, 'x'::text, '2026-01-02'::date, 1.50::numeric, false)",
    "EXECUTE typed(5::bigint, 1::float8, 7::text, NULL::date, '1e3'::numeric, 'on'::bool)",
    'EXECUTE typed(NULL::int8, NULL, NULL, NULL, NULL, NULL)',
    'EXECUTE typed(2147483648::bigint, NULL, NULL, NULL, NULL, NULL)',
    "EXECUTE typed('x'::int, NULL, NULL, NULL, NULL, NULL)",
    'DEALLOCATE typed',
  ];
  for (const sql of script) {
    const [expected, given] = [await ask(plain, sql), await ask(client, sql)];
    const isError = expected.kind === 'error' && given.kind === 'error';
    expect(isError ? given.code : given, sql).toEqual(isError ? expected.code : expected);
  }
});

test.each([
  ['EXECUTE narrow(70000::smallint)', 'more than the cast takes'],
  ['EXECUTE narrow(1.5::int)', 'a number that is rounded'],
  ["EXECUTE narrow('1'::text)", 'another type'],
  ["EXECUTE narrow('5'::int8)", 'a string as another integer'],
])('%s is refused: %s', async (sql) => {
  await client.query('PREPARE narrow(int) AS SELECT $1 AS n');
  expect(await ask(client, sql)).toMatchObject({ kind: 'error', code: '0A000' });
  await client.query('DEALLOCATE narrow');
});

test.each([
  'PREPARE /* ä */ wrong AS SELECT nothing FROM items',
  'SELECT 1; PREPARE wrong(int) AS UPDATE items SET nothing = $1',
])('an error in it is told at its place: %s', async (sql) => {
  const positionIn = (server: pg.Client) =>
    server.query(sql).then(
      () => null,
      ({ code, position }: pg.DatabaseError) => ({ code, position }),
    );
  expect(await positionIn(client)).toEqual(await positionIn(plain));
});

test('a statement of the protocol and one of SQL share their names', async () => {
  await client.query({ name: 'shared', text: 'SELECT $1::int4 AS n', values: [1] });
  expect((await client.query('EXECUTE shared(7)')).rows).toEqual([{ n: 7 }]);
});

test('EXECUTE by the extended protocol is described', async () => {
  await client.query('PREPARE wide AS SELECT user_id, name FROM items WHERE user_id = $1');
  const { rows } = await client.query({ text: 'EXECUTE wide(1)', values: [] });
  expect(rows).toEqual([{ user_id: '1', name: 'one' }]);
});

test('they do not tie a session to its servers', async () => {
  await client.query('PREPARE loose AS SELECT 1');
  const [first] = (await client.query('SELECT pg_backend_pid() AS pid')).rows;
  expect(first.pid).toBeGreaterThan(0);
  const admin = new pg.Client({ ...proxy.login, database: 'admin' });
  await admin.connect();
  expect((await admin.query('SHOW PINS')).rows).toEqual([]);
  await admin.end();
});

test.each([
  ['PREPARE odd (items) AS SELECT $1', 'a type that is not built in'],
  ['EXECUTE put(1 + 1, NULL, NULL)', 'no constant'],
])('%s is refused', async (sql, reason) => {
  await expect(client.query(sql)).rejects.toMatchObject({
    code: '0A000',
    message: expect.stringContaining(reason),
  });
});

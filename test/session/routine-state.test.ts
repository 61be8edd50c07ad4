// Routine state: what routines leave on a server stays with the session that has called them.

import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let clients: pg.Client[];

const ROUTINES = [
  `CREATE FUNCTION make_list() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    CREATE TEMPORARY TABLE list (n int); INSERT INTO list VALUES (1), (2); END $$`,
  `CREATE FUNCTION calls_it() RETURNS void LANGUAGE sql AS 'SELECT make_list()'`,
  `CREATE FUNCTION take(k bigint) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(k)'`,
  `CREATE FUNCTION leave(k bigint) RETURNS bool LANGUAGE sql AS 'SELECT pg_advisory_unlock(k)'`,
  `CREATE FUNCTION take_and_leave(k bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_lock(k); PERFORM pg_advisory_unlock(k); END $$`,
  `CREATE FUNCTION hear() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'LISTEN news'; END $$`,
];

beforeAll(async () => {
  proxy = await startTestProxy({ config: { pool: { size: 2 } } });
  clients = [1, 2, 3].map(() => new pg.Client(proxy.login));
  for (const each of clients) await each.connect();
  for (const sql of ROUTINES) await clients[0]!.query(sql);
});

afterAll(async () => {
  await Promise.all(clients.map((each) => each.end()));
  await proxy.close();
});

async function one(client: pg.Client, sql: string): Promise<unknown> {
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  return (rows as unknown[][])[0]![0];
}

it.each([
  ['SELECT calls_it()', 'list'],
  ['EXPLAIN ANALYZE CREATE TEMP TABLE made AS SELECT generate_series(1, 2) AS n', 'made'],
  ['DO $$ BEGIN CREATE TEMP TABLE other AS SELECT generate_series(1, 2) AS n; END $$', 'other'],
])(
  'a temporary table of %s is nobody else’s, and is gone when it is dropped',
  async (sql, name) => {
    const [mine, other] = clients as [pg.Client, pg.Client];
    await mine.query(sql);
    await expect(other.query(`SELECT * FROM ${name}`)).rejects.toMatchObject({ code: '42P01' });
    expect(await one(mine, `SELECT count(*) FROM ${name}`)).toBe('2');
    await mine.query(`DROP TABLE ${name}`);
  },
);

it.each([
  'SELECT take(5)',
  'DO $$ BEGIN PERFORM take(5); END $$',
  'CREATE TABLE taken AS SELECT pg_try_advisory_lock(5)',
])('a lock that %s takes keeps others out until its session gives it back', async (sql) => {
  const [mine, other] = clients as [pg.Client, pg.Client];
  await mine.query(sql);
  expect(await one(other, 'SELECT pg_try_advisory_lock(5)')).toBe(false);
  expect(await one(mine, 'SELECT leave(5)')).toBe(true);
  expect(await one(other, 'SELECT pg_try_advisory_lock(5)')).toBe(true);
  expect(await one(other, 'SELECT pg_advisory_unlock(5)')).toBe(true);
});

it('a temporary table of a function is not mistaken for one on every shard', async () => {
  const [mine] = clients as [pg.Client];
  await mine.query('CREATE TABLE files (user_id int)');
  await mine.query('INSERT INTO files VALUES (1), (2)');
  await mine.query(`CREATE FUNCTION make(name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('CREATE TEMP TABLE %I (user_id int)', name); END $$`);
  await mine.query(`SELECT make('before')`);
  expect(await one(mine, 'SELECT count(*) FROM files')).toBe('2');
  await mine.query(`SELECT make('files')`);
  await expect(mine.query('SELECT count(*) FROM files')).rejects.toMatchObject({ code: '0A000' });
  await mine.query('DROP TABLE pg_temp.files, before');
  expect(await one(mine, 'SELECT count(*) FROM files')).toBe('2');
});

it('LISTEN in a function reaches its session', async () => {
  const [mine, other] = clients as [pg.Client, pg.Client];
  const heard = new Promise((resolve) => mine.once('notification', resolve));
  await mine.query('SELECT hear()');
  await other.query(`NOTIFY news, 'today'`);
  expect(await heard).toMatchObject({ channel: 'news', payload: 'today' });
  await mine.query('UNLISTEN *');
});

it('the last id of a session is told by the routine that makes it, and by no other', async () => {
  const [mine, other] = clients as [pg.Client, pg.Client];
  await mine.query('CREATE TABLE notes (id serial, text text)');
  await mine.query(`CREATE FUNCTION last_note() RETURNS bigint LANGUAGE sql AS 'SELECT lastval()'`);
  await mine.query(`CREATE FUNCTION add_note(words text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO notes (text) VALUES (words); RETURN currval('notes_id_seq'); END $$`);
  expect(await one(mine, `SELECT add_note('a')`)).toBe('1');
  expect(await one(other, `SELECT add_note('b')`)).toBe('2');
  await expect(mine.query('SELECT last_note()')).rejects.toMatchObject({ code: '0A000' });
});

it('a limit that pg_trgm keeps is its session’s', async () => {
  const [mine, other] = clients as [pg.Client, pg.Client];
  await mine.query('CREATE EXTENSION pg_trgm');
  await mine.query('SELECT set_limit(0.8)');
  expect(await one(other, 'SELECT show_limit()::text')).toBe('0.3');
  expect(await one(mine, 'SELECT show_limit()::text')).toBe('0.8');
  await mine.query('DISCARD ALL');
});

it('a connection on which a function has left nothing serves others', async () => {
  const [first, second, third] = clients as [pg.Client, pg.Client, pg.Client];
  await first.query('SELECT take_and_leave(6)');
  await second.query('SELECT make_list()');
  expect(await one(third, 'SELECT 1')).toBe(1);
  await second.query('DROP TABLE list');
});

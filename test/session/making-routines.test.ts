// Routines that make tables, or run a statement that they are given, do what they do on one server, or are refused.

import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, connect, REFUSED } from '../parity/answer.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

const SCHEMA = [
  'CREATE TABLE files (user_id int, name text)',
  "INSERT INTO files VALUES (1, 'a'), (2, 'b'), (3, 'c')",
  'CREATE TABLE plans (id int, price int)',
  'CREATE TABLE notes (id int)',
  `CREATE FUNCTION makes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
     CREATE TABLE made (user_id int, x int); INSERT INTO made VALUES (1, 1), (2, 2);
   END $$`,
  'CREATE FUNCTION runs(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$',
  `CREATE FUNCTION counts(named text) RETURNS bigint LANGUAGE plpgsql AS $$
     DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM ' || named INTO n; RETURN n; END $$`,
  'CREATE PROCEDURE calls(q text) LANGUAGE plpgsql AS $$ BEGIN PERFORM runs(q); END $$',
];

let proxy: TestProxy;
let clients: [pg.Client, pg.Client];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  clients = [await connect(proxy.plain), await connect(proxy.login)];
  for (const client of clients) for (const sql of SCHEMA) await client.query(sql);
  await clients[1].query("SELECT create_reference_table('plans')");
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await proxy.close();
});

test.each([
  ['its own', 'SELECT makes()', 'made'],
  ['one that it is given', "SELECT runs('CREATE TABLE given (user_id int, x int)')", 'given'],
  [
    'one that a procedure is given',
    "CALL calls('CREATE TABLE called (user_id int, x int)')",
    'called',
  ],
])('a routine makes a table: %s', async (_, sql, table) => {
  for (const each of [
    sql,
    `INSERT INTO ${table} VALUES (3, 3), (4, 4)`,
    `SELECT * FROM ${table} ORDER BY user_id`,
    `BEGIN; SELECT runs('ALTER TABLE ${table} ADD COLUMN y int'); COMMIT`,
    `UPDATE ${table} SET y = x RETURNING user_id, y`,
  ]) {
    const [plain, proxied] = [await ask(clients[0], each), await ask(clients[1], each)];
    expect(plain.kind, each).toBe('rows');
    expect(proxied, each).toEqual(plain);
  }
});

test('a trigger of a home table makes one', async () => {
  for (const each of [
    'CREATE TABLE days (day text)',
    `CREATE FUNCTION makes_day() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       EXECUTE format('CREATE TABLE %I (user_id int)', NEW.day); RETURN NEW; END $$`,
    'CREATE TRIGGER makes BEFORE INSERT ON days FOR EACH ROW EXECUTE FUNCTION makes_day()',
    "INSERT INTO days VALUES ('monday'), ('tuesday')",
    'INSERT INTO monday VALUES (1), (2), (3)',
    'SELECT * FROM monday ORDER BY user_id',
    'SELECT * FROM tuesday',
  ]) {
    const [plain, proxied] = [await ask(clients[0], each), await ask(clients[1], each)];
    expect(plain.kind, each).toBe('rows');
    expect(proxied, each).toEqual(plain);
  }
});

test.each([
  "SELECT runs('ALTER TABLE files ADD COLUMN y int')",
  "SELECT runs('drop table public.files')",
  "CALL calls('CREATE INDEX ON files (name)')",
  "SELECT runs('DELETE FROM files'), 1",
  "SELECT runs('INSERT INTO notes SELECT user_id FROM files')",
  "SELECT runs('UPDATE plans SET price = 1')",
  "SELECT counts('files')",
  `SELECT counts('public."files"')`,
  "SELECT counts('files'::regclass::text)",
])('a routine that runs texts is given what is on shards: %s', async (sql) => {
  expect(await ask(clients[1], sql)).toMatchObject({ kind: 'error', code: REFUSED });
});

test.each([
  "SELECT counts('notes')",
  "SELECT counts('plans')",
  "SELECT runs('INSERT INTO notes SELECT id FROM plans')",
  "SELECT runs('SELECT 1'), 'files'",
])('a routine that runs texts is given what shard 0 has: %s', async (sql) => {
  const [plain, proxied] = [await ask(clients[0], sql), await ask(clients[1], sql)];
  expect(plain.kind).toBe('rows');
  expect(proxied).toEqual(plain);
});

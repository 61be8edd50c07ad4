// Tables made on the shards, past the proxy, are known when they are first named.

import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { quoteName } from '../../src/base/quote.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let client: pg.Client;
let shards: pg.Client[];

beforeAll(async () => {
  proxy = await startTestProxy();
  client = new pg.Client(proxy.login);
  shards = proxy.shards.map((shard) => new pg.Client(shard));
  await Promise.all([client, ...shards].map((each) => each.connect()));
});

afterAll(async () => {
  await Promise.all([client, ...shards].map((each) => each.end()));
  await proxy.close();
});

async function onEveryShard(sql: string): Promise<void> {
  for (const shard of shards) await shard.query(sql);
}

async function rowsOf(table: string): Promise<unknown[]> {
  const answers = await Promise.all(shards.map((shard) => shard.query(`SELECT * FROM ${table}`)));
  return answers.map(({ rows }) => rows);
}

test('by a simple query', async () => {
  await onEveryShard('CREATE TABLE simple_one (user_id int8)');
  await client.query('INSERT INTO simple_one VALUES (1), (2)');
  expect(await rowsOf('simple_one')).toEqual([[{ user_id: '2' }], [{ user_id: '1' }]]);
});

test('by a prepared statement', async () => {
  await onEveryShard('CREATE TABLE prepared_one (user_id int8)');
  await client.query('INSERT INTO prepared_one VALUES ($1)', [1]);
  expect(await rowsOf('prepared_one')).toEqual([[], [{ user_id: '1' }]]);
});

test('by a string of several statements', async () => {
  await onEveryShard('CREATE TABLE several_one (user_id int8)');
  await client.query('INSERT INTO several_one VALUES (1); INSERT INTO several_one VALUES (2)');
  expect(await rowsOf('several_one')).toEqual([[{ user_id: '2' }], [{ user_id: '1' }]]);
});

test('also where a home table is made first', async () => {
  await onEveryShard('CREATE TABLE beside_one (user_id int8)');
  await client.query('CREATE TABLE at_home (id int)');
  await client.query('CREATE TABLE taken AS SELECT 1 AS user_id');
  await client.query('INSERT INTO beside_one VALUES (1), (2)');
  expect(await rowsOf('beside_one')).toEqual([[{ user_id: '2' }], [{ user_id: '1' }]]);
  expect((await client.query('SELECT user_id FROM taken')).rows).toEqual([{ user_id: 1 }]);
  const kinds = await shards[0]!.query(
    "SELECT relation::text FROM drive.tables WHERE kind = 'home'",
  );
  expect(kinds.rows).toEqual([{ relation: 'taken' }]);
});

test('whatever their names', async () => {
  for (const name of [`it's "\\"`, 'x'.repeat(70)]) {
    const table = quoteName(name);
    await onEveryShard(`CREATE TABLE ${table} (user_id int8)`);
    await client.query(`INSERT INTO ${table} VALUES (1), (2)`);
    expect(await rowsOf(table)).toEqual([[{ user_id: '2' }], [{ user_id: '1' }]]);
  }
});

test('also where another of that name is to be made', async () => {
  await onEveryShard('CREATE TABLE made_one (user_id int8)');
  await client.query('CREATE TABLE IF NOT EXISTS made_one (id int8)');
  await client.query('INSERT INTO made_one VALUES (1), (2)');
  expect(await rowsOf('made_one')).toEqual([[{ user_id: '2' }], [{ user_id: '1' }]]);
});

test("a missing table is PostgreSQL's own error, again and again", async () => {
  for (let round = 0; round < 3; round++) {
    await expect(client.query('SELECT * FROM nowhere')).rejects.toMatchObject({ code: '42P01' });
  }
});

test('a temporary table stays the session’s', async () => {
  await client.query('CREATE TEMPORARY TABLE mine (n int4)');
  await client.query('INSERT INTO mine VALUES (1)');
  expect((await client.query('SELECT n FROM mine')).rows).toEqual([{ n: 1 }]);
});

test('a table that is made behind a temporary one is not taken for it', async () => {
  const other = new pg.Client(proxy.login);
  await other.connect();
  await client.query('CREATE TEMPORARY TABLE later_one (n int4)');
  await client.query('INSERT INTO later_one VALUES (1)');
  await other.query('CREATE TABLE later_one (user_id int8)');
  await other.query('INSERT INTO later_one VALUES (1), (2)');
  for (const refused of ['DELETE FROM later_one', 'SELECT 1; DELETE FROM later_one']) {
    await expect(client.query(refused)).rejects.toMatchObject({ code: '0A000' });
  }
  const prepared = client.query('SELECT n FROM later_one WHERE n = $1', [1]);
  await expect(prepared).rejects.toMatchObject({ code: '0A000' });
  expect((await client.query('SELECT n FROM pg_temp.later_one')).rows).toEqual([{ n: 1 }]);
  await client.query('BEGIN; DROP TABLE pg_temp.later_one');
  expect((await client.query('SELECT FROM later_one')).rowCount).toBe(2);
  await client.query('ROLLBACK');
  await expect(client.query('DELETE FROM later_one')).rejects.toMatchObject({ code: '0A000' });
  await client.query('DROP TABLE pg_temp.later_one');
  expect((await client.query('DELETE FROM later_one')).rowCount).toBe(2);
  await other.end();
});

test('a name is not known within a transaction that has changed a table', async () => {
  await client.query('CREATE TABLE changed_one (user_id int8, n int4 DEFAULT 1)');
  await client.query('CREATE INDEX changed_index ON changed_one (n)');
  // To read its body the server waits for the table.
  await client.query(`CREATE FUNCTION of_changed_one() RETURNS bigint LANGUAGE sql
    RETURN (SELECT count(*) FROM changed_one)`);
  await client.query('BEGIN');
  await client.query('ALTER TABLE changed_one ADD COLUMN more int4 DEFAULT 2');
  await client.query('DROP INDEX changed_index');
  const prepared = client.query('SELECT $1::int FROM nowhere', [1]);
  await expect(prepared).rejects.toMatchObject({ code: '42P01' });
  await client.query('ROLLBACK');
  await client.query('DROP INDEX changed_index; DROP FUNCTION of_changed_one()');
});

test('nor where the transaction has locked a table that has a default', async () => {
  await client.query(`CREATE TABLE locked_one (user_id int8, n int4 DEFAULT 1,
    twice int4 GENERATED ALWAYS AS (n * 2) STORED, id serial UNIQUE)`);
  await client.query('BEGIN');
  await client.query('LOCK TABLE locked_one');
  await expect(client.query('SELECT FROM nowhere')).rejects.toMatchObject({ code: '42P01' });
  await client.query('ROLLBACK');
});

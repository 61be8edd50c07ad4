// Reference tables that nothing keeps apart: what is found first is written to the same rows of every copy.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let tested: TestProxy;
let proxy: pg.Client;
let other: pg.Client;
let shards: pg.Client[];

async function connected(login: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(login);
  await client.connect();
  return client;
}

beforeAll(async () => {
  const tables = { tally: { kind: 'reference' }, sub: { kind: 'reference' } } as const;
  tested = await startTestProxy({ shards: 3, config: { sharding: { tables } } });
  proxy = await connected(tested.login);
  other = await connected(tested.login);
  shards = await Promise.all(tested.shards.map(connected));
  await proxy.query('CREATE TABLE ones (user_id int8 PRIMARY KEY); INSERT INTO ones VALUES (4)');
});

beforeEach(async () => {
  await proxy.query('CREATE TABLE tally (name text, n int8, chance float8)');
  for (const [i, shard] of shards.entries()) {
    const rows = [`('a', 0, 0)`, `('b', 0, 0)`, `('a', 0, 0)`, `('a', 0, 0)`];
    await shard.query(`INSERT INTO tally VALUES ${[...rows.slice(i), ...rows.slice(0, i)].join()}`);
  }
});

afterEach(async () => {
  for (const client of [proxy, other]) await client.query('ROLLBACK');
  await proxy.query('DROP TABLE tally CASCADE');
});

afterAll(async () => {
  await Promise.all([proxy, other, ...shards].map((client) => client.end()));
  await tested.close();
});

/** The rows of the copies, which must all be the same. */
async function copy(): Promise<{ name: string; n: string; chance: number }[]> {
  const copies = await Promise.all(
    shards.map(async (shard) => (await shard.query('TABLE tally ORDER BY name, n, chance')).rows),
  );
  for (const each of copies) expect(each).toEqual(copies[0]);
  return copies[0]!;
}

const ADD = 'UPDATE tally SET n = n + (SELECT count(*) FROM ones)';

it('equal rows get values of their own, the same ones everywhere', async () => {
  await proxy.query('UPDATE tally SET chance = random()');
  expect(new Set((await copy()).map(({ chance }) => chance)).size).toBe(4);
});

it('of equal rows just as many are deleted everywhere', async () => {
  const { rowCount } = await proxy.query(
    `DELETE FROM tally WHERE name IN (SELECT 'a' FROM ones) AND random() < 2 RETURNING *`,
  );
  expect(rowCount).toBe(3);
  expect((await copy()).map(({ name }) => name)).toEqual(['b']);
});

it('writers that meet lose nothing', async () => {
  const run = async (client: pg.Client, statements: readonly string[]) => {
    for (const sql of statements) await client.query(sql);
  };
  const plain = 'UPDATE tally SET n = n + 1';
  const some = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? plain : ADD));
  await Promise.all([run(proxy, some), run(other, some)]);
  expect((await copy()).map(({ n }) => n)).toEqual(['24', '24', '24', '24']);
});

it('who has locked a row may write it before', async () => {
  await other.query('BEGIN');
  await other.query(`SELECT * FROM tally WHERE name = 'b' FOR UPDATE`);
  const waiting = proxy.query(ADD);
  await other.query(`UPDATE tally SET n = 10 WHERE name = 'b'`);
  await other.query('COMMIT');
  await waiting;
  expect((await copy()).map(({ n }) => n)).toEqual(['1', '1', '1', '11']);
});

it('a transaction sees its own writes and takes them back', async () => {
  await proxy.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await proxy.query(`UPDATE tally SET n = 5 WHERE name = 'b'`);
  await proxy.query('SAVEPOINT s');
  await proxy.query(ADD);
  await proxy.query('ROLLBACK TO s');
  await proxy.query(ADD);
  await proxy.query('COMMIT');
  expect((await copy()).map(({ n }) => n)).toEqual(['1', '1', '1', '6']);
});

it('rows that show but a part of themselves are known by all of it', async () => {
  await proxy.query('CREATE TABLE sub (more text) INHERITS (tally)');
  await proxy.query(
    `INSERT INTO sub VALUES ('s', 0, 0.5, 'x'), ('s', 0, 0.5, 'y'), ('s', 0, 0.5, NULL)`,
  );
  await proxy.query(ADD);
  expect((await copy()).map(({ n }) => n)).toEqual(['1', '1', '1', '1', '1', '1', '1']);
  await proxy.query(ADD.replace('tally', 'ONLY tally'));
  expect((await copy()).map(({ n }) => n)).toEqual(['2', '2', '2', '2', '1', '1', '1']);
});

it('copies that differ are told, and nothing is written', async () => {
  await shards[1]!.query(`UPDATE tally SET n = 7 WHERE name = 'b'`);
  await expect(proxy.query(ADD)).rejects.toMatchObject({ code: 'XX001' });
  const { rows } = await shards[0]!.query('SELECT sum(n) AS sum FROM tally');
  expect(rows).toEqual([{ sum: '0' }]);
});

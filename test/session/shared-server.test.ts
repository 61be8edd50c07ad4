// Shards that are databases of one server: transactions over them are as good as over servers.

import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

const SHARDS = 7;

let tested: TestProxy;
let client: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: SHARDS });
  client = new pg.Client(tested.login);
  await client.connect();
  await client.query('CREATE TABLE files (user_id bigint, id int, PRIMARY KEY (user_id, id))');
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

async function counts(): Promise<number[]> {
  return Promise.all(
    tested.shards.map(async (shard) => {
      const direct = new pg.Client(shard);
      await direct.connect();
      const { rows } = await direct.query('SELECT count(*)::int AS n FROM files');
      await direct.end();
      return (rows[0] as { n: number }).n;
    }),
  );
}

const VALUES = Array.from({ length: SHARDS }, (_, key) => `(${key}, 1)`).join(', ');

it('has several shards on one server', () => {
  expect(new Set(tested.shards.map(({ port }) => port)).size).toBeLessThan(SHARDS);
});

it('commits on all of them', async () => {
  await client.query(`INSERT INTO files VALUES ${VALUES}`);
  expect(await counts()).toEqual(Array(SHARDS).fill(1));
});

it('rolls back on all of them', async () => {
  await expect(client.query(`INSERT INTO files VALUES (7, 2), (8, 2), (0, 1)`)).rejects.toThrow(
    'duplicate key',
  );
  expect(await counts()).toEqual(Array(SHARDS).fill(1));
});

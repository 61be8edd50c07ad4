// Carried values: rows that are written on another server than the one that gave them keep their values.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;
let shards: readonly RawClient[];

beforeAll(async () => {
  proxy = await startTestProxy({
    shards: 2,
    config: { sharding: { tables: { rates: { kind: 'reference' } } } },
  });
  shards = await Promise.all(proxy.shards.map((shard) => RawClient.login(shard)));
  client = await RawClient.login(proxy.login);
  await client.rows('CREATE TABLE rates (rates text PRIMARY KEY, x float8, at timestamptz)');
  await client.rows('CREATE TABLE lists (user_id bigint PRIMARY KEY, x float8[], n int[])');
  await client.close();
});

afterAll(async () => {
  await Promise.all(shards.map((shard) => shard.close()));
  await proxy.close();
});

beforeEach(async () => {
  client = await RawClient.login(proxy.login);
  await client.rows('TRUNCATE rates, lists');
  await client.rows(`INSERT INTO lists VALUES (1, '{0.1234567890123456}', '{1,2}')`);
});

afterEach(() => client.close());

const onEach = async (sql: string) => Promise.all(shards.map((shard) => shard.rows(sql)));

describe('With settings by which text is not exact', () => {
  beforeEach(async () => {
    await client.rows(`SET extra_float_digits = 0`);
    await client.rows(`SET DateStyle = 'SQL, DMY'`);
    await client.rows(`SET TimeZone = 'Asia/Kolkata'`);
  });

  it('the copies of a reference table are the same, and the answer is as the session wants it', async () => {
    const sql = `INSERT INTO rates VALUES ('a', 1 / 3::float8, '2026-02-03T04:05:06Z') RETURNING at`;
    expect(await client.rows(sql)).toEqual([['03/02/2026 09:35:06 IST']]);
    const [home, other] = await onEach('SELECT x, at FROM rates');
    expect(home![0]![0]).toBe('0.3333333333333333');
    expect(other).toEqual(home);
  });

  it('rows of a table that becomes a sharded one are the same', async () => {
    await client.rows('CREATE TABLE moved (owner int NOT NULL, x float8, at timestamptz)');
    await client.rows(`INSERT INTO moved VALUES (1, 1 / 3::float8, '2026-02-03T04:05:06Z')`);
    await client.rows(`SELECT create_distributed_table('moved', 'owner')`);
    expect((await onEach('SELECT x FROM moved')).flat()).toEqual([['0.3333333333333333']]);
    await client.rows('DROP TABLE moved');
  });

  it('a move of arrays of floats is refused, and what to set is told', async () => {
    const answer = await client.query('UPDATE lists SET user_id = 2');
    expect(errorCode(answer)).toBe('0A000');
    await client.rows('SET extra_float_digits = 1');
    await client.rows(`SET DateStyle = 'ISO'`);
    await client.rows('UPDATE lists SET user_id = 2');
    expect((await onEach('SELECT x FROM lists')).flat()).toEqual([['{0.1234567890123456}']]);
  });

  it('arrays of integers go as ever', async () => {
    await client.rows('INSERT INTO lists (user_id, n) SELECT user_id + 1, n FROM lists');
    expect(await client.rows('SELECT n FROM lists WHERE user_id = 2')).toEqual([['{1,2}']]);
  });
});

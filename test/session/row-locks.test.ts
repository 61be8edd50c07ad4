// Row locks over several shards: taken in shard order, and on no more rows than are put out.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let first: RawClient;
let second: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({
    shards: 3,
    prepare: async ({ shards }) => {
      for (const place of shards) {
        const direct = await RawClient.login(place);
        await direct.rows('CREATE TABLE jobs (user_id bigint, id int PRIMARY KEY, body text)');
        await direct.close();
      }
    },
  });
  first = await RawClient.login(proxy.login);
  second = await RawClient.login(proxy.login);
  const rows = Array.from({ length: 12 }, (_, i) => `(${i}, ${i}, 'job')`);
  await first.rows(`INSERT INTO jobs VALUES ${rows.join(', ')}`);
});

afterAll(async () => {
  await first.close();
  await second.close();
  await proxy.close();
});

it('a queue: workers take different rows, each as many as it asks for', async () => {
  const take = 'SELECT id FROM jobs LIMIT 5 FOR UPDATE SKIP LOCKED';
  await first.query('BEGIN');
  await second.query('BEGIN');
  const one = (await first.rows(take)).flat();
  const two = (await second.rows(take)).flat();
  const left = await second.rows('SELECT id FROM jobs ORDER BY id FOR UPDATE SKIP LOCKED');
  await first.query('COMMIT');
  await second.query('COMMIT');
  expect([one.length, two.length]).toEqual([5, 5]);
  expect(new Set([...one, ...two]).size).toBe(10);
  // Nothing but what the first has taken is locked for the second.
  expect(left).toHaveLength(7);
});

it('NOWAIT says which row cannot be had, and rows without a lock stay free', async () => {
  await first.query('BEGIN');
  await first.rows('SELECT id FROM jobs WHERE id = 8 FOR UPDATE');
  const answer = await second.query('SELECT id FROM jobs FOR UPDATE NOWAIT');
  expect(errorCode(answer)).toBe('55P03');
  expect(await second.rows('SELECT count(*) FROM jobs')).toEqual([['12']]);
  await first.query('ROLLBACK');
  expect(
    await second.rows('SELECT id FROM jobs WHERE id < 2 ORDER BY id FOR UPDATE NOWAIT'),
  ).toEqual([['0'], ['1']]);
});

it('two that lock all rows wait for each other and both end', async () => {
  const rounds = Array.from({ length: 10 }, async () => {
    const client = await RawClient.login(proxy.login);
    for (let i = 0; i < 5; i++) {
      await client.query('BEGIN');
      expect(await client.rows('SELECT id FROM jobs FOR UPDATE')).toHaveLength(12);
      await client.query('COMMIT');
    }
    await client.close();
  });
  await Promise.all(rounds);
});

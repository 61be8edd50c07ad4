// Advisory locks: statements meet at one whatever rows they are about.

import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { connect } from '../parity/answer.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let holder: pg.Client;
let other: pg.Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  [holder, other] = await Promise.all([connect(proxy.login), connect(proxy.login)]);
  await holder.query('CREATE TABLE jobs (user_id int, id int)');
  await holder.query('INSERT INTO jobs SELECT g, g FROM generate_series(1, 9) g');
});

afterAll(async () => {
  await Promise.all([holder, other].map((client) => client.end()));
  await proxy.close();
});

afterEach(() => holder.query('ROLLBACK'));

const isFree = async (id: number): Promise<boolean> => {
  const { rows } = await other.query('SELECT pg_try_advisory_xact_lock($1::bigint) AS free', [id]);
  return (rows as { free: boolean }[])[0]!.free;
};

it.each([
  ['SELECT pg_advisory_xact_lock(id) FROM jobs WHERE user_id = 1', [1]],
  ['SELECT id FROM jobs WHERE user_id = 2 AND pg_try_advisory_xact_lock(id)', [2]],
  ['SELECT id FROM jobs WHERE pg_try_advisory_xact_lock(id) ORDER BY id', [1, 2, 3]],
  ['SELECT count(*) FROM jobs, pg_advisory_xact_lock(7) WHERE user_id = 1', [7]],
  [
    'WITH l AS (SELECT pg_advisory_xact_lock(7)) UPDATE jobs SET id = 1 FROM l WHERE user_id = 1',
    [7],
  ],
  ['INSERT INTO jobs SELECT 5, 6 WHERE pg_try_advisory_xact_lock(8)', [8]],
])('%s', async (sql, ids) => {
  await holder.query('BEGIN');
  await holder.query(sql);
  for (const id of ids) expect(await isFree(id), String(id)).toBe(false);
  expect(await isFree(77)).toBe(true);
  await holder.query('ROLLBACK');
  for (const id of ids) expect(await isFree(id), String(id)).toBe(true);
});

it.each([
  'SELECT pg_advisory_lock(id) FROM jobs WHERE user_id = 1',
  'SELECT pg_advisory_lock(id) FROM jobs',
  'SELECT pg_advisory_unlock(id) FROM jobs WHERE user_id = 1',
  'UPDATE jobs SET id = 0 WHERE user_id = 1 AND pg_try_advisory_xact_lock(id)',
  'DELETE FROM jobs WHERE pg_try_advisory_xact_lock(id)',
])('%s is refused', async (sql) => {
  await expect(holder.query(sql)).rejects.toMatchObject({ code: '0A000' });
});

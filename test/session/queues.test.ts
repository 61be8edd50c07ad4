// Queues: writes that take the rows which a sub-query or WITH query has found and locked.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;
let other: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  const maker = await RawClient.login(proxy.login);
  await maker.rows(`CREATE TABLE jobs (user_id bigint NOT NULL, id int NOT NULL, state text,
    PRIMARY KEY (user_id, id))`);
  await maker.close();
});

afterAll(() => proxy.close());

beforeEach(async () => {
  client = await RawClient.login(proxy.login);
  other = await RawClient.login(proxy.login);
  await client.rows('TRUNCATE jobs');
  await client.rows(`INSERT INTO jobs SELECT g * 7, g, 'new' FROM generate_series(1, 9) g`);
});

afterEach(() => Promise.all([client.close(), other.close()]));

const FIRST = `SELECT user_id, id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED`;

const TAKES = [
  `DELETE FROM jobs WHERE (user_id, id) IN (${FIRST}) RETURNING id`,
  `DELETE FROM jobs WHERE id IN (SELECT id FROM (${FIRST}) AS first) RETURNING id`,
  `UPDATE jobs SET state = 'taken' WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE state = 'new'
     ORDER BY id LIMIT 3 FOR NO KEY UPDATE SKIP LOCKED)) RETURNING id`,
  `UPDATE jobs j SET state = 'taken' FROM (${FIRST}) AS next WHERE next.user_id = j.user_id AND next.id = j.id
     RETURNING j.id`,
  `WITH next AS (${FIRST}) UPDATE jobs j SET state = 'taken' FROM next WHERE next.id = j.id RETURNING j.id`,
  `WITH next AS MATERIALIZED (${FIRST}), gone AS (DELETE FROM jobs USING next WHERE jobs.id = next.id RETURNING jobs.id)
     SELECT id FROM gone`,
  `WITH next AS (${FIRST}) SELECT id FROM next`,
];

const numbers = async (by: RawClient, sql: string) =>
  (await by.rows(sql)).map(([id]) => Number(id)).sort((a, b) => a - b);

const locks = () => client.rows('SELECT id FROM jobs ORDER BY id FOR UPDATE NOWAIT');

describe('The first that nobody has', () => {
  it.each(TAKES)('are taken, and the next by whoever comes meanwhile: %s', async (take) => {
    await client.rows('BEGIN');
    await other.rows('BEGIN');
    expect(await numbers(client, take)).toEqual([1, 2, 3]);
    expect(await numbers(other, take)).toEqual([4, 5, 6]);
    await other.rows('ROLLBACK');
    await other.rows('BEGIN');
    expect(await numbers(other, take)).toEqual([4, 5, 6]);
    await Promise.all([client.rows('COMMIT'), other.rows('COMMIT')]);
    expect(errorCode(await client.query('SELECT id FROM jobs FOR UPDATE NOWAIT'))).toBe('');
  });

  it.each(TAKES.slice(0, -1))(
    'are taken by one statement alone, which keeps no lock: %s',
    async (take) => {
      expect(await numbers(client, take)).toEqual([1, 2, 3]);
      expect(await numbers(other, take)).toEqual([4, 5, 6]);
      await locks();
    },
  );
});

describe('Who waits for rows', () => {
  const take = `DELETE FROM jobs WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE) RETURNING id`;

  it('gets the next, when the first is gone', async () => {
    await client.rows('BEGIN');
    expect(await numbers(client, take)).toEqual([1]);
    const next = numbers(other, take);
    await client.rows('COMMIT');
    expect(await next).toEqual([2]);
  });

  it('is told at once that they are locked, where it says NOWAIT', async () => {
    await client.rows('BEGIN');
    expect(await numbers(client, take)).toEqual([1]);
    const answer = await other.query(take.replace('FOR UPDATE', 'FOR UPDATE NOWAIT'));
    expect(errorCode(answer)).toBe('55P03');
    await client.rows('ROLLBACK');
  });
});

it('A query that depends on the row around it is refused', async () => {
  const sql = `DELETE FROM jobs j WHERE id = (SELECT k.id FROM jobs k WHERE k.state = j.state
    ORDER BY k.id LIMIT 1 FOR UPDATE SKIP LOCKED)`;
  expect(errorCode(await client.query(sql))).toBe('0A000');
  expect(await client.rows('SELECT count(*) FROM jobs')).toEqual([['9']]);
});

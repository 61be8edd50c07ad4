// Late errors: what a shard meets behind the last row that a merge wants has ended its transaction.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, rowsOf, statusOf } from '../support/raw-client.ts';

/** Shard 0 gives the row that is wanted; shard 1 fails at its own. */
const LIMITED = 'SELECT 1 / (user_id - 1) FROM late LIMIT 1';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  client = await RawClient.login(proxy.login);
  await client.rows('CREATE TABLE late (user_id bigint PRIMARY KEY)');
  await client.rows('INSERT INTO late VALUES (1), (2)');
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

describe('An error of a shard behind the last row', () => {
  it('is nobody’s concern outside of a transaction', async () => {
    expect(rowsOf(await client.query(LIMITED))).toEqual([['1']]);
    expect(await client.rows('SELECT count(*) FROM late')).toEqual([['2']]);
  });

  it.each(['BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ'])(
    'is told behind %s',
    async (begin) => {
      await client.query(begin);
      const answer = await client.query(LIMITED);
      expect(errorCode(answer)).toBe('22012');
      expect(statusOf(answer)).toBe('E');
      expect(answer.some(({ type }) => type === 'C')).toBe(false);
      expect(errorCode(await client.query('SELECT count(*) FROM late'))).toBe('25P02');
      await client.query('ROLLBACK');
    },
  );

  it('fails a string of statements as a whole', async () => {
    const answer = await client.query(`INSERT INTO late VALUES (3); ${LIMITED}; SELECT 7`);
    expect(errorCode(answer)).toBe('22012');
    expect(await client.rows('SELECT count(*) FROM late')).toEqual([['2']]);
  });
});

it('SET CONSTRAINTS … IMMEDIATE is not done where a shard refuses what it has put off', async () => {
  await client.rows(
    'CREATE TABLE seats (user_id bigint, place int, UNIQUE (user_id, place) DEFERRABLE)',
  );
  await client.rows('INSERT INTO seats VALUES (1, 1), (2, 1)');
  await client.rows('BEGIN; SET CONSTRAINTS ALL DEFERRED');
  await client.rows('INSERT INTO seats VALUES (2, 2), (1, 1)');
  const refused = await client.query('SET CONSTRAINTS ALL IMMEDIATE');
  expect([letters(refused), errorCode(refused), statusOf(refused)]).toEqual(['EZ', '23505', 'E']);
  await client.rows('ROLLBACK');
  await client.rows('DROP TABLE seats');
});

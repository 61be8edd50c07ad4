// A transaction that writes one shard and has read another: what becomes of that one cannot undo its commit.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { errorCode, RawClient, statusOf, tagsOf } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Stand } from './stand.ts';
import { MOMENTS } from './step-forwarder.ts';

const directory = temporaryDirectory();
let stand: Stand;

beforeAll(async () => {
  const sql = ['CREATE TABLE notes (user_id bigint PRIMARY KEY, body text)'];
  stand = await Stand.start(directory, { shards: 2, proxies: 1, sql });
  await stand.startProxies();
});

afterAll(() => stand.close());

it.each(MOMENTS)('is committed when the COMMIT of the shard it read is %s', async (moment) => {
  const client = await RawClient.login(stand.logins[0]!);
  await client.rows('DELETE FROM notes');
  await client.rows('BEGIN');
  await client.rows('SELECT body FROM notes WHERE user_id = 0');
  await client.rows(`INSERT INTO notes VALUES (1, 'one')`);
  const strike = async (): Promise<void> => undefined;
  // The writer's comes first.
  const writer = { statement: 'COMMIT', moment: 'answered', strike } as const;
  const met = stand.plan.meet(writer, { statement: 'COMMIT', moment, strike });
  const answer = await client.query('COMMIT');
  await met;
  expect(errorCode(answer)).toBe('');
  expect(tagsOf(answer)).toEqual(['COMMIT']);
  expect(statusOf(answer)).toBe('I');
  expect(await stand.ask(1, 'SELECT body FROM notes')).toEqual([['one']]);
  await client.close();
});

// DDL that is committed when the home shard cannot tell its schema.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { errorCode, RawClient, statusOf, tagsOf } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Stand } from './stand.ts';

const directory = temporaryDirectory();
let stand: Stand;

beforeAll(async () => {
  stand = await Stand.start(directory, { shards: 2, proxies: 1, sql: [] });
  await stand.startProxies();
});

afterAll(() => stand.close());

/** How the proxy begins when it asks for the schema. */
const SCHEMA = 'WITH restricted AS';
const strike = async (): Promise<void> => undefined;

it.each([
  { how: 'by itself', table: 'notes', before: [] },
  { how: 'in a block', table: 'letters', before: ['BEGIN'] },
])('has not failed: $how', async ({ table, before }) => {
  const client = await RawClient.login(stand.logins[0]!);
  const make = `CREATE TABLE ${table} (user_id bigint PRIMARY KEY, body text)`;
  const all = before.length === 0 ? [make] : [...before, make, 'COMMIT'];
  const last = all.pop()!;
  for (const sql of all) expect(errorCode(await client.query(sql))).toBe('');
  const lost = { statement: SCHEMA, moment: 'unanswered', strike } as const;
  const met = stand.plan.meet({ statement: 'COMMIT', moment: 'answered', strike }, lost, lost);
  const answer = await client.query(last);
  await met;
  expect(errorCode(answer)).toBe('');
  expect(tagsOf(answer)).toEqual([last === make ? 'CREATE TABLE' : 'COMMIT']);
  expect(statusOf(answer)).toBe('I');
  await client.rows(`INSERT INTO ${table} VALUES (0, 'zero'), (1, 'one')`);
  for (const shard of [0, 1]) {
    expect(await stand.ask(shard, `SELECT user_id FROM ${table}`)).toEqual([[String(shard)]]);
  }
  await client.close();
});

// One snapshot of all shards, where proxies are killed in the middle of commits and of taking it.

import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Stand } from './stand.ts';
import { MOMENTS } from './step-forwarder.ts';

const directory = temporaryDirectory();
const READ_ONLY = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
const SERIALIZABLE = 'BEGIN ISOLATION LEVEL SERIALIZABLE';
/** What a proxy asks of the shards that others then wait for, by the transaction for which it does. */
const HOLDS = [
  [READ_ONLY, 'LOCK TABLE drive.txlog'],
  [`${SERIALIZABLE} READ ONLY`, 'LOCK TABLE drive.ticket'],
  [SERIALIZABLE, 'LOCK TABLE drive.ticket'],
] as const;
const KILLS = HOLDS.flatMap(([begin, statement]) =>
  MOMENTS.map((moment) => [begin, statement, moment] as const),
);
const COUNT = 'SELECT count(*) FROM notes';
const INSERT = `INSERT INTO notes VALUES (0, 'zero'), (1, 'one')`;

let stand: Stand;
/** Of a proxy that is never killed. */
let client: RawClient;

beforeAll(async () => {
  const sql = ['CREATE TABLE notes (user_id bigint PRIMARY KEY, body text)'];
  // One for each test that kills it.
  stand = await Stand.start(directory, { shards: 2, proxies: 2 + KILLS.length, sql });
  await stand.startProxies();
  client = await RawClient.login(stand.logins.at(-1)!);
});

beforeEach(() => client.rows('DELETE FROM notes'));

afterAll(async () => {
  await client.close();
  await stand.close();
});

const kill = (_: number, proxy: number) => stand.killProxy(proxy);

it('has all of a commit that is decided, whose proxy has gone before it was finished', async () => {
  const writer = await RawClient.login(stand.logins[0]!);
  await writer.query('BEGIN');
  await writer.query(INSERT);
  const met = stand.plan.meet({ statement: 'COMMIT PREPARED', moment: 'unsent', strike: kill });
  writer.send(encodeQuery('COMMIT'));
  await met;
  await client.query(READ_ONLY);
  const count = await client.rows(COUNT);
  await client.query('COMMIT');
  expect(count).toEqual([['2']]);
});

it.each(KILLS.map((kill, i) => [...kill, i + 1] as const))(
  'keeps nobody from committing when its proxy is killed while it is taken: %s, %s, %s',
  async (begin, statement, moment, proxy) => {
    const reader = await RawClient.login(stand.logins[proxy]!);
    await reader.query(begin);
    const met = stand.plan.meet({ statement, moment, strike: kill });
    reader.send(encodeQuery(COUNT));
    await met;
    await client.query(SERIALIZABLE);
    expect(errorCode(await client.query(INSERT))).toBe('');
    expect(errorCode(await client.query('COMMIT'))).toBe('');
    expect(await client.rows(COUNT)).toEqual([['2']]);
  },
);

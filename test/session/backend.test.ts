// Process ids in SQL: what pgAdmin and others ask and signal with the id of BackendKeyData.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, rowsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;
const open: RawClient[] = [];

const USERS = [
  { name: 'mine', password: 'secret' },
  { name: 'other', password: 'secret' },
];

beforeAll(async () => {
  proxy = await startTestProxy({ config: { proxy: { users: USERS } } });
});

afterEach(() => {
  for (const client of open.splice(0)) client.destroy();
});

afterAll(() => proxy.close());

async function login(user = 'mine'): Promise<RawClient> {
  const client = await RawClient.login({ ...proxy.login, user, password: 'secret' });
  open.push(client);
  return client;
}

async function sleeping(client: RawClient, by: RawClient): Promise<void> {
  client.send(say.query("SELECT pg_sleep(30), 'asleep'"));
  const asleep = `SELECT count(*) FROM pg_stat_activity
    WHERE query LIKE '%asleep''%' AND state = 'active' AND pid <> pg_backend_pid()`;
  while ((await by.rows(asleep))[0]![0] === '0');
}

describe('pg_backend_pid()', () => {
  it('is the process id that the client was given, in every protocol and format', async () => {
    const client = await login();
    const { processId } = client.key;
    for (const sql of ['SELECT pg_backend_pid()', 'select pg_catalog.pg_backend_pid() AS pid']) {
      expect(await client.rows(sql)).toEqual([[String(processId)]]);
    }
    const binary = [say.parse('SELECT pg_backend_pid()'), say.bind([], '', '', { results: [1] })];
    client.send(...binary, say.describe('portal'), say.execute(), say.sync);
    const answer = await client.untilReady();
    expect(letters(answer)).toBe('12TDCZ');
    expect(answer[3]!.body.readInt32BE(6)).toBe(processId);
  });

  it('within another statement is the server’s own', async () => {
    const client = await login();
    const own = 'SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid()';
    expect(await client.rows(own)).toEqual([['1']]);
  });
});

describe('pg_cancel_backend()', () => {
  it('stops the statement of the client with that process id', async () => {
    const [sleeper, by] = [await login(), await login()];
    await sleeping(sleeper, by);
    const { processId } = sleeper.key;
    expect(await by.rows(`SELECT pg_cancel_backend(${processId})`)).toEqual([['t']]);
    expect(errorCode(await sleeper.untilReady())).toBe('57014');
    expect(await sleeper.rows('SELECT 1')).toEqual([['1']]);
  });

  it.each([
    ['text', (id: number) => Buffer.from(String(id)), 0],
    ['binary', (id: number) => Buffer.from(new Uint32Array([id]).buffer).swap32(), 1],
  ])('takes a parameter in %s', async (_, encode, format) => {
    const [sleeper, by] = [await login(), await login()];
    await sleeping(sleeper, by);
    by.send(
      say.parse('SELECT pg_cancel_backend($1)', '', [23]),
      say.bind([encode(sleeper.key.processId)], '', '', { formats: [format] }),
      ...[say.execute(), say.sync],
    );
    expect(rowsOf(await by.untilReady())).toEqual([['t']]);
    expect(errorCode(await sleeper.untilReady())).toBe('57014');
  });

  it('does nothing to another user’s client', async () => {
    const [theirs, mine] = [await login('other'), await login()];
    const { processId } = theirs.key;
    expect(errorCode(await mine.query(`SELECT pg_cancel_backend(${processId})`))).toBe('42501');
    expect(errorCode(await mine.query(`SELECT pg_terminate_backend(${processId})`))).toBe('42501');
    expect(await theirs.rows('SELECT 1')).toEqual([['1']]);
  });

  it('of a process id that nobody has warns as the server does', async () => {
    const client = await login();
    const answer = await client.query('SELECT pg_cancel_backend(2147483646)');
    expect(letters(answer)).toBe('TNDCZ');
    expect(rowsOf(answer)).toEqual([['f']]);
  });
});

describe('pg_terminate_backend()', () => {
  it('ends the client with that process id with 57P01, in a transaction, too', async () => {
    const [victim, by] = [await login(), await login()];
    await victim.rows('BEGIN');
    await victim.rows('CREATE TABLE left_over (a int)');
    const { processId } = victim.key;
    expect(await by.rows(`SELECT pg_terminate_backend(${processId})`)).toEqual([['t']]);
    expect(errorCode(await victim.untilEnd())).toBe('57P01');
    expect(await by.rows("SELECT to_regclass('left_over')")).toEqual([[null]]);
  });
});

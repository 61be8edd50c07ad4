// Stale plans: a table changes past the proxy while servers hold statements that many clients share.

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, type RawMessage, rowsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

const SQL = 'SELECT * FROM changing';

let proxy: TestProxy | null = null;
let direct: RawClient;
let old: RawClient;
let young: RawClient;

/** `old` has used the statement before the change, `young` has not; both share one connection. */
beforeEach(async () => {
  await proxy?.close();
  proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } } });
  direct = await RawClient.login(proxy.shards[0]!);
  old = await RawClient.login(proxy.login);
  young = await RawClient.login(proxy.login);
  await old.rows('CREATE TABLE changing (a int)');
  await old.rows('INSERT INTO changing VALUES (1)');
  await ask(old, say.parse(SQL, 's'));
  await ask(old, ...run);
  await direct.rows('ALTER TABLE changing ADD COLUMN b int DEFAULT 2');
});

afterAll(async () => {
  await direct.close();
  await proxy?.close();
});

const run = [say.bind([], 's'), say.describe('portal'), say.execute()];

async function ask(client: RawClient, ...messages: readonly Buffer[]): Promise<RawMessage[]> {
  client.send(...messages, say.sync);
  return client.untilReady();
}

describe('A client that prepares after the change', () => {
  it.each([
    ['in one batch with its first use', [[say.parse(SQL, 's'), ...run]], '12TDCZ'],
    ['and uses it later', [[say.parse(SQL, 's')], run], '2TDCZ'],
    [
      'and describes it first',
      [[say.parse(SQL, 's'), say.describe('statement', 's')], run],
      '2TDCZ',
    ],
  ])('%s hears nothing of the older plan', async (_, batches, expected) => {
    let answer: RawMessage[] = [];
    for (const batch of batches) {
      answer = await ask(young, ...batch);
      expect(errorCode(answer)).toBe('');
    }
    expect(letters(answer)).toBe(expected);
    expect(rowsOf(answer)).toEqual([['1', '2']]);
  });

  it('is told its own mistakes, once', async () => {
    await ask(old, say.parse('SELECT $1::int', 'i'));
    await ask(old, say.bind(['1'], 'i'), say.execute());
    const wrong = [say.parse('SELECT $1::int', 'i'), say.bind(['x'], 'i'), say.execute()];
    const answer = await ask(young, ...wrong);
    expect(letters(answer)).toBe('1EZ');
    expect(errorCode(answer)).toBe('22P02');
  });
});

describe('A client that has used it before the change', () => {
  it('is told, as by one PostgreSQL, until it prepares anew', async () => {
    for (let i = 0; i < 2; i++) {
      const answer = await ask(old, ...run);
      expect(letters(answer)).toBe('EZ');
      expect(errorCode(answer)).toBe('0A000');
    }
    await ask(old, say.close('statement', 's'));
    const anew = await ask(old, say.parse(SQL, 's'), ...run);
    expect(rowsOf(anew)).toEqual([['1', '2']]);
  });
});

describe('A statement whose key leads to a server that has not seen it', () => {
  const KEYED = 'SELECT * FROM keyed WHERE user_id = $1';
  const bind = (key: string) => [say.bind([key], 's'), say.execute()];
  let sharded: TestProxy;
  let client: RawClient;

  beforeEach(async () => {
    sharded = await startTestProxy({ shards: 2 });
    client = await RawClient.login(sharded.login);
    await client.rows('CREATE TABLE keyed (a int DEFAULT 1, user_id int, b int DEFAULT 2)');
    await client.rows('INSERT INTO keyed (user_id) VALUES (0), (1)');
    return async () => {
      await client.close();
      await sharded.close();
    };
  });

  it.each([
    ['used before', [[say.parse(KEYED, 's'), ...bind('0')]]],
    ['only prepared', [[say.parse(KEYED, 's')]]],
    ['described', [[say.parse(KEYED, 's'), say.describe('statement', 's')]]],
    ['known there without its columns', [[say.parse(KEYED), ...run0()], [say.parse(KEYED, 's')]]],
  ])('%s: is told where its columns have become others', async (_, batches) => {
    for (const batch of batches) expect(errorCode(await ask(client, ...batch))).toBe('');
    await client.rows('ALTER TABLE keyed DROP COLUMN a');
    for (let i = 0; i < 2; i++) {
      const answer = await ask(client, ...bind('1'));
      expect(letters(answer)).toBe('EZ');
      expect(errorCode(answer)).toBe('0A000');
      expect(answer[0]!.body.toString()).toContain('RRevalidateCachedQuery');
    }
    await ask(client, say.close('statement', 's'));
    expect(rowsOf(await ask(client, say.parse(KEYED, 's'), ...bind('1')))).toEqual([['1', '2']]);
  });

  it('goes on where they have not', async () => {
    await ask(client, say.parse(KEYED, 's'), ...bind('0'));
    await client.rows('ALTER TABLE keyed ADD CHECK (a = 1)');
    expect(rowsOf(await ask(client, ...bind('1')))).toEqual([['1', '1', '2']]);
    expect(rowsOf(await ask(client, ...bind('0')))).toEqual([['1', '0', '2']]);
  });

  it('hears of its parameters only where it asks', async () => {
    const answer = await ask(client, say.parse(KEYED, 's'), say.describe('statement', 's'));
    expect(letters(answer)).toBe('1tTZ');
  });

  function run0(): Buffer[] {
    return [say.bind(['0']), say.execute()];
  }
});

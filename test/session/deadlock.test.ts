// Deadlocks over several shards, which no server sees: the proxy breaks them as PostgreSQL would.

import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  errorCode,
  fieldsOf,
  RawClient,
  type RawMessage,
  rawMessage,
  statusOf,
} from '../support/raw-client.ts';

let proxy: TestProxy;
let first: RawClient;
let second: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3, config: { pool: { size: 2 } } });
  const client = await RawClient.login(proxy.login);
  await client.rows('CREATE TABLE accounts (user_id bigint PRIMARY KEY, total int)');
  await client.rows('INSERT INTO accounts VALUES (0, 0), (1, 0), (2, 0)');
  await client.close();
});

afterAll(() => proxy.close());

beforeEach(async () => {
  first = await RawClient.login(proxy.login);
  second = await RawClient.login(proxy.login);
});

afterEach(() => Promise.all([first.close(), second.close()]));

/** Begins are told apart by their millisecond. */
const NEXT_MS = 2;

async function beginLater(client: RawClient): Promise<void> {
  await setTimeout(NEXT_MS);
  await client.rows('BEGIN');
}

const add = (user: number) => `UPDATE accounts SET total = total + 1 WHERE user_id = ${user}`;

describe('Two transactions that lock in opposite order on two shards', () => {
  it('do not wait for ever: the younger gets 40P01, the other goes on', async () => {
    await first.rows('BEGIN');
    await first.rows(add(0));
    await beginLater(second);
    await second.rows(add(1));
    const waits = first.query(add(1));
    const broken = await second.query(add(0));
    expect(errorCode(broken)).toBe('40P01');
    expect(statusOf(broken)).toBe('E');
    // What the victim held is free before it says ROLLBACK.
    expect(errorCode(await waits)).toBe('');
    expect(errorCode(await second.query('SELECT 1'))).toBe('25P02');
    expect(errorCode(await second.query('COMMIT'))).toBe('');
    await first.rows('COMMIT');
    const totals = await first.rows('SELECT total FROM accounts WHERE user_id < 2');
    expect(totals).toEqual([['1'], ['1']]);
    await first.rows('UPDATE accounts SET total = 0');
  });

  it('are told apart from transactions that only wait', async () => {
    await first.rows('BEGIN');
    await first.rows(add(0));
    await first.rows(add(1));
    await beginLater(second);
    await second.rows(add(2));
    const waits = second.query(add(1));
    await first.rows('SELECT pg_sleep(2.5)');
    await first.rows('COMMIT');
    expect(errorCode(await waits)).toBe('');
    await second.rows('ROLLBACK');
    await first.rows('UPDATE accounts SET total = 0');
  });

  it('are broken when one writes several shards with one statement', async () => {
    await first.rows('BEGIN');
    await first.rows(add(1));
    await setTimeout(NEXT_MS);
    const everywhere = second.query('UPDATE accounts SET total = total + 10');
    // It has the row of shard 0 when it waits on shard 1.
    await first.rows('SELECT pg_sleep(0.3)');
    const waits = first.query(add(0));
    const codes = [errorCode(await everywhere), errorCode(await waits)];
    expect(codes).toEqual(['40P01', '']);
    await first.rows('COMMIT');
    const totals = await second.rows('SELECT user_id, total FROM accounts ORDER BY user_id');
    expect(totals).toEqual([
      ['0', '1'],
      ['1', '1'],
      ['2', '0'],
    ]);
    await first.rows('UPDATE accounts SET total = 0');
  });

  it('are broken when they insert the same unique keys', async () => {
    await first.rows('BEGIN');
    await first.rows('INSERT INTO accounts VALUES (30, 1)');
    await beginLater(second);
    await second.rows('INSERT INTO accounts VALUES (31, 2)');
    const waits = first.query('INSERT INTO accounts VALUES (31, 1)');
    expect(errorCode(await second.query('INSERT INTO accounts VALUES (30, 2)'))).toBe('40P01');
    expect(errorCode(await waits)).toBe('');
    await second.rows('ROLLBACK');
    await first.rows('ROLLBACK');
  });
});

describe('A transaction on one shard that asks others how large a table is', () => {
  it('does not wait for ever for who changes the table and waits for it', async () => {
    await first.rows('BEGIN');
    await first.rows(add(1));
    await setTimeout(NEXT_MS);
    // It has the table on shard 0 when it waits on shard 1.
    const changes = second.query('ALTER TABLE accounts ADD COLUMN note text');
    await first.rows('SELECT pg_sleep(0.5)');
    const asks = first.query(`SELECT pg_relation_size('accounts')`);
    const codes = [errorCode(await changes), errorCode(await asks)];
    expect(codes).toEqual(['40P01', '']);
    await first.rows('ROLLBACK');
  });
});

describe('Two COPY of the same unique keys', () => {
  const copy = (client: RawClient, key: number): Promise<RawMessage[]> => {
    const data = rawMessage('d', Buffer.from(`${key}\t1\n`));
    client.send(encodeQuery('COPY accounts FROM STDIN'), data, rawMessage('c'));
    return client.untilReady();
  };

  it('are broken, too', async () => {
    await first.rows('BEGIN');
    await copy(first, 40);
    await beginLater(second);
    await copy(second, 41);
    const waits = copy(first, 41);
    expect(errorCode(await copy(second, 40))).toBe('40P01');
    expect(errorCode(await waits)).toBe('');
    await second.rows('ROLLBACK');
    await first.rows('COMMIT');
    const [[count]] = (await first.rows('SELECT count(*) FROM accounts WHERE user_id >= 40')) as [
      [string],
    ];
    expect(count).toBe('2');
  });
});

describe('A circle of three', () => {
  it('is broken once', async () => {
    const third = await RawClient.login(proxy.login);
    const clients = [first, second, third];
    for (const [i, client] of clients.entries()) {
      await client.rows('BEGIN');
      await client.rows(add(i));
    }
    const answers = clients.map(async (client, i) => {
      const code = errorCode(await client.query(add((i + 1) % 3)));
      await client.rows('ROLLBACK');
      return code;
    });
    expect((await Promise.all(answers)).sort()).toEqual(['', '', '40P01']);
    await third.close();
  });
});

describe('Two transactions through different proxies', () => {
  it('that lock in opposite order: the younger gets 40P01, whichever proxy it is at', async () => {
    const beside = await proxy.beside({});
    const there = await RawClient.login(beside.login);
    for (const [older, younger] of [
      [first, there],
      [there, first],
    ] as const) {
      await older.rows('BEGIN');
      await older.rows(add(0));
      await beginLater(younger);
      await younger.rows(add(1));
      const waits = older.query(add(1));
      const broken = await younger.query(add(0));
      expect(errorCode(broken)).toBe('40P01');
      expect(fieldsOf(broken.find(({ type }) => type === 'E')!).get('D')).toMatch(
        /^Over several shards: C.* waits for client \d+ of [0-9a-f]{16}\./,
      );
      expect(errorCode(await waits)).toBe('');
      await younger.rows('ROLLBACK');
      await older.rows('ROLLBACK');
    }
    await there.close();
    await beside.close();
  });
});

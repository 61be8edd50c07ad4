// A transaction that has failed on one shard holds nothing up on the others, before its client ends it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let proxy: TestProxy;
let client: Client;
let other: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  client = await connectAsText(proxy.login);
  other = await connectAsText(proxy.login);
  await client.query('CREATE TABLE notes (user_id int PRIMARY KEY, stars int NOT NULL DEFAULT 0)');
  await client.query('INSERT INTO notes SELECT generate_series(0, 8)');
  await other.query("SET lock_timeout = '3s'");
});

afterAll(async () => {
  await client.end();
  await other.end();
  await proxy.close();
});

const rate = (user: number) => `UPDATE notes SET stars = stars + 1 WHERE user_id = ${user}`;

const FAILURES = [
  ['a server', 'SELECT 1 / (user_id - 1) FROM notes WHERE user_id = 1'],
  ['each server', 'UPDATE notes SET stars = 1 / (stars - stars)'],
  ['the proxy', 'SELECT pg_advisory_lock(user_id) FROM notes FOR UPDATE'],
];

describe('What others wait for', () => {
  it.each(FAILURES)('is given up when %s refuses a statement', async (_, failing) => {
    await client.query('BEGIN');
    for (const user of [0, 1, 2]) await client.query(rate(user));
    await client.query('SELECT 1');
    await expect(client.query(failing)).rejects.toThrow();
    for (const user of [0, 1, 2]) await other.query(rate(user));
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    expect(await textRows(client, 'SELECT 1')).toEqual([['1']]);
  });

  it.each(FAILURES)('is given up since the last savepoint when %s does', async (_, failing) => {
    await client.query('BEGIN');
    await client.query(rate(3));
    await client.query('SAVEPOINT "a ""b"');
    for (const user of [4, 5, 6]) await client.query(rate(user));
    await expect(client.query(failing)).rejects.toThrow();
    for (const user of [4, 5, 6]) await other.query(rate(user));
    const locked = `SELECT FROM notes WHERE user_id = 3 FOR UPDATE SKIP LOCKED`;
    expect(await textRows(other, locked)).toEqual([]);
    await expect(client.query('RELEASE "a ""b"')).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK TO "a ""b"');
    const before = await textRows(client, 'SELECT stars FROM notes ORDER BY user_id');
    await client.query(rate(4));
    await client.query('COMMIT');
    const after = before.map(([stars], user) => [String(Number(stars) + (user === 4 ? 1 : 0))]);
    expect(await textRows(other, 'SELECT stars FROM notes ORDER BY user_id')).toEqual(after);
  });
});

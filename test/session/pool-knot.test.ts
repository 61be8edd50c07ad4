// Transactions over several shards, more than the pools have connections, do not wait for each other for ever.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const CLIENTS = 8;

let proxy: TestProxy;
let clients: Client[];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3, config: { pool: { size: 2 } } });
  clients = await Promise.all(Array.from({ length: CLIENTS }, () => connectAsText(proxy.login)));
  await clients[0]!.query('CREATE TABLE notes (user_id int, of int)');
});

afterAll(async () => {
  for (const client of clients) await client.end();
  await proxy.close();
});

const note = (user: number, of: number) => `INSERT INTO notes VALUES (${user}, ${of})`;

describe('Transactions that wait for connections to further shards', () => {
  it('are unknotted, and all but one go on', async () => {
    const [a, b, c, d] = clients as [Client, Client, Client, Client];
    const pairs = [
      [a, 1, 2],
      [b, 1, 2],
      [c, 2, 1],
      [d, 2, 1],
    ] as const;
    for (const [one, first] of pairs) {
      await one.query('BEGIN');
      await one.query(note(first, 1));
    }
    const outcomes = await Promise.allSettled(
      pairs.map(async ([one, , second]) => {
        await one.query(note(second, 1));
        await one.query('COMMIT');
      }),
    );
    const failed = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason] : [],
    );
    // Who has failed keeps nothing, though its client does not say ROLLBACK.
    expect(failed).toMatchObject([
      { code: '40P01', detail: expect.stringContaining('All connections to shard') },
    ]);
    for (const [one] of pairs) await one.query('ROLLBACK');
    expect(await textRows(a, 'SELECT count(*) FROM notes WHERE of = 1')).toEqual([['6']]);
  });

  it('wait for who has a connection and does not ask for another', async () => {
    const [a, b, c] = clients as [Client, Client, Client];
    for (const one of [a, b]) {
      await one.query('BEGIN');
      await one.query(note(1, 2));
    }
    await c.query('BEGIN');
    await c.query(note(2, 2));
    const waiting = c.query(note(1, 2));
    // Longer than the watch waits with two that ask for each other's.
    await a.query('SELECT pg_sleep(2.5)');
    for (const one of [a, b]) await one.query('COMMIT');
    await waiting;
    await c.query('COMMIT');
    expect(await textRows(a, 'SELECT count(*) FROM notes WHERE of = 2')).toEqual([['4']]);
  });

  it('come to an end where each tries again', { timeout: 60_000 }, async () => {
    await Promise.all(
      clients.map(async (one, number) => {
        for (let isDone = false; !isDone; ) {
          try {
            await one.query('BEGIN');
            for (const user of [number, number + 1, number + 2]) await one.query(note(user, 3));
            await one.query('COMMIT');
            isDone = true;
          } catch (error) {
            expect(error).toMatchObject({ code: '40P01' });
            await one.query('ROLLBACK');
          }
        }
      }),
    );
    const count = await textRows(clients[0]!, 'SELECT count(*) FROM notes WHERE of = 3');
    expect(count).toEqual([[String(CLIENTS * 3)]]);
  });
});

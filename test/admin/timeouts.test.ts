// Timeouts and bounds of clients, each with PostgreSQL's own SQLSTATE.

import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { TRUST } from './operator.ts';

type Failure = Error & { code?: string };

let proxy: TestProxy | null = null;
const clients: Client[] = [];

async function open(user?: string): Promise<{ client: Client; ended: Promise<Failure> }> {
  const client = new Client({ ...proxy!.login, ...(user === undefined ? {} : { user }) });
  const ended = new Promise<Failure>((resolve) => client.on('error', resolve));
  await client.connect();
  clients.push(client);
  return { client, ended };
}

const start = async (settings: object) => {
  proxy = await startTestProxy({ config: { proxy: { ...TRUST, ...settings } } });
};

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await proxy?.close();
  proxy = null;
});

describe('statementTimeoutMs', () => {
  it('cancels a statement of one shard with 57014, and the session goes on', async () => {
    await start({ statementTimeoutMs: 300 });
    const { client } = await open();
    await expect(client.query('SELECT pg_sleep(25)')).rejects.toMatchObject({ code: '57014' });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('cancels a statement that waits for a connection, in PostgreSQL’s words', async () => {
    proxy = await startTestProxy({
      shards: 1,
      config: { proxy: { ...TRUST, statementTimeoutMs: 500 }, pool: { size: 1 } },
    });
    const { client: holder } = await open();
    await holder.query('BEGIN');
    await holder.query('SELECT 1');
    const { client } = await open();
    await expect(client.query('SELECT pg_sleep(0)')).rejects.toMatchObject({
      code: '57014',
      message: 'canceling statement due to statement timeout',
    });
    await holder.query('COMMIT');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('idleInTransactionTimeoutMs', () => {
  it('ends a silent client in a transaction with 25P03 and frees its connection', async () => {
    proxy = await startTestProxy({
      shards: 1,
      config: { proxy: { ...TRUST, idleInTransactionTimeoutMs: 300 }, pool: { size: 1 } },
    });
    const { client, ended } = await open();
    const { client: idle } = await open();
    await client.query('BEGIN');
    await client.query('SELECT 1');
    expect((await ended).code).toBe('25P03');
    // Outside of a transaction silence is allowed.
    expect((await idle.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('idleTimeoutMs', () => {
  it('ends a silent client with 57P05, but not one whose statement takes longer', async () => {
    await start({ idleTimeoutMs: 400 });
    const { client } = await open();
    const { ended } = await open();
    const busy = client.query('SELECT 1 AS one FROM pg_sleep(1)');
    expect((await ended).code).toBe('57P05');
    expect((await busy).rows).toEqual([{ one: 1 }]);
  });
});

describe('clientsMax of a user', () => {
  it('turns one more connection of that user away with 53300', async () => {
    await start({
      users: [
        { name: 'few', password: 'f', clientsMax: 1 },
        { name: 'many', password: 'm' },
      ],
    });
    await open('few');
    await open('many');
    await open('many');
    await expect(open('few')).rejects.toMatchObject({ code: '53300' });
  });
});

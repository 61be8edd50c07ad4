// RELOAD over a running proxy: what takes effect at once, what is said to need a new start.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { type Operator, operate, TRUST, until } from './operator.ts';

const USERS = [{ name: 'shard_user', password: 'shard_pass' }];

let proxy: TestProxy;
let operator: Operator;
let data: Client;

/** Gives the notices of RELOAD. */
async function reload(config: { proxy?: object; [section: string]: unknown }): Promise<string[]> {
  proxy.changeConfig({ ...config, proxy: { ...TRUST, users: USERS, ...config.proxy } });
  const notices: string[] = [];
  const listen = ({ message = '' }) => notices.push(message);
  operator.client.on('notice', listen);
  try {
    await operator.run('RELOAD');
  } finally {
    operator.client.off('notice', listen);
  }
  return notices;
}

const logIn = async (user: string): Promise<void> => {
  const client = new Client({ ...proxy.login, user });
  await client.connect();
  await client.end();
};

const setting = async (key: string) =>
  (await operator.show('CONFIG')).find((row) => row.key === key)?.value;

beforeAll(async () => {
  proxy = await startTestProxy({ config: { proxy: TRUST } });
  operator = await operate(proxy);
  data = new Client(proxy.login);
  await data.connect();
});

afterAll(async () => {
  await Promise.all([operator?.close(), data?.end()]);
  await proxy?.close();
});

describe('RELOAD', () => {
  it('finds nothing to say when nothing has changed', async () => {
    expect(await reload({})).toEqual([]);
  });

  it('lets new users in and old clients stay', async () => {
    await expect(logIn('newcomer')).rejects.toMatchObject({ code: '28P01' });
    const users = [...USERS, { name: 'newcomer', password: 'x' }];
    expect(await reload({ proxy: { users } })).toEqual([]);
    await logIn('newcomer');
    expect((await data.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('gives timeouts to the clients that are here', async () => {
    await reload({ proxy: { statementTimeoutMs: 200 } });
    await expect(data.query('SELECT pg_sleep(25)')).rejects.toMatchObject({ code: '57014' });
    await reload({});
    expect((await data.query('SELECT 1 AS one FROM pg_sleep(0.5)')).rows).toEqual([{ one: 1 }]);
  });

  it('makes a pool smaller as its connections come back, and larger for those who wait', async () => {
    const clients = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const client = new Client(proxy.login);
        await client.connect();
        return client;
      }),
    );
    for (const client of clients) {
      await client.query('BEGIN');
      await client.query('SELECT 1');
    }
    const open = async () => (await operator.show('SERVERS')).length;
    const active = async () => Number((await operator.show('POOLS'))[0]!.sv_active);
    expect(await active()).toBe(3);
    await reload({ pool: { size: 1 } });
    for (const client of clients) await client.query('COMMIT');
    // One of each of the two shards.
    await until(async () => (await open()) <= 2);
    await clients[0]!.query('BEGIN');
    await clients[0]!.query('SELECT 1');
    await clients[1]!.query('BEGIN');
    const waits = clients[1]!.query('SELECT 2 AS two');
    await until(async () => (await operator.show('POOLS'))[0]!.cl_waiting === '1');
    await reload({ pool: { size: 2 } });
    expect((await waits).rows).toEqual([{ two: 2 }]);
    await Promise.all(clients.map((client) => client.end()));
  });

  it('says which settings need a new start, and keeps the old ones in force', async () => {
    const notices = await reload({ proxy: { database: 'other' }, sharding: { key: 'tenant_id' } });
    expect(notices).toEqual([
      'sharding.key takes effect when the proxy is started anew',
      'proxy.database takes effect when the proxy is started anew',
      expect.stringContaining('api.database'),
    ]);
    expect(await setting('proxy.database')).toBe(proxy.login.database);
    expect(await setting('sharding.key')).toBe('user_id');
  });

  it('changes nothing when the configuration is wrong, and says what is', async () => {
    await reload({ pool: { size: 7 } });
    const wrong = reload({ pool: { size: 9 }, proxy: { tls: { cert: 'gone', key: 'gone' } } });
    await expect(wrong).rejects.toMatchObject({
      code: 'F0000',
      message: expect.stringContaining('gone'),
    });
    expect(await setting('pool.size')).toBe('7');
  });

  it('takes the console from who is no operator any more', async () => {
    const users = [{ name: 'boss', password: 'b' }, ...USERS];
    await reload({ proxy: { users, admins: ['boss'] } });
    await expect(operate(proxy)).rejects.toMatchObject({ code: '28000' });
    // Who is on the console may stay, as its command may be the one that puts things right.
    await reload({});
    const again = await operate(proxy);
    await again.close();
  });
});

// Timeouts and bounds of clients, each with PostgreSQL's own SQLSTATE.

import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { operate, TRUST, until } from './operator.ts';

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

describe('idle_session_timeout', () => {
  it.each([
    'SET idle_session_timeout = 400',
    "SET idle_session_timeout TO '0.4 s'",
    "SELECT set_config('idle_session_timeout', '400ms', false)",
  ])('ends who has set it and is silent with 57P05: %s', async (sql) => {
    await start({});
    const { client: other } = await open();
    const { client, ended } = await open();
    await client.query(sql);
    const { client: transacting } = await open();
    await transacting.query(sql);
    await transacting.query('BEGIN');
    expect((await ended).code).toBe('57P05');
    // A transaction is not idle in this sense, and the setting is nobody else's.
    expect((await transacting.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('pool.waitTimeoutMs', () => {
  it('answers a statement for a paused shard with 53300, which says why', async () => {
    proxy = await startTestProxy({
      config: { proxy: TRUST, pool: { waitTimeoutMs: 300 } },
    });
    const operator = await operate(proxy);
    await operator.run('PAUSE');
    const { client } = await open();
    await expect(client.query('SELECT 1')).rejects.toMatchObject({
      code: '53300',
      message: expect.stringContaining('it is paused'),
    });
    await operator.run('RESUME');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await operator.close();
  });
});

describe('poolSize of a shard', () => {
  it('is the bound of its connections in place of pool.size', async () => {
    proxy = await startTestProxy({ config: { proxy: TRUST, pool: { size: 3 } } });
    const operator = await operate(proxy);
    // Idle connections beyond the new bound must not be handed out.
    const busy = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const { client } = await open();
        await client.query('SET drive.shard = 1');
        return client;
      }),
    );
    await Promise.all(busy.map((client) => client.query('SELECT pg_sleep(0.1)')));
    const shards = proxy.shards.map(({ id, ...shard }) =>
      id === 1 ? { ...shard, poolSize: 1 } : shard,
    );
    proxy.changeConfig({ shards, proxy: TRUST, pool: { size: 3 } });
    await operator.run('RELOAD');
    expect((await operator.show('DATABASES')).map(({ pool_size }) => pool_size)).toEqual([
      ...['4', '3', '1'],
    ]);
    const onShard = async () => {
      const { client } = await open();
      await client.query('SET drive.shard = 1');
      await client.query('BEGIN');
      return client;
    };
    const [one, two] = [await onShard(), await onShard()];
    await one.query('SELECT 1');
    const waits = two.query('SELECT 2 AS two');
    await until(async () => (await operator.show('POOLS'))[1]!.cl_waiting === '1');
    await one.query('COMMIT');
    expect((await waits).rows).toEqual([{ two: 2 }]);
    await operator.close();
  });
});

describe('Session pooling of a user', () => {
  it('keeps each connection for its client from the first statement to the end', async () => {
    await start({
      users: [
        { name: 'keeper', password: 'k', poolMode: 'session' },
        { name: 'sharer', password: 's' },
      ],
    });
    const operator = await operate(proxy!);
    const { client } = await open('keeper');
    const pid = async () =>
      (await client.query('SELECT pg_backend_pid() AS pid, drive.shard_id() AS shard')).rows[0]!;
    const first = await pid();
    await client.query('CREATE TEMPORARY TABLE mine (id int)');
    await client.query('BEGIN');
    expect(await pid()).toEqual(first);
    await client.query('COMMIT');
    const { client: sharer } = await open('sharer');
    await sharer.query('SELECT 1');
    expect(await pid()).toEqual(first);
    const pins = await operator.show('PINS');
    expect(pins).toMatchObject([{ user: 'keeper', server_pid: String(first.pid) }]);
    expect(pins[0]!.reasons).toContain('session pooling');
    const modes = (await operator.show('USERS')).map(({ pool_mode }) => pool_mode);
    expect(modes).toEqual(['session', 'transaction']);
    await client.end();
    clients.splice(clients.indexOf(client), 1);
    // What the client has left on the server reaches nobody else.
    await until(async () => {
      const servers = await operator.show('SERVERS');
      return servers.every(({ remote_pid }) => remote_pid !== String(first.pid));
    });
    await operator.close();
  });
});

describe('Session pooling of a database', () => {
  it('holds for clients that connect to it by name, unless their user has another mode', async () => {
    const users = [
      { name: 'plain', password: 'p' },
      { name: 'sharer', password: 's', poolMode: 'transaction' },
    ];
    const base = await startTestProxy({ config: { proxy: { ...TRUST, users } } });
    proxy = base;
    const shards = base.shards.map(({ id, ...shard }) =>
      id === 1 ? { ...shard, poolMode: 'session' } : shard,
    );
    const beside = await base.beside({ config: { proxy: { ...TRUST, users }, shards } });
    const operator = await operate(beside);
    const { database } = base.shards[1]!;
    const reasons: string[][] = [];
    for (const [user, to] of [
      ['plain', database],
      ['plain', base.shards[0]!.database],
      ['sharer', database],
    ] as const) {
      const client = new Client({ ...beside.login, user, database: to });
      await client.connect();
      await client.query('SELECT 1');
      reasons.push((await operator.show('PINS')).map((pin) => pin.reasons!));
      await client.end();
      await until(async () => (await operator.show('CLIENTS')).length === 0);
    }
    expect(reasons).toEqual([['session pooling'], [], []]);
    const modes = (await operator.show('DATABASES')).map(({ pool_mode }) => pool_mode);
    expect(modes).toEqual(['transaction', 'transaction', 'session']);
    await operator.close();
    await beside.close();
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

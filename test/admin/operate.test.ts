// The console's verbs over a running proxy: what clients meet, and that transactions are let end.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { type Operator, operate, TRUST, until } from './operator.ts';

let proxy: TestProxy;
let operator: Operator;
const clients: Client[] = [];

const onShard = (shard: number) => `/* drive.shard=${shard} */ SELECT drive.shard_id() AS id`;

async function open(): Promise<Client> {
  const client = new Client(proxy.login);
  // Some are ended by the operator, which is what their tests are about.
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

/** A statement on one shard, by hand. */
async function fixed(shard: number): Promise<Client> {
  const client = await open();
  await client.query(`SET drive.shard = ${shard}`);
  return client;
}

const WHERE = 'SELECT drive.shard_id() AS id';

const serversOf = async (shard: number) =>
  (await operator.show('SERVERS')).filter(
    ({ database }) => database === proxy.shards[shard]!.database,
  );

const waitingOn = async (shard: number) =>
  Number((await operator.show('POOLS'))[shard]!.cl_waiting);

beforeAll(async () => {
  proxy = await startTestProxy({ config: { proxy: TRUST } });
  operator = await operate(proxy);
});

afterEach(async () => {
  await operator.run('RESUME');
  for (const { database } of proxy.shards) await operator.run(`ENABLE ${database}`);
  await Promise.all(clients.splice(0).map((client) => client.end()));
});

afterAll(async () => {
  await operator?.close();
  await proxy?.close();
});

describe('PAUSE', () => {
  it('closes the connections of its shard, lets statements wait, and RESUME lets them go', async () => {
    const client = await fixed(1);
    await client.query(WHERE);
    await operator.run('PAUSE 1');
    // None but those of the shard that is open are left.
    expect(await serversOf(1)).toEqual([]);
    expect((await operator.show('SHARDS')).map(({ status }) => status)).toEqual(['up', 'paused']);
    const waits = client.query(WHERE);
    await until(async () => (await waitingOn(1)) > 0);
    expect((await (await fixed(0)).query(WHERE)).rows).toEqual([{ id: 0 }]);
    await operator.run('RESUME 1');
    expect((await waits).rows).toEqual([{ id: 1 }]);
  });

  it('answers only when the transactions under way have ended', async () => {
    const client = await fixed(1);
    await client.query('BEGIN');
    await client.query(WHERE);
    const events: string[] = [];
    const second = await operate(proxy);
    const paused = second.run('PAUSE').then(() => events.push('paused'));
    await until(async () => (await operator.show('SHARDS'))[1]!.status === 'paused');
    await client.query(WHERE);
    await operator.show('VERSION');
    expect(events).toEqual([]);
    await client.query('COMMIT');
    await paused;
    expect(await operator.show('SERVERS')).toEqual([]);
    await second.close();
  });

  it('lets a transaction reach a further shard, so that it can end', async () => {
    const client = await open();
    await client.query('BEGIN');
    await client.query(onShard(0));
    const second = await operate(proxy);
    const paused = second.run('PAUSE');
    await until(async () => (await operator.show('SHARDS'))[1]!.status === 'paused');
    expect((await client.query(onShard(1))).rows).toEqual([{ id: 1 }]);
    await client.query('COMMIT');
    await paused;
    expect(await operator.show('SERVERS')).toEqual([]);
    await second.close();
  });
});

describe('DISABLE', () => {
  it('refuses new statements on its shard with 57P03, until ENABLE', async () => {
    const client = await fixed(1);
    await operator.run('DISABLE 1');
    await expect(client.query(WHERE)).rejects.toMatchObject({ code: '57P03' });
    expect((await operator.show('SHARDS'))[1]).toMatchObject({ status: 'disabled' });
    expect((await operator.show('DATABASES'))[2]).toMatchObject({ disabled: '1' });
    await operator.run('ENABLE 1');
    expect((await client.query(WHERE)).rows).toEqual([{ id: 1 }]);
  });

  it('lets transactions on the shard go on', async () => {
    const client = await fixed(1);
    await client.query('BEGIN');
    await client.query(WHERE);
    await operator.run('DISABLE 1');
    expect((await client.query(WHERE)).rows).toEqual([{ id: 1 }]);
    await client.query('COMMIT');
  });
});

describe('RECONNECT', () => {
  it('replaces idle connections at once and used ones when they are free', async () => {
    const client = await fixed(1);
    await client.query('BEGIN');
    const pid = async () => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
    const before = await pid();
    await operator.run('RECONNECT 1');
    expect(await pid()).toBe(before);
    await client.query('COMMIT');
    expect(await pid()).not.toBe(before);
  });
});

describe('TABLE', () => {
  const kinds = async () =>
    (await operator.show('TABLES')).flatMap(({ table, kind, key }) =>
      table === 'Moved one' ? [`${kind} ${key ?? ''}`.trim()] : [],
    );

  it('gives a table another kind, with its rows, and other clients know it', async () => {
    const client = await open();
    await client.query('CREATE TABLE "Moved one" (owner int NOT NULL, user_id int NOT NULL)');
    await client.query('INSERT INTO "Moved one" SELECT n, n FROM generate_series(1, 6) AS n');
    const count = async () =>
      (await client.query('SELECT count(*)::int AS n FROM "Moved one"')).rows[0]!.n;
    for (const [to, kind] of [
      ['REFERENCE', 'reference'],
      ['sharded owner', 'sharded owner'],
      ['HOME', 'home'],
      ['SHARDED', 'sharded user_id'],
    ]) {
      await operator.run(`TABLE "Moved one" ${to}`);
      expect([await kinds(), await count()]).toEqual([[kind], 6]);
    }
    await client.query('DROP TABLE "Moved one"');
  });

  it.each([
    ['TABLE nothing HOME', '42P01'],
    ['TABLE file_metadata', '42601'],
    ['TABLE file_metadata HOME key', '42601'],
  ])('%s is refused with %s', async (command, code) => {
    await expect(operator.run(command)).rejects.toMatchObject({ code });
  });
});

describe('KILL', () => {
  const ended = async (client: Client, command: string): Promise<string> => {
    const error = new Promise<Error & { code?: string }>((resolve) =>
      client.once('error', resolve),
    );
    await operator.run(command);
    return (await error).code ?? '';
  };

  it('ends one client by its id with 57P01', async () => {
    const client = await open();
    await client.query("SET application_name = 'the one'");
    const other = await open();
    const row = (await operator.show('CLIENTS')).find(
      ({ application_name }) => application_name === 'the one',
    );
    expect(await ended(client, `KILL ${row!.id}`)).toBe('57P01');
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('ends all clients of a user, and gives their connections back', async () => {
    const [one, two] = [await fixed(1), await open()];
    await one.query('BEGIN');
    await one.query(WHERE);
    const alsoTwo = ended(two, 'SHOW VERSION');
    expect(await ended(one, `KILL ${proxy.login.user}`)).toBe('57P01');
    expect(await alsoTwo).toBe('57P01');
    await until(async () => (await operator.show('CLIENTS')).length === 0);
    expect((await operator.show('POOLS')).map(({ cl_active }) => cl_active)).toEqual(['0', '0']);
  });
});

describe('SHUTDOWN', () => {
  it('answers, ends idle clients with 57P01 and lets a transaction end', async () => {
    const other = await startTestProxy({ config: { proxy: TRUST } });
    const boss = await operate(other);
    boss.client.on('error', () => undefined);
    const client = new Client(other.login);
    const gone = new Promise<Error & { code?: string }>((resolve) => client.on('error', resolve));
    await client.connect();
    await client.query('BEGIN');
    await client.query('SELECT 1');
    await boss.run('SHUTDOWN');
    await until(async () => {
      const late = new Client(other.login);
      late.on('error', () => undefined);
      return late.connect().then(
        () => late.end().then(() => false),
        () => true,
      );
    });
    expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
    await client.query('COMMIT');
    expect((await gone).code).toBe('57P01');
    await other.close();
  });
});

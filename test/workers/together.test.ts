// Several workers as one proxy: cancel, schema, bounds, console and metrics are of all of them.

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { until } from '../admin/operator.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { numberOf, processIdOf, Stand } from './stand.ts';

// Several processes share the cores with the servers and with other tests.
vi.setConfig({ testTimeout: 90_000 });

const directory = temporaryDirectory();
const USERS = [
  { name: 'shard_user', password: 'shard_pass' },
  { name: 'few', password: 'f', clientsMax: 2 },
];

let stand: Stand;

/** Resolves once the proxy has so many clients: those that have left are gone for it, too. */
const clientCount = (count: number) =>
  until(async () => (await stand.show('CLIENTS')).length === count);

beforeAll(async () => {
  const metrics = { port: 0 };
  stand = await Stand.start({ directory, name: 'together', proxy: { users: USERS }, metrics });
});

afterEach(() => stand.endClients());

afterAll(async () => {
  expect(await stand?.close()).toBe(0);
});

describe('Clients', () => {
  it('are spread over the workers, and their process ids name them', async () => {
    const clients = await Promise.all(Array.from({ length: 24 }, () => stand.open()));
    const rows = await stand.show('CLIENTS');
    const workers = new Map(rows.map(({ id, worker }) => [Number(id), Number(worker)]));
    expect(clients.map((client) => workers.get(processIdOf(client)))).toEqual(
      clients.map(numberOf),
    );
    expect(new Set(workers.values())).toEqual(new Set([0, 1]));
  });
});

const SLEEPERS = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
  AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%pg_sleep(600)%'`;

describe('A cancel request', () => {
  it('reaches the statement, whichever worker it comes to', async () => {
    const watcher = await RawClient.login(stand.databases.shards[0]!);
    // The system chooses the worker of a connection: among so many it is the other one now and then.
    for (let i = 0; i < 16; i++) {
      const client = await RawClient.login(stand.login);
      client.send(encodeQuery('SELECT pg_sleep(600)'));
      const { processId, secret } = client.key;
      // Nothing is under way on the server until it says so: an earlier cancel would be in vain.
      await until(async () => (await watcher.rows(SLEEPERS))[0]![0] === '1');
      const canceller = await RawClient.open(stand.login);
      canceller.send(encodeCancelRequest(processId, secret));
      expect(await canceller.untilEnd()).toEqual([]);
      canceller.destroy();
      expect(errorCode(await client.untilReady())).toBe('57014');
      await client.close();
    }
    await watcher.close();
  });

  it('with a wrong secret does nothing, here and there', async () => {
    const clients = await Promise.all([0, 1].map(() => RawClient.login(stand.login)));
    for (const { key } of clients) {
      for (let i = 0; i < 6; i++) {
        const canceller = await RawClient.open(stand.login);
        canceller.send(encodeCancelRequest(key.processId, Buffer.from([1, 2, 3, 4])));
        expect(await canceller.untilEnd()).toEqual([]);
        canceller.destroy();
      }
    }
    for (const client of clients) {
      expect(await client.rows('SELECT 1')).toEqual([['1']]);
      await client.close();
    }
  });
});

it('pg_cancel_backend and pg_terminate_backend reach the clients of all workers', async () => {
  const [one, other] = (await stand.onePerWorker()) as [Client, Client];
  const sleeping = expect(other.query('SELECT pg_sleep(600)')).rejects.toMatchObject({
    code: '57014',
  });
  const watcher = await RawClient.login(stand.databases.shards[0]!);
  await until(async () => (await watcher.rows(SLEEPERS))[0]![0] === '1');
  await watcher.close();
  const call = async (name: string) =>
    (await one.query({ text: `SELECT ${name}(${processIdOf(other)})`, rowMode: 'array' })).rows;
  expect(await call('pg_cancel_backend')).toEqual([[true]]);
  await sleeping;
  expect(await call('pg_terminate_backend')).toEqual([[true]]);
  await expect(other.query('SELECT 1')).rejects.toThrow();
  const stranger = await stand.open('drive', { user: 'few', password: 'f' });
  await expect(
    stranger.query(`SELECT pg_cancel_backend(${processIdOf(one)})`),
  ).rejects.toMatchObject({ code: '42501' });
});

describe('A change of the schema', () => {
  const count = async (client: Client, table: string): Promise<string> => {
    const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${table}`);
    return rows[0]!.n;
  };

  it('is known to all workers when it is answered', async () => {
    const [one, other] = (await stand.onePerWorker()) as [Client, Client];
    for (let i = 0; i < 10; i++) {
      const [source, sink] = i % 2 === 0 ? [one, other] : [other, one];
      // First a home table; with a key it is a sharded one of the same name.
      await source.query(`CREATE TABLE note_${i} (id int)`);
      expect(await count(sink, `note_${i}`)).toBe('0');
      await source.query(`DROP TABLE note_${i}`);
      await source.query(`CREATE TABLE note_${i} (user_id int, id int)`);
      await sink.query(`INSERT INTO note_${i} VALUES (1, 1), (2, 2), (3, 3), (4, 4)`);
      // By the old schema all rows would have gone to shard 0, where nobody looks for some of them.
      expect(await count(source, `note_${i} WHERE user_id = 1`)).toBe('1');
      expect(await count(sink, `note_${i} WHERE user_id = 2`)).toBe('1');
      expect(await count(sink, `note_${i}`)).toBe('4');
    }
  });

  it('is known when the transaction around it has been committed', async () => {
    const [one, other] = (await stand.onePerWorker()) as [Client, Client];
    await other.query('CREATE TABLE grown (id int, user_id int)');
    await other.query("SELECT undistribute_table('grown')");
    expect(await count(one, 'grown')).toBe('0');
    await other.query('BEGIN');
    await other.query("SELECT create_distributed_table('grown', 'user_id')");
    await other.query('COMMIT');
    await one.query('INSERT INTO grown VALUES (1, 1), (2, 2), (3, 3), (4, 4)');
    for (const user of [1, 2, 3, 4]) {
      expect(await count(other, `grown WHERE user_id = ${user}`)).toBe('1');
    }
  });

  it('does not wait for a connection that all clients of another worker hold', async () => {
    const [one, other] = (await stand.onePerWorker()) as [Client, Client];
    const holders: Client[] = [];
    // pool.size is 50: 25 for each worker.
    while (holders.length < 30) {
      const client = await stand.open();
      if (numberOf(client) === numberOf(other)) holders.push(client);
      else await stand.end(client);
    }
    for (const client of holders.slice(0, 25)) {
      await client.query('BEGIN');
      await client.query('/* drive.shard=0 */ SELECT 1');
    }
    await one.query('CREATE TABLE while_busy (user_id int)');
    for (const client of holders) await client.query('ROLLBACK');
    expect(await count(other, 'while_busy')).toBe('0');
  });
});

describe('Bounds', () => {
  it('of a user hold over all workers', async () => {
    const few = { user: 'few', password: 'f' };
    const [first] = await Promise.all([stand.open('drive', few), stand.open('drive', few)]);
    for (let i = 0; i < 6; i++) {
      await expect(stand.open('drive', few)).rejects.toMatchObject({ code: '53300' });
    }
    await stand.end(first!);
    await until(() => stand.open('drive', few).then(Boolean, () => false));
  });

  it('of all clients hold, change with RELOAD, and leave room for the operator', async () => {
    const proxy = { users: USERS, clientsMax: 7 };
    stand.changeConfig({ proxy });
    await stand.order('RELOAD');
    await clientCount(0);
    for (let i = 0; i < 7; i++) await stand.open();
    for (let i = 0; i < 6; i++) {
      await expect(stand.open()).rejects.toMatchObject({ code: '53300' });
    }
    expect((await stand.show('CLIENTS')).length).toBe(7);
    stand.changeConfig({ proxy: { users: USERS } });
    await stand.order('RELOAD');
    await stand.open();
  });

  it('of a pool are divided among the workers', async () => {
    stand.changeConfig({ proxy: { users: USERS }, pool: { size: 5 } });
    await stand.order('RELOAD');
    const clients: Client[] = [];
    // Which worker takes a client is chance: each must have more than its share of the pool.
    for (let least = 0; least < 4; ) {
      clients.push(...(await stand.onePerWorker()));
      const rows = await stand.show('CLIENTS');
      const counts = ['0', '1'].map((n) => rows.filter(({ worker }) => worker === n).length);
      least = Math.min(...counts);
    }
    await Promise.all(
      clients.map((client) => client.query('/* drive.shard=1 */ SELECT pg_sleep(0.3)')),
    );
    const servers = (await stand.show('SERVERS')).filter(
      ({ database }) => database === stand.databases.shards[1]!.database,
    );
    const of = (number: string) => servers.filter(({ worker }) => worker === number).length;
    expect([of('0'), of('1')].sort()).toEqual([2, 3]);
    stand.changeConfig({ proxy: { users: USERS } });
    await stand.order('RELOAD');
  });
});

describe('The console', () => {
  it('sums what one row is about, whichever worker is asked', async () => {
    const [one, other] = (await stand.onePerWorker()) as [Client, Client];
    await clientCount(2);
    await one.query('BEGIN');
    await one.query('/* drive.shard=1 */ SELECT 1');
    await other.query('BEGIN');
    await other.query('/* drive.shard=1 */ SELECT 1');
    for (let i = 0; i < 6; i++) {
      // The proxy itself looks at the schema now and then.
      const { database } = stand.databases.shards[1]!;
      const pool = async () => (await stand.show('POOLS'))[1];
      await expect.poll(pool).toMatchObject({ database, sv_active: '2' });
      const lists = new Map((await stand.show('LISTS')).map(({ list, items }) => [list, items]));
      expect([lists.get('used_clients'), lists.get('databases')]).toEqual(['2', '3']);
      const users = await stand.show('USERS');
      expect(users.map((row) => [row.name, row.current_client_connections])).toEqual([
        ['shard_user', '2'],
        ['few', '0'],
      ]);
    }
    const before = await stand.show('STATS_TOTALS');
    await one.query('COMMIT');
    await other.query('COMMIT');
    const after = await stand.show('STATS_TOTALS');
    expect(Number(after[0]!.query_count) - Number(before[0]!.query_count)).toBe(2);
  });

  it('PAUSE holds the clients of all workers until RESUME', async () => {
    const clients = await stand.onePerWorker();
    await stand.order('PAUSE 1');
    let answered = 0;
    const answers = clients.map(async (client) => {
      await client.query('/* drive.shard=1 */ SELECT 1');
      answered += 1;
    });
    await until(async () => (await stand.show('POOLS'))[1]!.cl_waiting === '2');
    expect(answered).toBe(0);
    expect((await stand.show('SHARDS')).map(({ status }) => status)).toEqual(['up', 'paused']);
    await stand.order('RESUME 1');
    await Promise.all(answers);
    expect(answered).toBe(2);
  });

  it('DISABLE refuses in all workers until ENABLE', async () => {
    const clients = await stand.onePerWorker();
    await stand.order('DISABLE 0');
    for (const client of clients) {
      await expect(client.query('/* drive.shard=0 */ SELECT 1')).rejects.toMatchObject({
        code: '57P03',
      });
    }
    await stand.order('ENABLE 0');
    for (const client of clients) await client.query('/* drive.shard=0 */ SELECT 1');
    await expect(stand.order('DISABLE 7')).rejects.toMatchObject({ code: '22023' });
  });

  it('KILL ends the client with that id, whichever worker has it, and a user everywhere', async () => {
    const [one, other] = (await stand.onePerWorker()) as [Client, Client];
    const operator = await stand.open('admin');
    const notices: string[] = [];
    operator.on('notice', ({ message }) => notices.push(message ?? ''));
    for (const client of [one, other]) {
      const ended = client.query('SELECT pg_sleep(600)');
      const outcome = expect(ended).rejects.toMatchObject({ code: '57P01' });
      await operator.query(`KILL ${processIdOf(client)}`);
      await outcome;
    }
    await expect(operator.query('KILL 7')).rejects.toMatchObject({ code: '42704' });
    await stand.onePerWorker();
    await clientCount(2);
    await operator.query('KILL shard_user');
    expect(notices).toEqual(['clients ended: 1', 'clients ended: 1', 'clients ended: 2']);
    expect(await stand.show('CLIENTS')).toEqual([]);
  });
});

it('/metrics sums what the workers have counted', async () => {
  const read = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${stand.metricsPort}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1));
  };
  const LOGINS = 'drive_logins_total{outcome="accepted"}';
  const before = await read(LOGINS);
  const clients = await stand.onePerWorker();
  await clientCount(clients.length);
  expect(await read(LOGINS)).toBeGreaterThanOrEqual(before + clients.length);
  expect(await read('drive_clients{state="idle"}')).toBe(clients.length);
  expect(await read('drive_shard_up{shard="0"}')).toBe(1);
  expect(await read('drive_workers{state="serving"}')).toBe(2);
});

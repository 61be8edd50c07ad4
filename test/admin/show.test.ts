// The console's SHOW commands over a running proxy, in the simple and the extended protocol.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { COMMANDS } from '../../src/commands/commands.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, tagsOf } from '../support/raw-client.ts';
import { PGBOUNCER_COLUMNS } from './columns.ts';
import { type Operator, operate, type Row, TRUST, until } from './operator.ts';

let proxy: TestProxy;
let data: Client;
let operator: Operator;

const open = async (database: string, options: object = {}): Promise<Client> => {
  const client = new Client({ ...proxy.login, database, ...options });
  await client.connect();
  return client;
};

const show = (name: string): Promise<Row[]> => operator.show(name);

beforeAll(async () => {
  proxy = await startTestProxy({ application: true, config: { proxy: TRUST } });
  data = await open(proxy.login.database, { application_name: "o'brien" });
  operator = await operate(proxy);
});

afterAll(async () => {
  await Promise.all([data?.end(), operator?.close()]);
  await proxy?.close();
});

/** Where each worker has rows of its own, a last column says whose. */
const BY_WORKER = ['MEM', 'CLIENTS', 'SERVERS'];

describe('Columns are named as in pgbouncer', () => {
  it.each(Object.entries(PGBOUNCER_COLUMNS))('in SHOW %s', async (name, columns) => {
    const { fields } = await operator.client.query(`SHOW ${name}`);
    const own = BY_WORKER.includes(name) ? ' worker' : '';
    expect(fields.map((field) => field.name).join(' ')).toBe(columns + own);
  });
});

describe('Every SHOW command', () => {
  const shows = COMMANDS.filter(({ role }) => role === 'reads').map(({ name }) => name);

  it.each(shows)('%s answers alike in both protocols', async (name) => {
    const simple = await operator.client.query({ text: name, rowMode: 'array' });
    // A name makes the driver use the extended protocol.
    const extended = await operator.client.query({ text: `${name};`, name, rowMode: 'array' });
    expect(extended.fields.map((field) => [field.name, field.dataTypeID])).toEqual(
      simple.fields.map((field) => [field.name, field.dataTypeID]),
    );
    expect([simple.command, extended.command]).toEqual(['SHOW', 'SHOW']);
    const rows = simple.rows as unknown as readonly string[][];
    expect(rows.every((row) => row.length === simple.fields.length)).toBe(true);
  });

  it('is in SHOW HELP', async () => {
    const listed = (await show('HELP')).map(({ command = '' }) => command.split(/ [[<]/)[0]);
    expect(listed).toEqual(COMMANDS.map(({ name }) => name));
  });

  it('takes lower case, comments and several at once', async () => {
    const client = await RawClient.login({ ...proxy.login, database: 'admin' });
    const messages = await client.query('show version; -- a comment; here\n SHOW lists;');
    expect(tagsOf(messages)).toEqual(['SHOW', 'SHOW']);
    await client.close();
  });

  it('sends integers in binary when asked to', async () => {
    const client = await open('admin');
    const { rows } = await client.query<{ items: number }>({
      text: 'SHOW LISTS',
      binary: true,
    } as { text: string });
    expect(rows[0]).toEqual({ list: 'databases', items: 3 });
    await client.end();
  });
});

describe('SHOW', () => {
  it('SHARDS and DATABASES name every shard', async () => {
    const databases = proxy.shards.map(({ database }) => database);
    expect((await show('SHARDS')).map(({ database }) => database)).toEqual(databases);
    expect((await show('DATABASES')).map(({ name }) => name)).toEqual([
      proxy.login.database,
      ...databases,
    ]);
    expect((await show('SHARDS')).map(({ status }) => status)).toEqual(['up', 'up']);
  });

  it('TABLES says how each is spread', async () => {
    const files = (await show('TABLES')).find(({ key }) => key === 'user_id');
    expect(files).toMatchObject({ kind: 'sharded' });
  });

  it('CLIENTS tells an idle client from one in a transaction, and whose server it has', async () => {
    const rowOf = async () =>
      (await show('CLIENTS')).find(({ application_name }) => application_name === "o'brien")!;
    expect(await rowOf()).toMatchObject({
      type: 'C',
      user: proxy.login.user,
      database: proxy.login.database,
      state: 'idle',
      link: '',
      addr: '127.0.0.1',
      tls: '',
    });
    await data.query('BEGIN');
    await data.query('SELECT 1');
    const { state, link, ptr } = await rowOf();
    expect(state).toBe('active');
    const servers = await show('SERVERS');
    expect(servers.find((server) => server.ptr === link)).toMatchObject({
      type: 'S',
      state: 'active',
      link: ptr,
    });
    await data.query('ROLLBACK');
    expect((await rowOf()).state).toBe('idle');
  });

  it('POOLS counts the connections of each shard', async () => {
    await data.query('BEGIN');
    await data.query('SELECT 1');
    const pools = await show('POOLS');
    expect(pools.map(({ database }) => database)).toEqual(
      proxy.shards.map(({ database }) => database),
    );
    expect(pools.reduce((sum, { sv_active }) => sum + Number(sv_active), 0)).toBeGreaterThan(0);
    await data.query('ROLLBACK');
  });

  it('STATS counts a statement once for the whole', async () => {
    const whole = async () => (await show('STATS_TOTALS'))[0]!;
    const before = await whole();
    for (let i = 0; i < 10; i++) await data.query('SELECT 1');
    const after = await whole();
    const grown = (name: string) => Number(after[name]) - Number(before[name]);
    expect([grown('query_count'), grown('xact_count')]).toEqual([10, 10]);
    expect(Number(after.bytes_received)).toBeGreaterThan(Number(before.bytes_received));
    expect(after.database).toBe(proxy.login.database);
  });

  it('STATS counts a transaction of several statements once', async () => {
    const count = async () => Number((await show('STATS_TOTALS'))[0]!.xact_count);
    const before = await count();
    await data.query('BEGIN');
    await data.query('SELECT 1');
    await data.query('SELECT 2');
    await data.query('COMMIT');
    expect((await count()) - before).toBe(1);
  });

  it('PLANS has the statements that were planned, by shape', async () => {
    await data.query('SELECT count(*) FROM pg_class WHERE relname = $1', ['of the plan test']);
    const { rows } = await data.query('SELECT table_name FROM information_schema.tables LIMIT 1');
    expect(rows.length).toBe(1);
    const plans = await show('PLANS');
    expect(plans.some(({ statement = '' }) => statement.includes('count(*) FROM pg_class'))).toBe(
      true,
    );
    expect(new Set(plans.map(({ by }) => by))).toEqual(new Set(['text', 'shape']));
  });

  it('PREPARED says on how many servers a statement is', async () => {
    await data.query({ name: 'once', text: 'SELECT $1::int AS prepared_once', values: [1] });
    const row = (await show('PREPARED')).find(({ statement = '' }) =>
      /prepared_once/.test(statement),
    );
    expect(row).toMatchObject({ servers: '1' });
  });

  it('PINS says who keeps a server, and why', async () => {
    expect(await show('PINS')).toEqual([]);
    const other = await open(proxy.login.database);
    await other.query('SELECT pg_advisory_lock(4711)');
    expect(await show('PINS')).toMatchObject([
      { user: proxy.login.user, reasons: 'advisory lock' },
    ]);
    await other.end();
    await until(async () => (await show('PINS')).length === 0);
  });

  it('CONFIG hides passwords and says what RELOAD can change', async () => {
    const settings = new Map((await show('CONFIG')).map((row) => [row.key, row]));
    expect(settings.get('pool.size')).toMatchObject({ value: '80', changeable: 'yes' });
    expect(settings.get('shards[0].host')).toMatchObject({ changeable: 'no' });
    expect(settings.get('shards[0].password')).toMatchObject({ value: '[secret]' });
    expect(settings.get('proxy.users[0].password')).toMatchObject({ value: '[secret]' });
  });

  it('VERSION names the program', async () => {
    expect((await show('VERSION'))[0]!.version).toMatch(/^Drive Clone \d+\.\d+\.\d+$/);
  });

  it('MEM has the memory of the process', async () => {
    const row = (await show('MEM')).find(({ name }) => name === 'process')!;
    expect(Number(row.memtotal)).toBeGreaterThan(1_000_000);
  });
});

describe('The console refuses', () => {
  it('what is no command, with 42601, and goes on', async () => {
    const client = await RawClient.login({ ...proxy.login, database: 'admin' });
    const refused = await client.query('SELECT 1');
    expect([letters(refused), errorCode(refused)]).toEqual(['EZ', '42601']);
    expect(letters(await client.query('SHOW VERSION'))).toBe('TDCZ');
    expect(letters(await client.query(''))).toBe('IZ');
    await client.close();
  });

  it('arguments a command does not take', async () => {
    await expect(operator.client.query('SHOW POOLS please')).rejects.toMatchObject({
      code: '42601',
    });
    await expect(operator.client.query('DISABLE')).rejects.toMatchObject({ code: '42601' });
    await expect(operator.client.query('PAUSE nowhere')).rejects.toMatchObject({ code: '22023' });
    await expect(operator.client.query('KILL nobody')).rejects.toMatchObject({ code: '42704' });
  });

  it('the rest of an extended batch after an error, up to Sync', async () => {
    await expect(operator.client.query({ text: 'SELECT 1', name: 'bad' })).rejects.toMatchObject({
      code: '42601',
    });
    expect((await show('VERSION')).length).toBe(1);
  });

  it('users who are no operators, with 28000', async () => {
    const other = await startTestProxy({
      config: {
        proxy: {
          ...TRUST,
          users: [
            { name: 'boss', password: 'b' },
            { name: 'app', password: 'a' },
          ],
        },
      },
    });
    const login = { ...other.login, database: 'admin', user: 'app', password: 'a' };
    const client = await RawClient.open(login);
    expect(errorCode(await client.logIn(login))).toBe('28000');
    await client.untilEnd();
    const boss = await RawClient.login({ ...login, user: 'boss', password: 'b' });
    expect(letters(await boss.query('SHOW VERSION'))).toBe('TDCZ');
    await boss.close();
    await other.close();
  });
});

describe('SHOW TRANSACTIONS and PREPARED_TRANSACTIONS', () => {
  it('tell of open transactions with their servers, and of prepared ones', async () => {
    await data.query('BEGIN');
    await data.query(`INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'a'), (2, 'b')`);
    const rows = await show('TRANSACTIONS');
    expect(rows).toHaveLength(1);
    const [{ state, kind, servers, writers, wait_ms }] = rows as [Row];
    expect({ state, kind, writers, wait_ms }).toEqual({
      state: 'open',
      kind: 'block',
      writers: '0,1',
      wait_ms: '0',
    });
    expect(servers).toMatch(/^s\d:\d+,s\d:\d+$/);
    await data.query('ROLLBACK');
    expect(await show('TRANSACTIONS')).toEqual([]);
    const { host, port, database, user, password } = proxy.shards[1]!;
    const direct = new Client({ host, port, database, user, password });
    await direct.connect();
    await direct.query(`BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'somebody''s'`);
    const [prepared, ...others] = await show('PREPARED_TRANSACTIONS');
    expect(others).toEqual([]);
    expect(prepared).toMatchObject({ shard_id: '1', gid: `somebody's`, ours: 'no' });
    await direct.query(`ROLLBACK PREPARED 'somebody''s'`);
    await direct.end();
  });
});

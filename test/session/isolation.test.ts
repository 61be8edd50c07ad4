// Isolation: with one server connection a shard, nothing of one client reaches the next.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient, rowsOf, tagsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;
const open: RawClient[] = [];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } } });
  const client = await login();
  await client.rows('CREATE TABLE notes (id int PRIMARY KEY, text text)');
});

afterAll(() => proxy.close());

afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});

async function login(parameters: Record<string, string> = {}): Promise<RawClient> {
  const client = await RawClient.login(proxy.login, { parameters });
  open.push(client);
  return client;
}

async function leave(client: RawClient): Promise<void> {
  open.splice(open.indexOf(client), 1);
  await client.close();
}

describe('Settings', () => {
  it.each([
    ['TimeZone', "'Asia/Tokyo'"],
    ['DateStyle', 'SQL, DMY'],
    ['application_name', 'somebody'],
    ['search_path', 'elsewhere'],
    ['statement_timeout', "'12345ms'"],
    ['extra_float_digits', '2'],
    ['app.custom', 'mine'],
  ])('%s of one client is never seen by the other, in turns', async (name, value) => {
    const setter = await login();
    const other = await login();
    const show = `SELECT current_setting('${name}', true)`;
    const before = await other.rows(show);
    await setter.rows(`SET ${name} = ${value}`);
    const mine = await setter.rows(show);
    expect(mine).not.toEqual(before);
    for (let i = 0; i < 3; i++) {
      const theirs = (await other.rows(show))[0]![0];
      // A custom setting that was reset on a connection is empty there, not missing.
      expect(theirs ?? '').toBe(before[0]![0] ?? '');
      expect(await setter.rows(show)).toEqual(mine);
    }
  });

  it('by set_config on a shard chosen by hand do not reach the next client', async () => {
    const setter = await login();
    const other = await login();
    const before = await other.rows('SHOW work_mem');
    await setter.rows("/* drive.shard=0 */ SELECT set_config('work_mem', '12345', false)");
    await leave(setter);
    expect(await other.rows('SHOW work_mem')).toEqual(before);
  });

  it('of a transaction that was dropped are gone', async () => {
    const setter = await login();
    const other = await login();
    const before = await other.rows('SHOW TimeZone');
    await setter.rows('BEGIN');
    await setter.rows("SET TimeZone = 'Asia/Tokyo'");
    setter.destroy();
    open.splice(open.indexOf(setter), 1);
    expect(await other.rows('SHOW TimeZone')).toEqual(before);
  });
});

describe('What a client leaves behind', () => {
  it.each([
    ['a temporary table', 'CREATE TEMP TABLE scratch (a int)', "SELECT to_regclass('scratch')"],
    ['LISTEN', 'LISTEN channel', 'SELECT count(*) FROM pg_listening_channels()'],
    [
      'a cursor with hold',
      'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT',
      '/* drive.shard=0 */ SELECT count(*) FROM pg_cursors',
    ],
    [
      'a PREPARE',
      'PREPARE p AS SELECT 1',
      "/* drive.shard=0 */ SELECT count(*) FROM pg_prepared_statements WHERE name = 'p'",
    ],
  ])('%s is gone for the next', async (_, make, look) => {
    const clean = await login();
    const before = await clean.rows(look);
    await leave(clean);
    const maker = await login();
    await maker.rows(make);
    await leave(maker);
    const next = await login();
    expect(await next.rows(look)).toEqual(before);
    await leave(next);
  });

  it('an advisory lock is gone for the next, as soon as its server has noticed', async () => {
    const maker = await login();
    await maker.rows('SELECT pg_advisory_lock(42)');
    await leave(maker);
    const next = await login();
    await expect.poll(() => next.rows('SELECT pg_try_advisory_lock(42)')).toEqual([['t']]);
    await leave(next);
  });

  it('an open transaction is rolled back when it disappears', async () => {
    const maker = await login();
    await maker.rows('BEGIN');
    await maker.rows("INSERT INTO notes VALUES (1, 'lost')");
    maker.destroy();
    open.splice(open.indexOf(maker), 1);
    const next = await login();
    expect(await next.rows('SELECT count(*) FROM notes')).toEqual([['0']]);
  });

  it('a COPY broken off in the middle leaves nothing, and the connection serves the next', async () => {
    for (const sql of ['COPY notes FROM STDIN', '/* drive.shard=0 */ COPY notes FROM STDIN']) {
      const maker = await login();
      maker.send(encodeQuery(sql));
      await maker.until('G');
      maker.send(say.copyData('1\tlost\n2\tha'));
      maker.destroy();
      open.splice(open.indexOf(maker), 1);
      const next = await login();
      expect(await next.rows('SELECT count(*) FROM notes')).toEqual([['0']]);
      await leave(next);
    }
  });

  it('a COPY out broken off in the middle frees the connection', async () => {
    const maker = await login();
    maker.send(
      encodeQuery("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT"),
    );
    await maker.until('d');
    maker.destroy();
    open.splice(open.indexOf(maker), 1);
    const next = await login();
    expect(await next.rows('SELECT 1')).toEqual([['1']]);
  });

  it('half a message of many clients that drop keeps no connection', async () => {
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.login(proxy.login);
      client.send(encodeQuery('SELECT 1').subarray(0, 3 + (i % 8)));
      client.destroy();
    }
    const next = await login();
    expect(await next.rows('SELECT 1')).toEqual([['1']]);
  });

  it('statements sent before it disappeared do not block the next', async () => {
    const client = await login();
    client.send(...Array.from({ length: 100 }, () => encodeQuery('SELECT pg_sleep(0.01)')));
    await client.untilReady();
    client.destroy();
    open.splice(open.indexOf(client), 1);
    const next = await login();
    expect(await next.rows('SELECT 1')).toEqual([['1']]);
  });
});

describe('Prepared statements', () => {
  it('of two clients under one name keep their own texts on a shared connection', async () => {
    const [one, two] = [await login(), await login()];
    one.send(say.parse('SELECT 1 AS a', 's'), say.sync);
    await one.untilReady();
    two.send(say.parse('SELECT 2 AS b', 's'), say.sync);
    await two.untilReady();
    for (let i = 0; i < 3; i++) {
      for (const [client, value] of [
        [one, '1'],
        [two, '2'],
      ] as const) {
        client.send(say.bind([], 's'), say.execute(), say.sync);
        expect(rowsOf(await client.untilReady())).toEqual([[value]]);
      }
    }
  });

  it('of two clients with one text are one on the server, and closing one leaves the other', async () => {
    const [one, two] = [await login(), await login()];
    for (const [client, name] of [
      [one, 'mine'],
      [two, 'yours'],
    ] as const) {
      client.send(say.parse('SELECT 4711', name), say.sync);
      await client.untilReady();
    }
    const count =
      "/* drive.shard=0 */ SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 4711'";
    expect(await one.rows(count)).toEqual([['1']]);
    one.send(say.close('statement', 'mine'), say.sync);
    await one.untilReady();
    two.send(say.bind([], 'yours'), say.execute(), say.sync);
    expect(rowsOf(await two.untilReady())).toEqual([['4711']]);
  });

  it('survive DISCARD ALL of another client', async () => {
    const [one, two] = [await login(), await login()];
    one.send(say.parse('SELECT 5', 's'), say.sync);
    await one.untilReady();
    await two.rows('DISCARD ALL');
    one.send(say.bind([], 's'), say.execute(), say.sync);
    expect(rowsOf(await one.untilReady())).toEqual([['5']]);
  });

  it('more than a server keeps are all answered, and the server keeps no more than its share', async () => {
    const client = await login();
    const count = 600;
    for (let i = 0; i < count; i++)
      client.send(say.parse(`SELECT ${i} + $1::int`, `s${i}`), say.sync);
    await client.untilReady(count);
    for (let i = 0; i < count; i += 7)
      client.send(say.bind(['1'], `s${i}`), say.execute(), say.sync);
    const messages = await client.untilReady(Math.ceil(count / 7));
    const expected = Array.from({ length: Math.ceil(count / 7) }, (_, i) => [`${i * 7 + 1}`]);
    expect(rowsOf(messages)).toEqual(expected);
    const [kept] = await client.rows(
      '/* drive.shard=0 */ SELECT count(*) FROM pg_prepared_statements',
    );
    expect(Number(kept![0])).toBeLessThanOrEqual(500);
  });

  it('with a Parse flushed but not synced leave the connection to others', async () => {
    const [one, two] = [await login(), await login()];
    one.send(say.run('SELECT 1'), say.sync, say.parse('SELECT 2', 'later'), say.flush);
    await one.until('1', 2);
    expect(await two.rows('SELECT 3')).toEqual([['3']]);
    one.send(say.bind([], 'later'), say.execute(), say.sync);
    expect(rowsOf(await one.untilReady())).toEqual([['2']]);
  });
});

describe('Notifications', () => {
  it('reach a listener that is idle, and not when their transaction is rolled back', async () => {
    const roomy = await startTestProxy({ shards: 1, config: { pool: { size: 3 } } });
    const listener = await RawClient.login(roomy.login);
    const sender = await RawClient.login(roomy.login);
    await listener.rows('LISTEN news');
    await sender.rows('BEGIN');
    await sender.rows("NOTIFY news, 'never'");
    await sender.rows('ROLLBACK');
    await sender.rows("NOTIFY news, 'hello'");
    const [notification] = await listener.until('A');
    expect(notification!.body.toString('utf8', 4)).toBe('news\0hello\0');
    // The server tells a listener in a transaction at its end, which is a statement of the proxy's.
    await listener.rows('BEGIN');
    await listener.rows('SELECT 1');
    await sender.rows("NOTIFY news, 'meanwhile'");
    listener.send(encodeQuery('COMMIT'));
    const [late] = await listener.until('A');
    expect(late!.body.toString('utf8', 4)).toBe('news\0meanwhile\0');
    await listener.close();
    await sender.close();
    await roomy.close();
  });
});

describe('The queue for a connection', () => {
  it('is served in the order of asking', async () => {
    const holder = await login();
    await holder.rows('BEGIN');
    await holder.rows('SELECT 1');
    const order: number[] = [];
    const waiters = [];
    for (let i = 0; i < 5; i++) {
      const client = await login();
      client.send(encodeQuery(`DELETE FROM notes WHERE id = ${i}`));
      waiters.push(
        client.untilReady().then((messages) => {
          expect(tagsOf(messages)).toEqual(['DELETE 0']);
          order.push(i);
        }),
      );
      // A login behind the statement: the proxy has read the statement when it answers.
      await (await RawClient.login(proxy.login)).close();
    }
    await holder.rows('COMMIT');
    await Promise.all(waiters);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('that takes too long ends with 53300, and the session goes on', async () => {
    const config = { pool: { size: 1, waitTimeoutMs: 100 } };
    const small = await startTestProxy({ shards: 1, config });
    const holder = await RawClient.login(small.login);
    const waiter = await RawClient.login(small.login);
    await holder.rows('BEGIN');
    await holder.rows('SELECT 1');
    expect(errorCode(await waiter.query('SELECT 2'))).toBe('53300');
    waiter.send(say.run('SELECT 2'), say.sync);
    expect(errorCode(await waiter.untilReady())).toBe('53300');
    await holder.rows('COMMIT');
    expect(await waiter.rows('SELECT 3')).toEqual([['3']]);
    await holder.close();
    await waiter.close();
    await small.close();
  });

  it('is not waited in for what its own holder asks about the cluster', async () => {
    const config = { pool: { size: 1, waitTimeoutMs: 2_000 } };
    const small = await startTestProxy({ shards: 1, config });
    const holder = await RawClient.login(small.login);
    await holder.rows('BEGIN');
    await holder.rows('SELECT 1');
    expect((await holder.rows('SHOW drive.shards')).map((row) => row[4])).toEqual(['up']);
    expect(errorCode(await holder.query('SELECT * FROM nowhere'))).toBe('42P01');
    await holder.close();
    await small.close();
  });
});

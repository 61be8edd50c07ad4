// What a server has made of a text for one client is not what another client means by it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBind, encodeExecute, encodeParse, SYNC } from '../../src/wire/extended.ts';
import { type Login, startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient, rowsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;

beforeAll(async () => {
  // One connection: what it keeps, every statement meets.
  proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } }, superuser: true });
});

afterAll(() => proxy.close());

type Rows = (string | null)[][];
type Ask = (client: RawClient, sql: string) => Promise<Rows>;

const asQuery: Ask = (client, sql) => client.rows(sql);

const prepared =
  (name: string): Ask =>
  async (client, sql) => {
    const unnamed = { portal: '', parameterFormats: [], parameters: [], resultFormats: [] };
    client.send(
      encodeParse({ name, sql, parameterTypes: [] }),
      encodeBind({ ...unnamed, statement: name }),
      encodeExecute({ portal: '', maxRows: 0 }),
      SYNC,
    );
    return rowsOf(await client.untilReady());
  };

/** Each of `settings` by a client of its own, in turns, often enough for servers to keep the statement. */
async function answers(
  login: Login,
  settings: readonly string[],
  sql: string,
  ask: Ask,
): Promise<Rows[]> {
  const rows: Rows[] = [];
  for (const setting of [...settings, ...settings, ...settings]) {
    const client = await RawClient.login(login);
    for (const command of setting.split(';')) await client.query(command);
    rows.push(await ask(client, sql));
    await client.close();
  }
  return rows;
}

const KINDS: readonly (readonly [string, Ask])[] = [
  ['a Query', asQuery],
  ['a statement without a name', prepared('')],
  ['a prepared statement', prepared('s')],
];

const TEXTS: readonly (readonly [string, readonly string[]])[] = [
  ["SELECT '2020-01-01 00:00'::timestamptz::text", ["SET TimeZone = 'UTC'", 'SET TIME ZONE 3']],
  ['SELECT $$01/02/2020$$::date', ["SET DateStyle = 'ISO, MDY'", "SET DateStyle = 'ISO, DMY'"]],
  ['SELECT NULL = NULL', ['RESET transform_null_equals', 'SET transform_null_equals = on']],
  [
    'SELECT $$01/02/2020$$::date AS within',
    [
      'BEGIN; SAVEPOINT a; SET LOCAL DateStyle = DMY; RELEASE a',
      'BEGIN; SAVEPOINT a; SET LOCAL DateStyle = DMY; ROLLBACK TO a',
      'BEGIN; SET DateStyle = DMY; SET DateStyle = MDY',
      "BEGIN; SELECT set_config('datestyle', 'DMY', true)",
    ],
  ],
];

describe.each(KINDS)('%s', (_, ask) => {
  it.each(TEXTS)('is read by the settings of its client: %s', async (sql, settings) => {
    const [given, expected] = [
      await answers(proxy.login, settings, sql, ask),
      await answers({ ...proxy.shards[0]! }, settings, sql, ask),
    ];
    expect(given).toEqual(expected);
  });

  it.each(["SELECT 'now'::timestamptz >= 'BEFORE'", 'SELECT $$NOW$$::timestamptz >= $$BEFORE$$'])(
    'means the time at which its client has sent it: %s',
    async (text) => {
      const sql = text.replace(/>= .*/, '');
      for (let i = 0; i < 3; i++) {
        const client = await RawClient.login(proxy.login);
        const [[before]] = (await client.rows('SELECT clock_timestamp()')) as [[string]];
        const [[now]] = (await ask(client, sql)) as [[string]];
        expect(now >= before, `${now} >= ${before}`).toBe(true);
        await client.close();
      }
    },
  );

  it('is not read by what a routine has SET LOCAL for somebody else', async () => {
    const client = await RawClient.login(proxy.login);
    await client.query(`CREATE OR REPLACE FUNCTION in_tokyo() RETURNS void LANGUAGE plpgsql
      AS $$ BEGIN PERFORM set_config('TimeZone', 'Asia/Tokyo', true); END $$`);
    const sql = 'SELECT $$2020-01-01 00:00$$::timestamptz::text AS tokyo';
    const settings = ['BEGIN; SELECT in_tokyo()', ''];
    const given = await answers(proxy.login, settings, sql, ask);
    expect(given).toEqual(await answers({ ...proxy.shards[0]! }, settings, sql, ask));
    await client.close();
  });

  it('may name what its client may name', async () => {
    const client = await RawClient.login(proxy.login);
    await client.query('CREATE ROLE read_with_reader; CREATE SCHEMA closed');
    await client.query(
      'CREATE TABLE closed.t AS SELECT 1 AS a; GRANT SELECT ON closed.t TO PUBLIC',
    );
    const settings = ['', 'SET ROLE read_with_reader'];
    try {
      const given = await answers(proxy.login, settings, 'SELECT a FROM closed.t', asked(ask));
      expect(given).toEqual([[['1']], [], [['1']], [], [['1']], []]);
    } finally {
      await client.query('DROP SCHEMA closed CASCADE; DROP ROLE read_with_reader');
      await client.close();
    }
  });
});

/** An error is no rows. */
const asked =
  (ask: Ask): Ask =>
  (client, sql) =>
    ask === asQuery ? client.query(sql).then(rowsOf) : ask(client, sql);

describe('A prepared statement with a date in a string', () => {
  const DATE = "SELECT '2020-01-01 00:00'::timestamptz::text";
  const runs = async (client: RawClient) => {
    client.send(say.bind([], 's'), say.execute(), say.sync, say.query('EXECUTE s'));
    const bound = await client.untilReady();
    return [bound, await client.untilReady()];
  };

  it.each([
    ['SET TimeZone', 'SET TimeZone = 3', 'RESET TimeZone'],
    ['SET LOCAL', 'BEGIN; SET LOCAL TIME ZONE 3', 'COMMIT'],
    ['set_config', "SELECT set_config('timezone', '3', false)", 'RESET ALL'],
  ])(
    'is refused behind %s, and runs again under what it was prepared under',
    async (_, to, back) => {
      const client = await RawClient.login(proxy.login);
      client.send(say.parse(DATE, 's'), say.sync);
      expect(errorCode(await client.untilReady())).toBe('');
      const before = (await runs(client)).map(rowsOf);
      await client.query(to);
      const [refused] = await runs(client);
      expect(errorCode(refused!)).toBe('0A000');
      await client.query(back);
      expect((await runs(client)).map(rowsOf)).toEqual(before);
      await client.close();
    },
  );

  it.each([
    ["SELECT now() - interval '1 day' < now(), $$v1.x$$", 'SET TimeZone = 3'],
    [DATE, 'SET search_path = public'],
    [DATE, 'SET xmloption = document'],
  ])('runs where nothing of it is read by what is set: %s; %s', async (sql, setting) => {
    const client = await RawClient.login(proxy.login);
    client.send(say.parse(sql, 's'), say.sync);
    await client.untilReady();
    await client.query(setting);
    for (const answer of await runs(client)) expect(errorCode(answer)).toBe('');
    await client.close();
  });

  it('is not looked for in the square of the length of a text, which would hold up all clients', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(say.parse(`SELECT length('${'1a'.repeat(200_000)}')`, 's'), say.sync);
    await client.untilReady();
    await client.query('SET TimeZone = 3');
    for (const answer of await runs(client)) expect(rowsOf(answer)).toEqual([['400000']]);
    await client.close();
  });
});

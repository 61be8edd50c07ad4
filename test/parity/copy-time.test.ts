// COPY FROM over shards leaves columns to one time, and is otherwise what it is on one PostgreSQL.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { connect } from './answer.ts';
import { COPIED_DDL, COPY_CASES } from './copy-cases.ts';
import { copyIn, copyOut, type Way } from './copy-client.ts';

/** The columns of `copied`, and some that tell the time, one in what COPY must write with care. */
const STAMPED_DDL = `
  CREATE TABLE stamped (
    made timestamptz NOT NULL DEFAULT now(),
    user_id int8 NOT NULL, id int4, name text DEFAULT 'none', note text,
    day date DEFAULT CURRENT_TIMESTAMP + '1 day',
    word text DEFAULT E'\\\\N\\t,|;"''' || date_part('century', CURRENT_DATE),
    nothing text DEFAULT nullif(LOCALTIMESTAMP, LOCALTIMESTAMP),
    CHECK (id <> 666));
  CREATE TABLE marked (user_id int8, word text DEFAULT to_char(now(), '"now"'));
  CREATE TABLE accented (user_id int8, word text DEFAULT to_char(now(), '"é"'));
  CREATE TABLE broken (user_id int8, word text DEFAULT to_char(now(), E'"a\\nb"'));`;
const GIVEN = '(user_id, id, name, note)';

let tested: TestProxy;
let plain: RawClient;
let proxy: RawClient;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 3,
    prepare: async ({ plain: one, shards }) => {
      for (const login of [one, ...shards]) {
        const client = await connect(login);
        await client.query(COPIED_DDL + STAMPED_DDL);
        await client.end();
      }
    },
  });
  plain = await RawClient.login(tested.plain);
  proxy = await RawClient.login(tested.login);
});

afterAll(async () => {
  await plain.close();
  await proxy.close();
  await tested.close();
});

beforeEach(async () => {
  for (const client of [plain, proxy]) {
    await client.query('ROLLBACK; DELETE FROM stamped; DELETE FROM copied');
  }
});

const CONTENTS = `SELECT user_id, id, name, note, word, nothing,
  day = (made + '1 day')::date FROM stamped`;

const contents = async (client: RawClient): Promise<string[]> =>
  (await client.rows(CONTENTS)).map((row) => JSON.stringify(row)).sort();

async function both(sql: string, data: Buffer, way: Way = 'simple'): Promise<void> {
  const one = await copyIn(plain, sql, [data], { way });
  const many = await copyIn(proxy, sql, [data], { way });
  expect(many).toEqual(one);
  expect(await contents(proxy)).toEqual(await contents(plain));
  const times = await proxy.rows('SELECT DISTINCT made FROM stamped');
  expect(times.length).toBe((await contents(plain)).length > 0 ? 1 : 0);
}

const stamped = (copy: string): string =>
  copy.replace(/^copied(?= FROM)/, `stamped ${GIVEN}`).replace(/^copied /, 'stamped ');

describe.each(['simple', 'extended'] as const)('COPY FROM STDIN, %s', (way) => {
  const cases = COPY_CASES.filter(({ name }) => name !== 'DEFAULT');
  test.each(cases)('$name', async ({ copy, data }) => {
    await both(`COPY ${stamped(copy)}`, Buffer.from(data, 'latin1'), way);
  });
});

test('a default with other letters than ASCII', async () => {
  const { tag } = await copyIn(proxy, 'COPY accented (user_id) FROM STDIN', [
    Buffer.from('1\n2\n'),
  ]);
  expect(tag).toBe('COPY 2');
  expect(await proxy.rows('SELECT DISTINCT word FROM accented')).toEqual([['é']]);
});

test.each(['DateStyle = German', 'DateStyle = SQL, DMY', "TimeZone = 'Asia/Kolkata'"])(
  'under %s',
  async (setting) => {
    for (const client of [plain, proxy]) await client.query(`SET ${setting}`);
    await both(`COPY stamped ${GIVEN} FROM STDIN`, Buffer.from('1\t1\ta\tb\n2\t2\ta\tb\n'));
    for (const client of [plain, proxy]) await client.query('RESET DateStyle; RESET TimeZone');
  },
);

test('the option DEFAULT marks other columns', async () => {
  const data = Buffer.from('1\t1\t\\D\tx\n2\t2\tx\tx\n');
  await both(`COPY stamped ${GIVEN} FROM STDIN (DEFAULT '\\D')`, data);
});

test('the option DEFAULT is refused where it may mark one that tells the time', async () => {
  const sql = `COPY stamped (user_id, made) FROM STDIN (DEFAULT '\\D')`;
  const { error, response } = await copyIn(proxy, sql, [Buffer.from('1\t\\D\n2\t\\D\n')]);
  expect(error?.[0]).toBe('0A000');
  expect(response).toBeNull();
});

test.each([
  ['one of the options would read as NULL', `marked (user_id) FROM STDIN (FORMAT csv, NULL 'now')`],
  ['would need an encoding', `accented (user_id) FROM STDIN (ENCODING 'latin1')`],
  ['lines would be counted by', 'broken (user_id) FROM STDIN (FORMAT csv)'],
])('a default that %s is refused', async (_, copy) => {
  const sql = `COPY ${copy}`;
  const { error, response } = await copyIn(proxy, sql, [Buffer.from('1\n2\n')]);
  expect(error?.[0]).toBe('0A000');
  expect(response).toBeNull();
});

test('binary', async () => {
  const values = Array.from({ length: 50 }, (_, i) => `(${i - 5}, ${i}, 'n\t${i}', NULL)`);
  await plain.query(`INSERT INTO copied (user_id, id, name, note) VALUES ${values.join(', ')}`);
  const { data } = await copyOut(plain, `COPY copied TO STDOUT BINARY`);
  await both(`COPY stamped ${GIVEN} FROM STDIN BINARY`, data);
  await both(`COPY stamped (user_id, id, name) FROM STDIN BINARY`, data);
});

test('is of the transaction it runs in, as its condition is', async () => {
  await proxy.query('BEGIN; INSERT INTO stamped (user_id) VALUES (1)');
  await proxy.query('SELECT pg_sleep(0.002)');
  const copy = `COPY stamped ${GIVEN} FROM STDIN WHERE made = now()`;
  const { tag } = await copyIn(proxy, copy, [Buffer.from('1\t1\ta\tb\n2\t2\ta\tb\n3\t2\ta\tb\n')]);
  expect(tag).toBe('COPY 3');
  expect(await proxy.rows('SELECT DISTINCT made = now() FROM stamped')).toEqual([['t']]);
  await proxy.query('COMMIT');
  expect(await proxy.rows('SELECT count(DISTINCT made), count(*) FROM stamped')).toEqual([
    ['1', '4'],
  ]);
});

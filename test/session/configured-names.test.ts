// Names of tables in the configuration: a table that gets or loses such a name, or another kind, keeps its rows findable.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let tested: TestProxy;
let client: Client;

beforeAll(async () => {
  const tables = {
    users: { kind: 'reference' as const },
    orders: { kind: 'sharded' as const, key: 'owner' },
    'other.lists': { kind: 'home' as const },
  };
  tested = await startTestProxy({ shards: 3, config: { sharding: { tables } } });
  client = await connectAsText(tested.login);
  await client.query('CREATE SCHEMA other');
});

afterEach(async () => {
  for (const table of ['users', 'orders', 'lists', 'made', 'other.users']) {
    await client.query(`DROP TABLE IF EXISTS ${table}`);
  }
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

const ROWS = 'SELECT n, n FROM generate_series(1, 9) n';
const countOf = async (table: string) =>
  (await textRows(client, `SELECT count(*) FROM ${table}`))[0]![0];

it.each([
  ['a sharded table', 'made (user_id int, owner int)', [], 'RENAME TO users'],
  ['a sharded table', 'made (user_id int, owner int)', [], 'RENAME TO orders'],
  ['a home table', 'made (id int, owner int)', [], 'RENAME TO users'],
  ['a home table', 'made (id int, owner int)', [], 'RENAME TO orders'],
  ['a sharded table', 'lists (user_id int, owner int)', [], 'SET SCHEMA other'],
])('%s %s does not become what the configuration has: %s %s', async (_, made, first, change) => {
  const [name] = made.split(' ') as [string];
  await client.query(`CREATE TABLE ${made}`);
  for (const sql of first) await client.query(sql);
  await client.query(`INSERT INTO ${name} ${ROWS}`);
  await expect(client.query(`ALTER TABLE ${name} ${change}`)).rejects.toMatchObject({
    code: '0A000',
    message: expect.stringContaining('the configuration'),
  });
  expect(await countOf(name)).toBe('9');
});

it('a table of the kind that the configuration has for a name may get it', async () => {
  await client.query('CREATE TABLE made (user_id int, owner int)');
  await client.query(`SELECT create_reference_table('made')`);
  await client.query(`INSERT INTO made ${ROWS}`);
  await client.query('ALTER TABLE made RENAME TO users');
  expect(await countOf('users')).toBe('9');
  await client.query('INSERT INTO users VALUES (10, 10)');
  expect(await countOf('users')).toBe('10');
});

it.each([
  ['users', 'RENAME TO made', 'made'],
  ['orders', 'RENAME TO made', 'made'],
  ['users', 'SET SCHEMA other', 'other.users'],
])(
  '%s keeps its kind behind %s, also where nothing has remembered it',
  async (name, change, made) => {
    await client.query(`CREATE TABLE ${name} (user_id int, owner int)`);
    for (const shard of [0, 1, 2]) {
      await client.query(`/* drive.shard=${shard} */ DELETE FROM drive.tables`);
    }
    await client.query(`INSERT INTO ${name} ${ROWS}`);
    await client.query(`ALTER TABLE ${name} ${change}`);
    expect(await countOf(made)).toBe('9');
    expect(await textRows(client, `SELECT user_id FROM ${made} WHERE owner = 4`)).toEqual([['4']]);
    await client.query(`INSERT INTO ${made} VALUES (10, 10)`);
    expect(await countOf(made)).toBe('10');
  },
);

it('the kind of a table that the configuration names is not changed by statement', async () => {
  await client.query('CREATE TABLE users (user_id int, owner int)');
  await client.query(`INSERT INTO users ${ROWS}`);
  for (const call of [
    `create_distributed_table('users', 'user_id')`,
    `undistribute_table('users')`,
  ]) {
    await expect(client.query(`SELECT ${call}`)).rejects.toMatchObject({
      code: '55000',
      hint: expect.stringContaining('sharding.tables'),
    });
  }
  expect(await countOf('users')).toBe('9');
});

// Copies of many rows: joined as their number asks for, whatever PostgreSQL knows of them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

/** Where it knows nothing, it takes each condition, of all rows, to hold for one in 200. */
const joinOf = (table: string): string => {
  const joined = (
    each: string,
    before: string,
  ) => `JOIN ${table} ${each} ON ${each}.id = ${before}.other
    AND ${each}.id BETWEEN 0 AND 1000000 AND ${each}.user_id BETWEEN 0 AND 1000000`;
  return `FROM ${table} a ${joined('b', 'a')} ${joined('c', 'b')} ${joined('d', 'c')} ${joined('e', 'd')}
    WHERE a.id BETWEEN 0 AND 1000000 AND a.user_id BETWEEN 0 AND 1000000`;
};

/** Not more than are copied as parameters, and more. */
const TABLES = { few: 3_400, more: 6_000 };

/** Row by row they take some ten times as long, and a hundredth otherwise. */
const TIMEOUT = '2s';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy();
  client = await RawClient.login(proxy.login);
  for (const [table, rows] of Object.entries(TABLES)) {
    await client.rows(`CREATE TABLE ${table} (user_id int8, id int, other int)`);
    await client.rows(
      `INSERT INTO ${table} SELECT n % 7, n, ${rows} + 1 - n FROM generate_series(1, ${rows}) n`,
    );
  }
  await client.rows(`SET statement_timeout = '${TIMEOUT}'`);
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

/** Also what stands in a setting while the statement is computed, and behind it. */
async function expectJoined(table: keyof typeof TABLES, setting: string, value: string) {
  await client.rows(`SET ${setting} = ${value}`);
  const sql = `SELECT max(current_setting('${setting}')), count(*) ${joinOf(table)}`;
  expect(await client.rows(sql)).toEqual([[value, String(TABLES[table])]]);
  expect(await client.rows(`SHOW ${setting}`)).toEqual([[value]]);
  await client.rows(`RESET ${setting}`);
}

describe('Copies in tables', () => {
  it('have statistics when the statement is planned', async () => {
    const sql = `EXPLAIN ANALYZE SELECT count(*) ${joinOf('more')}`;
    const plan = (await client.rows(sql)).join('\n');
    expect(plan).toMatch(/(Hash|Merge) Join/);
    expect(plan).not.toMatch(/Nested Loop/);
  });

  it.each(['few', 'more'] as const)(
    'are made by a setting that the statement does not see: %s',
    async (table) => {
      await expectJoined(table, 'default_statistics_target', '77');
      await client.rows('BEGIN');
      await expectJoined(table, 'default_statistics_target', '77');
      await client.rows('COMMIT');
    },
  );
});

describe('Copies that must be parameters, in a transaction that has written', () => {
  it.each(['few', 'more'] as const)('are not joined row by row: %s', async (table) => {
    await client.rows('BEGIN');
    await client.rows(`UPDATE ${table} SET other = other WHERE user_id = 1`);
    await expectJoined(table, 'enable_nestloop', 'on');
    await client.rows('ROLLBACK');
  });
});

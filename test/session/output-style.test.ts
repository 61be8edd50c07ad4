// Values that the proxy computes look as the session's settings say, or one server computes them.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let clients: [RawClient, RawClient];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  clients = [await RawClient.login(proxy.plain), await RawClient.login(proxy.login)];
  for (const client of clients) {
    await client.rows('CREATE TABLE points (user_id bigint, x float8)');
    await client.rows('INSERT INTO points VALUES (1, 0.1), (2, 0.7), (4, 0.125)');
    await client.rows('CREATE TABLE spans (user_id bigint, span interval)');
    await client.rows(
      `INSERT INTO spans VALUES (1, '-1 year'), (2, '1 day 02:03:04'), (4, '0.5 s')`,
    );
  }
});

afterAll(async () => {
  for (const client of clients) await client.close();
  await proxy.close();
});

it.each([
  'extra_float_digits = -3',
  'extra_float_digits TO 0',
  'extra_float_digits = 3',
  `extra_float_digits TO '-15'`,
])('SET %s: averages of floats', async (setting) => {
  const [one, shards] = await Promise.all(
    clients.map(async (client) => {
      const sql = 'SELECT avg(x), max(x), sum(x) FROM points';
      await client.rows(`SET ${setting}`);
      const set = await client.rows(sql);
      await client.rows(`RESET extra_float_digits`);
      await client.rows(`BEGIN; SET LOCAL ${setting}`);
      const local = await client.rows(sql);
      await client.rows('ROLLBACK');
      return [set, local];
    }),
  );
  expect(shards).toEqual(one);
});

const STYLES = ['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'];
const QUERIES = [
  'SELECT avg(span), sum(span), max(span) FROM spans',
  'SELECT span, sum(span) FROM spans GROUP BY span ORDER BY span',
  'SELECT DISTINCT span FROM spans ORDER BY span',
  `SELECT user_id % 2, sum(span) FROM spans GROUP BY 1 HAVING sum(span) > '-1 1:00' ORDER BY 1`,
];

it.each(STYLES.flatMap((style) => QUERIES.map((sql) => ({ style, sql }))))(
  'IntervalStyle $style: $sql',
  async ({ style, sql }) => {
    const [one, shards] = await Promise.all(
      clients.map(async (client) => {
        await client.rows(`SET IntervalStyle = ${style}`);
        const alone = await client.rows(sql);
        await client.rows(`BEGIN; SET LOCAL IntervalStyle = iso_8601`);
        const local = await client.rows(sql);
        await client.rows('ROLLBACK');
        return [alone, local];
      }),
    );
    expect(shards).toEqual(one);
  },
);

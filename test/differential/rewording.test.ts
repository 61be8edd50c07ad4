// Rewording: what PostgreSQL fails on by the way it computes a statement, it answers in other words.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { MAKE_MEAN, reworded } from './rewording.ts';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy();
  client = await RawClient.login(proxy.plain);
  for (const sql of MAKE_MEAN) await client.rows(sql);
  await client.rows('CREATE TABLE files (id int)');
  await client.rows('INSERT INTO files VALUES (1), (2)');
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

it.each([
  [
    "SELECT avg(x) FROM unnest('{1e200,-1e200,NULL}'::float8[]) x",
    'value out of range: overflow',
    [['0']],
  ],
  [
    'SELECT max(5) FROM files ORDER BY 1 FETCH FIRST 2 ROWS WITH TIES',
    'more than one row returned by a subquery used as an expression',
    [['5']],
  ],
])('%s', async (sql, message, rows) => {
  await expect(client.rows(sql)).rejects.toThrow(message);
  expect(await client.rows(reworded(sql, message)!)).toEqual(rows);
});

it.each([
  ['numeric', '{0.1,0.25}'],
  ['int2', '{1,2,2}'],
  ['int4', '{}'],
  ['int8', '{9223372036854775807,2}'],
  ['float8', '{0.1,NULL,Infinity}'],
  ['interval', '{1 day,1 month}'],
])('mean of %s is as its average', async (type, values) => {
  const both = `SELECT avg(x)::text, mean(x)::text FROM unnest('${values}'::${type}[]) x`;
  const [[average, mean]] = (await client.rows(both)) as [[string, string]];
  expect(mean).toBe(average);
});

it('says another failure is the statement’s own', () => {
  expect(reworded('SELECT avg(x) FROM files', 'division by zero')).toBeNull();
  expect(reworded('SELECT sum(x) FROM files', 'value out of range: overflow')).toBeNull();
});

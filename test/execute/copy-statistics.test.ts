// Copy statistics: copies of a few thousand rows are joined as their number asks for.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

/** More than are copied as parameters, and less than a megabyte. */
const ROWS = 6_000;
/** Each condition holds for all rows; without statistics a server takes it to hold for one in 200. */
const JOIN = `FROM notes a JOIN notes b ON b.id = a.other
  WHERE a.id BETWEEN 0 AND 1000000 AND a.user_id BETWEEN 0 AND 1000000
    AND b.id BETWEEN 0 AND 1000000 AND b.user_id BETWEEN 0 AND 1000000`;

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy();
  client = await RawClient.login(proxy.login);
  await client.rows('CREATE TABLE notes (user_id int8, id int, other int)');
  await client.rows(
    `INSERT INTO notes SELECT n % 7, n, ${ROWS} + 1 - n FROM generate_series(1, ${ROWS}) n`,
  );
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

it('are there when the statement is planned', async () => {
  const plan = (await client.rows(`EXPLAIN ANALYZE SELECT count(*) ${JOIN}`)).join('\n');
  expect(plan).toMatch(/(Hash|Merge) Join/);
  expect(plan).not.toMatch(/Nested Loop/);
});

it('are made by a setting that the statement does not see', async () => {
  await client.rows('SET default_statistics_target = 77');
  for (const begin of ['', 'BEGIN', '']) {
    if (begin !== '') await client.rows(begin);
    const target = "current_setting('default_statistics_target')";
    expect(await client.rows(`SELECT max(${target}), count(*) ${JOIN}`)).toEqual([
      ['77', String(ROWS)],
    ]);
    expect(await client.rows('SHOW default_statistics_target')).toEqual([['77']]);
    if (begin !== '') await client.rows('COMMIT');
  }
  await client.rows('RESET default_statistics_target');
  expect(await client.rows('SHOW default_statistics_target')).toEqual([['100']]);
});

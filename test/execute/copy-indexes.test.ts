// Copy indexes: a correlated sub-query over large copies reads them by the indexes of their tables.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

const ROWS = 12_000;
const CORRELATED = `SELECT count(*) FROM notes n
  WHERE id < (SELECT avg(m.id) + 5 FROM notes m WHERE m."Other" = n.id AND m.pad <> '')`;

let proxy: TestProxy;
let client: RawClient;
let plain: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy();
  client = await RawClient.login(proxy.login);
  plain = await RawClient.login(proxy.plain);
  for (const each of [client, plain]) {
    await each.rows('CREATE TABLE notes (user_id int8, id int, "Other" int, pad text)');
    await each.rows('CREATE INDEX ON notes ("Other", id)');
    await each.rows('CREATE INDEX ON notes (upper(pad), "Other")');
    await each.rows('CREATE INDEX ON notes ("Other") WHERE id < 0');
    await each.rows(`INSERT INTO notes
      SELECT n % 7, n, n / 3, repeat('x', 120) FROM generate_series(1, ${ROWS}) n`);
  }
});

afterAll(async () => {
  await client.close();
  await plain.close();
  await proxy.close();
});

it('answers as one server, by the index', async () => {
  expect(await client.rows(CORRELATED)).toEqual(await plain.rows(CORRELATED));
  const plan = (await client.rows(`EXPLAIN ANALYZE ${CORRELATED}`)).join('\n');
  expect(plan).toMatch(/Index (Only )?Scan .*drive_leaf_/);
});

it('makes none where nothing is read again', async () => {
  const plan = (await client.rows('EXPLAIN ANALYZE SELECT count(DISTINCT pad) FROM notes')).join();
  expect(plan).toMatch(/Seq Scan on drive_leaf_/);
});

// TPC-H: the 22 queries over shards give what one PostgreSQL gives.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerOf } from '../../bench/tpch/answer.ts';
import { linesOf, load } from '../../bench/tpch/load.ts';
import { QUERIES } from '../../bench/tpch/queries.ts';
import { DDL, RULES } from '../../bench/tpch/schema.ts';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

/** Small, and yet every query gives rows. */
const SCALE = 0.001;
const SEED = 1;

describe.each([2, 3])('over %i shards', (shards) => {
  let tested: TestProxy;
  let plain: Client;
  let proxy: Client;

  beforeAll(async () => {
    tested = await startTestProxy({ shards, config: { sharding: { tables: RULES } } });
    plain = new Client(tested.plain);
    proxy = new Client(tested.login);
    const lines = linesOf(SEED, SCALE);
    for (const client of [plain, proxy]) {
      await client.connect();
      await client.query(DDL);
      await load(client, lines);
    }
  });

  afterAll(async () => {
    await Promise.all([plain.end(), proxy.end()]);
    await tested.close();
  });

  test.each(QUERIES.map((sql, i) => [i + 1, sql] as const))('query %i', async (_, sql) => {
    const one = await answerOf(plain, sql);
    const many = await answerOf(proxy, sql);
    expect(one.rows.length).toBeGreaterThan(0);
    expect({ columns: many.columns, rows: many.rows }).toEqual({
      columns: one.columns,
      rows: one.rows,
    });
  });
});

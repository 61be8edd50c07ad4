// Row locks of reference tables: whoever locks a row meets everybody else who does, wherever it is read.

import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let computing: Pick<TestProxy, 'login' | 'close'>;
let first: RawClient;
let second: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  computing = await proxy.beside({ forceEngine: true });
  first = await RawClient.login(proxy.login);
  await first.rows('CREATE TABLE rate (code text PRIMARY KEY, value int)');
  await first.rows("SELECT create_reference_table('rate')");
  await first.rows(
    'CREATE TABLE orders (user_id bigint, id int, code text, PRIMARY KEY (user_id, id))',
  );
  await first.rows("INSERT INTO rate VALUES ('a', 1), ('b', 2), ('c', 3)");
  const rows = Array.from({ length: 12 }, (_, i) => `(${i}, ${i}, '${'abc'[i % 3]}')`);
  await first.rows(`INSERT INTO orders VALUES ${rows.join(', ')}`);
  second = await RawClient.login(computing.login);
});

afterEach(async () => {
  for (const client of [first, second]) await client.query('ROLLBACK');
});

afterAll(async () => {
  await first.close();
  await second.close();
  await computing.close();
  await proxy.close();
});

const JOINED = 'SELECT o.id, r.value FROM orders o JOIN rate r ON r.code = o.code';

/** Each locks the row of 'b'; those of the keys 1 and 4 are orders on two shards. */
const LOCKERS = [
  "SELECT * FROM rate WHERE code = 'b' FOR UPDATE",
  `${JOINED} WHERE o.user_id = 1 FOR UPDATE`,
  `${JOINED} WHERE o.user_id = 4 FOR UPDATE OF r`,
  `${JOINED} WHERE o.id = 7 FOR NO KEY UPDATE`,
  `${JOINED} WHERE o.id > 9 ORDER BY o.id LIMIT 1 FOR UPDATE OF r`,
  'SELECT count(*) FROM rate WHERE code IN (SELECT code FROM rate WHERE value = 2 FOR UPDATE)',
  "UPDATE rate SET value = value WHERE code = 'b'",
  "UPDATE orders SET code = 'b' WHERE user_id = 1 AND code IN (SELECT code FROM rate WHERE value = 2 FOR UPDATE)",
  'DELETE FROM orders WHERE code IN (SELECT code FROM rate WHERE value = 2 FOR UPDATE)',
  'INSERT INTO orders SELECT o.user_id + 3, o.id + 50, r.code FROM orders o JOIN rate r ON r.code = o.code WHERE o.user_id = 1 FOR UPDATE OF r',
];

describe.each(LOCKERS)('Whoever has locked by %s', (held) => {
  it.each(LOCKERS.filter((sql) => sql.startsWith('SELECT')))('keeps out %s', async (wanted) => {
    for (const [one, other] of [
      [first, second],
      [second, first],
    ] as const) {
      await one.query('BEGIN');
      await one.rows(held);
      await other.query('BEGIN');
      const nowait = wanted.endsWith(')') ? `${wanted.slice(0, -1)} NOWAIT)` : `${wanted} NOWAIT`;
      expect(errorCode(await other.query(nowait))).toBe('55P03');
      await other.query('ROLLBACK');
      await one.query('ROLLBACK');
      await other.query('BEGIN');
      expect(await other.rows(nowait)).toHaveLength(1);
      await other.query('ROLLBACK');
    }
  });
});

test('rows of reference tables that FOR UPDATE OF does not name stay free', async () => {
  await first.query('BEGIN');
  await first.rows(`${JOINED} WHERE o.user_id = 1 FOR UPDATE OF o`);
  await second.query('BEGIN');
  expect(await second.rows('SELECT code FROM rate FOR UPDATE NOWAIT')).toHaveLength(3);
});

test('what cannot find and lock them on one shard is refused, also for one key', async () => {
  for (const sql of [
    `DECLARE c CURSOR FOR ${JOINED} WHERE o.user_id = 1 FOR UPDATE`,
    `SELECT * FROM orders o, (SELECT * FROM rate) r WHERE o.user_id = 1 FOR UPDATE`,
    `UPDATE orders SET code = 'a' WHERE user_id = 1 AND code IN (SELECT code FROM rate WHERE value < id FOR UPDATE)`,
  ]) {
    await first.query('BEGIN');
    expect([sql, errorCode(await first.query(sql))]).toEqual([sql, '0A000']);
    await first.query('ROLLBACK');
  }
});

// Back pressure: a client that does not read its result costs the proxy little, and others nothing.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { letters, RawClient, startupPacket } from '../support/raw-client.ts';

const MIB = 1024 * 1024;
/** Far below the result, far above sockets' buffers and what the test itself allocates. */
const GROWTH_BYTES_MAX = 48 * MIB;

const count = 400;
const query = encodeQuery(`SELECT '${'x'.repeat(100_000)}'`);

let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
});

afterAll(() => proxy.close());

it('a result of 200 MB that nobody reads is not held, while other clients are served', async () => {
  const slow = await RawClient.login(proxy.login);
  const other = await RawClient.login(proxy.login);
  slow.socket.pause();
  const before = process.memoryUsage();
  slow.send(encodeQuery("SELECT repeat('x', 100000) FROM generate_series(1, 2000)"));
  for (let i = 0; i < 300; i++) expect(await other.rows(`SELECT ${i}`)).toEqual([[`${i}`]]);
  const after = process.memoryUsage();
  const grown = after.external + after.heapUsed - before.external - before.heapUsed;
  expect(grown).toBeLessThan(GROWTH_BYTES_MAX);
  slow.socket.resume();
  const messages = await slow.untilReady();
  expect(letters(messages)).toMatch(/^TD{2000}CZ$/);
  await slow.close();
  await other.close();
});

it.each([
  [2000, 'SELECT count(loud(id)) FROM loud_rows', /^TN*(DN*)+CZ$|^N*TN*DN*CZ$/],
  [2000, 'BEGIN; SELECT id FROM loud_rows WHERE loud(id) < 0; COMMIT', /^CN*TN*CCZ$/],
  [2000, 'CREATE MATERIALIZED VIEW heard AS SELECT max(loud(id)) FROM loud_rows', /^N*CZ$/],
  // The home shard speaks for all.
  [1000, 'ALTER TABLE loud_rows ADD CHECK (loud(id) > 0)', /^N*CZ$/],
])('nor are %i notices of 100 kB, by %s', async (notices, sql, shape) => {
  const slow = await RawClient.login(proxy.login);
  const other = await RawClient.login(proxy.login);
  await other.rows(`DROP TABLE IF EXISTS loud_rows CASCADE;
    CREATE TABLE loud_rows (user_id int, id int);
    CREATE OR REPLACE FUNCTION loud(int) RETURNS int LANGUAGE plpgsql AS
      'BEGIN RAISE NOTICE ''%'', repeat(''x'', 100000); RETURN $1; END'`);
  await other.rows('INSERT INTO loud_rows SELECT i, i FROM generate_series(1, 2000) i');
  slow.socket.pause();
  const before = process.memoryUsage();
  slow.send(encodeQuery(sql));
  for (let i = 0; i < 3000; i++) expect(await other.rows(`SELECT ${i}`)).toEqual([[`${i}`]]);
  const after = process.memoryUsage();
  const grown = after.external + after.heapUsed - before.external - before.heapUsed;
  expect(grown).toBeLessThan(GROWTH_BYTES_MAX);
  slow.socket.resume();
  const told = letters(await slow.untilReady());
  expect(told).toMatch(shape);
  expect(told.replaceAll(/[^N]/g, '')).toHaveLength(notices);
  await slow.close();
  await other.close();
});

it('what a client sends that reads no answers is not held, and answered when it reads', async () => {
  const slow = await RawClient.login(proxy.login);
  const other = await RawClient.login(proxy.login);
  slow.socket.pause();
  for (let i = 0; i < count; i++) slow.socket.write(query);
  for (let i = 0; i < 300; i++) expect(await other.rows(`SELECT ${i}`)).toEqual([[`${i}`]]);
  const taken = count * query.length - slow.socket.writableLength;
  expect(taken).toBeLessThan(GROWTH_BYTES_MAX / 2);
  slow.socket.resume();
  expect(letters(await slow.untilReady(count))).toBe('TDCZ'.repeat(count));
  await slow.close();
  await other.close();
});

it('nor is what a client sends ahead that waits to be let in', async () => {
  const config = { pool: { size: 1 }, proxy: { trust: ['127.0.0.1'] } };
  const small = await startTestProxy({ shards: 1, config });
  const holder = await RawClient.login(small.login);
  await holder.rows('BEGIN');
  await holder.rows('SELECT 1');
  const waiting = await RawClient.open(small.login);
  const { user, database } = small.login;
  // A server is to be asked what the setting means, and none is free.
  waiting.send(startupPacket({ user, database, work_mem: '5MB' }));
  for (let i = 0; i < count; i++) waiting.socket.write(query);
  for (let i = 0; i < 300; i++) expect(await holder.rows(`SELECT ${i}`)).toEqual([[`${i}`]]);
  expect(count * query.length - waiting.socket.writableLength).toBeLessThan(GROWTH_BYTES_MAX / 2);
  await holder.rows('COMMIT');
  expect(letters(await waiting.untilReady(1 + count))).toMatch(/^RS*KZ(TDCZ)*$/);
  await holder.close();
  await waiting.close();
  await small.close();
});

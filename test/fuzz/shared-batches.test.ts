// Batches on connections that sessions share: what a stalled pipeline must not do twice.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { letters, RawClient } from '../support/raw-client.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 1 });
  const client = await RawClient.login(proxy.login);
  await client.rows('CREATE TABLE blocked (n int)');
  await client.rows('CREATE TABLE written (n int)');
  await client.close();
});

afterAll(() => proxy.close());

it('A batch that writes and then reads is run once, also behind a stalled head', async () => {
  const head = await RawClient.login(proxy.login);
  const writer = await RawClient.login(proxy.login);
  // Small statements, as they are known to be by now, share a connection.
  for (let i = 0; i < 20; i++) {
    await head.rows('SELECT count(*) FROM blocked');
    await writer.rows('SELECT 1');
  }
  const locker = await connectAsText(proxy.shards[0]!);
  await locker.query('BEGIN');
  await locker.query('LOCK TABLE blocked');
  head.send(say.query('SELECT count(*) FROM blocked'));
  writer.send(say.run('INSERT INTO written VALUES (1)'), say.run('SELECT 1'), say.sync);
  expect(letters(await writer.untilReady())).toBe('12nC12TDCZ');
  await locker.query('ROLLBACK');
  await head.untilReady();
  expect(await textRows(locker, 'SELECT count(*) FROM written')).toEqual([['1']]);
  await locker.end();
  await head.close();
  await writer.close();
});

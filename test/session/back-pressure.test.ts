// Back pressure: a client that does not read its result costs the proxy little, and others nothing.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { letters, RawClient } from '../support/raw-client.ts';

const MIB = 1024 * 1024;
/** Far below the result, far above sockets' buffers and what the test itself allocates. */
const GROWTH_BYTES_MAX = 48 * MIB;

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

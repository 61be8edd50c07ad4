// Clients that break off at bad moments, found by the fuzzer: each case by itself.

import { setImmediate as tick } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { asked } from '../support/holdings.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy({
    // One connection for all: what is left on it meets the next client; a stuck one is an error.
    config: { pool: { size: 1, waitTimeoutMs: 5_000 } },
    prepare: async ({ shards }) => {
      for (const shard of shards) {
        await asked(shard, 'CREATE TABLE numbers (n int)');
        await asked(shard, 'CREATE TABLE spread (user_id int8 NOT NULL)');
      }
    },
  });
});

afterAll(() => proxy.close());

async function expectService(): Promise<void> {
  const client = await RawClient.login(proxy.login);
  expect(await client.rows('SELECT count(*) FROM numbers')).toEqual([['0']]);
  expect(await client.rows('SELECT count(*) FROM spread')).toEqual([['0']]);
  await client.close();
}

function cancelRequest(processId: number, secret: Buffer): Buffer {
  const packet = Buffer.alloc(12 + secret.length);
  packet.writeInt32BE(packet.length, 0);
  packet.writeInt32BE(80877102, 4);
  packet.writeInt32BE(processId, 8);
  secret.copy(packet, 12);
  return packet;
}

describe('A client that asks for a cancel', () => {
  it('and resets its connection does no harm', async () => {
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.open(proxy.login);
      client.send(cancelRequest(i, Buffer.alloc(4)));
      for (let pause = i % 4; pause > 0; pause--) await tick();
      client.socket.resetAndDestroy();
    }
    await expectService();
  });

  it('and never closes its side is let go', async () => {
    const sockets = () =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const client = await RawClient.open(proxy.login);
    client.socket.allowHalfOpen = true;
    const before = sockets();
    client.send(cancelRequest(1, Buffer.alloc(4)));
    await client.untilEnd();
    await expect.poll(sockets).toBe(before - 1);
    client.destroy();
  });
});

/** On one shard, where the proxy passes it on, and over all, where it splits the rows. */
describe.each(['numbers', 'spread'])('COPY %s FROM STDIN', (table) => {
  const copy = `COPY ${table} FROM STDIN`;

  it('of a client that goes before the server asks for data ends at once', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(encodeQuery(copy));
    client.socket.destroySoon();
    await expectService();
  });

  it('broken off with more behind it in its batch leaves nothing for the next client', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(say.run(copy), say.run('SELECT 1'), say.sync);
    client.socket.destroySoon();
    await expectService();
  });

  it('broken off within a message leaves nothing of it for the next client', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(encodeQuery(copy));
    await client.until('G');
    client.send(say.copyData('1\n'.repeat(40)).subarray(0, 20));
    client.socket.destroySoon();
    await expectService();
  });
});

describe('COPY of one shard', () => {
  it('that fails within a message leaves nothing of it for the next client', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(encodeQuery('COPY numbers FROM STDIN'));
    await client.until('G');
    const next = say.copyData('1\n'.repeat(40));
    client.send(say.copyData('no number\n'), next.subarray(0, 20));
    expect(errorCode(await client.untilReady())).toBe('22P02');
    await expectService();
    client.send(next.subarray(20));
    expect(await client.rows('SELECT 1')).toEqual([['1']]);
    await client.close();
    await expectService();
  });

  it('with more behind it in its batch fails, and the next client gets its own answer', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(
      say.run('COPY numbers FROM STDIN'),
      say.run('SELECT 1'),
      say.sync,
      say.copyData('1\n'),
      say.copyDone,
      say.sync,
    );
    expect(errorCode(await client.untilReady(2))).toBe('08P01');
    await client.close();
    await expectService();
  });
});

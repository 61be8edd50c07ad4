// A shard that restarts under load: its statements fail for a moment, those of the other shard never.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { SHARD_RETRY_MS_MAX } from '../../src/base/limits.ts';
import { type ForwardedProxy, startForwardedProxy } from '../support/forwarded-proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

const CLIENTS = 6;

let proxy: ForwardedProxy;

beforeAll(async () => {
  proxy = await startForwardedProxy({ connectTimeoutMs: 1_000 }, async (shard) => {
    const direct = await RawClient.login(shard);
    await direct.rows('CREATE TABLE files (user_id bigint, id int, PRIMARY KEY (user_id, id))');
    await direct.close();
  });
});

afterAll(() => proxy.close());

/** Asks one shard until told to stop; what every answer was, in their order. */
function load(shard: number, client: RawClient, over: () => boolean): Promise<string[]> {
  const sql = `SELECT count(*) FROM files WHERE user_id = ${shard}`;
  const ask = async (): Promise<string[]> => {
    const codes: string[] = [];
    while (!over()) codes.push(errorCode(await client.query(sql)));
    return codes;
  };
  return ask();
}

it('recovers within a retry period, and the other shard is not held up', async () => {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => RawClient.login(proxy.login)),
  );
  let over = false;
  const loads = clients.map((client, i) => load(i % 2, client, () => over));
  const watcher = await RawClient.login(proxy.login);
  const onShard = (shard: number) =>
    watcher.query(`SELECT count(*) FROM files WHERE user_id = ${shard}`);
  const forwarder = proxy.forwarders[1]!;
  // A fast shutdown: every backend ends, nobody is let in, then there is a server again.
  forwarder.cut();
  await forwarder.refuse();
  while (errorCode(await onShard(1)) === '');
  for (let i = 0; i < 50; i++) expect(errorCode(await onShard(0))).toBe('');
  await forwarder.start();
  const backMs = performance.now();
  while (errorCode(await onShard(1)) !== '');
  // Half of it is the wait itself; the rest is for a machine with other things to do.
  expect(performance.now() - backMs).toBeLessThan(2 * SHARD_RETRY_MS_MAX);
  over = true;
  const [zeros, ones] = [0, 1].map((shard) => loads.filter((_, i) => i % 2 === shard));
  const codesOf = async (each: readonly Promise<string[]>[]) => (await Promise.all(each)).flat();
  expect(new Set(await codesOf(zeros!))).toEqual(new Set(['']));
  const failures = (await codesOf(ones!)).filter((code) => code !== '');
  expect(failures.length).toBeGreaterThan(0);
  for (const code of new Set(failures)) expect(code).toMatch(/^08/);
  for (const client of [...clients, watcher]) await client.close();
});

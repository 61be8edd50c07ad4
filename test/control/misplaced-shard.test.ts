// Shards in another order or number than that in which they were installed: their rows would be looked for in the wrong place.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.ts';
import { loadConfig } from '../../src/control/config.ts';
import { startProxy } from '../../src/proxy.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { startTestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let databases: FreshDatabases;

beforeAll(async () => {
  databases = await freshDatabases(3, { application: false });
});

afterAll(() => databases.drop());

it('With fewer shards than there are the proxy does not start', async () => {
  const shards = databases.shards.slice(0, 2).map(({ id: _, ...shard }) => shard);
  const config = loadConfig({ env: {}, overrides: { shards, proxy: { port: 0 } } });
  await expect(startProxy(config, createLog('silent'))).rejects.toMatchObject({
    code: 'F0000',
    message: expect.stringMatching(/^shard \d \(.*\) was installed as one of 3 shards, not of 2$/),
  });
});

it.each([[[1, 0, 2]], [[0, 2, 1]]])('In the order %j the proxy does not start', async (order) => {
  const shards = order.map((place) => {
    const { id: _, ...shard } = databases.shards[place]!;
    return shard;
  });
  const config = loadConfig({ env: {}, overrides: { shards, proxy: { port: 0 } } });
  // Both that are wrong are asked at once.
  const message = /^shard (\d) \(.* on .*:\d+\) was installed as shard (\d)$/;
  const error: unknown = await startProxy(config, createLog('silent')).then(
    () => null,
    (each: unknown) => each,
  );
  expect(error).toMatchObject({ code: 'F0000', message: expect.stringMatching(message) });
  const [, given, installed] = message.exec((error as Error).message)!;
  expect(order[Number(given)]).toBe(Number(installed));
});

it('A shard that comes back as another is not used until it is itself again', async () => {
  const proxy = await startTestProxy({ shards: 2 });
  const client = await RawClient.login(proxy.login);
  const direct = await RawClient.login(proxy.shards[1]!);
  try {
    await client.rows('CREATE TABLE files (user_id bigint)');
    const becomes = (shard: number) =>
      direct.rows(`CREATE OR REPLACE FUNCTION drive.shard_id() RETURNS int
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ${shard}';
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    const [even, odd] = ['INSERT INTO files VALUES (2)', 'INSERT INTO files VALUES (1)'] as const;
    await client.rows(odd);
    await becomes(0);
    // The first to meet the end of a connection is told of that.
    await expect.poll(async () => errorCode(await client.query(odd))).toBe('F0000');
    await client.rows(even);
    await becomes(1);
    await expect.poll(async () => errorCode(await client.query(odd))).toBe('');
    expect(await direct.rows('SELECT count(*) FROM files')).toEqual([['2']]);
  } finally {
    await direct.close();
    await client.close();
    await proxy.close();
  }
});

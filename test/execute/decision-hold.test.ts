// The hold of decisions: it ends, whatever the shards do.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { decisionHold } from '../../src/execute/decision-hold.ts';
import { login } from '../../src/pool/login.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { Forwarder } from '../support/forwarder.ts';

const TOO_LONG = { code: '40001', message: 'a shard has not answered within 500 ms' };
const MS_MAX = 500;

let databases: FreshDatabases;

beforeAll(async () => {
  databases = await freshDatabases(2);
});

afterAll(() => databases.drop());

const connect = (shard: Shard): Promise<ServerConnection> =>
  login(shard, { timeoutMs: 10_000, nowMs: () => performance.now() });

it('A hold over a shard that says nothing any more fails, and the next one is had', async () => {
  const [first, second] = databases.shards as [Shard, Shard];
  const forwarder = new Forwarder(second);
  const place = await forwarder.start();
  const hold = decisionHold([first, place], connect, MS_MAX);
  const silent = hold.held(async () => forwarder.stall());
  const next = hold.held(async () => 'had');
  await expect(silent).rejects.toMatchObject(TOO_LONG);
  forwarder.flow();
  await expect(next).resolves.toBe('had');
  await forwarder.refuse();
});

it('A hold that is had too late is given up, and what it is for is not done', async () => {
  const opened: ServerConnection[] = [];
  const { promise: reachable, resolve: reach } = Promise.withResolvers<void>();
  const hold = decisionHold(
    databases.shards,
    async (shard) => {
      await reachable;
      opened.push(await connect(shard));
      return opened.at(-1)!;
    },
    MS_MAX,
  );
  let isDone = false;
  const held = hold.held(async () => {
    isDone = true;
  });
  await expect(held).rejects.toMatchObject(TOO_LONG);
  reach();
  await expect
    .poll(() => opened.map(({ closed }) => closed), { timeout: 10_000 })
    .toEqual([true, true]);
  expect(isDone).toBe(false);
});

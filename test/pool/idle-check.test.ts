// Idle connections: checked when they were not heard of for long, closed when nobody answers.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { login } from '../../src/pool/login.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { ShardPool } from '../../src/pool/shard-pool.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { shards } from '../support/cluster.ts';
import { Forwarder } from '../support/forwarder.ts';

const CHECK_AFTER_MS = 1_000;

let forwarder: Forwarder;
let pool: ShardPool;
/** The pool's clock, in the test's hands. */
let nowMs: number;

async function makePool(part: object = {}): Promise<void> {
  const options = { size: 4, waitTimeoutMs: 10_000, idleTimeoutMs: 60_000, lifetimeMs: 600_000 };
  const checks = { checkAfterMs: CHECK_AFTER_MS, connectTimeoutMs: 100 };
  const clock = () => nowMs;
  pool = new ShardPool(
    await forwarder.start(),
    { ...options, ...checks, ...part },
    {
      connect: (shard) => login(shard, { timeoutMs: 10_000, nowMs: clock }),
      nowMs: clock,
      random: () => 1,
      terminate: TERMINATE,
    },
  );
}

/** So many idle connections, in the order in which they were given back. */
async function idle(count: number): Promise<readonly ServerConnection[]> {
  const leased = await Promise.all(Array.from({ length: count }, () => pool.lease()));
  for (const connection of leased) {
    nowMs += 1;
    pool.release(connection);
  }
  return leased;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  nowMs = 1_000;
  forwarder = new Forwarder(shards(1)[0]!);
});

afterEach(async () => {
  pool.close();
  await forwarder.refuse();
});

it('A connection that was used a moment ago is not checked', async () => {
  await makePool();
  await idle(1);
  nowMs += CHECK_AFTER_MS;
  pool.tick();
  expect(pool.counts).toMatchObject({ idle: 1, leased: 0 });
});

it('A connection idle for long is out of reach until it has answered, then as idle as before', async () => {
  await makePool();
  const [first, second] = await idle(2);
  const before = [first!.idleSinceMs, second!.idleSinceMs];
  nowMs += CHECK_AFTER_MS + 1;
  pool.tick();
  expect(pool.counts).toMatchObject({ idle: 0, leased: 2 });
  await until(() => pool.counts.idle === 2);
  expect([first!.idleSinceMs, second!.idleSinceMs]).toEqual(before);
  pool.tick();
  expect(pool.counts.leased).toBe(0);
  expect(pool.tryAcquire(null)).toBe(second);
});

it('A checked connection is closed after its idle time all the same', async () => {
  await makePool({ idleTimeoutMs: 1_500 });
  await idle(1);
  nowMs += CHECK_AFTER_MS + 1;
  pool.tick();
  await until(() => pool.counts.idle === 1);
  nowMs += 500;
  pool.tick();
  await until(() => pool.counts.idle === 0);
  expect(pool.counts.leased).toBe(0);
});

it('A connection that does not answer is closed, and another takes its place', async () => {
  await makePool();
  const [dead] = await idle(1);
  forwarder.stall();
  nowMs += CHECK_AFTER_MS + 1;
  pool.tick();
  await until(() => dead!.closed);
  expect(pool.counts).toMatchObject({ idle: 0, leased: 0 });
  forwarder.flow();
  const fresh = await pool.lease();
  expect(fresh).not.toBe(dead);
  pool.release(fresh);
});

it('One that does not answer has the others checked at once', async () => {
  await makePool();
  const [dead] = await idle(1);
  nowMs += CHECK_AFTER_MS;
  const other = await pool.lease();
  const third = await pool.lease();
  pool.release(other);
  pool.release(third);
  expect(pool.counts.idle).toBe(2);
  dead!.heardAtMs = 0;
  forwarder.stall();
  pool.tick();
  await until(() => pool.counts.idle + pool.counts.leased === 1);
  pool.tick();
  expect(pool.counts.idle).toBe(0);
  await until(() => pool.counts.leased === 0);
});

it('Whoever waits gets a connection as soon as its check is over', async () => {
  await makePool({ size: 1 });
  const [only] = await idle(1);
  nowMs += CHECK_AFTER_MS + 1;
  pool.tick();
  expect(pool.counts.leased).toBe(1);
  expect(await pool.lease()).toBe(only);
});

it('Nothing is checked where it is turned off', async () => {
  await makePool({ checkAfterMs: 0 });
  await idle(1);
  nowMs += 50_000;
  pool.tick();
  expect(pool.counts).toMatchObject({ idle: 1, leased: 0 });
});

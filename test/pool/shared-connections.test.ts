// Shared connections: what becomes of them when they are not to be shared any more.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { login } from '../../src/pool/login.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { NO_SETTINGS } from '../../src/pool/settings.ts';
import { ShardPool } from '../../src/pool/shard-pool.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { shards } from '../support/cluster.ts';

const LIFETIME_MS = 600_000;

let pool: ShardPool;
/** The pool's clock, in the test's hands. */
let nowMs: number;

beforeEach(() => {
  nowMs = 1_000;
  const clock = () => nowMs;
  pool = new ShardPool(
    shards(1)[0]!,
    {
      size: 1,
      waitTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      lifetimeMs: LIFETIME_MS,
      checkAfterMs: 0,
      connectTimeoutMs: 10_000,
    },
    {
      connect: (shard) => login(shard, { timeoutMs: 10_000, nowMs: clock }),
      nowMs: clock,
      random: () => 1,
      terminate: TERMINATE,
    },
  );
});

afterEach(() => pool.close());

/** One that is shared, and owes nothing at the moment. */
async function shared(): Promise<ServerConnection> {
  pool.release(await pool.lease());
  const connection = pool.share(NO_SETTINGS)!;
  expect(pool.counts).toMatchObject({ idle: 0, leased: 0, shared: 1 });
  return connection;
}

it('One that has grown old between two statements is closed, and another takes its place', async () => {
  const old = await shared();
  nowMs += LIFETIME_MS + 1;
  // A moment ago it was in use.
  old.headSinceMs = performance.now();
  pool.tick();
  expect(old.closed).toBe(true);
  expect(pool.counts).toMatchObject({ idle: 0, leased: 0, shared: 0 });
  pool.release(await pool.lease());
});

it('One that is to be shared no more between two statements is idle', async () => {
  const connection = await shared();
  pool.unshare(connection);
  expect(pool.counts).toMatchObject({ idle: 1, leased: 0, shared: 0 });
});

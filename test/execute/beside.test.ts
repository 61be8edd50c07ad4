// Beside a pool: who does not get an answer is told, and holds nobody up.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { Beside } from '../../src/execute/beside.ts';
import { atOnce, type Cluster } from '../../src/execute/cluster.ts';
import { login } from '../../src/pool/login.ts';
import { query } from '../../src/pool/query.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { ShardPool } from '../../src/pool/shard-pool.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { shards } from '../support/cluster.ts';
import { Forwarder } from '../support/forwarder.ts';

const MS_MAX = 500;
/** Never in a test. */
const LONG_MS = 600_000;
const SILENT = { code: '08006', message: expect.stringContaining('not answered within 500 ms') };

let forwarder: Forwarder;
let shard: Shard;
let pool: ShardPool;
let opened: ServerConnection[];
let attempts: number;

beforeEach(async () => {
  forwarder = new Forwarder(shards(1)[0]!);
  shard = await forwarder.start();
  opened = [];
  attempts = 0;
  const options = { size: 1, waitTimeoutMs: LONG_MS, idleTimeoutMs: LONG_MS, lifetimeMs: LONG_MS };
  const checks = { checkAfterMs: 0, connectTimeoutMs: LONG_MS };
  const dependencies = { nowMs: () => performance.now(), random: () => 1, terminate: TERMINATE };
  pool = new ShardPool(shard, { ...options, ...checks }, { ...dependencies, connect });
});

afterEach(async () => {
  pool.close();
  await forwarder.refuse();
});

async function connect(place: Shard): Promise<ServerConnection> {
  attempts += 1;
  const connection = await login(place, { timeoutMs: 1_000, nowMs: () => performance.now() });
  opened.push(connection);
  return connection;
}

const one = async (connection: ServerConnection) =>
  (await query(connection, 'SELECT 1')).rows.flat();

it('A shard that answers no more has its connection closed, and the next use is served', async () => {
  const beside = new Beside(pool, connect, MS_MAX);
  const stuck = beside.run((connection) => {
    forwarder.stall();
    return one(connection);
  });
  const next = beside.run(one);
  await expect(stuck).rejects.toMatchObject(SILENT);
  forwarder.flow();
  expect(opened[0]!.closed).toBe(true);
  expect(await next).toEqual(['1']);
  expect(opened).toHaveLength(2);
});

it('A use that waits for a lock is given up, and the next one is served', async () => {
  const beside = new Beside(pool, connect, MS_MAX);
  const holder = await pool.lease();
  await query(holder, 'BEGIN; SELECT pg_advisory_xact_lock(7)');
  const waits = beside.run((connection) => query(connection, 'SELECT pg_advisory_lock(7)'));
  const next = beside.run(one);
  await expect(waits).rejects.toMatchObject(SILENT);
  expect(await next).toEqual(['1']);
  await query(holder, 'ROLLBACK');
  pool.release(holder);
});

it('Those who wait while a shard cannot be reached do not try one after the other', async () => {
  forwarder.stall();
  const beside = new Beside(pool, connect);
  const uses = await Promise.allSettled([1, 2, 3].map(() => beside.run(one)));
  for (const { status, ...end } of uses) {
    expect(status).toBe('rejected');
    expect(end).toMatchObject({ reason: { code: '08001' } });
  }
  expect(attempts).toBe(1);
  forwarder.flow();
  expect(await beside.run(one)).toEqual(['1']);
});

it('A connection of the pool that does not answer is closed, too', async () => {
  pool.release(await pool.lease());
  const cluster: Cluster = { pools: [pool], beside: [new Beside(pool, connect, MS_MAX)], oids: [] };
  forwarder.stall();
  await expect(atOnce(cluster, 0, one)).rejects.toMatchObject(SILENT);
  forwarder.flow();
  expect(pool.counts).toMatchObject({ idle: 0, leased: 0 });
  expect(await atOnce(cluster, 0, one)).toEqual(['1']);
});

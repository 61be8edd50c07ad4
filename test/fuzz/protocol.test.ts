// The protocol fuzzer: damaged sessions of many clients, with oracles that check their own answers.

import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HeardLog, heardLog } from '../support/heard-log.ts';
import { asked, GIVEN_BACK_MS, holdings, NOTHING_HELD } from '../support/holdings.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { numberFromEnvironment, Random, seedFromEnvironment } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { type AttackerCounts, attack } from './attacker.ts';
import { Oracle, TAGGED_TABLE } from './oracle.ts';

const SEED = seedFromEnvironment('FUZZ_SEED');
const SECONDS = numberFromEnvironment('FUZZ_SECONDS', 20);
const ATTACKERS = 12;
const ORACLES = 3;

/** Plans and statement names are kept by the proxy on purpose: up to 64 MB, and some. */
const HEAP_GROWTH_BYTES_MAX = 192 * 1024 * 1024;

const JUNK_TABLE = 'CREATE TABLE junk (user_id int8 NOT NULL, note text)';

let proxy: TestProxy;
let heard: HeardLog;
let oraclesStarted = 0;

beforeAll(async () => {
  heard = heardLog();
  proxy = await startTestProxy({
    log: heard.log,
    prepare: async ({ shards }) => {
      for (const shard of shards) {
        await asked(shard, JUNK_TABLE);
        await asked(shard, TAGGED_TABLE);
      }
    },
    config: {
      // Whole sessions in one stream: nothing waits for an answer of the proxy.
      proxy: { trust: ['127.0.0.1/32'] },
      // Where attackers keep the machine busy a login may take long.
      pool: { size: 30, idleTimeoutMs: 500, connectTimeoutMs: 30_000 },
    },
  });
});

afterAll(() => proxy.close());

/** Runs attackers and oracles side by side; rejects with what an oracle met. */
async function run(seconds: number, random: Random, counts: AttackerCounts): Promise<number> {
  const deadlineMs = performance.now() + seconds * 1000;
  let failed = false;
  const over = (): boolean => failed || performance.now() > deadlineMs;
  const starts = Array.from({ length: ORACLES }, () => {
    oraclesStarted += 1;
    return Oracle.start(proxy.login, oraclesStarted, random.fork());
  });
  const oracles = await Promise.all(starts);
  const asking = oracles.map((oracle) =>
    oracle.ask(over).catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const attacks = Array.from({ length: ATTACKERS }, () =>
    attack(proxy.login, random.fork(), over, counts),
  );
  const outcomes = await Promise.allSettled([...asking, ...attacks]);
  await Promise.all(oracles.map((oracle) => oracle.close()));
  const failures = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
  return oracles.reduce((sum, oracle) => sum + oracle.answers, 0);
}

describe(`Under damaged sessions (FUZZ_SEED=${SEED} FUZZ_SECONDS=${SECONDS})`, () => {
  const counts: AttackerCounts = { connections: 0, bytesSent: 0, bytesReceived: 0 };
  const random = new Random(SEED);
  let before = { heapBytes: 0, descriptors: 0 };

  const measure = () => ({
    heapBytes: process.memoryUsage().heapUsed + process.memoryUsage().external,
    descriptors: readdirSync('/dev/fd').length,
  });

  it(
    'a first short run leaves no session, socket or server connection behind',
    async () => {
      expect(await run(3, random, counts)).toBeGreaterThan(0);
      await expect
        .poll(() => holdings(proxy.shards), { timeout: GIVEN_BACK_MS, interval: 250 })
        .toEqual(NOTHING_HELD);
      before = measure();
    },
    2 * GIVEN_BACK_MS,
  );

  it(
    'well-behaved clients get their own answers and no others',
    async () => {
      expect(await run(SECONDS, random, counts)).toBeGreaterThan(0);
      expect(counts.connections).toBeGreaterThan(ATTACKERS);
      expect(counts.bytesReceived).toBeGreaterThan(0);
    },
    (SECONDS + 60) * 1000,
  );

  it(
    'nothing is left behind: sessions, sockets, descriptors, server connections',
    async () => {
      await expect
        .poll(() => holdings(proxy.shards), { timeout: GIVEN_BACK_MS, interval: 250 })
        .toEqual(NOTHING_HELD);
      const after = measure();
      // The housekeeping may have its connections now and may have had none before.
      expect(after.descriptors - before.descriptors).toBeLessThanOrEqual(proxy.shards.length);
      expect(after.heapBytes - before.heapBytes).toBeLessThan(HEAP_GROWTH_BYTES_MAX);
    },
    2 * GIVEN_BACK_MS,
  );

  it('the proxy still answers', async () => {
    const client = await RawClient.login(proxy.login);
    expect(await client.rows('SELECT $$here$$')).toEqual([['here']]);
    await client.close();
  });

  it('no statement has met a defect', () => {
    expect(heard.errors).toEqual([]);
  });
});

// The benchmark's stand: every target answers, and a load against it can be measured.

import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CASES, type Case, type Load, type PgbenchLoad } from '../../bench/cases.ts';
import type { Target } from '../../bench/endpoint.ts';
import { runLoad } from '../../bench/load.ts';
import { findProgram } from '../../bench/machine.ts';
import type { Measurement } from '../../bench/measurement.ts';
import { runCase } from '../../bench/runner.ts';
import { Stand } from '../../bench/stand.ts';
import { isAlive } from '../../src/local/process-table.ts';

const ROWS = 100;
const [readCase] = CASES as readonly [Case];
const pgbench = findProgram('pgbench');
let stand: Stand;

beforeAll(async () => {
  const options = { rowsPerShard: ROWS, clientsMax: 100, profileDirectory: null };
  stand = await Stand.start({ ...options, pgbouncer: findProgram('pgbouncer') });
});

afterAll(() => stand.close());

function context() {
  const { directory, servers } = stand;
  const sizes = { seconds: 1, users: ROWS, transferBytes: 1e6, idleClients: 20 };
  return { ...sizes, pgbench: pgbench ?? '', directory, servers };
}

async function measure(target: Target, load: Load): Promise<Measurement> {
  const endpoint = await stand.open(target, readCase, 4);
  try {
    return await runLoad(load, endpoint, context());
  } finally {
    await endpoint.close();
    await stand.tidy();
  }
}

describe('A transfer', () => {
  for (const what of ['result', 'copyOut', 'copyIn'] as const) {
    it(`of kind ${what} is measured, direct and through the proxy`, async () => {
      const direct = await measure('direct', { kind: 'transfer', what });
      expect(direct.megabytesPerSecond).toBeGreaterThan(0);
      expect(direct).not.toHaveProperty('peakMegabytes');
      const proxy = await measure('proxy', { kind: 'transfer', what });
      expect(proxy.megabytesPerSecond).toBeGreaterThan(0);
      expect(proxy.peakMegabytes).toBeGreaterThan(10);
    });
  }
});

function runner(program: string, canRun: (target: Target) => boolean) {
  const said: string[] = [];
  const options = {
    ...{ rounds: 2, poolSizes: [2, 4], canRun, say: (line: string) => said.push(line) },
    context: { ...context(), pgbench: program },
  };
  return { said, options };
}

/** pgbouncer is measured where the machine has one. */
const canRun = (target: Target): boolean =>
  target !== 'pgbouncer' || stand.options.pgbouncer !== null;

it('A case runs its targets in turn, round after round', async () => {
  const { said, options } = runner('', canRun);
  const targets = ['direct', 'proxy'] as const;
  const load: Load = { kind: 'transfer', what: 'result' };
  const each: Case = { ...readCase, name: 'x', targets, load, main: 'megabytesPerSecond' };
  const { failures, summaries } = await runCase(each, stand, options);
  expect(failures).toEqual({});
  expect(said.map((line) => line.split(':')[0])).toEqual([
    'x direct',
    'x proxy',
    'x direct',
    'x proxy',
  ]);
  expect(summaries.proxy?.megabytesPerSecond?.rounds).toBe(2);
});

for (const program of pgbench === null ? [] : [pgbench]) {
  it('pgbench gives transactions per second and latency of each target', async () => {
    const { options } = runner(program, canRun);
    const once = { ...options, rounds: 1 };
    const { failures, summaries } = await runCase(readCase, stand, once);
    expect(failures).toEqual({});
    expect(summaries.direct?.latencyMs?.median).toBeGreaterThan(0);
    expect(summaries.proxy?.tps?.median).toBeGreaterThan(0);
  });

  it('idle clients are counted while others work', async () => {
    const active: PgbenchLoad = { kind: 'pgbench', script: 'read', mode: 'simple', clients: 1 };
    const measured = await runIdle(program, active);
    expect(measured.keptSpeed).toBeGreaterThan(0);
    expect(measured.tps).toBeGreaterThan(0);
    expect(measured).toHaveProperty('idleClientKilobytes');
  });
}

async function runIdle(program: string, active: PgbenchLoad): Promise<Measurement> {
  const endpoint = await stand.open('proxy', readCase, 4);
  try {
    return await runLoad({ kind: 'idle', active }, endpoint, { ...context(), pgbench: program });
  } finally {
    await endpoint.close();
  }
}

it('A target that fails is left out, and the result tells why', async () => {
  const load: Load = { kind: 'pgbench', script: 'read', mode: 'simple', clients: 1 };
  const each: Case = { ...readCase, targets: ['pgbouncer', 'direct'], load, fresh: true };
  const { options } = runner('no-such-program', (target) => target === 'direct');
  const result = await runCase(each, stand, options);
  expect(result.failures.direct).toContain('no-such-program');
  expect(result.failures).not.toHaveProperty('pgbouncer');
  expect(result.summaries).toEqual({});
});

it('A stand that is aborted leaves no process and no folder', async () => {
  const options = { rowsPerShard: 1, clientsMax: 10, profileDirectory: null, pgbouncer: null };
  const aborted = await Stand.start(options);
  const { middle } = await aborted.open('proxy', readCase, 1);
  const pids = [...aborted.servers, ...middle];
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  await aborted.abort();
  expect(existsSync(aborted.directory)).toBe(false);
  await vi.waitUntil(() => !pids.some(isAlive), { timeout: 10_000 });
});

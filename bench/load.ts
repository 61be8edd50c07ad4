// Runs one load against one endpoint and measures it, with the processor time of all who took part.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Load, PgbenchLoad, TransferLoad } from './cases.ts';
import type { Endpoint } from './endpoint.ts';
import { busySeconds, processorMoment } from './machine.ts';
import type { Measurement } from './measurement.ts';
import { runPgbench } from './pgbench.ts';
import {
  endedChildrenSeconds,
  peakBytes,
  processorSeconds,
  resetPeak,
  residentBytes,
} from './process-meter.ts';

export interface LoadContext {
  readonly pgbench: string;
  readonly seconds: number;
  readonly users: number;
  readonly transferBytes: number;
  readonly idleClients: number;
  readonly directory: string;
  /** PostgreSQL's processes. */
  readonly servers: readonly number[];
}

/** Rejects with the reason when the load could not run to its end. */
export function runLoad(
  load: Load,
  endpoint: Endpoint,
  context: LoadContext,
): Promise<Measurement> {
  switch (load.kind) {
    case 'pgbench':
      return metered(endpoint, context, () => pgbench(load, endpoint, context));
    case 'transfer':
      return metered(endpoint, context, () => transfer(load, endpoint, context));
    case 'idle':
      return idle(load.active, endpoint, context);
  }
}

interface Outcome {
  readonly measurement: Measurement;
  /** What processor time is divided by: transactions, or megabytes. */
  readonly units: number;
}

async function metered(
  { middle }: Endpoint,
  { servers }: LoadContext,
  work: () => Promise<Outcome>,
): Promise<Measurement> {
  resetPeak(middle);
  const read = (): number[] => [
    processorSeconds(middle),
    processorSeconds(servers),
    endedChildrenSeconds(),
    process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
  ];
  const [momentBefore, before] = [processorMoment(), read()];
  const { measurement, units } = await work();
  const [momentAfter, after] = [processorMoment(), read()];
  const used = after.map((value, i) => Math.max(0, value - (before[i] as number)));
  const [middleUsed, serverUsed, loadUsed] = used as [number, number, number];
  const own = used.reduce((sum, each) => sum + each, 0);
  const foreign = Math.max(0, busySeconds(momentBefore, momentAfter) - own);
  const perUnit = (seconds: number): number => (seconds * 1e6) / units;
  const ofMiddle: Measurement =
    middle.length === 0
      ? {}
      : { middleMicroseconds: perUnit(middleUsed), peakMegabytes: peakBytes(middle) / 1e6 };
  return {
    ...measurement,
    ...ofMiddle,
    serverMicroseconds: perUnit(serverUsed),
    loadMicroseconds: perUnit(loadUsed),
    foreignPercent: (100 * foreign) / busySecondsPossible(momentBefore, momentAfter),
  };
}

function busySecondsPossible(
  from: ReturnType<typeof processorMoment>,
  to: ReturnType<typeof processorMoment>,
): number {
  return busySeconds({ ...from, busy: from.all }, { ...to, busy: to.all });
}

async function pgbench(
  load: PgbenchLoad,
  endpoint: Endpoint,
  context: LoadContext,
): Promise<Outcome> {
  const { login, target } = endpoint;
  const { seconds, users, directory } = context;
  const spread = load.spread === true && target === 'proxy';
  const options = { load, login, seconds, users, spread, directory };
  const { tps, transactions, medianLatencyMs } = await runPgbench(context.pgbench, options);
  const latency = medianLatencyMs === null ? {} : { latencyMs: medianLatencyMs };
  return { measurement: { tps, ...latency }, units: transactions };
}

const program = (name: string): string => join(import.meta.dirname, name);

async function transfer(
  { what }: TransferLoad,
  { login }: Endpoint,
  { transferBytes }: LoadContext,
): Promise<Outcome> {
  const args = [program('transfer-load.ts'), what, String(transferBytes), JSON.stringify(login)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { seconds, bytes } = JSON.parse(stdout) as { seconds: number; bytes: number };
  const megabytes = bytes / 1e6;
  return { measurement: { megabytesPerSecond: megabytes / seconds }, units: megabytes };
}

/** Garbage of the logins is collected and counters are settled after some moments. */
const SETTLE_MS = 3_000;

async function idle(
  active: PgbenchLoad,
  endpoint: Endpoint,
  context: LoadContext,
): Promise<Measurement> {
  const measure = () => metered(endpoint, context, () => pgbench(active, endpoint, context));
  const { middle, login } = endpoint;
  // Compiled code makes the second run faster than the first, with or without idle clients.
  await measure();
  const alone = await measure();
  const before = residentBytes(middle);
  const args = [program('idle-load.ts'), String(context.idleClients), JSON.stringify(login)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  try {
    const opened = await Promise.race([once(child.stdout, 'data'), closed.then(() => null)]);
    if (opened === null) throw new Error('the idle clients could not be opened');
    await sleep(SETTLE_MS);
    const perClient = (residentBytes(middle) - before) / context.idleClients;
    const together = await measure();
    if (child.exitCode !== null) throw new Error('idle clients were disconnected');
    return {
      ...together,
      idleClientKilobytes: perClient / 1e3,
      keptSpeed: (together.tps ?? 0) / (alone.tps ?? 1),
    };
  } finally {
    child.stdin.end();
    await closed;
  }
}

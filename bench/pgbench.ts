// Runs pgbench against one endpoint and reads what it reports.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PgbenchLoad } from './cases.ts';
import type { Login } from './endpoint.ts';
import { median } from './measurement.ts';

const run = promisify(execFile);

export interface PgbenchRun {
  readonly load: PgbenchLoad;
  readonly login: Login;
  readonly seconds: number;
  /** Users per shard: the range of the random keys. */
  readonly users: number;
  /** True: keys of all shards instead of those of shard 0. */
  readonly spread: boolean;
  /** A folder for the transaction log. */
  readonly directory: string;
}

export interface PgbenchResult {
  readonly tps: number;
  readonly transactions: number;
  /** Of single transactions; null with more than one client, whose log would cost time. */
  readonly medianLatencyMs: number | null;
}

/** Rejects with pgbench's own words when a client was aborted or a transaction failed. */
export async function runPgbench(program: string, options: PgbenchRun): Promise<PgbenchResult> {
  const { login, directory, load } = options;
  const logPrefix = join(directory, 'pgbench-log');
  const isLogged = load.clients === 1;
  const args = [
    ...pgbenchArguments(options),
    ...(isLogged ? ['-l', `--log-prefix=${logPrefix}`] : []),
  ];
  const env = {
    ...process.env,
    PGPASSWORD: login.password,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  };
  const { stdout } = await run(program, [...args, login.database], { env, cwd: directory });
  const result = readReport(stdout);
  return { ...result, medianLatencyMs: isLogged ? takeMedianLatency(directory) : null };
}

/**
 * pgbench's duration begins before its clients log in, one after the other, which with SCRAM takes
 * about 10 ms each, or twice that on a busy machine; its tps leave that time out.
 */
const LOGINS_PER_SECOND = 50;

export function pgbenchArguments(options: PgbenchRun): string[] {
  const { load, login, seconds, users, spread } = options;
  const script = join(import.meta.dirname, 'scripts', `${load.script}.sql`);
  // A second thread only where there are clients to share.
  const threads = Math.min(2, load.clients);
  const loginSeconds = load.clients === 1 ? 0 : Math.ceil(load.clients / LOGINS_PER_SECOND);
  return [
    ...['-h', login.host, '-p', String(login.port), '-U', login.user],
    ...['-n', '-M', load.mode, '-c', String(load.clients), '-j', String(threads)],
    ...['-T', String(seconds + loginSeconds), '-f', script],
    ...['-D', `users=${users}`, '-D', `spread=${spread ? 1 : 0}`],
    ...(load.reconnect === true ? ['-C'] : []),
  ];
}

/** Reads pgbench's report; throws an Error when it has none or tells of failures. */
export function readReport(text: string): { readonly tps: number; readonly transactions: number } {
  const tps = /^tps = ([\d.]+)/m.exec(text);
  const transactions = /^number of transactions actually processed: (\d+)/m.exec(text);
  const failed = /^number of failed transactions: ([1-9]\d*)/m.exec(text);
  if (tps === null || transactions === null) {
    throw new Error('pgbench finished no transaction in its time');
  }
  if (failed !== null) throw new Error(`${failed[1]} transactions of pgbench failed`);
  return { tps: Number(tps[1]), transactions: Number(transactions[1]) };
}

/** Of the third column of the log's lines, in microseconds; removes the log. */
function takeMedianLatency(directory: string): number {
  const logs = readdirSync(directory).filter((name) => name.startsWith('pgbench-log'));
  const latencies = logs.flatMap((name) => {
    const path = join(directory, name);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    rmSync(path);
    return lines.map((line) => Number(line.split(' ')[2]) / 1000);
  });
  return median(latencies);
}

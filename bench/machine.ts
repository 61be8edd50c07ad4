// The machine and the programs that results were measured with.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly kernel: string;
  readonly node: string;
  /** First lines of `--version`; null: not there. */
  readonly postgres: string | null;
  readonly pgbench: string | null;
  readonly pgbouncer: string | null;
  /** Mean number of runnable processes in the minute before the run. */
  readonly loadBefore: number;
  readonly date: string;
}

export function describeMachine(programs: {
  readonly postgres: string;
  readonly pgbench: string | null;
  readonly pgbouncer: string | null;
}): Machine {
  const version = (path: string | null): string | null =>
    path === null
      ? null
      : (execFileSync(path, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? null);
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    postgres: version(programs.postgres),
    pgbench: version(programs.pgbench),
    pgbouncer: version(programs.pgbouncer),
    loadBefore: loadavg()[0] ?? 0,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Servers' programs are in sbin, which is not on the PATH of every account. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

/** The full path of a program of PATH; null if there is none that runs. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  const path = folders.map((folder) => join(folder, name)).find((each) => existsSync(each));
  // Debian puts wrappers on the PATH also where the program itself is not installed.
  if (path === undefined || spawnSync(path, ['--version']).status !== 0) return null;
  return path;
}

interface LoadMoment {
  readonly busy: number;
  readonly all: number;
}

/** Of the whole machine, since its start, in clock ticks. */
export function processorMoment(): LoadMoment {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] as string;
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, each) => sum + each, 0);
  // Fields 4 and 5: idle and waiting for a disk.
  return { all, busy: all - (ticks[3] as number) - (ticks[4] as number) };
}

/** Seconds of processor time used by the whole machine between two moments. */
export function busySeconds(from: LoadMoment, to: LoadMoment): number {
  return (to.busy - from.busy) / 100;
}

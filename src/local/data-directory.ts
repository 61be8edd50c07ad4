// A server's data directory: made by initdb, checked, and freed of what a killed server left.

import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEFTOVER_STOP_MS, SERVER_POLL_MS } from '../base/limits.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { LocalError } from './local-error.ts';
import { isAlive, postmasterPid, serverProcesses } from './process-table.ts';
import { runProgram } from './program.ts';
import { makePrivate } from './reachable.ts';

/** The major version of the packaged programs; a data directory belongs to one. */
const MAJOR_VERSION = '18';

export const SUPERUSER = 'postgres';

export interface DataDirectoryOptions {
  readonly binaries: Binaries;
  readonly account: Account;
  /** The password of the role `postgres` in a new directory. */
  readonly superuserPassword: string;
  /** False skips waiting for the disk: for data that nobody will miss. */
  readonly durable: boolean;
}

/** Makes `directory` with initdb unless it is there. All of it appears at once or nothing does. */
export async function ensureDataDirectory(
  directory: string,
  options: DataDirectoryOptions,
): Promise<void> {
  const versionFile = join(directory, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const version = readFileSync(versionFile, 'utf8').trim();
    if (version === MAJOR_VERSION) return;
    throw new LocalError(
      `${directory} holds data of PostgreSQL ${version}, this is ${MAJOR_VERSION}: ` +
        'move it away, or choose another directory with --data',
    );
  }
  const unfinished = `${directory}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  makePrivate(unfinished, options.account);
  const secrets = mkdtempSync(join(tmpdir(), 'drive-'));
  try {
    const passwordFile = join(secrets, 'password');
    writeFileSync(passwordFile, `${options.superuserPassword}\n`, { mode: 0o600 });
    if (options.account !== null) {
      for (const path of [secrets, passwordFile]) {
        chownSync(path, options.account.uid, options.account.gid);
      }
    }
    await initialise(unfinished, passwordFile, options);
  } finally {
    rmSync(secrets, { recursive: true, force: true });
  }
  renameSync(unfinished, directory);
}

/** Text sorts by bytes, so that every shard and the proxy's merge agree without a library. */
async function initialise(
  directory: string,
  passwordFile: string,
  { binaries, account, durable }: DataDirectoryOptions,
): Promise<void> {
  const args = [
    `--pgdata=${directory}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(durable ? [] : ['--no-sync']),
  ];
  const { code, output } = await runProgram(binaries.initdb, args, account);
  if (code === 0) return;
  const reason = output.split('\n').findLast((line) => /error|fatal|could not/i.test(line));
  throw new LocalError(`initdb failed in ${directory}: ${reason ?? `exit code ${code}`}`, {
    cause: new Error(output),
  });
}

/**
 * Ends the processes that a killed owner left in `directory` and removes the pid file of a server
 * that is gone and whose pid belongs to a stranger by now: PostgreSQL would refuse to start. True if something had to be ended. Throws a LocalError if it does not end.
 */
export async function clearLeftovers(directory: string): Promise<boolean> {
  const found = serverProcesses(directory);
  const postmaster = postmasterPid(directory);
  if (found.length > 0) {
    // The postmaster ends its children; children without one are ended themselves.
    const heads = postmaster !== null && found.includes(postmaster) ? [postmaster] : found;
    if (
      !(await endAll(directory, heads, 'SIGINT')) &&
      !(await endAll(directory, heads, 'SIGQUIT'))
    ) {
      const pids = serverProcesses(directory).join(', ');
      throw new LocalError(`an old server still runs in ${directory}: end it with kill -9 ${pids}`);
    }
  }
  // PostgreSQL clears the file of a pid that is gone by itself, and more carefully.
  const left = postmasterPid(directory);
  if (left !== null && isAlive(left)) rmSync(join(directory, 'postmaster.pid'));
  return found.length > 0;
}

async function endAll(
  directory: string,
  pids: readonly number[],
  signal: 'SIGINT' | 'SIGQUIT',
): Promise<boolean> {
  for (const pid of pids) signalProcess(pid, signal);
  const deadline = Date.now() + LEFTOVER_STOP_MS;
  while (serverProcesses(directory).length > 0) {
    if (Date.now() > deadline) return false;
    await sleep(SERVER_POLL_MS);
  }
  return true;
}

/** Like process.kill, but a process that is already gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

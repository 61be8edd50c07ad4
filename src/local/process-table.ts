// The machine's processes, as far as the cluster must know them: who runs in a data directory.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

const HAS_PROC = process.platform === 'linux';

/** True while `pid` exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * What tells this process from a later one with the same pid, also after a restart of the machine
 * or a container; null when there is no such process.
 */
export function processIdentity(pid: number): string | null {
  if (!isAlive(pid)) return null;
  if (!HAS_PROC) return psColumn(pid, 'lstart');
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name is in parentheses and may hold anything; the start time is field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return null;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${fields[19]}`;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/**
 * The PostgreSQL processes of a data directory: the postmaster and what a killed one left behind.
 * A postmaster changes into its data directory and its children inherit that. Where there is no
 * /proc, only the process named by postmaster.pid can be found.
 */
export function serverProcesses(directory: string): number[] {
  if (!HAS_PROC) {
    const pid = postmasterPid(directory);
    return pid !== null && psColumn(pid, 'comm')?.includes('postgres') === true ? [pid] : [];
  }
  const home = realpathSync(directory);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => workingDirectory(pid) === home && commandName(pid) === 'postgres');
}

/** The pid that `postmaster.pid` names, alive or not; null without such a file. */
export function postmasterPid(directory: string): number | null {
  return readPostmasterFile(directory)?.pid ?? null;
}

/** What `postmaster.pid` says: line 1 the pid, line 8 the state (`ready` when it takes clients). */
export function readPostmasterFile(
  directory: string,
): { readonly pid: number; readonly status: string } | null {
  let text: string;
  try {
    text = readFileSync(join(directory, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  const lines = text.split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);
  return Number.isInteger(pid) ? { pid, status: (lines[7] ?? '').trim() } : null;
}

function workingDirectory(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch (error) {
    // Processes of other users may not be looked at, and none of them is ours.
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}

function commandName(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function psColumn(pid: number, column: string): string | null {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch (error) {
    // ps answers 1 for a pid that is gone.
    if ((error as { status?: number }).status === 1) return null;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}

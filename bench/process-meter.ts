// Processor time and memory of process trees, as the kernel counts them in /proc (Linux only).

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Clock ticks of /proc per second: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** User and system time of the process and of its children that have ended. */
  readonly ticks: number;
}

/** Null when the process has ended. */
function timesOf(pid: number): ProcessTimes | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The command's name is in parentheses and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  return { parent: Number(fields[1]), ticks };
}

/** Seconds of processor time that `roots` and all processes below them have used. */
export function processorSeconds(roots: readonly number[]): number {
  const ticks = treeOf(roots).reduce((sum, pid) => sum + (timesOf(pid)?.ticks ?? 0), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Seconds of processor time of programs that this process has run to their end. */
export function endedChildrenSeconds(): number {
  const text = readFileSync('/proc/self/stat', 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** Resident bytes of the trees at this moment. */
export function residentBytes(roots: readonly number[]): number {
  return sumOfStatus(roots, 'VmRSS');
}

/** The most resident bytes since the last resetPeak (or the start), process by process. */
export function peakBytes(roots: readonly number[]): number {
  return sumOfStatus(roots, 'VmHWM');
}

/** Lets peakBytes begin anew. Source: proc_pid_clear_refs(5), value 5. */
export function resetPeak(roots: readonly number[]): void {
  for (const pid of treeOf(roots)) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function sumOfStatus(roots: readonly number[], field: string): number {
  const pattern = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm');
  const kilobytes = treeOf(roots).map((pid) => {
    const match = pattern.exec(readOrNull(`/proc/${pid}/status`) ?? '');
    return match === null ? 0 : Number(match[1]);
  });
  return kilobytes.reduce((sum, each) => sum + each, 0) * 1024;
}

/** `roots` and all processes below them. */
function treeOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : null;
    if (times === null) continue;
    const siblings = children.get(times.parent) ?? [];
    children.set(times.parent, [...siblings, Number(name)]);
  }
  const found = [...roots];
  for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i] as number) ?? []));
  return found;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A process that ends while it is looked at.
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

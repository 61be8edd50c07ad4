// Runs one of PostgreSQL's programs to its end, under the servers' account.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Account } from './account.ts';

/** The environment of the programs: ours without PG… and LC_…, which would steer them. */
export function programEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

/** Resolves with the exit code (null after a signal) and everything the program printed. */
export async function runProgram(
  program: string,
  args: readonly string[],
  account: Account,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(program, args, {
    ...account,
    cwd: '/',
    env: programEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: output.join('') };
}

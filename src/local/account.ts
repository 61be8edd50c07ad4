// The account that PostgreSQL's processes run under: PostgreSQL refuses to run as root.

import { execFileSync } from 'node:child_process';
import { LocalError } from './local-error.ts';

/** Null: the account of this process, which is not root. */
export type Account = { readonly uid: number; readonly gid: number } | null;

/** Unprivileged accounts to run under when we are root; the second one exists everywhere. */
const NAMES = ['postgres', 'nobody'];

/** Throws a LocalError when we are root and the machine has no account to hand over to. */
export function serverAccount(): Account {
  if (process.getuid?.() !== 0) return null;
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

// Places that the servers' account can reach: as root in a private folder, data goes elsewhere.

import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Account } from './account.ts';
import { LocalError } from './local-error.ts';

/** Where the state of system services lives (FHS); used only as root. */
const SYSTEM_STATE = '/var/lib/drive-clone';

/** The name of the link in a data directory that says where its data is instead. */
const ELSEWHERE = 'elsewhere';

/** True if `account` may enter `directory` and every folder above it (ACLs are not looked at). */
export function canReach(directory: string, account: Account): boolean {
  if (account === null) return true;
  let folder = realpathSync(directory);
  for (;;) {
    const { mode, uid, gid } = statSync(folder);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    const above = dirname(folder);
    if (above === folder) return true;
    folder = above;
  }
}

/**
 * The directory that really holds the data of `dataDirectory` (created if missing): itself, or a
 * directory of the system that a link in it names, where the servers' account cannot reach it.
 * Throws a LocalError if it cannot be created or written.
 */
export function dataHome(dataDirectory: string, account: Account): string {
  try {
    makeFolders(resolve(dataDirectory));
    accessSync(dataDirectory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LocalError(
      `the data directory ${dataDirectory} cannot be written (${code}): choose another with --data`,
      { cause: error },
    );
  }
  if (canReach(dataDirectory, account)) return realpathSync(dataDirectory);
  const link = join(dataDirectory, ELSEWHERE);
  if (existsSync(link)) return realpathSync(link);
  const home = mkdtempSync(join(systemState(), 'data-'));
  // mkdtemp makes it private to root; the servers' own folders in it stay private to them.
  chmodSync(home, 0o755);
  symlinkSync(home, link);
  return home;
}

/** As mkdir -p. Node's own recursive mkdir never ends where no folder can be made, as in /proc. */
function makeFolders(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || existsSync(above)) throw error;
    makeFolders(above);
    mkdirSync(path);
  }
}

/** The directory that holds the data of `dataDirectory`; null if it was never used. */
export function existingHome(dataDirectory: string): string | null {
  const link = join(dataDirectory, ELSEWHERE);
  if (existsSync(link)) return realpathSync(link);
  return existsSync(dataDirectory) ? realpathSync(dataDirectory) : null;
}

/** A folder that every account can reach; only root can make it. */
export function systemState(): string {
  mkdirSync(SYSTEM_STATE, { recursive: true, mode: 0o755 });
  return SYSTEM_STATE;
}

/** Makes a private folder of the servers' account. */
export function makePrivate(directory: string, account: Account): void {
  mkdirSync(directory, { mode: 0o700 });
  if (account !== null) chownSync(directory, account.uid, account.gid);
}

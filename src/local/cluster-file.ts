// cluster.json of a data directory: what the cluster is; drive.lock: who runs it now.

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalError } from './local-error.ts';
import { processIdentity } from './process-table.ts';

/** Readable by the owner only: it holds the password of the servers' superuser. */
export interface ClusterFile {
  readonly shards: number;
  readonly superuserPassword: string;
}

/** Who runs the cluster, for `drive stop` and `drive status`. */
export interface Owner {
  readonly pid: number;
  /** What tells the process from a later one with its pid. */
  readonly identity: string;
  /** "shard 0" → "127.0.0.1:5432", as far as it is known at the start. */
  readonly addresses: Readonly<Record<string, string>>;
}

/**
 * The cluster file of `home`, made if missing. Throws a LocalError when the data there belongs to
 * another number of shards: rows live where their key's remainder puts them.
 */
export function claimClusterFile(home: string, shards: number): ClusterFile {
  const path = join(home, 'cluster.json');
  if (!existsSync(path)) {
    const file = { shards, superuserPassword: randomBytes(18).toString('base64url') };
    writeWhole(path, file);
    return file;
  }
  const file = JSON.parse(readFileSync(path, 'utf8')) as ClusterFile;
  if (file.shards === shards) return file;
  throw new LocalError(
    `the data in ${home} is spread over ${file.shards} shards, not ${shards}, and its rows would have ` +
      `to be moved: use --shards ${file.shards}, or another directory with --data`,
  );
}

const lockPath = (home: string): string => join(home, 'drive.lock');

/** The live process that runs the cluster of `home`; null if there is none. */
export function findOwner(home: string): Owner | null {
  const path = lockPath(home);
  if (!existsSync(path)) return null;
  const owner = JSON.parse(readFileSync(path, 'utf8')) as Owner;
  return processIdentity(owner.pid) === owner.identity ? owner : null;
}

/**
 * Makes this process the owner. Gives the release. Throws a LocalError while another lives; a dead
 * one's lock is taken over.
 */
export function takeOwnership(home: string, addresses: Owner['addresses']): () => void {
  const identity = processIdentity(process.pid);
  if (identity === null) throw new Error('this process is not in the process table');
  const text = JSON.stringify({ pid: process.pid, identity, addresses });
  const path = lockPath(home);
  if (findOwner(home) === null) rmSync(path, { force: true });
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const pid = findOwner(home)?.pid ?? 'unknown';
    throw new LocalError(
      `the cluster in ${home} is running already (process ${pid}): end it with drive stop, ` +
        'or use another directory with --data',
      { cause: error },
    );
  }
  return () => rmSync(path, { force: true });
}

/** Other processes see the old content or the new one, never a part. */
function writeWhole(path: string, content: unknown): void {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}

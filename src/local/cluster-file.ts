// cluster.json of a data directory: what the cluster is; drive.lock: who runs it now.

import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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
  /** "shard 0" → "127.0.0.1:5432"; empty while it starts. */
  readonly addresses: Readonly<Record<string, string>>;
  /** "worker 0" → its process id; none where the proxy is in the owner's own process. */
  readonly processes?: Readonly<Record<string, number>>;
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
  const file = readWhole<ClusterFile>(path);
  if (file === null) {
    throw new LocalError(`${path} is damaged: restore it, or use another directory with --data`);
  }
  if (file.shards === shards) return file;
  throw new LocalError(
    `the data in ${home} is spread over ${file.shards} shards, not ${shards}, and its rows would have ` +
      `to be moved: use --shards ${file.shards}, or another directory with --data`,
  );
}

const lockPath = (dataDirectory: string): string => join(dataDirectory, 'drive.lock');

/** The live process that runs the cluster of `dataDirectory`; null if there is none. */
export function findOwner(dataDirectory: string): Owner | null {
  const path = lockPath(dataDirectory);
  if (!existsSync(path)) return null;
  const owner = readWhole<Owner>(path);
  // A machine that lost its power can leave an empty lock; servers left behind are found anyway.
  if (owner === null) return null;
  return processIdentity(owner.pid) === owner.identity ? owner : null;
}

export interface Ownership {
  /** Tells others what runs where. */
  announce(addresses: Owner['addresses'], processes: Owner['processes']): void;
  release(): void;
}

/** Makes this process the owner. LocalError while another lives; a dead one's lock is taken over. */
export function takeOwnership(dataDirectory: string): Ownership {
  const identity = processIdentity(process.pid);
  if (identity === null) throw new Error('this process is not in the process table');
  const owner: Owner = { pid: process.pid, identity, addresses: {} };
  const path = lockPath(dataDirectory);
  requireNoOwner(dataDirectory);
  // The lock of an owner that is gone.
  if (existsSync(path)) rmSync(path, { force: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, JSON.stringify(owner), { mode: 0o600 });
  try {
    // Whole at once, and of two that start at the same time one fails here.
    linkSync(unfinished, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new LocalError(`another drive up is starting in ${dataDirectory}`, { cause: error });
  } finally {
    rmSync(unfinished);
  }
  return {
    announce: (addresses, processes) => writeWhole(path, { ...owner, addresses, processes }),
    release: () => rmSync(path, { force: true }),
  };
}

/** Throws a LocalError if the cluster of `dataDirectory` runs already. */
export function requireNoOwner(dataDirectory: string): void {
  const owner = findOwner(dataDirectory);
  if (owner === null) return;
  throw new LocalError(
    `the cluster in ${dataDirectory} is running already (process ${owner.pid}): end it with ` +
      'npx drive stop, or use another directory with --data',
  );
}

/** null: it is no JSON. */
function readWhole<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Other processes see the old content or the new one, never a part. */
function writeWhole(path: string, content: unknown): void {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}

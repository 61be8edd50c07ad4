// Starts the servers of a test run, once: three shards and one plain PostgreSQL to compare with.

import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type LocalCluster, startCluster } from '../../src/local/cluster.ts';
import { ensureDatabase } from '../../src/local/database.ts';
import { serverProcesses } from '../../src/local/process-table.ts';
import type { Shard } from '../../src/topology/shard.ts';

const SHARDS = 3;

/** A server's superuser: tests create and drop databases with it. */
export interface ServerLogin {
  readonly user: string;
  readonly password: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    shards: readonly Shard[];
    plain: Shard;
    superusers: { readonly shards: ServerLogin; readonly plain: ServerLogin };
  }
}

/** vitest calls this before the first test file; what it returns, after the last one. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'drive-test-'));
  // The servers may run under another account than the tests.
  chmodSync(directory, 0o755);
  const clusters: LocalCluster[] = [];
  const tearDown = async (): Promise<void> => {
    await Promise.all(clusters.map((cluster) => cluster.close()));
    rmSync(directory, { recursive: true });
  };
  process.once('exit', () => breakOff(clusters, directory));
  try {
    // A vacuum in the middle of a test lets new rows take the places of old ones, on one server only:
    // rows that nobody has put in order would then come in different orders.
    const options = { firstPort: 0, durable: false, settings: { autovacuum: 'off' } };
    const start = async (name: string, shards: number): Promise<LocalCluster> => {
      const cluster = await startCluster({
        ...options,
        dataDirectory: join(directory, name),
        shards,
      });
      clusters.push(cluster);
      return cluster;
    };
    const cluster = await start('cluster', SHARDS);
    const single = await start('plain', 1);
    const plain = { ...(single.shards[0] as Shard), database: 'plain' };
    await ensureDatabase(plain, single.superuser);
    project.provide('shards', cluster.shards);
    project.provide('plain', plain);
    project.provide('superusers', { shards: cluster.superuser, plain: single.superuser });
    return tearDown;
  } catch (error) {
    await tearDown();
    throw error;
  }
}

/** A run that is interrupted ends here: at the exit of a process nothing can be awaited. */
function breakOff(clusters: readonly LocalCluster[], directory: string): void {
  for (const cluster of clusters) cluster.kill();
  const homes = clusters.flatMap(({ home, shards }) =>
    shards.map(({ id }) => join(home, `shard-${id}`)),
  );
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 200 && existsSync(directory); i++) {
    if (homes.every((home) => !existsSync(home) || serverProcesses(home).length === 0)) {
      rmSync(directory, { recursive: true });
    } else {
      Atomics.wait(pause, 0, 0, 10);
    }
  }
}

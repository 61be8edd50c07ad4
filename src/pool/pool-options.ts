// What a pool is made with, and what it counts.

import type { Shard } from '../topology/shard.ts';
import type { ServerConnection } from './server-connection.ts';

export interface PoolOptions {
  /** Server connections at most, in use and idle together. */
  readonly size: number;
  /** A borrower waits this long for a connection, then gets 53300. */
  readonly waitTimeoutMs: number;
  /** An idle connection is closed after this time. */
  readonly idleTimeoutMs: number;
  /** A connection older than this is closed when it is given back. */
  readonly lifetimeMs: number;
  /** An idle connection that was not heard of for this long is asked for a sign; 0: never. */
  readonly checkAfterMs: number;
  /** For the answer to that. */
  readonly connectTimeoutMs: number;
}

export interface PoolDependencies {
  readonly connect: (shard: Shard) => Promise<ServerConnection>;
  readonly nowMs: () => number;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  /** Terminate, as bytes. */
  readonly terminate: Buffer;
}

/** Counts for SHOW POOLS and /metrics. */
export interface PoolCounts {
  readonly idle: number;
  readonly leased: number;
  /** Carrying statements of many sessions. */
  readonly shared: number;
  readonly connecting: number;
  readonly waiting: number;
}

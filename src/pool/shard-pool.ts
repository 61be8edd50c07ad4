// ShardPool: the server connections of one shard, handed out to one borrower at a time.

import { SqlError } from '../base/errors.ts';
import { POOL_WAITERS_MAX, SHARD_RETRY_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import type { ServerConnection } from './server-connection.ts';
import type { Settings } from './settings.ts';

export interface PoolOptions {
  /** Server connections at most, in use and idle together. */
  readonly size: number;
  /** A borrower waits this long for a connection, then gets 53300. */
  readonly waitTimeoutMs: number;
  /** An idle connection is closed after this time. */
  readonly idleTimeoutMs: number;
  /** A connection older than this is closed when it is given back. */
  readonly lifetimeMs: number;
}

export interface PoolDependencies {
  readonly connect: (shard: Shard) => Promise<ServerConnection>;
  readonly nowMs: () => number;
  /** Terminate, as bytes. */
  readonly terminate: Buffer;
}

/** Who waits for a connection. Exactly one of the two is called, once. */
export interface Borrower {
  granted(connection: ServerConnection): void;
  refused(error: SqlError): void;
}

interface Waiter {
  readonly borrower: Borrower;
  readonly deadlineMs: number;
}

/** Counts for SHOW POOLS and /metrics. */
export interface PoolCounts {
  readonly idle: number;
  readonly leased: number;
  readonly connecting: number;
  readonly waiting: number;
}

/**
 * A connection is idle or leased, never both; counts are the sizes of the two collections. Idle
 * connections are used newest first, so that surplus ones grow old and are closed.
 */
export class ShardPool {
  readonly shard: Shard;
  #options: PoolOptions;
  #dependencies: PoolDependencies;
  #idle: ServerConnection[] = [];
  #leased = new Set<ServerConnection>();
  #connecting = 0;
  #waiting: Waiter[] = [];
  /** While the shard is down: until when attempts are refused, and with what. */
  #down: { readonly untilMs: number; readonly error: SqlError } | null = null;
  #closed = false;

  constructor(shard: Shard, options: PoolOptions, dependencies: PoolDependencies) {
    this.shard = shard;
    this.#options = options;
    this.#dependencies = dependencies;
  }

  get counts(): PoolCounts {
    return {
      idle: this.#idle.length,
      leased: this.#leased.size,
      connecting: this.#connecting,
      waiting: this.#waiting.length,
    };
  }

  /** Why the last attempt to connect failed; null while the shard is up. */
  get downBecause(): SqlError | null {
    return this.#down?.error ?? null;
  }

  /** An idle connection at once, or null. `settings`: prefer one on which these are applied. */
  tryAcquire(settings: Settings | null): ServerConnection | null {
    const idle = this.#idle;
    const last = idle.length - 1;
    if (last < 0) return null;
    let chosen = last;
    if (settings !== null && idle[last]!.settings.signature !== settings.signature) {
      const fitting = idle.findLastIndex((each) => each.settings.signature === settings.signature);
      if (fitting >= 0) chosen = fitting;
    }
    const connection = chosen === last ? idle.pop()! : idle.splice(chosen, 1)[0]!;
    this.#leased.add(connection);
    return connection;
  }

  /** Grants a connection now or later, in the order of asking; refuses when none comes in time. */
  acquire(borrower: Borrower, settings: Settings | null = null): void {
    if (this.#closed) {
      borrower.refused(shuttingDown());
      return;
    }
    const ready = this.#waiting.length === 0 ? this.tryAcquire(settings) : null;
    if (ready !== null) {
      borrower.granted(ready);
      return;
    }
    const nowMs = this.#dependencies.nowMs();
    if (this.#down !== null && nowMs < this.#down.untilMs) {
      borrower.refused(this.#down.error);
      return;
    }
    if (this.#waiting.length >= POOL_WAITERS_MAX) {
      borrower.refused(this.#tooMany('too many clients wait for it already'));
      return;
    }
    this.#waiting.push({ borrower, deadlineMs: nowMs + this.#options.waitTimeoutMs });
    this.#grow();
  }

  /** The same as a promise, for work that is not on the hot path. */
  lease(settings: Settings | null = null): Promise<ServerConnection> {
    return new Promise((granted, refused) => {
      this.acquire({ granted, refused }, settings);
    });
  }

  /** Takes a borrower that lost interest out of the queue. False: it is not waiting any more. */
  withdraw(borrower: Borrower): boolean {
    const index = this.#waiting.findIndex((waiter) => waiter.borrower === borrower);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  /** Gives a connection back. It must owe nothing and be outside of a transaction to be reused. */
  release(connection: ServerConnection): void {
    connection.owner = null;
    if (connection.cancelsUnderWay > 0) {
      // A cancel that comes late must not hit the next borrower's statement.
      connection.onCancelsArrived = () => this.release(connection);
      return;
    }
    const nowMs = this.#dependencies.nowMs();
    const { lifetimeMs } = this.#options;
    const unfit = connection.tainted || connection.owedCount > 0 || this.#closed;
    if (connection.closed) return;
    if (unfit || nowMs - connection.openedAtMs > lifetimeMs) {
      connection.close(this.#dependencies.terminate);
      return;
    }
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.borrower.granted(connection);
      return;
    }
    this.#leased.delete(connection);
    connection.idleSinceMs = nowMs;
    this.#idle.push(connection);
  }

  /** To be called about once a second: deadlines of waiters, age of idle connections. */
  tick(): void {
    const nowMs = this.#dependencies.nowMs();
    while (this.#waiting.length > 0 && this.#waiting[0]!.deadlineMs <= nowMs) {
      const { waitTimeoutMs } = this.#options;
      const why = `none of its connections came free within ${waitTimeoutMs} ms`;
      this.#waiting.shift()!.borrower.refused(this.#tooMany(why));
    }
    const { idleTimeoutMs, lifetimeMs } = this.#options;
    const old = this.#idle.filter(
      (each) =>
        nowMs - each.idleSinceMs > idleTimeoutMs || nowMs - each.openedAtMs > lifetimeMs,
    );
    for (const connection of old) connection.close(this.#dependencies.terminate);
    if (this.#waiting.length > 0) this.#grow();
  }

  /** Closes idle connections now and leased ones as they come back. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.borrower.refused(shuttingDown());
    for (const connection of [...this.#idle]) connection.close(this.#dependencies.terminate);
  }

  #grow(): void {
    const total = this.#idle.length + this.#leased.size + this.#connecting;
    if (total >= this.#options.size || this.#connecting >= this.#waiting.length) return;
    this.#connecting += 1;
    this.#dependencies.connect(this.shard).then(
      (connection) => this.#opened(connection),
      (error: SqlError) => this.#failed(error),
    );
  }

  #opened(connection: ServerConnection): void {
    this.#connecting -= 1;
    this.#down = null;
    this.#leased.add(connection);
    connection.onClosed = () => this.#forget(connection);
    this.release(connection);
    if (this.#waiting.length > 0) this.#grow();
  }

  #failed(error: SqlError): void {
    this.#connecting -= 1;
    this.#down = { untilMs: this.#dependencies.nowMs() + SHARD_RETRY_MS, error };
    // With connections in use the waiters may still be served; without any they would wait in vain.
    if (this.#leased.size > 0) return;
    for (const waiter of this.#waiting.splice(0)) waiter.borrower.refused(error);
  }

  #forget(connection: ServerConnection): void {
    this.#leased.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    if (this.#waiting.length > 0 && !this.#closed) this.#grow();
  }

  #tooMany(why: string): SqlError {
    return new SqlError({
      code: SQLSTATE.tooManyConnections,
      message: `no connection to shard ${this.shard.id} is free: ${why}`,
      hint: 'Make pool.size larger, or transactions shorter.',
    });
  }
}

function shuttingDown(): SqlError {
  return new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'the proxy is shutting down',
    severity: 'FATAL',
  });
}

// ShardPool: the server connections of one shard, handed out to one borrower at a time.

import { SqlError } from '../base/errors.ts';
import { POOL_WAITERS_MAX, SHARD_RETRY_MS, SHARED_REST_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import type { ServerConnection } from './server-connection.ts';
import type { Settings } from './settings.ts';
import { SharedConnections } from './shared-connections.ts';

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
  /** Carrying statements of many sessions. */
  readonly shared: number;
  readonly connecting: number;
  readonly waiting: number;
}

/**
 * A connection is idle, leased or shared, and in exactly that collection; counts are their sizes.
 * Idle connections are used newest first, so that surplus ones grow old and are closed.
 */
export class ShardPool {
  readonly shard: Shard;
  #options: PoolOptions;
  #dependencies: PoolDependencies;
  #idle: ServerConnection[] = [];
  #leased = new Set<ServerConnection>();
  #shared = new SharedConnections();
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
      shared: this.#shared.size,
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

  /**
   * A connection for one more statement of no transaction, which must be neither slow nor large,
   * have no effect and leave nothing behind. It is not the caller's: nothing is to be given back.
   * null: there is none, lease one instead.
   */
  share(settings: Settings): ServerConnection | null {
    // Who waits for a connection of its own comes first where there is no other source of one.
    if (this.#waiting.length > 0 && this.#leased.size === 0) return null;
    const least = this.#shared.leastLoaded(settings);
    if (!this.#shared.wantsMore(least)) return least;
    const index = this.#idle.findLastIndex(
      (each) => each.settings.signature === settings.signature,
    );
    if (index < 0) return least;
    if (this.#shared.isFull && !this.#unshareRested()) return null;
    const [connection] = this.#idle.splice(index, 1);
    connection!.onDrained = () => this.#drained(connection!);
    this.#shared.add(connection!);
    return connection!;
  }

  /**
   * Ends the sharing of a connection whose head has become slow: the requests behind it go
   * elsewhere, and it is given back when the head is done.
   */
  unshare(connection: ServerConnection): void {
    if (!this.#shared.remove(connection)) return;
    this.#leased.add(connection);
    connection.onDrained = () => {
      connection.onDrained = null;
      this.release(connection);
    };
    connection.displaceWaiting();
  }

  /** To be called every SHARED_WATCH_MS: leads requests past a stalled head. */
  watch(): void {
    if (this.#shared.size === 0) return;
    for (const connection of this.#shared.stalled(performance.now())) this.unshare(connection);
  }

  #drained(connection: ServerConnection): void {
    if (connection.tainted || this.#waiting.length > 0 || this.#closed) this.#rest(connection);
  }

  /** A shared connection that owes nothing becomes an idle one, or a waiter's. */
  #rest(connection: ServerConnection): void {
    this.#shared.remove(connection);
    connection.onDrained = null;
    this.#leased.add(connection);
    this.release(connection);
  }

  #unshareRested(): boolean {
    const rested = this.#shared.rested();
    if (rested !== null) this.#rest(rested);
    return rested !== null;
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
    if (!this.#grow()) this.#unshareRested();
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
      (each) => nowMs - each.idleSinceMs > idleTimeoutMs || nowMs - each.openedAtMs > lifetimeMs,
    );
    for (const connection of old) connection.close(this.#dependencies.terminate);
    for (const connection of [...this.#shared.all()]) {
      const rests = performance.now() - connection.headSinceMs > SHARED_REST_MS;
      if (connection.owedCount === 0 && rests) this.#rest(connection);
      else if (nowMs - connection.openedAtMs > lifetimeMs) this.unshare(connection);
    }
    if (this.#waiting.length > 0) this.#grow();
  }

  /** Closes idle connections now and leased ones as they come back. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.borrower.refused(shuttingDown());
    for (const connection of [...this.#idle]) connection.close(this.#dependencies.terminate);
    for (const connection of [...this.#shared.all()]) {
      if (connection.owedCount === 0) this.#rest(connection);
    }
  }

  /** Opens one more connection if that may help a waiter; false when the pool is at its size. */
  #grow(): boolean {
    const { size } = this.#options;
    const total = this.#idle.length + this.#leased.size + this.#shared.size + this.#connecting;
    if (total >= size) return false;
    if (this.#connecting >= this.#waiting.length) return true;
    this.#connecting += 1;
    this.#dependencies.connect(this.shard).then(
      (connection) => this.#opened(connection),
      (error: SqlError) => this.#failed(error),
    );
    return true;
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
    if (this.#leased.size + this.#shared.size > 0) return;
    for (const waiter of this.#waiting.splice(0)) waiter.borrower.refused(error);
  }

  #forget(connection: ServerConnection): void {
    this.#leased.delete(connection);
    this.#shared.remove(connection);
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

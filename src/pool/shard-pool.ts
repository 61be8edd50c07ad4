// ShardPool: the server connections of one shard, handed out to one borrower at a time.

import type { SqlError } from '../base/errors.ts';
import { POOL_WAITERS_MAX, SHARED_REST_MS } from '../base/limits.ts';
import type { Shard } from '../topology/shard.ts';
import { answers, dueForCheck } from './idle-check.ts';
import { Outage } from './outage.ts';
import { disabledShard, noneFree, PoolGate, shuttingDown } from './pool-gate.ts';
import type { PoolCounts, PoolDependencies, PoolOptions } from './pool-options.ts';
import type { ServerConnection } from './server-connection.ts';
import type { Settings } from './settings.ts';
import { ShardCounters } from './shard-counters.ts';
import { SharedConnections } from './shared-connections.ts';
import { type Borrower, WaitQueue } from './wait-queue.ts';

export type { Borrower } from './wait-queue.ts';

/**
 * A connection is idle, leased or shared, and in exactly that collection; counts are their sizes.
 * Idle connections are used newest first, so that surplus ones grow old and are closed.
 */
export class ShardPool {
  readonly shard: Shard;
  readonly counters = new ShardCounters();
  #options: PoolOptions;
  #dependencies: PoolDependencies;
  #idle: ServerConnection[] = [];
  #leased = new Set<ServerConnection>();
  #shared = new SharedConnections();
  #connecting = 0;
  #waiting = new WaitQueue();
  #outage: Outage;
  #gate = new PoolGate();
  #closed = false;

  constructor(shard: Shard, options: PoolOptions, dependencies: PoolDependencies) {
    this.shard = shard;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#outage = new Outage(dependencies.random);
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
    return this.#gate.disabled ?? this.#outage.error;
  }

  /** What an operator has done to it. */
  get operated(): 'open' | 'paused' | 'disabled' {
    return this.#gate.state;
  }

  /** How long the first in the queue has waited; 0 without a queue. */
  get waitedMs(): number {
    const { first } = this.#waiting;
    return first === null ? 0 : this.#dependencies.nowMs() - first.sinceMs;
  }

  /** Every open connection, by what it is used for. */
  connections(): Record<'idle' | 'leased' | 'shared', readonly ServerConnection[]> {
    return { idle: this.#idle, leased: [...this.#leased], shared: this.#shared.all() };
  }

  /** Other bounds from here on. A smaller size is reached as connections are given back. */
  reconfigure(options: PoolOptions): void {
    this.#options = options;
    const surplus = Math.max(0, this.#total - options.size);
    for (const each of this.#idle.slice(0, surplus)) each.close(this.#dependencies.terminate);
    this.#growForAll();
  }

  /**
   * Hands out no connection but to transactions under way, and closes those that come back. Resolves
   * when none is open, or at resume().
   */
  pause(): Promise<void> {
    const empty = this.#gate.pause();
    this.#closeUnused();
    this.#gate.checkEmpty(this.#total);
    return empty;
  }

  resume(): void {
    this.#gate.resume();
    this.#growForAll();
  }

  /** Refuses everything with 57P03 but what transactions under way need. */
  disable(): void {
    this.#gate.disabled = disabledShard(this.shard.id);
    this.#waiting.refuseAll(this.#gate.disabled, true);
  }

  enable(): void {
    this.#gate.disabled = null;
  }

  /** Replaces every connection: idle ones now, the others once they are given back. */
  reconnect(): void {
    for (const connection of this.#leased) connection.tainted = true;
    for (const connection of this.#shared.all()) connection.tainted = true;
    this.#closeUnused();
    this.#outage.end();
    this.#growForAll();
  }

  #closeUnused(): void {
    for (const connection of [...this.#idle]) connection.close(this.#dependencies.terminate);
    for (const connection of [...this.#shared.all()]) this.unshare(connection);
  }

  get #total(): number {
    return this.#idle.length + this.#leased.size + this.#shared.size + this.#connecting;
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
    this.counters.assignments += 1;
    return connection;
  }

  /**
   * A connection for one more statement of no transaction, which must be neither slow nor large,
   * have no effect and leave nothing behind. It is not the caller's: nothing is to be given back.
   * null: there is none, lease one instead.
   */
  share(settings: Settings): ServerConnection | null {
    const connection = this.#gate.isOpen ? this.#chooseShared(settings) : null;
    if (connection !== null) this.counters.sharedAssignments += 1;
    return connection;
  }

  #chooseShared(settings: Settings): ServerConnection | null {
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
   * Ends the sharing of a connection, whose head may have become slow: the requests behind it go
   * elsewhere, and it is given back when nothing is owed.
   */
  unshare(connection: ServerConnection): void {
    if (!this.#shared.remove(connection)) return;
    this.#leased.add(connection);
    connection.onDrained = () => {
      connection.onDrained = null;
      this.release(connection);
    };
    if (connection.owedCount === 0) connection.onDrained();
    else connection.displaceWaiting();
  }

  /** To be called every SHARED_WATCH_MS: leads requests past a stalled head. */
  watch(): void {
    for (const connection of this.#shared.stalled(performance.now())) this.unshare(connection);
  }

  #drained(connection: ServerConnection): void {
    const needed = this.#waiting.length > 0 || this.#closed || !this.#gate.isOpen;
    if (connection.tainted || needed) this.unshare(connection);
  }

  #unshareRested(): boolean {
    const rested = this.#shared.rested();
    if (rested !== null) this.unshare(rested);
    return rested !== null;
  }

  /**
   * Grants a connection now or later, in the order of asking; refuses when none comes in time.
   * `urgent`: a transaction that is open on other shards asks, which must be able to end.
   */
  acquire(borrower: Borrower, settings: Settings | null = null, urgent = false): void {
    if (this.#closed) {
      borrower.refused(shuttingDown());
      return;
    }
    if (this.#gate.disabled !== null && !urgent) {
      borrower.refused(this.#gate.disabled);
      return;
    }
    const first = this.#waiting.length === 0 && this.#gate.isOpen;
    const ready = first || urgent ? this.tryAcquire(settings) : null;
    if (ready !== null) {
      borrower.granted(ready);
      return;
    }
    const down = this.#outage.refusal(this.#leased.size + this.#shared.size > 0);
    if (down !== null) {
      borrower.refused(down);
      return;
    }
    if (this.#waiting.length >= POOL_WAITERS_MAX) {
      borrower.refused(noneFree(this.shard.id, 'too many clients wait for it already'));
      return;
    }
    this.#waiting.push({ borrower, sinceMs: this.#dependencies.nowMs(), urgent });
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
    return this.#waiting.remove(borrower);
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
    const surplus = this.#total > this.#options.size;
    const unfit = connection.tainted || connection.owedCount > 0 || this.#closed || surplus;
    if (connection.closed) return;
    if (unfit || nowMs - connection.openedAtMs > lifetimeMs) {
      connection.close(this.#dependencies.terminate);
      return;
    }
    const waiter = this.#waiting.next(this.#gate.isPaused);
    if (waiter !== undefined) {
      this.counters.wait.observe(nowMs - waiter.sinceMs);
      this.counters.assignments += 1;
      waiter.borrower.granted(connection);
      return;
    }
    if (this.#gate.isPaused) {
      connection.close(this.#dependencies.terminate);
      return;
    }
    this.#leased.delete(connection);
    connection.idleSinceMs = nowMs;
    connection.heardAtMs = nowMs;
    this.#idle.push(connection);
  }

  /** To be called several times a second: deadlines of waiters, idle connections, an outage. */
  tick(): void {
    const nowMs = this.#dependencies.nowMs();
    const { waitTimeoutMs } = this.#options;
    const paused = this.#gate.isPaused ? 'it is paused, and ' : '';
    const why = `${paused}none of its connections came free within ${waitTimeoutMs} ms`;
    for (const { borrower } of this.#waiting.takeSince(nowMs - waitTimeoutMs)) {
      borrower.refused(noneFree(this.shard.id, why));
    }
    const { idleTimeoutMs, lifetimeMs } = this.#options;
    const old = this.#idle.filter(
      (each) => nowMs - each.idleSinceMs > idleTimeoutMs || nowMs - each.openedAtMs > lifetimeMs,
    );
    for (const connection of old) connection.close(this.#dependencies.terminate);
    for (const connection of [...this.#shared.all()]) {
      const rests = performance.now() - connection.headSinceMs > SHARED_REST_MS;
      const isOld = nowMs - connection.openedAtMs > lifetimeMs;
      if (isOld || (connection.owedCount === 0 && rests)) this.unshare(connection);
    }
    this.#checkIdle(nowMs);
    if (this.#gate.isOpen && this.#connecting === 0 && this.#outage.isDue(nowMs)) this.#connect();
    if (this.#waiting.length > 0) this.#grow();
  }

  #checkIdle(nowMs: number): void {
    const { checkAfterMs } = this.#options;
    for (const each of dueForCheck(this.#idle, nowMs, checkAfterMs)) void this.#check(each);
  }

  async #check(connection: ServerConnection): Promise<void> {
    const { idleSinceMs } = connection;
    this.#idle.splice(this.#idle.indexOf(connection), 1);
    this.#leased.add(connection);
    const { connectTimeoutMs } = this.#options;
    if (await answers(connection, connectTimeoutMs, this.#dependencies.terminate)) {
      this.release(connection);
      // A check is no use: the connection keeps its age and its place.
      connection.idleSinceMs = idleSinceMs;
      this.#idle.sort((one, other) => one.idleSinceMs - other.idleSinceMs);
    } else {
      // What has cut one off has probably cut off the others.
      for (const each of this.#idle) each.heardAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** Closes idle connections now and leased ones as they come back. */
  close(): void {
    this.#closed = true;
    this.#waiting.refuseAll(shuttingDown());
    this.#gate.resume();
    for (const connection of [...this.#idle]) connection.close(this.#dependencies.terminate);
    for (const connection of [...this.#shared.all()]) {
      if (connection.owedCount === 0) this.unshare(connection);
    }
  }

  #growForAll(): void {
    for (let left = this.#waiting.length; left > 0 && this.#grow(); left--);
  }

  /** Opens one more connection if that may help a waiter; false when it must do with those there. */
  #grow(): boolean {
    if (this.#total >= this.#options.size) return false;
    const served = this.#gate.isPaused ? this.#waiting.urgentCount : this.#waiting.length;
    if (this.#connecting >= served) return true;
    // In an outage only tick() tries, when it is time.
    if (this.#outage.error !== null) return false;
    this.#connect();
    return true;
  }

  #connect(): void {
    this.#connecting += 1;
    this.#dependencies.connect(this.shard).then(
      (connection) => this.#opened(connection),
      (error: SqlError) => this.#failed(error),
    );
  }

  #opened(connection: ServerConnection): void {
    this.#connecting -= 1;
    this.#outage.end();
    this.counters.connectionsOpened += 1;
    connection.counters = this.counters;
    this.#leased.add(connection);
    connection.onClosed = () => this.#forget(connection);
    this.release(connection);
    if (this.#waiting.length > 0) this.#grow();
  }

  #failed(error: SqlError): void {
    this.#connecting -= 1;
    this.counters.connectionsFailed += 1;
    this.#gate.checkEmpty(this.#total);
    this.#outage.begin(error, this.#dependencies.nowMs());
    // With connections in use the waiters may still be served; without any they would wait in vain.
    if (this.#leased.size + this.#shared.size > 0) return;
    this.#waiting.refuseAll(error);
  }

  #forget(connection: ServerConnection): void {
    this.#leased.delete(connection);
    this.#shared.remove(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    const { bytesRead, bytesWritten } = connection.traffic;
    this.counters.connectionsClosed += 1;
    this.counters.closedBytesReceived += bytesRead;
    this.counters.closedBytesSent += bytesWritten;
    this.#gate.checkEmpty(this.#total);
    if (this.#waiting.length > 0 && !this.#closed) this.#grow();
  }
}

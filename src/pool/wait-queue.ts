// WaitQueue: who waits for a connection of a shard, in the order of asking.

import type { SqlError } from '../base/errors.ts';
import type { ServerConnection } from './server-connection.ts';

/** Who waits for a connection. Exactly one of the two is called, once. */
export interface Borrower {
  granted(connection: ServerConnection): void;
  refused(error: SqlError): void;
}

export interface Waiter {
  readonly borrower: Borrower;
  /** When it asked; the pool's clock. */
  readonly sinceMs: number;
  /** Part of a transaction that is open elsewhere: it must be able to end. */
  readonly urgent: boolean;
}

export class WaitQueue {
  #waiters: Waiter[] = [];

  get length(): number {
    return this.#waiters.length;
  }

  get first(): Waiter | null {
    return this.#waiters[0] ?? null;
  }

  get urgentCount(): number {
    return this.#waiters.filter((waiter) => waiter.urgent).length;
  }

  push(waiter: Waiter): void {
    this.#waiters.push(waiter);
  }

  /** Takes out the first, or the first that is urgent; undefined if there is none. */
  next(urgentOnly: boolean): Waiter | undefined {
    if (!urgentOnly) return this.#waiters.shift();
    const index = this.#waiters.findIndex((waiter) => waiter.urgent);
    return index < 0 ? undefined : this.#waiters.splice(index, 1)[0];
  }

  /** Takes out those that have asked at `sinceMs` or before. */
  takeSince(sinceMs: number): readonly Waiter[] {
    const later = this.#waiters.findIndex((waiter) => waiter.sinceMs > sinceMs);
    return this.#waiters.splice(0, later < 0 ? this.#waiters.length : later);
  }

  /** Takes a borrower out; false: it is not waiting. */
  remove(borrower: Borrower): boolean {
    const index = this.#waiters.findIndex((waiter) => waiter.borrower === borrower);
    if (index < 0) return false;
    this.#waiters.splice(index, 1);
    return true;
  }

  /** Takes all out and refuses them; `sparingUrgent`: all but those. */
  refuseAll(error: SqlError, sparingUrgent = false): void {
    const refused = this.#waiters.filter((waiter) => !sparingUrgent || !waiter.urgent);
    this.#waiters = this.#waiters.filter((waiter) => sparingUrgent && waiter.urgent);
    for (const { borrower } of refused) borrower.refused(error);
  }
}

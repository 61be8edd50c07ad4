// Beside: a connection to a shard beside its pool, for what those wait for who may have all of the pool.

import { AT_ONCE_MS_MAX } from '../base/limits.ts';
import { connectionLost } from '../pool/outage.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { Shard } from '../topology/shard.ts';
import { TERMINATE } from '../wire/terminate.ts';

type Use<T> = (connection: ServerConnection) => Promise<T>;

/** Of one shard. One is open at most: several uses follow each other, each on a connection of its own. */
export class Beside {
  #pool: ShardPool;
  #connect: (shard: Shard) => Promise<ServerConnection>;
  #msMax: number;
  #last: Promise<unknown> = Promise.resolve();
  /** Why it could last not be reached, and when that was known; performance.now(). */
  #outage: { readonly error: unknown; readonly sinceMs: number } | null = null;

  /** `connect` gives up by itself; a use is given up after `msMax`. */
  constructor(
    pool: ShardPool,
    connect: (shard: Shard) => Promise<ServerConnection>,
    msMax = AT_ONCE_MS_MAX,
  ) {
    this.#pool = pool;
    this.#connect = connect;
    this.#msMax = msMax;
  }

  /** Rejects with SqlError where the shard is known to be down, cannot be reached, or does not answer. */
  run<T>(use: Use<T>): Promise<T> {
    const cameMs = performance.now();
    const used = this.#last.then(() => this.#run(use, cameMs));
    // Its caller hears of the error; the next only waits for the end.
    this.#last = used.catch(() => undefined);
    return used;
  }

  /** The same on a connection that the caller has leased: it is closed where the shard does not answer. */
  runOn<T>(connection: ServerConnection, use: Use<T>): Promise<T> {
    return withinTime(connection, this.#msMax, use);
  }

  async #run<T>(use: Use<T>, cameMs: number): Promise<T> {
    const { downBecause, operated } = this.#pool;
    // What an operator has disabled may still end what is under way there.
    if (downBecause !== null && operated !== 'disabled') throw downBecause;
    const connection = await this.#connected(cameMs);
    try {
      return await this.runOn(connection, use);
    } finally {
      connection.close(TERMINATE);
    }
  }

  /** Who came before it was known that the shard cannot be reached does not try by himself once more. */
  async #connected(cameMs: number): Promise<ServerConnection> {
    if (this.#outage !== null && cameMs <= this.#outage.sinceMs) throw this.#outage.error;
    try {
      return await this.#connect(this.#pool.shard);
    } catch (error) {
      this.#outage = { error, sinceMs: performance.now() };
      throw error;
    }
  }
}

/** Runs `use`, and closes the connection where that takes longer than `msMax`: then it rejects with SqlError. */
export async function withinTime<T>(
  connection: ServerConnection,
  msMax: number,
  use: Use<T>,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(connectionLost(connection.shard, `it has not answered within ${msMax} ms`));
    connection.close(TERMINATE);
  }, msMax);
  try {
    return await Promise.race([late, use(connection)]);
  } finally {
    clearTimeout(timer);
  }
}

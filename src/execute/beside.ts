// Beside: a connection to a shard beside its pool, for what those wait for who may have all of the pool.

import type { ServerConnection } from '../pool/server-connection.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { Shard } from '../topology/shard.ts';
import { TERMINATE } from '../wire/terminate.ts';

/** Of one shard. One is open at most: several uses follow each other, each on a connection of its own. */
export class Beside {
  #pool: ShardPool;
  #connect: (shard: Shard) => Promise<ServerConnection>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(pool: ShardPool, connect: (shard: Shard) => Promise<ServerConnection>) {
    this.#pool = pool;
    this.#connect = connect;
  }

  /** Rejects with SqlError where the shard is known to be down, or cannot be reached. */
  run<T>(use: (connection: ServerConnection) => Promise<T>): Promise<T> {
    const used = this.#last.then(() => this.#run(use));
    // Its caller hears of the error; the next only waits for the end.
    this.#last = used.catch(() => undefined);
    return used;
  }

  async #run<T>(use: (connection: ServerConnection) => Promise<T>): Promise<T> {
    const { downBecause, operated, shard } = this.#pool;
    // What an operator has disabled may still end what is under way there.
    if (downBecause !== null && operated !== 'disabled') throw downBecause;
    const connection = await this.#connect(shard);
    try {
      return await use(connection);
    } finally {
      connection.close(TERMINATE);
    }
  }
}

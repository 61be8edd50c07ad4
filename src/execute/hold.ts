// Hold: a moment in which something stands still on all shards.

import { SqlError } from '../base/errors.ts';
import { SNAPSHOT_HOLD_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Shard } from '../topology/shard.ts';
import { TERMINATE } from '../wire/terminate.ts';
import { rolledBack } from './two-phase.ts';

/** Opens a connection beside the pools: those who have all of a pool may wait for a hold's end. */
export type ConnectBeside = (shard: Shard) => Promise<ServerConnection>;

/** What is held goes with its connections, and the servers themselves end it when it is held for too long. */
const BEGIN_SQL = [
  'BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE',
  `SET LOCAL lock_timeout = ${SNAPSHOT_HOLD_MS}`,
  `SET LOCAL idle_in_transaction_session_timeout = ${SNAPSHOT_HOLD_MS}`,
].join('; ');

/** Beyond all that the servers allow: one of them says nothing any more, and others wait for the end. */
const HOLD_MS_MAX = 4 * SNAPSHOT_HOLD_MS;

const heldTooLong = (ms: number): SqlError =>
  new SqlError({
    code: SQLSTATE.serializationFailure,
    message: `a shard has not answered within ${ms} ms`,
  });

/** Several at once follow each other, so that a process has one of them open on each shard. */
export class Hold {
  #shards: readonly Shard[];
  #connect: ConnectBeside;
  #begin: (holders: readonly ServerConnection[]) => Promise<void>;
  #msMax: number;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * `begin` has everything stand still: it is given a connection to each shard, in a transaction that is
   * committed behind the hold. A hold ends after `msMax`, whatever the shards do.
   */
  constructor(
    shards: readonly Shard[],
    connect: ConnectBeside,
    begin: (holders: readonly ServerConnection[]) => Promise<void>,
    msMax = HOLD_MS_MAX,
  ) {
    this.#shards = shards;
    this.#connect = connect;
    this.#begin = begin;
    this.#msMax = msMax;
  }

  /**
   * Runs `use` meanwhile. Rejects with what `use` rejects with, and where the hold could not be had or did
   * not last: then what `use` has seen is not to be relied on.
   */
  held<T>(use: () => Promise<T>): Promise<T> {
    const held = this.#last.then(() => this.#hold(use));
    // Its caller hears of the error; the next only waits for the end.
    this.#last = held.catch(() => undefined);
    return held;
  }

  async #hold<T>(use: () => Promise<T>): Promise<T> {
    const holders: ServerConnection[] = [];
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(heldTooLong(this.#msMax)), this.#msMax);
    try {
      return await Promise.race([rejected(late.signal), this.#holdOn(holders, late.signal, use)]);
    } finally {
      clearTimeout(timer);
      closeAll(holders);
    }
  }

  async #holdOn<T>(
    holders: ServerConnection[],
    late: AbortSignal,
    use: () => Promise<T>,
  ): Promise<T> {
    try {
      await onEach(this.#shards, async (shard) => holders.push(await this.#connect(shard)));
      await onEach(holders, (holder) => query(holder, BEGIN_SQL));
      await this.#begin(holders);
      // By then its caller has gone, and its connections may be anybody's.
      late.throwIfAborted();
      const result = await use();
      await onEach(holders, letGo);
      return result;
    } finally {
      // One may have been opened when it was too late.
      closeAll(holders);
    }
  }
}

/** Rejects with the signal's reason. */
const rejected = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

function closeAll(connections: readonly ServerConnection[]): void {
  for (const connection of connections) connection.close(TERMINATE);
}

/** Throws where the transaction has not lasted to the end. */
async function letGo(holder: ServerConnection): Promise<void> {
  const { tag } = await query(holder, 'COMMIT');
  if (tag !== 'COMMIT') throw rolledBack(holder);
}

/** On all at once; when all have ended the first error is thrown. */
export async function onEach<A, B>(
  all: readonly A[],
  run: (one: A) => Promise<B>,
): Promise<readonly B[]> {
  const ends = await Promise.allSettled(all.map(run));
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

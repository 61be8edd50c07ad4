// Decision hold: a moment in which no commit over several shards is decided, and none is half done.

import { SqlError } from '../base/errors.ts';
import { SNAPSHOT_HOLD_MS } from '../base/limits.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Shard } from '../topology/shard.ts';
import { TERMINATE } from '../wire/terminate.ts';
import { finishPart, readPart, rolledBack, type UnfinishedPart } from './two-phase.ts';

/**
 * A decision is a row in drive.txlog, so whoever decides waits for the lock. It goes with its
 * connection, and the server itself ends it when it is held for too long.
 */
const HOLD_SQL = [
  'BEGIN ISOLATION LEVEL READ COMMITTED',
  `SET LOCAL lock_timeout = ${SNAPSHOT_HOLD_MS}`,
  `SET LOCAL idle_in_transaction_session_timeout = ${SNAPSHOT_HOLD_MS}`,
  'LOCK TABLE drive.txlog IN SHARE MODE',
].join('; ');

/** Beyond all that the servers allow: one of them says nothing any more, and others wait for the end. */
const HOLD_MS_MAX = 4 * SNAPSHOT_HOLD_MS;

const heldTooLong = (ms: number): SqlError =>
  new SqlError({
    code: SQLSTATE.serializationFailure,
    message: `a shard has not answered within ${ms} ms`,
  });

const PARTS_SQL = `
  SELECT gid FROM pg_catalog.pg_prepared_xacts
  WHERE database = pg_catalog.current_database() AND pg_catalog.starts_with(gid, 'drive_')`;

/** A part that is prepared, and which shard knows whether `gid` is to be committed. */
interface PreparedPart extends UnfinishedPart {
  readonly gid: string;
  readonly decider: number;
}

/** Several at once follow each other, so that a process has one of them open on each shard. */
export class DecisionHold {
  #shards: readonly Shard[];
  #connect: (shard: Shard) => Promise<ServerConnection>;
  #msMax: number;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * `connect` opens one beside the pools: those who have all of a pool may wait for a hold's end. A hold
   * ends after `msMax`, whatever the shards do.
   */
  constructor(
    shards: readonly Shard[],
    connect: (shard: Shard) => Promise<ServerConnection>,
    msMax = HOLD_MS_MAX,
  ) {
    this.#shards = shards;
    this.#connect = connect;
    this.#msMax = msMax;
  }

  /**
   * Runs `use` while every transaction over several shards is either visible on all of them or on
   * none. Rejects with what `use` rejects with, and where the hold could not be had or did not last:
   * then what `use` has seen is not to be relied on.
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
      await onEach(holders, (holder) => query(holder, HOLD_SQL));
      await this.#finishDecided(holders);
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

  /** What was decided before the hold is committed everywhere; nothing is decided during it. */
  async #finishDecided(holders: readonly ServerConnection[]): Promise<void> {
    const prepared = (await onEach(holders, preparedParts)).flat();
    const decided = (await onEach(holders, (holder) => decidedBy(holder, prepared))).flat();
    await onEach(this.#shards, async (shard) => {
      const parts = decided.filter((part) => part.shard === shard.id);
      if (parts.length === 0) return;
      // COMMIT PREPARED cannot be run within the holder's transaction.
      const connection = await this.#connect(shard);
      try {
        for (const part of parts) await finishPart(connection, part);
      } finally {
        connection.close(TERMINATE);
      }
    });
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

async function preparedParts(holder: ServerConnection): Promise<PreparedPart[]> {
  const { rows } = await query(holder, PARTS_SQL);
  return rows.flatMap(([name]) => {
    const read = readPart(name!);
    if (read === null) return [];
    const { gid, decider } = read;
    return [{ shard: holder.shard.id, name: name!, gid, decider }];
  });
}

/** Those of `parts` that the holder's shard has decided to commit. */
async function decidedBy(
  holder: ServerConnection,
  parts: readonly PreparedPart[],
): Promise<PreparedPart[]> {
  const asked = parts.filter(({ decider }) => decider === holder.shard.id);
  if (asked.length === 0) return [];
  const gids = asked.map(({ gid }) => quoteLiteral(gid)).join(', ');
  const sql = `SELECT gid FROM drive.txlog WHERE state = 'commit' AND gid IN (${gids})`;
  const decided = new Set((await query(holder, sql)).rows.map(([gid]) => gid));
  return asked.filter(({ gid }) => decided.has(gid));
}

/** Throws where the lock was not held to the end. */
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

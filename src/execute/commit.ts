// Commit: ends a transaction on all its servers, by one phase or by two.

import { queryToEnd, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';
import type { Participants } from './participants.ts';
import {
  type Commit,
  commitTwoPhase,
  hasWritten,
  rolledBack,
  type TwoPhase,
  type UnfinishedPart,
  unknownOutcome,
} from './two-phase.ts';

export interface CommitOptions {
  readonly participants: Participants;
  /** Shards that a statement of known effect has written. */
  readonly writers: ReadonlySet<number>;
  /** The session's from here on. */
  readonly settings: Settings;
  /** Asked of several writers only. */
  doubts(): Pick<Commit, 'asLogin' | 'mayBeReadOnly'>;
  readonly twoPhase: TwoPhase;
  giveBack(connection: ServerConnection): void;
  /** Committed, but not yet on this shard. */
  unfinished(part: UnfinishedPart): void;
}

/**
 * Commits on every participant. One writer at most: one phase. Several: two phases. Throws what made it
 * fail, after rolling back.
 */
export async function commit(options: CommitOptions): Promise<void> {
  const { participants } = options;
  try {
    await commitApart(options);
    const writers = await writersAmong(options);
    if (writers.length > 1) await commitWriters(writers, options);
    else for (const writer of writers) await commitOne(writer, options);
    for (const reader of [...participants.connections.values()]) {
      await endReader(reader, options, writers.length > 0);
    }
  } catch (error) {
    await participants.rollback();
    throw error;
  }
}

/** Cursors WITH HOLD are computed to their end now, and may fail. */
async function commitApart({ participants, settings }: CommitOptions): Promise<void> {
  const { apart } = participants;
  if (apart === null) return;
  const { tag } = await queryToEnd(apart, 'COMMIT', 'COMMIT');
  if (tag !== 'COMMIT') throw rolledBack(apart);
  participants.leave(apart, settings);
}

/** In shard order. A function may write without our knowing; what is alone need not be asked. */
async function writersAmong({
  participants: { connections, shards },
  writers,
}: CommitOptions): Promise<ServerConnection[]> {
  const all = shards.map((shard) => connections.get(shard)!);
  if (all.length < 2) return all;
  const found: ServerConnection[] = [];
  for (const connection of all) {
    if (writers.has(connection.shard.id) || (await hasWritten(connection))) found.push(connection);
  }
  return found;
}

/** The writers' parts are over with it, however it ends. */
async function commitWriters(
  connections: readonly ServerConnection[],
  options: CommitOptions,
): Promise<void> {
  const { participants, settings, twoPhase } = options;
  const over: ServerConnection[] = [];
  const prepared = (connection: ServerConnection): void => {
    over.push(connection);
    participants.remove(connection);
  };
  try {
    const commit = { connections, settings, prepared, ...options.doubts() };
    const parts = await commitTwoPhase(twoPhase, commit);
    participants.leave(connections[0]!, settings);
    for (const part of parts) options.unfinished(part);
  } finally {
    for (const connection of over) options.giveBack(connection);
  }
}

async function commitOne(
  connection: ServerConnection,
  { participants, settings }: CommitOptions,
): Promise<void> {
  // What is closed by now is never told to commit, and rolls back.
  const isSent = !connection.closed;
  let tag: string;
  try {
    ({ tag } = await queryToEnd(connection, 'COMMIT', 'COMMIT'));
  } catch (error) {
    throw error instanceof ServerError || !isSent ? error : unknownOutcome(error);
  }
  participants.leave(connection, settings);
  if (tag !== 'COMMIT') throw rolledBack(connection);
}

/** What others have written is committed, whatever becomes of a shard that was only read. */
async function endReader(
  connection: ServerConnection,
  options: CommitOptions,
  isWritten: boolean,
): Promise<void> {
  try {
    await commitOne(connection, options);
  } catch (error) {
    if (!isWritten) throw error;
    const { participants, twoPhase } = options;
    const shard = connection.shard.id;
    twoPhase.log.warn({ shard, err: error }, 'a shard did not end its reading');
    // Unless it is given back already, having rolled back.
    connection.tainted ||= participants.connections.has(shard);
    participants.leave(connection, participants.settingsBefore);
  }
}

// Decision hold: a moment in which no commit over several shards is decided, and none is half done.

import { quoteLiteral } from '../base/quote.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Shard } from '../topology/shard.ts';
import { TERMINATE } from '../wire/terminate.ts';
import { type ConnectBeside, Hold, onEach } from './hold.ts';
import { finishPart, readPart, type UnfinishedPart } from './two-phase.ts';

/** A decision is a row in drive.txlog, so whoever decides waits for the lock. */
const LOCK_DECISIONS = 'LOCK TABLE drive.txlog IN SHARE MODE';

const PARTS_SQL = `
  SELECT gid FROM pg_catalog.pg_prepared_xacts
  WHERE database = pg_catalog.current_database() AND pg_catalog.starts_with(gid, 'drive_')`;

/** A part that is prepared, and which shard knows whether `gid` is to be committed. */
interface PreparedPart extends UnfinishedPart {
  readonly gid: string;
  readonly decider: number;
}

/** While it is held every transaction over several shards is either visible on all of them or on none. */
export const decisionHold = (
  shards: readonly Shard[],
  connect: ConnectBeside,
  msMax?: number,
): Hold =>
  new Hold(
    shards,
    connect,
    async (holders) => {
      await onEach(holders, (holder) => query(holder, LOCK_DECISIONS));
      await finishDecided(holders, shards, connect);
    },
    msMax,
  );

/** What was decided before the hold is committed everywhere; nothing is decided during it. */
async function finishDecided(
  holders: readonly ServerConnection[],
  shards: readonly Shard[],
  connect: ConnectBeside,
): Promise<void> {
  const prepared = (await onEach(holders, preparedParts)).flat();
  const decided = (await onEach(holders, (holder) => decidedBy(holder, prepared))).flat();
  await onEach(shards, async (shard) => {
    const parts = decided.filter((part) => part.shard === shard.id);
    if (parts.length === 0) return;
    // COMMIT PREPARED cannot be run within the holder's transaction.
    const connection = await connect(shard);
    try {
      for (const part of parts) await finishPart(connection, part);
    } finally {
      connection.close(TERMINATE);
    }
  });
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

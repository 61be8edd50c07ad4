// Place check: that a database is the shard it is taken for, or keys would be looked for in the wrong place.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { connectionLost } from '../pool/outage.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { TERMINATE } from '../wire/terminate.ts';
import { withinTime } from './beside.ts';

/**
 * The connection, where it is one to its shard of `count`: another server may answer at the address than before.
 * Else it is closed; so it is where there is no answer within `timeoutMs`. Rejects with SqlError: F0000 for another shard.
 */
export async function atItsPlace(
  connection: ServerConnection,
  count: number,
  timeoutMs: number,
): Promise<ServerConnection> {
  try {
    await withinTime(connection, timeoutMs, () => checkPlace(connection, count));
    // It may have ended behind the answer: a pool, which is told of its end from now on, would keep it.
    if (connection.closed) throw new Error('the server closed the connection');
    return connection;
  } catch (error) {
    connection.close(TERMINATE);
    if (error instanceof SqlError) throw error;
    throw connectionLost(connection.shard, (error as Error).message);
  }
}

async function checkPlace(connection: ServerConnection, count: number): Promise<void> {
  const sql = `SELECT ${numberOf('drive.shard_id()')}, ${numberOf('drive.shard_count()')}`;
  const [[own, of] = []] = (await query(connection, sql)).rows;
  const { id, database, host, port } = connection.shard;
  const place = `shard ${id} (${database} on ${host}:${port})`;
  if (own != null && Number(own) !== id) {
    throw misplaced(
      `${place} was installed as shard ${own}`,
      'Give the shards in the order in which they were installed.',
    );
  }
  if (of != null && Number(of) !== count) {
    throw misplaced(
      `${place} was installed as one of ${of} shards, not of ${count}`,
      'Give all of them: with another number most rows would be looked for elsewhere.',
    );
  }
}

/** What the function gives as sql/001-drive.sql writes it; NULL: there is none. */
const numberOf = (signature: string): string =>
  `(SELECT pg_catalog.substr(prosrc, 8) FROM pg_catalog.pg_proc
    WHERE oid = pg_catalog.to_regprocedure('${signature}'))`;

const misplaced = (message: string, hint: string): SqlError =>
  new SqlError({ code: SQLSTATE.configFileError, message, hint });

/** No time makes it right. */
export const isMisplaced = (error: unknown): boolean =>
  error instanceof SqlError && error.code === SQLSTATE.configFileError;

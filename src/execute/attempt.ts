// Attempt: a statement of a transaction on a shard that may not have what it names.

import { type QueryResult, query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

/** Where a shard says that it does not have what the statement names. */
const MISSING = new Set(['42P01', '42704', '42883', '3F000']);

export const isMissing = (error: unknown): error is ServerError =>
  error instanceof ServerError && MISSING.has(error.fields.code);

/**
 * The answer, or what is missing there. `pieces`: what the statement does one by one, where it names several things of
 * which some may be there; one of their answers, unless all are missing.
 */
export async function attemptPieces(
  connection: ServerConnection,
  sql: string,
  pieces: readonly string[],
): Promise<QueryResult | ServerError> {
  const whole = await attempt(connection, sql);
  if (!(whole instanceof ServerError)) return whole;
  let found: QueryResult | null = null;
  for (const piece of pieces) {
    const outcome = await attempt(connection, piece);
    if (!(outcome instanceof ServerError)) found = outcome;
  }
  return found ?? whole;
}

async function attempt(
  connection: ServerConnection,
  sql: string,
): Promise<QueryResult | ServerError> {
  await query(connection, 'SAVEPOINT drive_everywhere');
  try {
    const answer = await query(connection, sql);
    await query(connection, 'RELEASE SAVEPOINT drive_everywhere');
    return answer;
  } catch (error) {
    if (!isMissing(error)) throw error;
    await query(connection, 'ROLLBACK TO SAVEPOINT drive_everywhere');
    await query(connection, 'RELEASE SAVEPOINT drive_everywhere');
    return error;
  }
}

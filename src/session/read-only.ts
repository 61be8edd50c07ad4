// Read only: a transaction that only reads refuses a write before any of its rows is computed.

import { quoteLiteral } from '../base/quote.ts';
import { openShardStream } from '../execute/shard-stream.ts';
import { tellsReadOnly } from '../execute/transaction-script.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { withConnectionOf } from './everywhere.ts';
import type { RunnerDependencies } from './execution.ts';
import type { StagedRun } from './row-source.ts';

/**
 * Before the rows of a write are computed. In a READ ONLY transaction the home shard is sent the statement
 * as it is, and refuses it with 25006, or with what it finds out about it before: rejects with that ServerError;
 * not of one that writes nothing.
 * `table`: what it writes, as SQL; null: several tables. Temporary ones may be written.
 * Source: ExecCheckXactReadOnly (execMain.c).
 */
export async function refuseReadOnly(
  { d, execution, description }: StagedRun,
  table: string | null,
): Promise<void> {
  if (!mayBeReadOnly(d)) return;
  const mayBeTemporary = d.state.pins.has('temporary table');
  if (mayBeTemporary && table === null) return;
  await withConnectionOf(d.state)(HOME_SHARD, async (home) => {
    const { rows } = await query(home, 'SHOW transaction_read_only');
    if (rows[0]?.[0] !== 'on') return;
    if (mayBeTemporary && (await isTemporary(home, table!))) return;
    const { sql, parameters } = execution;
    const typed = { ...parameters, types: description.parameterTypes };
    const stream = await openShardStream(home, { sql, parameters: typed, resultFormats: [] });
    // What it takes writes nothing, whatever the rows: a MERGE that has no action.
    while ((await stream.next()) !== null);
  });
}

async function isTemporary(connection: ServerConnection, table: string): Promise<boolean> {
  const { rows } = await query(
    connection,
    `SELECT FROM pg_catalog.pg_class
      WHERE oid = pg_catalog.to_regclass(${quoteLiteral(table)}) AND relpersistence = 't'`,
  );
  return rows.length > 0;
}

/** By what the transaction has been told, or the session's are: the server is then to say. */
function mayBeReadOnly({ state, context }: RunnerDependencies): boolean {
  if (context.topology().catalog.transactionDefaults.mayBeReadOnly) return true;
  const { transaction, settings } = state;
  if (transaction !== null) return transaction.mayBeReadOnly(transaction.settingsBefore);
  return [...settings.current.assignments.values()].some(tellsReadOnly);
}

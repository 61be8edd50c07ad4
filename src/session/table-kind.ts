// Table kinds by statement: checks a change of kind and has it carried out in the transaction.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral, quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { notInstalled } from '../execute/everywhere.ts';
import { checkMove } from '../execute/move-check.ts';
import { gatherTable, spreadTable, type TableMove } from '../execute/table-move.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { SessionAction } from '../plan/action.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { LocalColumn } from './local-result.ts';
import type { LocalAnswer } from './session-actions.ts';
import type { SessionState } from './state.ts';

type KindAction = Extract<SessionAction, { action: 'tableKind' }>;

export const tableKindColumns = ({ call }: KindAction): readonly LocalColumn[] => [
  { name: call, type: 'text' },
];

/** Throws SqlError and ServerError; the transaction is then to be rolled back. */
export async function changeTableKind(
  action: KindAction,
  state: SessionState,
  context: SessionContext,
): Promise<LocalAnswer> {
  if (!context.topology().catalog.remembersKinds) throw notInstalled();
  const own = state.transaction === null;
  const transaction = state.transaction ?? state.begin('BEGIN', true);
  await moveTable(action, transaction, state, context);
  if (own) await state.endTransaction('commit');
  await state.publishSchemaChange();
  return { result: { columns: tableKindColumns(action), rows: [['']] }, tag: 'SELECT 1' };
}

/** What a table is to be. `key` '': the column that the configuration names. */
export type KindWanted = Pick<KindAction, 'table' | 'kind' | 'key'>;

/** The same within a transaction, which is then to be told of. */
export async function moveTable(
  wanted: KindWanted,
  transaction: Transaction,
  state: SessionState,
  context: SessionContext,
): Promise<void> {
  const move = await moveOf(wanted, transaction, context);
  if (move === null) return;
  for (const { shard } of move.connections) transaction.writers.add(shard.id);
  // From one kind of spread table to another it goes by way of home.
  if (move.from !== 'home') await gatherTable({ ...move, kind: 'home', key: null });
  if (move.kind !== 'home') await spreadTable(move);
  state.noteSchemaChange();
  state.kindChanged = true;
}

/** null: the table is of that kind already. */
async function moveOf(
  { table: given, kind, key: wanted }: KindWanted,
  transaction: Transaction,
  context: SessionContext,
): Promise<TableMove | null> {
  const { catalog, placement, shards } = context.topology();
  // Sharded by the column that the configuration names.
  const key = wanted === '' ? catalog.defaultKey : wanted;
  const home = await transaction.enlist(HOME_SHARD);
  const [schema, name] = await nameOf(home, given);
  const table = catalog.table(schema, name);
  if (table === null || schema === 'drive') throw undefinedTable(given);
  if (table.kind === kind && table.keyColumn === key) return null;
  if (catalog.configured(schema, name) !== null) throw configured(name);
  await checkMove(table, { kind, key, home, catalog });
  const connections: ServerConnection[] = [];
  for (const shard of shards) connections.push(await transaction.enlist(shard.id));
  return { name: quotedName(schema, name), from: table.kind, kind, key, placement, connections };
}

const quotedName = (...path: readonly string[]) => path.map(quoteName).join('.');

async function nameOf(home: ServerConnection, given: string): Promise<readonly [string, string]> {
  const { rows } = await query(
    home,
    `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = pg_catalog.to_regclass(${quoteLiteral(given)})`,
  );
  const [schema, name] = rows[0] ?? [];
  if (schema == null || name == null) throw undefinedTable(given);
  return [schema, name];
}

function undefinedTable(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.undefinedTable,
    message: `relation "${name}" does not exist`,
  });
}

/** What is done to its rows would be done against what is read of them. */
function configured(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: `the kind of table "${name}" is in the configuration`,
    hint: 'Take it out of sharding.tables first: what it is stays remembered.',
  });
}

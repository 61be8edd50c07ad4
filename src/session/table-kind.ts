// Table kinds by statement: checks a change of kind and has it carried out in the transaction.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral, quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { notInstalled } from '../execute/everywhere.ts';
import { gatherTable, spreadTable, type TableMove } from '../execute/table-move.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { SessionAction } from '../plan/action.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { Table } from '../topology/table.ts';
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
  const move = await moveOf(action, transaction, context);
  if (move !== null) {
    for (const { shard } of move.connections) transaction.writers.add(shard.id);
    // From one kind of spread table to another it goes by way of home.
    if (move.table.kind !== 'home') await gatherTable({ ...move, kind: 'home', key: null });
    if (move.kind !== 'home') await spreadTable(move);
    state.noteSchemaChange();
    state.kindChanged = true;
  }
  if (own) await state.endTransaction('commit');
  await state.publishSchemaChange();
  return { result: { columns: tableKindColumns(action), rows: [['']] }, tag: 'SELECT 1' };
}

/** null: the table is of that kind already. */
async function moveOf(
  { table: given, kind, key: wanted }: KindAction,
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
  if (kind === 'sharded') await checkKey(table, key!, home);
  const connections: ServerConnection[] = [];
  for (const shard of shards) connections.push(await transaction.enlist(shard.id));
  return { name: quotedName(schema, name), table, kind, key, placement, connections };
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

/** int2, int4, int8. Source: pg_type.dat. */
const INTEGER_OIDS = new Set([21, 23, 20]);

/** The key must be an integer, and in every unique constraint that is not of generated ids. */
async function checkKey(table: Table, key: string, home: ServerConnection): Promise<void> {
  const column = table.columns.find((each) => each.name === key);
  if (column === undefined) {
    throw new SqlError({
      code: SQLSTATE.undefinedColumn,
      message: `column "${key}" of table "${table.name}" does not exist`,
    });
  }
  if (!INTEGER_OIDS.has(column.typeOid)) {
    throw wrongState(
      `column "${key}" cannot be a sharding key`,
      'A sharding key is smallint, integer or bigint.',
    );
  }
  const name = quoteLiteral(quotedName(table.schema, table.name));
  const { rows } = await query(
    home,
    CONSTRAINTS_SQL.replaceAll('$1', () => name),
  );
  for (const [constraint, columns] of rows) {
    const names = JSON.parse(columns!) as string[];
    const [only] = names;
    const isGenerated =
      names.length === 1 &&
      table.columns.some((each) => each.name === only && each.distinctDefault === true);
    if (names.includes(key) || isGenerated) continue;
    throw wrongState(
      `"${constraint}" of table "${table.name}" does not include the sharding key "${key}"`,
      'A unique or foreign key holds over the shards only with the sharding key in it.',
    );
  }
}

/** Unique indexes and foreign keys by their columns. */
const CONSTRAINTS_SQL = `
SELECT i.indexrelid::regclass::text, (SELECT coalesce(jsonb_agg(a.attname), '[]')
    FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey))::text
  FROM pg_index i WHERE i.indisunique AND i.indrelid = $1::regclass
UNION ALL
SELECT k.conname, (SELECT jsonb_agg(a.attname)
    FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey))::text
  FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = $1::regclass
    AND k.confrelid NOT IN (SELECT relation FROM drive.tables WHERE kind = 'reference')`;

function undefinedTable(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.undefinedTable,
    message: `relation "${name}" does not exist`,
  });
}

function wrongState(message: string, hint: string): SqlError {
  return new SqlError({ code: SQLSTATE.objectNotInPrerequisiteState, message, hint });
}

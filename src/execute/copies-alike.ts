// Copies alike: what triggers have made different on the copies of a reference table becomes what the home shard has.

import { SqlError } from '../base/errors.ts';
import { REFERENCE_COPY_ROWS } from '../base/limits.ts';
import { quoteLiteral, textArray } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { CopiedTable } from '../plan/copies-alike.ts';
import { exactRow } from '../plan/exact-row.ts';
import { query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { columnAt } from '../wire/row.ts';
import { NO_PARAMETERS } from './parameters.ts';
import { RowSet } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import type { Transaction } from './transaction.ts';
import { insertWholeRowsSql } from './whole-rows.ts';

/**
 * Behind a write within `transaction`, on all shards that it has written. What AFTER triggers of another shard have
 * seen stays what it was. Throws 0A000 where the copies cannot be made alike, and 53400 for more rows than `bytesMax`.
 */
export async function makeCopiesAlike(
  transaction: Transaction,
  tables: readonly CopiedTable[],
  bytesMax: number,
): Promise<void> {
  const others = [...transaction.writers].filter((shard) => shard !== HOME_SHARD);
  if (others.length === 0) return;
  const home = await transaction.enlist(HOME_SHARD);
  for (const table of tables) {
    const wanted = await digestOf(home, table);
    let rows: readonly Row[] | null = null;
    for (const shard of others) {
      const connection = await transaction.enlistWriter(shard);
      if ((await digestOf(connection, table)) === wanted) continue;
      rows ??= await ownRows(home, table, bytesMax);
      await makeAlike(connection, table, rows, await ownRows(connection, table, bytesMax));
      if ((await digestOf(connection, table)) !== wanted) throw unlike(table);
    }
  }
}

interface Row {
  /** Where it lies, as SQL: (table, place). */
  readonly place: string;
  readonly text: string;
}

/**
 * Rows as this transaction has written them, its savepoints among them: none that it sees is of another that is under
 * way. Only of transactions that are younger than it the server is asked.
 */
const OWN = `CASE WHEN pg_catalog.age(t.xmin) <= pg_catalog.age(own.xid8::pg_catalog.xid) THEN
  pg_catalog.pg_xact_status((own.xid8::text::pg_catalog.int8 + pg_catalog.age(own.xid8::pg_catalog.xid)
    - pg_catalog.age(t.xmin))::text::pg_catalog.xid8) = 'in progress' END`;

const fromOwn = ({ sql }: CopiedTable): string =>
  `FROM ${sql} AS t, (SELECT pg_catalog.pg_current_xact_id() AS xid8 OFFSET 0) own WHERE ${OWN}`;

async function digestOf(connection: ServerConnection, table: CopiedTable): Promise<string> {
  const sum = (seed: number) => `sum(pg_catalog.hashtextextended(r, ${seed})::numeric)`;
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.concat_ws(' ', count(*), ${sum(0)}, ${sum(1)})
      FROM (SELECT ${exactRow('t', table.sql)} AS r ${fromOwn(table)} OFFSET 0) made`,
  );
  return rows[0]![0]!;
}

async function ownRows(
  connection: ServerConnection,
  table: CopiedTable,
  bytesMax: number,
): Promise<readonly Row[]> {
  const sql = `SELECT pg_catalog.format('(%s, %L)', t.tableoid::pg_catalog.oid, t.ctid),
    ${exactRow('t', table.sql)} ${fromOwn(table)}`;
  const request = { sql, parameters: NO_PARAMETERS, resultFormats: [] };
  const stream = await openShardStream(connection, request);
  const found = new RowSet(bytesMax);
  for (let rows = await stream.next(); rows !== null; rows = await stream.next()) found.add(rows);
  await stream.done;
  const textAt = (row: Buffer, index: number) => columnAt(row, index)!.toString('utf8');
  return found.rows.map((row) => ({ place: textAt(row, 0), text: textAt(row, 1) }));
}

async function makeAlike(
  connection: ServerConnection,
  table: CopiedTable,
  wanted: readonly Row[],
  present: readonly Row[],
): Promise<void> {
  const leaving = without(present, wanted).map(({ place }) => place);
  const arriving = without(wanted, present).map(({ text }) => text);
  const role = await silence(connection, table);
  for (const places of parts(leaving)) {
    await query(
      connection,
      `DELETE FROM ${table.sql} AS t USING (VALUES ${places.join(', ')}) AS gone (relation, place)
        WHERE t.tableoid = gone.relation::pg_catalog.oid AND t.ctid = gone.place::pg_catalog.tid`,
    );
  }
  for (const rows of parts(arriving)) {
    const sql = insertWholeRowsSql(table.sql, table.columns, textArray(rows));
    await query(connection, sql);
  }
  await query(connection, roleSql(role));
}

/** The rows but for those others, each as often as it is among them. */
function without(rows: readonly Row[], others: readonly Row[]): readonly Row[] {
  const left = new Map<string, number>();
  for (const { text } of others) left.set(text, (left.get(text) ?? 0) + 1);
  return rows.filter(({ text }) => {
    const count = left.get(text) ?? 0;
    if (count > 0) left.set(text, count - 1);
    return count === 0;
  });
}

function* parts<T>(all: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < all.length; at += REFERENCE_COPY_ROWS) {
    yield all.slice(at, at + REFERENCE_COPY_ROWS);
  }
}

const roleSql = (role: string) =>
  `SELECT pg_catalog.set_config('session_replication_role', ${quoteLiteral(role)}, true)`;

/** No trigger fires from now on, those of foreign keys among them; an error takes it back with the transaction. Gives the role of before. */
async function silence(connection: ServerConnection, table: CopiedTable): Promise<string> {
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.current_setting('session_replication_role')`,
  );
  try {
    await query(connection, roleSql('replica'));
  } catch (error) {
    const isRefused =
      error instanceof ServerError && error.fields.code === SQLSTATE.insufficientPrivilege;
    if (!isRefused) throw error;
    throw unlike(table);
  }
  return rows[0]![0]!;
}

const unlike = ({ sql }: CopiedTable): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: a write that triggers make different on the copies of reference table ${sql}`,
    detail:
      'They give other values on each shard, and cannot be kept from firing where these are replaced.',
    hint: 'GRANT SET ON PARAMETER session_replication_role TO the role, on every shard, and have no trigger ENABLE ALWAYS or REPLICA; or give the values in the statement.',
  });

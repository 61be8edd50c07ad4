// Stray rows: rows that an UPDATE has given keys of other shards are taken to these.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query, ServerError } from '../pool/query.ts';
import type { Placement } from '../topology/placement.ts';
import { TYPE } from '../value/type-oid.ts';
import { columnAt, encodeDataRowBody } from '../wire/row.ts';
import {
  type CarriedColumn,
  carriedFormat,
  carriedRef,
  carriedRelation,
  carriedSql,
} from './carried.ts';
import { Answer, type CarriedWrite, runWithRows } from './carried-statement.ts';
import { immovable } from './modified-table.ts';
import type { ForeignKey } from './move-facts.ts';
import type { MovingTable, MovingTables } from './moving-tables.ts';
import { NO_PARAMETERS } from './parameters.ts';
import { integerBytes, integerOf } from './row-set.ts';
import type { Transaction } from './transaction.ts';

export interface Strays {
  readonly transaction: Transaction;
  readonly placement: Placement;
  readonly bytesMax: number;
  readonly moving: MovingTables;
  /** The keys that belong to other shards, by the shard on which rows have got them. */
  readonly keys: ReadonlyMap<number, ReadonlySet<bigint>>;
}

/**
 * Before the UPDATE of a shard: gives it copies of the rows that others refer to by the new keys, which their own
 * shards keep locked. They are gone again behind the strays.
 */
export async function lend(strays: Strays, shard: number): Promise<void> {
  const { placement, moving, bytesMax } = strays;
  const keys = [...(strays.keys.get(shard) ?? [])];
  for (const table of moving.lent) {
    const copies = new Answer(bytesMax);
    for (const from of inOrder(new Set(keys.map((key) => placement.shardOf(key))))) {
      const own = keys.filter((key) => placement.shardOf(key) === from);
      await copy(strays, from, table, own, copies);
    }
    await put(strays, shard, table, copies.rows);
  }
}

const KEY: CarriedColumn = { typeOid: TYPE.int8, type: 'pg_catalog.int8', readAs: null };

/**
 * All rows with such a key are strays: no others lie on a shard that is not theirs. They leave before those
 * that they refer to, and arrive behind them.
 */
export async function takeHome(strays: Strays): Promise<void> {
  const { moving, bytesMax } = strays;
  const taken = new Answer(bytesMax);
  const arriving = new Map<MovingTable, Map<number, Buffer[]>>();
  for (const shard of inOrder(strays.keys.keys())) {
    for (const table of moving.tables.toReversed()) {
      const from = taken.rows.length;
      await take(strays, shard, table, taken);
      const byShard = arriving.get(table) ?? new Map<number, Buffer[]>();
      arriving.set(table, byShard);
      for (const row of taken.rows.slice(from)) {
        const target = strays.placement.shardOf(integerOf(columnAt(row, keyIndex(table)))!);
        const own = byShard.get(target) ?? [];
        byShard.set(target, own);
        own.push(row);
      }
    }
    for (const table of moving.lent.toReversed()) {
      await take(strays, shard, table, new Answer(bytesMax));
    }
  }
  for (const table of moving.tables) {
    const byShard = arriving.get(table) ?? new Map<number, Buffer[]>();
    for (const shard of inOrder(byShard.keys()))
      await put(strays, shard, table, byShard.get(shard)!);
  }
}

const inOrder = (shards: Iterable<number>): number[] => [...shards].sort((a, b) => a - b);

const keyIndex = ({ columns, key }: MovingTable): number =>
  columns.findIndex(({ name }) => name === key);

async function take(
  strays: Strays,
  shard: number,
  table: MovingTable,
  taken: Answer,
): Promise<void> {
  const { transaction, keys, moving } = strays;
  const own = [...keys.get(shard)!];
  if (own.length === 0) return;
  const sql =
    `DELETE FROM ${table.sql} AS t USING ${carriedRelation([KEY], 1)} ` +
    `${ofKeys(table)} RETURNING ${itemsOf(table)}`;
  const run = () => runWithKeys(strays, shard, table, sql, own, taken);
  await (table.firesOnDelete ? unseen(transaction, shard, moving, run) : run());
}

/** Locked as a foreign key locks what it refers to. */
async function copy(
  strays: Strays,
  shard: number,
  table: MovingTable,
  keys: readonly bigint[],
  copies: Answer,
): Promise<void> {
  const sql =
    `SELECT ${itemsOf(table)} FROM ${table.sql} AS t, ${carriedRelation([KEY], 1)} ` +
    `${ofKeys(table)} FOR KEY SHARE OF t`;
  await runWithKeys(strays, shard, table, sql, keys, copies);
}

const itemsOf = ({ columns }: MovingTable): string =>
  columns.map(({ name }) => `t.${quoteName(name)}`).join(', ');

const ofKeys = ({ key }: MovingTable): string => `WHERE t.${quoteName(key)} = ${carriedRef(0)}`;

function runWithKeys(
  { transaction, bytesMax }: Strays,
  shard: number,
  { columns }: MovingTable,
  sql: string,
  keys: readonly bigint[],
  answer: Answer,
): Promise<void> {
  const resultFormats = columns.map(({ typeOid }) => carriedFormat(typeOid));
  const write = { transaction, bytesMax, parameters: NO_PARAMETERS, resultFormats };
  const rows = keys.map((key) => encodeDataRowBody([integerBytes(key, 'int8')]));
  return runWithRows(write, shard, sql, [KEY], rows, answer);
}

async function put(
  { transaction, bytesMax, moving }: Strays,
  shard: number,
  table: MovingTable,
  rows: readonly Buffer[],
): Promise<void> {
  const { sql: name, columns, firesOnInsert } = table;
  if (rows.length === 0) return;
  const list = columns.map((column) => quoteName(column.name)).join(', ');
  const sql = `INSERT INTO ${name} (${list}) OVERRIDING SYSTEM VALUE ${carriedSql(columns, 1)}`;
  const write = { transaction, bytesMax, parameters: NO_PARAMETERS, resultFormats: [] };
  const run = () => runWithRows(write, shard, sql, columns, rows, new Answer(bytesMax));
  if (!firesOnInsert) return run();
  await unseen(transaction, shard, moving, run);
  for (const foreignKey of table.refersTo)
    await lockReferred(write, shard, table, foreignKey, rows);
}

/** Runs it without triggers, those of foreign keys among them. */
async function unseen(
  transaction: Transaction,
  shard: number,
  { name, role }: MovingTables,
  run: () => Promise<void>,
): Promise<void> {
  const connection = await transaction.enlistWriter(shard);
  try {
    await query(connection, roleSql('replica'));
  } catch (error) {
    if (!(error instanceof ServerError) || error.fields.code !== SQLSTATE.insufficientPrivilege)
      throw error;
    throw immovable(
      name,
      'It, or a table that is written along, has triggers for INSERT or DELETE, which an UPDATE does not fire.',
      'GRANT SET ON PARAMETER session_replication_role TO the role, on every shard; or delete the row and insert it with the new key.',
    );
  }
  // An error takes it back with the transaction, or with its savepoint.
  await run();
  await query(connection, roleSql(role));
}

const roleSql = (role: string) =>
  `SELECT pg_catalog.set_config('session_replication_role', '${role}', true)`;

/** As the foreign key itself would: what is referred to must be there, and stay. Throws 23503. */
async function lockReferred(
  write: CarriedWrite,
  shard: number,
  { sql: name, columns }: MovingTable,
  { name: constraint, sql: referred, columns: own, referred: others }: ForeignKey,
  rows: readonly Buffer[],
): Promise<void> {
  const values = own.map((column) => carriedRef(columns.findIndex((each) => each.name === column)));
  const same = others.map((column, i) => `r.${quoteName(column)} = ${values[i]}`).join(' AND ');
  const sql =
    `SELECT FROM ${carriedRelation(columns, 1)} LEFT JOIN LATERAL ` +
    `(SELECT true AS there FROM ${referred} AS r WHERE ${same} FOR KEY SHARE) AS r ON true ` +
    `WHERE r.there IS NULL AND ${values.map((value) => `${value} IS NOT NULL`).join(' AND ')}`;
  const missing = new Answer(write.bytesMax);
  await runWithRows(write, shard, sql, columns, rows, missing);
  if (missing.rows.length === 0) return;
  throw new SqlError({
    code: SQLSTATE.foreignKeyViolation,
    message: `insert or update on table ${name} violates foreign key constraint "${constraint}"`,
  });
}

// Written row: the row of an UPDATE or DELETE as RETURNING shows it, computed before it is written.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ModifyRowsMerge, ReturnedItem } from '../plan/staged.ts';
import type { ModifiedTable } from './modified-table.ts';

type FoundItem = Extract<ReturnedItem, { readonly of: unknown }>;

/** What becomes of the row; of one that is inserted, without what it has by default. */
interface RowWrite extends Pick<ModifyRowsMerge, 'table' | 'assignments'> {
  readonly verb: 'INSERT' | 'UPDATE' | 'DELETE';
}

/**
 * The item for the query that finds the rows, in which the table's names mean the row that is found. Throws
 * 0A000 where it is not known there what the row becomes.
 */
export function rowItem(
  { sql, of }: Pick<FoundItem, 'sql' | 'of'>,
  merge: RowWrite,
  table: ModifiedTable,
): string {
  const { alias } = merge.table;
  const isDelete = merge.verb === 'DELETE';
  // Its names hide those of the row outside, and those of the versions, as they do in RETURNING.
  const over = (row: string) => `(SELECT ${sql} FROM ${row} AS ${alias})`;
  if (of === 'found') return sql;
  if (of === 'written') return over(newRow(merge, table));
  const item = over(rowLike(isDelete ? 'old' : 'new', table));
  const before = `${rowLike(alias, table)} AS old`;
  // A row that there is not is NULL itself, and not a row of NULLs.
  const none = (name: string) => `LEFT JOIN ${noRow(table)} AS ${name} ON false`;
  if (isDelete) return `(SELECT ${item} FROM ${before} ${none('new')})`;
  const after = `${newRow(merge, table)} AS new`;
  if (merge.verb === 'INSERT') return `(SELECT ${item} FROM ${after} ${none('old')})`;
  return `(SELECT ${item} FROM ${before}, ${after})`;
}

const rowOf = ({ names }: ModifiedTable, value: (name: string) => string): string =>
  `(SELECT ${names.map((name) => `${value(name)} AS ${quoteName(name)}`).join(', ')})`;

const rowLike = (alias: string, table: ModifiedTable): string =>
  rowOf(table, (name) => `${alias}.${quoteName(name)}`);

const noRow = (table: ModifiedTable): string =>
  rowOf(table, (name) => `NULL::${table.exactTypes.get(name)}`);

function newRow(
  { table: { name: called, alias }, verb, assignments }: RowWrite,
  table: ModifiedTable,
): string {
  if (table.changesBeside) {
    throw new SqlError({
      code: SQLSTATE.featureNotSupported,
      message: `not supported over several shards: RETURNING a sub-query that reads the new row of ${called}, which is a view or has triggers BEFORE UPDATE`,
      hint: 'Name the columns, and ask for the rest by a SELECT of its own.',
    });
  }
  const assigned = new Map(assignments.map(({ column, sql }) => [column, sql]));
  const { generated, exactTypes } = table;
  const base = rowOf(table, (name) => {
    // One that is generated is known when the others are.
    if (generated.has(name)) return `NULL::${exactTypes.get(name)}`;
    const sql = assigned.get(name) ?? null;
    if (sql !== null) return `(${sql})::${exactTypes.get(name)}`;
    return verb === 'INSERT' ? `NULL::${exactTypes.get(name)}` : `${alias}.${quoteName(name)}`;
  });
  if (generated.size === 0) return base;
  const values = rowOf(table, (name) => {
    const expression = generated.get(name);
    return expression === undefined ? `"drive.row".${quoteName(name)}` : `(${expression})`;
  });
  return `${values.slice(0, -1)} FROM ${base} AS "drive.row")`;
}

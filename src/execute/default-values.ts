// Default values: what columns get in rows that leave them out, evaluated before the rows are made.

import { quoteLiteral } from '../base/quote.ts';
import type { RowsKey, WrittenTable } from '../plan/staged.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { columnAt } from '../wire/row.ts';
import { type CarriedColumn, carriedFormat } from './carried.ts';
import { NO_PARAMETERS } from './parameters.ts';
import { openShardStream } from './shard-stream.ts';

interface DefaultColumn extends CarriedColumn {
  /** As SQL; NULL where the column has none. */
  readonly expression: string;
}

/** What values of a domain are described and sent as. Source: getBaseType() of lsyscache.c. */
const BASE_TYPE = `WITH RECURSIVE base (oid) AS (
    SELECT a.atttypid
    UNION ALL SELECT t.typbasetype FROM base
    JOIN pg_catalog.pg_type t ON t.oid = base.oid AND t.typtype = 'd')
  SELECT t.oid FROM base JOIN pg_catalog.pg_type t ON t.oid = base.oid AND t.typtype <> 'd'`;

type DefaultTable = Pick<WrittenTable, 'name' | 'shown'>;

/** The columns by their names; those of a view without a default of their own have that of its table. */
async function defaultColumns(
  connection: ServerConnection,
  { name, shown }: DefaultTable,
): Promise<ReadonlyMap<string, DefaultColumn>> {
  const own = await columnsOf(connection, name);
  const base = shown === null ? null : await columnsOf(connection, shown.name);
  const below = new Map([...(shown?.columns ?? [])].map(([table, view]) => [view, table]));
  const ofBase = (column: string) => base?.get(below.get(column) ?? '')?.expression;
  return new Map(
    [...own].map(([column, { expression, ...carried }]) => [
      column,
      { ...carried, expression: expression ?? ofBase(column) ?? 'NULL' },
    ]),
  );
}

/** Whose identity a partition has, where it has none of its own: since PostgreSQL 17. As a string of SQL. */
const rootOf = (literal: string): string =>
  `pg_catalog.pg_partition_root(${literal}::pg_catalog.regclass)::pg_catalog.regclass::pg_catalog.text`;

/** Those of one table or view, which is SQL; without a default of their own they may have their type's. */
async function columnsOf(
  connection: ServerConnection,
  table: string,
): Promise<ReadonlyMap<string, CarriedColumn & { readonly expression: string | null }>> {
  const name = quoteLiteral(table);
  const { rows } = await query(
    connection,
    `SELECT a.attname, pg_catalog.format_type(own.oid, -1), own.oid::pg_catalog.int8,
       CASE WHEN a.attidentity <> '' THEN pg_catalog.format('pg_catalog.nextval(%L)',
         coalesce(pg_catalog.pg_get_serial_sequence(${name}, a.attname),
           pg_catalog.pg_get_serial_sequence(${rootOf(name)}, a.attname)))
       ELSE coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid),
         pg_catalog.pg_get_expr(y.typdefaultbin, 0), pg_catalog.quote_literal(y.typdefault)) END
     FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL (${BASE_TYPE}) AS own
     JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
     LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = ${name}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped`,
  );
  return new Map(
    rows.map(([column, type, oid, expression]) => {
      const carried = { type: type!, typeOid: Number(oid), readAs: null };
      return [column!, { ...carried, expression: expression ?? null }];
    }),
  );
}

/** `count` values of the key's column; each is evaluated by itself. */
export async function defaultKeyValues(
  connection: ServerConnection,
  table: string,
  { column, type }: Pick<RowsKey, 'column' | 'type'>,
  count: number,
): Promise<readonly (bigint | null)[]> {
  const columns = await defaultColumns(connection, { name: table, shown: null });
  const { expression } = columns.get(column)!;
  const { rows } = await query(
    connection,
    `SELECT (${expression})::pg_catalog.${type}::pg_catalog.int8 FROM pg_catalog.generate_series(1, ${count})`,
  );
  return rows.map(([value]) => (value == null ? null : BigInt(value)));
}

/** Values that a column gets by its default, as they are carried. */
export interface ColumnDefaults {
  readonly column: CarriedColumn;
  readonly values: readonly (Buffer | null)[];
}

/** So many values of each column as `counts` says; each is evaluated by itself. */
export async function defaultValues(
  connection: ServerConnection,
  table: DefaultTable,
  counts: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, ColumnDefaults>> {
  const columns = await defaultColumns(connection, table);
  const made = new Map<string, ColumnDefaults>();
  for (const [name, count] of counts) {
    const { expression, ...column } = columns.get(name)!;
    const stream = await openShardStream(connection, {
      sql: `SELECT (${expression})::${column.type} FROM pg_catalog.generate_series(1, ${count})`,
      parameters: NO_PARAMETERS,
      resultFormats: [carriedFormat(column.typeOid)],
    });
    const values: (Buffer | null)[] = [];
    for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
      for (const row of batch) values.push(columnAt(row, 0));
    }
    await stream.done;
    made.set(name, { column, values });
  }
  return made;
}

/** The columns of a DataRow body, all of them int8 in binary. */
export function integerKeys(row: Buffer, count: number): (bigint | null)[] {
  return Array.from({ length: count }, (_, i) => columnAt(row, i)?.readBigInt64BE() ?? null);
}

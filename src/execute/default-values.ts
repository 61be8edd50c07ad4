// Default values: what a column gets in rows that leave it out, evaluated before the rows are made.

import { quoteLiteral } from '../base/quote.ts';
import type { RowsKey } from '../plan/staged.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { columnAt } from '../wire/row.ts';

/** `table`: as SQL. `count` values of the key's column; each is evaluated by itself. */
export async function defaultValues(
  connection: ServerConnection,
  table: string,
  { column, type }: Pick<RowsKey, 'column' | 'type'>,
  count: number,
): Promise<readonly (bigint | null)[]> {
  const name = quoteLiteral(table);
  const { rows: defaults } = await query(
    connection,
    `SELECT CASE WHEN a.attidentity <> '' THEN pg_catalog.format('pg_catalog.nextval(%L)',
         pg_catalog.pg_get_serial_sequence(${name}, a.attname))
       ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
     FROM pg_catalog.pg_attribute a
     LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = ${name}::pg_catalog.regclass AND a.attname = ${quoteLiteral(column)}`,
  );
  const expression = defaults[0]?.[0] ?? 'NULL';
  const { rows } = await query(
    connection,
    `SELECT (${expression})::pg_catalog.${type}::pg_catalog.int8 FROM pg_catalog.generate_series(1, ${count})`,
  );
  return rows.map(([value]) => (value == null ? null : BigInt(value)));
}

/** The columns of a DataRow body, all of them int8 in binary. */
export function integerKeys(row: Buffer, count: number): (bigint | null)[] {
  return Array.from({ length: count }, (_, i) => columnAt(row, i)?.readBigInt64BE() ?? null);
}

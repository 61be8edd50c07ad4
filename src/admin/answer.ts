// Answers on the wire: a command's table as RowDescription and DataRows.

import type { Column, Table, Value } from '../commands/command.ts';
import { encodeDataRow, encodeRowDescription } from '../wire/row.ts';

/** pg_type's oid and typlen. */
const TYPES = {
  text: { oid: 25, size: -1 },
  int4: { oid: 23, size: 4 },
  int8: { oid: 20, size: 8 },
} as const;

/** `formats` as in Bind: none is text for all, one is for all. */
function formatAt(formats: readonly number[], column: number): number {
  return formats[formats.length === 1 ? 0 : column] ?? 0;
}

export function encodeColumns(columns: readonly Column[], formats: readonly number[]): Buffer {
  return encodeRowDescription(
    columns.map(({ name, type }, i) => ({
      name,
      tableOid: 0,
      columnNumber: 0,
      typeOid: TYPES[type].oid,
      typeSize: TYPES[type].size,
      typeModifier: -1,
      format: formatAt(formats, i),
    })),
  );
}

/** The DataRows. */
export function encodeRows({ columns, rows }: Table, formats: readonly number[]): Buffer[] {
  return rows.map((row) =>
    encodeDataRow(row.map((value, i) => encodeValue(value, columns[i]!, formatAt(formats, i)))),
  );
}

function encodeValue(value: Value, { type }: Column, format: number): Buffer | null {
  if (value === null) return null;
  if (format === 0 || type === 'text') return Buffer.from(String(value));
  const bytes = Buffer.alloc(TYPES[type].size);
  if (type === 'int4') bytes.writeInt32BE(Number(value));
  else bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

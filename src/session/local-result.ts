// Local results: answers the proxy makes itself, encoded as a server would send them.

import { formatAt } from '../execute/parameters.ts';
import { encodeDataRowBody, type FieldDescription } from '../wire/row.ts';

export interface LocalColumn {
  readonly name: string;
  readonly type: 'text' | 'int4';
}

export interface LocalResult {
  readonly columns: readonly LocalColumn[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** pg_type's oid and typlen. */
const TYPES = { text: { oid: 25, size: -1 }, int4: { oid: 23, size: 4 } } as const;

export function localFields(
  columns: readonly LocalColumn[],
  resultFormats: readonly number[],
): FieldDescription[] {
  return columns.map(({ name, type }, i) => ({
    name,
    tableOid: 0,
    columnNumber: 0,
    typeOid: TYPES[type].oid,
    typeSize: TYPES[type].size,
    typeModifier: -1,
    format: formatAt(resultFormats, i),
  }));
}

/** Its columns, and the bodies of its DataRows. */
export function encodeLocalResult(
  result: LocalResult,
  resultFormats: readonly number[],
): { readonly fields: readonly FieldDescription[]; readonly rows: readonly Buffer[] } {
  const fields = localFields(result.columns, resultFormats);
  const rows = result.rows.map((row) =>
    encodeDataRowBody(row.map((value, i) => encodeValue(value, fields[i]!.format))),
  );
  return { fields, rows };
}

function encodeValue(value: string | number | null, format: number): Buffer | null {
  if (value === null) return null;
  if (typeof value === 'string' || format === 0) return Buffer.from(String(value));
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

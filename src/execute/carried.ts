// Carried columns: values of rows that one server has given, as array parameters for another.

import { SqlError } from '../base/errors.ts';
import { FIRST_USER_OID } from '../base/oid.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { TYPE } from '../value/type-oid.ts';
import { decodeDataRow, type FieldDescription } from '../wire/row.ts';

/** Types whose binary form is the same on every server and that an array may hold. */
const BINARY: ReadonlySet<number> = new Set([
  ...Object.values(TYPE).filter((oid) => oid !== TYPE.unknown),
  ...[114, 600, 650, 774, 829, 869, 1266, 1560, 1562, 3802],
]);

/** 1: asked for and passed on in binary; 0: as text, which every type can be read from. */
export const carriedFormat = (typeOid: number): 0 | 1 => (BINARY.has(typeOid) ? 1 : 0);

export interface CarriedColumn {
  readonly typeOid: number;
  /** As SQL, without a modifier. */
  readonly type: string;
  /** The type of the column it goes to where only its text can be read; null: its own will do. */
  readonly readAs: string | null;
}

/** A value that nobody reads: its text, or its bytes in binary, given back as they came. */
export const shownColumn = (format: 0 | 1): CarriedColumn =>
  format === 1
    ? { typeOid: TYPE.bytea, type: 'pg_catalog.bytea', readAs: null }
    : { typeOid: TYPE.text, type: 'pg_catalog.text', readAs: null };

/** A number of the proxy's own behind what is carried: a row's position, or what is known of it. */
export const NUMBER: CarriedColumn = { typeOid: TYPE.int4, type: 'pg_catalog.int4', readAs: null };

export function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** Of rows of no type of their own, which no server can read. */
export const RECORD = 2249;

export const isUserType = (oid: number): boolean => oid >= FIRST_USER_OID;

/** Names of types as SQL, by the oids of the server that `connection` is to. */
export async function typeNames(
  connection: ServerConnection,
  oids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const wanted = [...new Set(oids)];
  if (wanted.length === 0) return new Map();
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.format_type(o, -1) FROM pg_catalog.unnest('{${wanted.join(',')}}'::pg_catalog.oid[])` +
      ' WITH ORDINALITY AS t (o, i) ORDER BY i',
  );
  return new Map(wanted.map((oid, i) => [oid, rows[i]![0]!]));
}

const TIMETZ = 1266;

/** Text of these depends on settings, by which it may lose digits or name a time zone ambiguously. */
const LOSSY_SQL = `(pg_catalog.current_setting('extra_float_digits')::int4 < 1
    OR pg_catalog.current_setting('DateStyle') NOT LIKE 'ISO%')
  AND t.typcategory IN ('A', 'C', 'R')
  AND NOT (t.typcategory = 'A' AND t.typelem < ${FIRST_USER_OID}
    AND t.typelem NOT IN (${[TYPE.float4, TYPE.float8, TYPE.timestamptz, TIMETZ].join(', ')}))`;

/** Throws 0A000 for values that the session's settings would change on the way. */
export async function checkExact(
  connection: ServerConnection,
  oids: readonly number[],
): Promise<void> {
  const asText = oids.filter((oid) => carriedFormat(oid) === 0);
  if (asText.length === 0) return;
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.format_type(t.oid, -1) FROM pg_catalog.pg_type t
      WHERE t.oid IN (${asText.join(', ')}) AND ${LOSSY_SQL}`,
  );
  const [lossy] = rows;
  if (lossy === undefined) return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported over several shards: writing values of type ${lossy[0]} that are computed first, with extra_float_digits below 1 or a DateStyle other than ISO`,
    hint: "SET extra_float_digits = 1 and DateStyle = 'ISO' first.",
  });
}

/** The columns of a query, as the server of `connection` describes them. Throws 0A000. */
export async function carriedColumns(
  connection: ServerConnection,
  fields: readonly FieldDescription[],
): Promise<readonly CarriedColumn[]> {
  const oids = fields.map(({ typeOid }) => typeOid);
  await checkExact(connection, oids);
  const names = await typeNames(connection, oids);
  return oids.map((typeOid) => ({ typeOid, type: names.get(typeOid)!, readAs: null }));
}

/**
 * Collations of columns, as SQL; null: their type's own. Throws 0A000 where one is not
 * known.
 */
export async function collationsOf(
  home: ServerConnection,
  fields: readonly FieldDescription[],
): Promise<readonly (string | null)[]> {
  const list = fields
    .map(
      ({ tableOid, columnNumber, typeOid }, i) =>
        `(${tableOid}, ${columnNumber}, ${typeOid}, ${i})`,
    )
    .join(', ');
  if (list === '') return [];
  const { rows } = await query(
    home,
    `SELECT t.typcollation = 0 OR a.attcollation = t.typcollation, a.attcollation IS NULL,
      pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname)
    FROM (VALUES ${list}) AS f (tab, col, typ, at)
    JOIN pg_catalog.pg_type t ON t.oid = f.typ::pg_catalog.oid
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = f.tab::pg_catalog.oid AND a.attnum = f.col
    LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace ORDER BY f.at`,
  );
  return rows.map(([isOwn, isUnknown, name]) => {
    if (isOwn === 't') return null;
    if (isUnknown === 't') throw unknownCollation();
    return name!;
  });
}

const unknownCollation = (): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'not supported over several shards: text that no table tells the collation of, carried from one part of a write to another',
    hint: 'Take it from columns of tables as they are, or send the parts as statements of their own, in one transaction.',
  });

/** Rows without a column are carried by one that nobody reads. */
const arrayColumns = (columns: readonly CarriedColumn[]): readonly CarriedColumn[] =>
  columns.length === 0 ? [shownColumn(0)] : columns;

/**
 * A query that gives the rows; `first`: the number of the first array's parameter. `collations`, as SQL:
 * null for a type's own.
 */
export function carriedSql(
  columns: readonly CarriedColumn[],
  first: number,
  collations: readonly (string | null)[] = [],
): string {
  const arrays = arrayColumns(columns).map((column, i) => arrayParameter(column, first + i));
  const names = arrays.map((_, i) => `c${i + 1}`);
  const values = carriedValues(columns).map((value, i) => {
    const collation = collations[i] ?? null;
    return collation === null ? value : `${value} COLLATE ${collation}`;
  });
  return `SELECT ${values.join(', ')} FROM ROWS FROM (${arrays
    .map((array) => `pg_catalog.unnest(${array})`)
    .join(', ')}) AS made (${names.join(', ')})`;
}

/** Each column of `made`, as what it is. */
export const carriedValues = (columns: readonly CarriedColumn[]): string[] =>
  columns.map((column, i) => carriedValue(column, `made.c${i + 1}`));

/** Its cast from text does not read what is written for none, `-`. */
const REGCLASS = 2205;

function carriedValue({ typeOid, type, readAs }: CarriedColumn, sql: string): string {
  if (readAs !== null) return `${sql}::${readAs}`;
  if (typeOid === REGCLASS) return `pg_catalog.regclassin(${sql}::pg_catalog.cstring)`;
  return carriedFormat(typeOid) === 1 ? sql : `${sql}::${type}`;
}

/** The rows as VALUES, in which each leaves the columns of its own `defaults`, 0-based, to DEFAULT. */
export function carriedValuesSql(
  columns: readonly CarriedColumn[],
  first: number,
  defaults: readonly ReadonlySet<number>[],
): string {
  const rows = defaults.map((own, row) => {
    const items = columns.map((column, i) => {
      if (own.has(i)) return 'DEFAULT';
      return carriedValue(column, `(${arrayParameter(column, first + i)})[${row + 1}]`);
    });
    return `(${items.join(', ')})`;
  });
  return `VALUES ${rows.join(', ')}`;
}

const arrayParameter = ({ typeOid, type }: CarriedColumn, number: number): string =>
  `$${number}::${carriedFormat(typeOid) === 1 ? type : 'pg_catalog.text'}[]`;

/** What the rows are called beside tables of the client's. */
export const CARRIED = '"drive.made"';

/** Their i-th column, 0-based. */
export const carriedName = (i: number): string => `"drive.${i + 1}"`;
export const carriedRef = (i: number): string => `${CARRIED}.${carriedName(i)}`;

/** The rows as a relation of that name. */
export function carriedRelation(
  columns: readonly CarriedColumn[],
  first: number,
  collations: readonly (string | null)[] = [],
): string {
  const names = columns.map((_, i) => carriedName(i)).join(', ');
  const list = names === '' ? '' : ` (${names})`;
  return `(${carriedSql(columns, first, collations)}) AS ${CARRIED}${list}`;
}

/** The arrays, in binary, of rows in the formats of `carriedFormat`. */
export function carriedArrays(
  columns: readonly CarriedColumn[],
  rows: readonly Buffer[],
): Buffer[] {
  const own = arrayColumns(columns);
  const values: (Buffer | null)[][] = own.map(() => []);
  for (const row of rows) {
    const items = decodeDataRow(row);
    for (const [i, column] of values.entries()) column.push(items[i] ?? null);
  }
  return values.map((column, i) => {
    const { typeOid } = own[i]!;
    return encodeArray(carriedFormat(typeOid) === 1 ? typeOid : TYPE.text, column);
  });
}

const ARRAY_HEADER_BYTES = 20;

/** A one-dimensional array. Source: array_recv() of arrayfuncs.c. */
function encodeArray(elementOid: number, values: readonly (Buffer | null)[]): Buffer {
  let bytes = ARRAY_HEADER_BYTES;
  for (const value of values) bytes += 4 + (value?.length ?? 0);
  const array = Buffer.allocUnsafe(bytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(values.includes(null) ? 1 : 0, 4);
  array.writeUInt32BE(elementOid, 8);
  array.writeInt32BE(values.length, 12);
  array.writeInt32BE(1, 16);
  let at = ARRAY_HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(value?.length ?? -1, at);
    at += 4;
    if (value === null) continue;
    value.copy(array, at);
    at += value.length;
  }
  return array;
}

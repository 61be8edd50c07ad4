// RowSet: rows that a query has given, to be written to the shards of their keys.

import { SqlError } from '../base/errors.ts';
import { MERGE_ROW_OVERHEAD_BYTES } from '../base/limits.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { RowsKey, WrittenTable } from '../plan/staged.ts';
import { refused } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Placement } from '../topology/placement.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { TYPE } from '../value/type-oid.ts';
import { columnAt, type FieldDescription } from '../wire/row.ts';
import {
  type CarriedColumn,
  carriedArrays,
  carriedColumns,
  carriedFormat,
  carriedSql,
  carriedValues,
} from './carried.ts';
import { openShardStream } from './shard-stream.ts';

/** Rows that are written, by their keys and shards. */
export interface GivenRows {
  readonly rowShards: readonly number[];
  readonly rowKeys: readonly (bigint | null)[];
}

export interface RowSetOptions {
  /** What becomes of more rows than it may hold. */
  readonly overflow?: 'throw' | 'stop';
  /** Of rows with one identity the first is kept. */
  readonly identityOf?: (row: Buffer) => string;
}

/** Rows gathered up to a bound. */
export class RowSet {
  readonly rows: Buffer[] = [];
  bytes = 0;
  /** There are more rows than it may hold, and `overflow` says that this is no error. */
  isFull = false;
  readonly #bytesMax: number;
  readonly #options: RowSetOptions;
  readonly #identities = new Set<string>();

  constructor(bytesMax: number, options: RowSetOptions = {}) {
    this.#bytesMax = bytesMax;
    this.#options = options;
  }

  /** DataRow bodies, kept. Throws 53400. */
  add(rows: readonly Buffer[]): void {
    for (const row of rows) {
      if (!this.#isNew(row)) continue;
      this.bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
      this.rows.push(row);
    }
    if (this.bytes <= this.#bytesMax) return;
    this.isFull = true;
    if (this.#options.overflow === 'stop') return;
    throw tooManyRows(this.#bytesMax);
  }

  #isNew(row: Buffer): boolean {
    const identity = this.#options.identityOf?.(row);
    if (identity === undefined) return true;
    if (this.#identities.has(identity)) return false;
    this.#identities.add(identity);
    this.bytes += identity.length;
    return true;
  }
}

export function tooManyRows(bytesMax: number): SqlError {
  return new SqlError({
    code: SQLSTATE.configurationLimitExceeded,
    message: `the rows to be written take more than ${bytesMax} bytes`,
    hint: 'Write fewer rows with one statement, or make merge.bytesMax larger.',
  });
}

export function returnsTooMuch(bytesMax: number): SqlError {
  return new SqlError({
    code: SQLSTATE.configurationLimitExceeded,
    message: `the rows of RETURNING take more than ${bytesMax} bytes`,
    hint: 'Write fewer rows with one statement, or make merge.bytesMax larger.',
  });
}

/** How rows are carried to a table's shards. */
export interface Carriage {
  readonly columns: readonly CarriedColumn[];
  /** One statement a shard, because what it does depends on all of its rows. */
  readonly whole: boolean;
}

/** `fields`: as the server of `home` describes them; `given`: the target columns' names. */
export async function carriageOf(
  home: ServerConnection,
  fields: readonly FieldDescription[],
  table: WrittenTable,
  given: readonly string[] | null,
): Promise<Carriage> {
  const own = await carriedColumns(home, fields);
  const { rows: targets } = await query(home, targetsSql(table.name));
  const columns = own.map((column, i): CarriedColumn => {
    const name = given?.[i];
    const target = name === undefined ? targets[i] : targets.find(([each]) => each === name);
    // Text that the server takes for a column of another type was an unknown literal.
    const isRead = column.typeOid === TYPE.text && target !== undefined && target[2] !== 't';
    return { ...column, readAs: isRead ? target[1]! : null };
  });
  return { columns, whole: targets.some((target) => target[3] === 't') };
}

/** Types of a table's columns as SQL, without modifiers, by name. */
export async function columnTypes(
  connection: ServerConnection,
  table: string,
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await query(connection, targetsSql(table));
  return new Map(rows.map(([name, type]) => [name!, type!]));
}

/** Name, type, whether it is a string, and whether the table looks at a statement as a whole. */
const targetsSql = (name: string) => `
  SELECT a.attname, pg_catalog.format_type(a.atttypid, -1), t.typcategory = 'S',
    EXISTS (SELECT FROM pg_catalog.pg_trigger g
      WHERE g.tgrelid = a.attrelid AND NOT g.tgisinternal AND g.tgtype & 1 = 0)
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint c
      WHERE c.conrelid = a.attrelid AND c.confrelid = a.attrelid AND c.contype = 'f')
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = ${quoteLiteral(name)}::pg_catalog.regclass AND a.attnum > 0
    AND NOT a.attisdropped ORDER BY a.attnum`;

/** The key and the shard of each row. */
export async function placesOfRows(
  home: ServerConnection,
  rows: readonly Buffer[],
  columns: readonly CarriedColumn[],
  key: RowsKey,
  placement: Placement,
): Promise<GivenRows> {
  const none = rows.map(() => null);
  if (key.index === null) return { rowKeys: none, rowShards: rows.map(() => HOME_SHARD) };
  // Without a list of columns a SELECT may give fewer than the table has: the others are defaults.
  if (key.index >= columns.length) {
    if (key.hasDefault || columns.length === 0) throw new SqlError(refused('insertDefault'));
    return { rowKeys: none, rowShards: rows.map(() => shardOfKey(null, key, placement)) };
  }
  const keys = await keysOfRows(home, rows, columns, key.index, key.type);
  return { rowKeys: keys, rowShards: keys.map((value) => shardOfKey(value, key, placement)) };
}

/** The rows with these keys as one more column. */
export function withKeys(
  carriage: Carriage,
  rows: readonly Buffer[],
  keys: readonly (bigint | null)[],
  key: RowsKey,
  placement: Placement,
): GivenRows & { readonly rows: readonly Buffer[]; readonly carriage: Carriage } {
  const own = { typeOid: TYPE.int8, type: 'pg_catalog.int8', readAs: null };
  return {
    rows: rows.map((row, i) => withInteger(row, keys[i] ?? null)),
    carriage: { ...carriage, columns: [...carriage.columns, own] },
    rowKeys: keys,
    rowShards: keys.map((value) => shardOfKey(value, key, placement)),
  };
}

/** A DataRow body with one more column, an int8. */
function withInteger(row: Buffer, value: bigint | null): Buffer {
  const body = Buffer.allocUnsafe(row.length + (value === null ? 4 : 12));
  row.copy(body);
  body.writeUInt16BE(row.readUInt16BE(0) + 1, 0);
  body.writeInt32BE(value === null ? -1 : 8, row.length);
  if (value !== null) body.writeBigInt64BE(value, row.length + 4);
  return body;
}

/** A row that no server will take goes to home, which says so. */
export function shardOfKey(value: bigint | null, key: RowsKey, placement: Placement): number {
  if (value !== null) return placement.shardOf(value);
  if (key.notNull) return HOME_SHARD;
  throw new SqlError(refused('insertDefault'));
}

const INTEGERS: ReadonlySet<number> = new Set([TYPE.int2, TYPE.int4, TYPE.int8]);

/** What is no integer yet becomes one as PostgreSQL assigns it to the key's column. */
async function keysOfRows(
  home: ServerConnection,
  rows: readonly Buffer[],
  columns: readonly CarriedColumn[],
  index: number,
  type: RowsKey['type'],
): Promise<readonly (bigint | null)[]> {
  const column = columns[index]!;
  if (INTEGERS.has(column.typeOid)) return rows.map((row) => integerOf(columnAt(row, index)));
  const own = [column];
  const only = rows.map((row) => oneColumn(columnAt(row, index)));
  const stream = await openShardStream(home, {
    sql: `SELECT (${carriedValues(own)[0]})::pg_catalog.${type}::pg_catalog.int8 FROM (${carriedSql(
      [{ ...column, readAs: null }],
      1,
    )}) AS made (c1)`,
    parameters: { values: carriedArrays(own, only), formats: [1], types: [0] },
    resultFormats: [1],
  });
  const keys: (bigint | null)[] = [];
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    for (const row of batch) keys.push(integerOf(columnAt(row, 0)));
  }
  await stream.done;
  return keys;
}

/** Of an int2, int4 or int8 in binary. */
export function integerOf(value: Buffer | null): bigint | null {
  if (value === null) return null;
  if (value.length === 8) return value.readBigInt64BE();
  return BigInt(value.length === 4 ? value.readInt32BE() : value.readInt16BE());
}

const INTEGER_BYTES: { readonly [type in RowsKey['type']]: number } = { int2: 2, int4: 4, int8: 8 };

/** The same back; the value fits. */
export function integerBytes(value: bigint | null, type: RowsKey['type']): Buffer | null {
  if (value === null) return null;
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes.subarray(8 - INTEGER_BYTES[type]);
}

/** A DataRow body of one column. */
function oneColumn(value: Buffer | null): Buffer {
  const body = Buffer.allocUnsafe(6 + (value?.length ?? 0));
  body.writeUInt16BE(1, 0);
  body.writeInt32BE(value?.length ?? -1, 2);
  value?.copy(body, 6);
  return body;
}

/** The formats in which rows of these columns are to be asked for. */
export const carriedFormats = (fields: readonly FieldDescription[]): number[] =>
  fields.map(({ typeOid }) => carriedFormat(typeOid));

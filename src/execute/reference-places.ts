// Reference places: where rows of a reference table lie on its copies, when nothing keeps rows apart.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { PLACE } from '../plan/engine-plan.ts';
import { exactRow } from '../plan/exact-row.ts';
import type { WrittenTable } from '../plan/staged.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { TYPE } from '../value/type-oid.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import {
  type CarriedColumn,
  carriedArrays,
  carriedFormat,
  carriedRef,
  carriedRelation,
  NUMBER,
  numberBytes,
} from './carried.ts';
import type { ModifiedTable } from './modified-table.ts';
import { differs } from './reference-write.ts';
import { RowSet } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import type { Transaction } from './transaction.ts';

/** Each copy has the rows that are found at places of its own. */
export const liesApart = ({ kind }: WrittenTable, { foundBy }: ModifiedTable): boolean =>
  kind === 'reference' && foundBy === 'place';

/**
 * Locks all copies of the table against whoever writes it, the home shard's first, where every writer begins. Behind
 * that the copies hold the same rows, also where a commit was not yet known everywhere, and keep them.
 */
export async function lockCopies(
  transaction: Transaction,
  shards: readonly number[],
  table: string,
): Promise<void> {
  for (const shard of shards) {
    // Not by a lesser lock: who has locked a row may go on to change it, and would wait for this statement.
    await query(await transaction.enlist(shard), `LOCK TABLE ${table} IN EXCLUSIVE MODE`);
  }
}

/** A row's PLACE. */
export type RowPlace = readonly (Buffer | null)[];

interface PlacedRows {
  readonly transaction: Transaction;
  readonly merge: { readonly target: string; readonly table: WrittenTable };
  /** How a PLACE is carried. */
  readonly identity: readonly CarriedColumn[];
  /** As the home shard has them, each once. */
  readonly places: readonly RowPlace[];
  readonly bytesMax: number;
}

/** The places of the same rows on another shard, in the same order. */
export type PlacesOn = (shard: number) => Promise<readonly RowPlace[]>;

/**
 * A row is known by all of its values, and of equal rows any is as good as another: as many are taken. Asked before
 * anything is written, of a table whose copies are locked. Throws 0A000 for rows of child tables, of which the
 * table tells a part, XX001 where copies differ, and 53400 for more than `bytesMax`.
 */
export async function placesOnCopies(rows: PlacedRows): Promise<PlacesOn> {
  if (rows.places.length === 0) return async () => [];
  const home = await rows.transaction.enlist(HOME_SHARD);
  await checkChildless(home, rows.merge);
  const texts = await textsAtHome(home, rows);
  const numbers = occurrences(texts);
  return async (shard) => {
    const connection = await rows.transaction.enlist(shard);
    return placesByText(connection, rows, texts, numbers);
  };
}

async function checkChildless(
  home: ServerConnection,
  { target, table: { name } }: PlacedRows['merge'],
): Promise<void> {
  if (/^only\b/i.test(target)) return;
  const table = `${quoteLiteral(name)}::pg_catalog.regclass`;
  const { rows } = await query(
    home,
    `SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits h ON h.inhparent = c.oid
      WHERE c.oid = ${table} AND c.relkind <> 'p' LIMIT 1`,
  );
  if (rows.length === 0) return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported without a primary key: writing rows of the reference table ${name} that are computed first`,
    detail: 'Other tables inherit from it, and rows of these have more than its columns.',
    hint: 'Write ONLY the table, then each of these by itself.',
  });
}

/** How many equal ones stand before each, from 1 on. */
function occurrences(texts: readonly Buffer[]): readonly number[] {
  const counts = new Map<string, number>();
  return texts.map((bytes) => {
    const text = bytes.toString('latin1');
    const count = (counts.get(text) ?? 0) + 1;
    counts.set(text, count);
    return count;
  });
}

const TEXT: CarriedColumn = { typeOid: TYPE.text, type: 'pg_catalog.text', readAs: null };

/** Each row as text. */
async function textsAtHome(
  home: ServerConnection,
  { merge, identity, places, bytesMax }: PlacedRows,
): Promise<readonly Buffer[]> {
  const { alias, name } = merge.table;
  const same = PLACE.map((column, i) => `${alias}.${column} = ${carriedRef(i)}`);
  const columns = [...identity, NUMBER];
  const given = places.map((place, i) => encodeDataRowBody([...place, numberBytes(i)]));
  const texts: Buffer[] = [];
  const sql =
    `SELECT ${carriedRef(identity.length)}, ${exactRow(alias, name)}` +
    ` FROM ${merge.target}, ${carriedRelation(columns, 1)} WHERE ${same.join(' AND ')}`;
  for (const [i, text] of await read(home, {
    sql,
    columns,
    given,
    resultFormats: [1, 0],
    bytesMax,
  })) {
    texts[i!.readInt32BE()] = text!;
  }
  return texts;
}

async function placesByText(
  connection: ServerConnection,
  { merge, identity, places, bytesMax }: PlacedRows,
  texts: readonly Buffer[],
  numbers: readonly number[],
): Promise<readonly RowPlace[]> {
  const { alias, name } = merge.table;
  const columns = [NUMBER, TEXT, NUMBER];
  const given = texts.map((text, i) =>
    encodeDataRowBody([numberBytes(i), text, numberBytes(numbers[i]!)]),
  );
  const place = PLACE.map((column) => `${alias}.${column}`).join(', ');
  const wanted = 'SELECT pg_catalog.unnest($2::pg_catalog.text[])';
  const sql =
    `SELECT ${[carriedRef(0), ...PLACE.map((_, i) => `"drive.p${i}"`)].join(', ')}` +
    ` FROM (SELECT *, pg_catalog.row_number() OVER (PARTITION BY "drive.row") AS "drive.nth"` +
    ` FROM (SELECT ${place}, ${exactRow(alias, name)} FROM ${merge.target})` +
    ` AS "drive.all" (${PLACE.map((_, i) => `"drive.p${i}"`).join(', ')}, "drive.row")` +
    ` WHERE "drive.row" IN (${wanted})) AS "drive.own"` +
    ` JOIN ${carriedRelation(columns, 1)}` +
    ` ON "drive.row" = ${carriedRef(1)} AND "drive.nth" = ${carriedRef(2)}`;
  const found: RowPlace[] = [];
  let count = 0;
  const resultFormats = [1, ...identity.map(({ typeOid }) => carriedFormat(typeOid))];
  const asked = { sql, columns, given, resultFormats, bytesMax };
  for (const [i, ...own] of await read(connection, asked)) {
    found[i!.readInt32BE()] = own;
    count += 1;
  }
  if (count === places.length) return found;
  throw differs(connection.shard.id, `SELECT ${count}`, `SELECT ${places.length}`);
}

interface CarriedQuery {
  readonly sql: string;
  readonly columns: readonly CarriedColumn[];
  /** Of the columns, DataRow bodies. */
  readonly given: readonly Buffer[];
  readonly resultFormats: readonly number[];
  readonly bytesMax: number;
}

/** Rows of a query over others that are carried to it. */
async function read(
  connection: ServerConnection,
  { sql, columns, given, resultFormats, bytesMax }: CarriedQuery,
): Promise<readonly RowPlace[]> {
  const parameters = {
    values: carriedArrays(columns, given),
    formats: [1],
    types: columns.map(() => 0),
  };
  const stream = await openShardStream(connection, { sql, parameters, resultFormats });
  const set = new RowSet(bytesMax);
  try {
    for (let rows = await stream.next(); rows !== null; rows = await stream.next()) set.add(rows);
  } finally {
    await stream.discard();
  }
  return set.rows.map(decodeDataRow);
}

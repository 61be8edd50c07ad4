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
 * anything is written, of a table whose copies are locked. Throws 0A000 for child tables with policies of their own,
 * XX001 where copies differ, and 53400 for more than `bytesMax`.
 */
export async function placesOnCopies(rows: PlacedRows): Promise<PlacesOn> {
  if (rows.places.length === 0) return async () => [];
  const home = await rows.transaction.enlist(HOME_SHARD);
  const all = await rowsSql(home, rows.merge);
  const texts = await textsAtHome(home, rows, all);
  const numbers = occurrences(texts);
  return async (shard) => {
    const connection = await rows.transaction.enlist(shard);
    return placesByText(connection, rows, all, { texts, numbers });
  };
}

/** All rows by their places and as text; those of tables that inherit from it have more than its columns. */
async function rowsSql(
  home: ServerConnection,
  { target, table: { name, alias } }: PlacedRows['merge'],
): Promise<string> {
  const placeOf = (row: string) => PLACE.map((column) => `${row}.${column}`).join(', ');
  const children = /^only\b/i.test(target) ? [] : await childrenOf(home, name);
  if (children.length === 0) {
    return `SELECT ${placeOf(alias)}, ${exactRow(alias, name)} FROM ${target}`;
  }
  const own = [name, ...children].map(
    (table) =>
      `SELECT ${placeOf('t')}, ${quoteLiteral(table)} || ${exactRow('t', table)} FROM ONLY ${table} AS t`,
  );
  return own.join(' UNION ALL ');
}

/** The tables that inherit from it, directly or not, but for partitions; qualified and quoted. */
async function childrenOf(home: ServerConnection, table: string): Promise<readonly string[]> {
  const { rows } = await query(
    home,
    `WITH RECURSIVE own (oid) AS (SELECT ${quoteLiteral(table)}::pg_catalog.regclass::pg_catalog.oid UNION
        SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN own ON own.oid = h.inhparent)
      SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relrowsecurity
      FROM own JOIN pg_catalog.pg_class c ON c.oid = own.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid <> ${quoteLiteral(table)}::pg_catalog.regclass AND NOT c.relispartition`,
  );
  if (rows.some(([, hasPolicies]) => hasPolicies === 't')) {
    throw new SqlError({
      code: SQLSTATE.featureNotSupported,
      message: `not supported without a primary key: writing rows of the reference table ${table} that are computed first`,
      detail:
        'Tables with row level security inherit from it, whose rows are looked for by themselves.',
      hint: 'Write ONLY the table, then each of these by itself.',
    });
  }
  return rows.map(([name]) => name!);
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

/** What rowsSql() gives is called. */
const PLACE_NAMES = PLACE.map((_, i) => `"drive.p${i}"`);
const ALL_NAMES = `AS "drive.all" (${PLACE_NAMES.join(', ')}, "drive.row")`;

const TEXT: CarriedColumn = { typeOid: TYPE.text, type: 'pg_catalog.text', readAs: null };

/** Each row as text. */
async function textsAtHome(
  home: ServerConnection,
  { identity, places, bytesMax }: PlacedRows,
  all: string,
): Promise<readonly Buffer[]> {
  const same = PLACE_NAMES.map((place, i) => `${place} = ${carriedRef(i)}`);
  const columns = [...identity, NUMBER];
  const given = places.map((place, i) => encodeDataRowBody([...place, numberBytes(i)]));
  const texts: Buffer[] = [];
  const sql =
    `SELECT ${carriedRef(identity.length)}, "drive.row"` +
    ` FROM (${all}) ${ALL_NAMES}, ${carriedRelation(columns, 1)} WHERE ${same.join(' AND ')}`;
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
  { identity, places, bytesMax }: PlacedRows,
  all: string,
  { texts, numbers }: { readonly texts: readonly Buffer[]; readonly numbers: readonly number[] },
): Promise<readonly RowPlace[]> {
  const columns = [NUMBER, TEXT, NUMBER];
  const given = texts.map((text, i) =>
    encodeDataRowBody([numberBytes(i), text, numberBytes(numbers[i]!)]),
  );
  const wanted = 'SELECT pg_catalog.unnest($2::pg_catalog.text[])';
  const sql =
    `SELECT ${[carriedRef(0), ...PLACE_NAMES].join(', ')}` +
    ` FROM (SELECT *, pg_catalog.row_number() OVER (PARTITION BY "drive.row") AS "drive.nth"` +
    ` FROM (${all}) ${ALL_NAMES} WHERE "drive.row" IN (${wanted})) AS "drive.own"` +
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

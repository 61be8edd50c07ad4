// Copy oids: the numbers of the engine's copies, as those of the tables whose rows they hold.

import { quoteLiteral } from '../../base/quote.ts';
import type { EngineLeaf } from '../../plan/plan.ts';
import { query } from '../../pool/query.ts';
import { carryingTypes, rowTo } from '../../pool/renumber.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { BUILT_IN_CARRIERS, type OidMapping } from '../../topology/shard-oids.ts';
import { isUserType } from '../carried.ts';
import { formatAt } from '../parameters.ts';

/** A cursor over the copies, which have been made, then tells their tables. Rejects with the server's error. */
export async function oidsOfCopies(
  engine: ServerConnection,
  leaves: readonly EngineLeaf[],
): Promise<OidMapping> {
  const tables = new Map<number, number>();
  const columns = new Map<number, ReadonlyMap<number, number>>();
  const types = new Map<number, number>();
  const carriers = new Map(BUILT_IN_CARRIERS);
  for (const [i, { table }] of leaves.entries()) {
    const { rows } = await query(engine, numbersSql(`pg_temp.drive_leaf_${i + 1}`, table));
    const [text] = rows[0]!;
    const { copy, own, places } = JSON.parse(text!) as Numbers;
    tables.set(copy.table, own.table);
    columns.set(copy.table, new Map(places));
    types.set(copy.row, own.row).set(copy.rows, own.rows);
    carriers.set(own.row, { kind: 'composite' }).set(own.rows, { kind: 'array' });
  }
  return { tables, columns, types, typesThere: new Map(), carriers };
}

/** The columns of a result. */
export interface ToldColumns {
  /** As the client is told. */
  readonly resultTypes: readonly number[];
  readonly resultFormats: readonly number[];
}

/**
 * A row with the copies' numbers, in what is in binary of it, as one with the tables'. null: there can be none of
 * theirs. Rejects as `oidsOfCopies` does.
 */
export async function toldRows(
  engine: ServerConnection,
  leaves: readonly EngineLeaf[],
  { resultTypes, resultFormats }: ToldColumns,
): Promise<((row: Buffer) => Buffer) | null> {
  const binary = resultTypes.map((type, i) => (formatAt(resultFormats, i) === 1 ? type : 0));
  if (!binary.some((type) => isUserType(type) || BUILT_IN_CARRIERS.has(type))) return null;
  const mapping = await oidsOfCopies(engine, leaves);
  const carrying = carryingTypes(mapping, binary);
  return carrying === null ? null : (row) => rowTo('home', mapping, row, carrying);
}

interface Relation {
  readonly table: number;
  /** The type of its rows, and of arrays of them. */
  readonly row: number;
  readonly rows: number;
}

interface Numbers {
  readonly copy: Relation;
  readonly own: Relation;
  /** Of each column of the copy: its number there, and in the table. */
  readonly places: readonly (readonly [number, number])[];
}

function numbersSql(copy: string, table: string): string {
  const relation = (name: string) => `
    (SELECT pg_catalog.json_build_object(
       'table', c.oid::pg_catalog.int8, 'row', t.oid::pg_catalog.int8, 'rows', t.typarray::pg_catalog.int8)
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type t ON t.oid = c.reltype
     WHERE c.oid = ${quoteLiteral(name)}::pg_catalog.regclass)`;
  return `SELECT pg_catalog.json_build_object('copy', ${relation(copy)}, 'own', ${relation(table)},
    'places', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, o.attnum))
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attribute o USING (attname)
      WHERE a.attrelid = ${quoteLiteral(copy)}::pg_catalog.regclass AND a.attnum > 0
        AND o.attrelid = ${quoteLiteral(table)}::pg_catalog.regclass AND o.attnum > 0))`;
}

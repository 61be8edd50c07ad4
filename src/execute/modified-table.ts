// Modified table: what is to be known of a table whose rows are found again by what is unique in them.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { PLACE } from '../plan/engine-plan.ts';
import type { WrittenTable } from '../plan/staged.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { CarriedColumn } from './carried.ts';

export interface ModifiedTable {
  /** Unquoted, in the table's order; generated ones are left out. */
  readonly columns: readonly ModifiedColumn[];
  /** The same with those that are generated. */
  readonly all: readonly ModifiedColumn[];
  /** The names of all its columns, unquoted. */
  readonly names: readonly string[];
  /**
   * The columns by which a row is found again, and that of the sharding key: those of the primary key, or others
   * that no two rows share. Without any, its PLACE.
   */
  readonly identity: readonly string[];
  /** By what. A row that others change keeps its key, and has another place. */
  readonly foundBy: 'key' | 'place';
  /** The columns among them that are unique, and by which constraint if that holds at once. */
  readonly unique: { readonly columns: number; readonly constraint: string | null };
  /** Types with their modifiers and collations, as SQL, by the column's name. */
  readonly exactTypes: ReadonlyMap<string, string>;
  /** What columns are generated as, in the names of others, by their own. */
  readonly generated: ReadonlyMap<string, string>;
  /** A row may become something else than it is updated to: by triggers, or as a view shows it. */
  readonly changesBeside: boolean;
  /** A row of it may be deleted on one shard and inserted on another in place of an update. */
  readonly movable: boolean;
}

export interface ModifiedColumn extends CarriedColumn {
  readonly name: string;
}

/** Throws 0A000 where nothing tells its rows on several servers apart. */
export async function modifiedTable(
  home: ServerConnection,
  { name: table, shown }: Pick<WrittenTable, 'name' | 'shown'>,
  keyColumn: string | null,
): Promise<ModifiedTable> {
  const { rows: own } = await query(home, columnsSql(table));
  const rows = shown === null ? own : await shownRows(home, table, own, shown);
  const unique = rows.filter(([, , isUnique]) => isUnique === 't').map(([name]) => name!);
  const foundBy = unique.length > 0 ? 'key' : 'place';
  // A temporary one, which the planner does not know. Its rows have no places.
  if (foundBy === 'place' && own[0]?.[10] === 't') throw viewWithoutKey(table);
  const beside = keyColumn === null || unique.includes(keyColumn) ? [] : [keyColumn];
  const all = rows.map(
    ([name, type, , , , oid]): ModifiedColumn => ({
      name: name!,
      type: type!,
      typeOid: Number(oid),
      readAs: null,
    }),
  );
  return {
    columns: all.filter((_, i) => rows[i]![3] !== 't'),
    all,
    names: rows.map(([name]) => name!),
    identity: [...(foundBy === 'key' ? unique : PLACE), ...beside],
    foundBy,
    unique: { columns: unique.length, constraint: rows[0]?.[6] ?? null },
    exactTypes: new Map(rows.map((row) => [row[0]!, row[7]!])),
    generated: new Map(rows.flatMap((row) => (row[8] == null ? [] : [[row[0]!, row[8]] as const]))),
    changesBeside: rows[0]?.[9] === 't',
    movable: rows[0]?.[4] === 't',
  };
}

/** The same, whose rows are to be found as they are: one that others change is another. */
export const foundByPlace = (table: ModifiedTable, keyColumn: string | null): ModifiedTable => ({
  ...table,
  identity: [...PLACE, ...(keyColumn === null ? [] : [keyColumn])],
  foundBy: 'place',
  unique: { columns: 0, constraint: null },
});

const viewWithoutKey = (view: string): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: writing rows of the view ${view} that are computed first`,
    detail: 'It does not show the primary key of its table, or that has none.',
    hint: 'Write the table of the view itself.',
  });

type Rows = Awaited<ReturnType<typeof query>>['rows'];

/** With what is unique in the table that a view shows. Throws 0A000 where the view does not show that. */
async function shownRows(
  home: ServerConnection,
  view: string,
  rows: Rows,
  { name: table, columns }: NonNullable<WrittenTable['shown']>,
): Promise<Rows> {
  const { rows: facts } = await query(home, columnsSql(table));
  const unique = facts
    .filter(([, , isUnique]) => isUnique === 't')
    .map(([name]) => columns.get(name!));
  if (unique.length === 0 || unique.includes(undefined)) throw viewWithoutKey(view);
  const given = facts.flatMap(([name, , , isGenerated]) => (isGenerated === 't' ? [] : [name!]));
  const shown = new Set(given.map((name) => columns.get(name)));
  // A row that the view shows but a part of cannot be made again by it.
  const isWhole = facts[0]?.[4] === 't' && !shown.has(undefined);
  return rows.map((row) => {
    const [name, , , , isMovable] = row;
    return row
      .with(2, unique.includes(name!) ? 't' : 'f')
      .with(3, shown.has(name!) ? 'f' : 't')
      .with(4, isMovable === 't' && isWhole ? 't' : 'f')
      .with(9, 't');
  });
}

/** Bits of pg_trigger.tgtype. Source: pg_trigger.h. */
const BEFORE_ROW_UPDATE = 1 | 2 | 16;

/**
 * Unique: the primary key's columns, else those of the first UNIQUE constraint that holds at once and
 * takes no NULL; none where rows of child tables could have the same values. Not movable, of it or its partitions: triggers, which would fire for a DELETE and an
 * INSERT; foreign keys that would act on a DELETE; row level security; tables that inherit from it.
 */
const columnsSql = (table: string) => `
  SELECT a.attname, pg_catalog.format_type(a.atttypid, -1),
    coalesce(a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]), false),
    a.attgenerated <> '',
    NOT ((SELECT pg_catalog.bool_or(p.relrowsecurity)
        FROM pg_catalog.pg_class p WHERE p.oid = ANY (own.oids))
      OR EXISTS (SELECT FROM pg_catalog.pg_trigger g
        WHERE g.tgrelid = ANY (own.oids) AND NOT g.tgisinternal AND g.tgenabled <> 'D')
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
        WHERE k.confrelid = ANY (own.oids) AND k.contype = 'f'
          AND (k.confupdtype NOT IN ('a', 'r') OR k.confdeltype NOT IN ('a', 'r')))
      OR (c.relkind <> 'p'
        AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid))),
    a.atttypid::pg_catalog.int8, CASE WHEN NOT i.condeferrable THEN i.conname END,
    pg_catalog.format_type(a.atttypid, a.atttypmod) || coalesce((
      SELECT pg_catalog.format(' COLLATE %I.%I', n.nspname, l.collname)
      FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      WHERE l.oid = a.attcollation AND a.attcollation <> t.typcollation), ''),
    CASE WHEN a.attgenerated <> '' THEN (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum) END,
    EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = ANY (own.oids)
      AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & ${BEFORE_ROW_UPDATE} = ${BEFORE_ROW_UPDATE}),
    c.relkind = 'v'
  FROM pg_catalog.pg_class c
  CROSS JOIN LATERAL (SELECT c.oid || ARRAY(
    SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(c.oid)) AS oids) AS own
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN LATERAL (
    SELECT i.indkey, i.indnkeyatts, u.conname, u.condeferrable
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_constraint u ON u.conindid = i.indexrelid
    WHERE i.indrelid = c.oid AND u.conrelid = c.oid AND (c.relkind = 'p' OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid))
      AND (u.contype = 'p' OR (u.contype = 'u' AND NOT u.condeferrable AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute k WHERE k.attrelid = c.oid AND NOT k.attnotnull
          AND k.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]))))
    ORDER BY u.contype, i.indexrelid LIMIT 1
  ) AS i ON true
  WHERE c.oid = ${quoteLiteral(table)}::pg_catalog.regclass ORDER BY a.attnum`;

/** Why the key of a row cannot be set to that of another shard. */
export function immovable(
  table: string,
  detail: string,
  hint = 'Delete the row and insert it with the new key.',
): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: UPDATE that moves rows of ${table} to other shards`,
    detail,
    hint,
  });
}

// With watch: what of a server's schema would react to one part of a WITH before the others have run.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import type { WithWatch } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { FieldDescription } from '../wire/row.ts';

const oids = (names: readonly string[]) =>
  `ARRAY[${names.map((name) => `pg_catalog.to_regclass(${quoteLiteral(name)})`).join(', ')}]::pg_catalog.oid[]`;

/**
 * True where a trigger or rule may change what later parts read, a foreign key ties the table to one
 * that they write, or they name it by a view or by inheritance.
 */
export async function reactsTo(
  home: ServerConnection,
  { table, inserts, reads, writes }: WithWatch,
): Promise<boolean> {
  const { rows } = await query(
    home,
    `WITH RECURSIVE w AS (SELECT pg_catalog.to_regclass(${quoteLiteral(table)})::pg_catalog.oid AS oid,
        ${oids(reads)} AS reads, ${oids([...reads, ...writes])} AS later),
      family AS (SELECT oid FROM w UNION
        SELECT CASE WHEN i.inhparent = f.oid THEN i.inhrelid ELSE i.inhparent END
        FROM family f JOIN pg_catalog.pg_inherits i ON f.oid IN (i.inhparent, i.inhrelid)),
      own AS (SELECT f.oid FROM family f)
    SELECT pg_catalog.cardinality(w.reads) > 0 AND (
        EXISTS (SELECT FROM pg_catalog.pg_trigger g JOIN own ON g.tgrelid = own.oid
          WHERE NOT g.tgisinternal AND g.tgenabled <> 'D')
        OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = w.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = ANY (w.reads) AND c.relkind IN ('v', 'm')))
      OR EXISTS (SELECT FROM own WHERE own.oid <> w.oid AND own.oid = ANY (w.later))
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN own ON k.conrelid = own.oid
        WHERE k.contype = 'f' AND k.confrelid = ANY (w.later) AND k.confrelid <> k.conrelid)
      OR ${!inserts} AND EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN own ON k.confrelid = own.oid
        WHERE k.contype = 'f' AND (k.conrelid = ANY (w.later)
          OR k.confupdtype NOT IN ('a', 'r') OR k.confdeltype NOT IN ('a', 'r')))
    FROM w`,
  );
  return rows[0]?.[0] === 't';
}

/** Collations of columns, as SQL; null: their type's own. Throws 0A000 where one is not known. */
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
    if (isUnknown === 't') throw new SqlError(severalShards('writingWith'));
    return name!;
  });
}

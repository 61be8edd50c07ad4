// With watch: what of a server's schema would react to one part of a WITH before the others have run.

import { quoteLiteral } from '../base/quote.ts';
import type { WithWatch } from '../plan/staged.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

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

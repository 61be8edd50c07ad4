// Oid query: the numbers a shard has for its tables and users' types, compared with the home shard's.

import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { BUILT_IN_CARRIERS, type Carrier, type OidMapping } from '../topology/shard-oids.ts';

/** A shard's numbers. */
export interface OidList {
  /** Tells lists apart. */
  readonly digest: string;
  /** JSON of entries; null where the digest was the one asked for. */
  readonly text: string | null;
}

/**
 * r relations; of types a arrays, c composite, d domains, g ranges, m multiranges, t any other. An
 * array is known by its element, since its own name depends on which were free.
 */
type Entry = readonly [kind: string, name: string, oid: number, of: number];

const LIST_SQL = `
SELECT pg_catalog.coalesce(pg_catalog.jsonb_agg(
  pg_catalog.jsonb_build_array(kind, name, oid::bigint, inner_oid::bigint) ORDER BY oid, kind), '[]')::text
FROM (
  SELECT 'r' AS kind, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, c.oid, 0::oid AS inner_oid
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    AND n.nspname !~ '^pg_(toast|temp)'
  UNION ALL
  SELECT CASE WHEN e.oid IS NOT NULL THEN 'a'
      ELSE pg_catalog.translate(t.typtype::text, 'bepr', 'tttg') END,
    CASE WHEN e.oid IS NULL THEN pg_catalog.format('%I.%I', n.nspname, t.typname)
      ELSE pg_catalog.format('%I.%I[]', n.nspname, e.typname) END,
    t.oid,
    CASE t.typtype WHEN 'd' THEN t.typbasetype
      WHEN 'r' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
      WHEN 'm' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngmultitypid = t.oid)
      ELSE 0 END
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type e ON e.typarray = t.oid
  WHERE t.oid >= 16384 AND n.nspname !~ '^pg_(toast|temp)'
) AS numbered`.replaceAll('pg_catalog.coalesce', 'coalesce');

/** `known`: a digest whose list need not be sent again. Rejects with ServerError or SqlError. */
export async function readOids(
  connection: ServerConnection,
  known: string | null,
): Promise<OidList> {
  const { rows } = await query(
    connection,
    `SELECT digest, CASE WHEN digest <> '${known ?? ''}' THEN list END
     FROM (SELECT list, pg_catalog.md5(list) FROM (${LIST_SQL}) AS l (list)) AS d (list, digest)`,
  );
  const [digest, text] = rows[0]!;
  return { digest: digest!, text: text ?? null };
}

/** null: no number differs. Both with their texts. */
export function mappingOf(home: string, there: string): OidMapping | null {
  const entries = JSON.parse(home) as Entry[];
  const others = new Map((JSON.parse(there) as Entry[]).map((each) => [keyOf(each), each[2]]));
  const tables = new Map<number, number>();
  const types = new Map<number, number>();
  const typesThere = new Map<number, number>();
  for (const entry of entries) {
    const [kind, , oid] = entry;
    const other = others.get(keyOf(entry));
    if (other === undefined) continue;
    if (kind !== 'r') typesThere.set(oid, other);
    if (other !== oid) (kind === 'r' ? tables : types).set(other, oid);
  }
  if (tables.size + types.size === 0) return null;
  return { tables, types, typesThere, carriers: carriersOf(entries) };
}

const keyOf = ([kind, name]: Entry): string => `${kind === 'r' ? 'r' : 't'}${name}`;

function carriersOf(entries: readonly Entry[]): ReadonlyMap<number, Carrier> {
  const carriers = new Map(BUILT_IN_CARRIERS);
  for (const [kind, , oid] of entries) {
    if (kind === 'a') carriers.set(oid, { kind: 'array' });
    else if (kind === 'c') carriers.set(oid, { kind: 'composite' });
  }
  // What these are made of may come later in the list.
  for (let before = -1; before !== carriers.size; ) {
    before = carriers.size;
    for (const [kind, , oid, of] of entries) {
      const carrier = carriers.get(of);
      if (carrier === undefined) continue;
      if (kind === 'd') carriers.set(oid, carrier);
      else if (kind === 'g') carriers.set(oid, { kind: 'range', of });
      else if (kind === 'm') carriers.set(oid, { kind: 'multirange', of });
    }
  }
  return carriers;
}

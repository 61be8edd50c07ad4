// Move facts: what a server knows of a table that decides how its rows may get to other shards.

import { quoteLiteral } from '../base/quote.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

/** Of a table and its partitions. */
export interface MoveFacts {
  readonly schema: string;
  /** Unquoted. */
  readonly name: string;
  /** Qualified and quoted. */
  readonly sql: string;
  readonly isTable: boolean;
  readonly rowSecurity: boolean;
  /** Other tables inherit from it, and are no partitions. */
  readonly hasHeirs: boolean;
  /** Those of users that are not disabled. */
  readonly triggers: readonly TriggerFacts[];
  /** Foreign keys of its own, and of others to it. */
  readonly refersTo: readonly ForeignKey[];
  readonly referredBy: readonly ForeignKey[];
}

export interface TriggerFacts {
  readonly name: string;
  /** pg_trigger.tgtype. */
  readonly type: number;
  /** pg_trigger.tgenabled: O origin, R replica, A always. */
  readonly enabled: string;
  readonly deferrable: boolean;
  /** Its WHEN calls functions or operators of users. */
  readonly callsWhen: boolean;
  readonly routine: string;
  /** pg_catalog, or the extension that the routine is of; null: users'. */
  readonly origin: string | null;
  readonly language: string;
  readonly body: string;
  /** null: none that is set for the routine. */
  readonly searchPath: string | null;
}

export interface ForeignKey {
  readonly name: string;
  /** The table at its other end. */
  readonly schema: string;
  readonly table: string;
  /** Qualified and quoted. */
  readonly sql: string;
  /** The columns of the referring table, and those of the other, by position. */
  readonly columns: readonly string[];
  readonly referred: readonly string[];
  /** pg_constraint.confupdtype: a, r: nothing, c: CASCADE, n: SET NULL, d: SET DEFAULT. */
  readonly onUpdate: string;
  /** It may be checked at COMMIT only. */
  readonly deferrable: boolean;
}

/** Bits of pg_trigger.tgtype. Source: pg_trigger.h. */
export const TRIGGER = { row: 1, before: 2, insert: 4, delete: 8, update: 16 } as const;

/** Whose the routine `p` is: pg_catalog, or its extension; NULL: users'. */
export const ORIGIN_SQL = `CASE p.pronamespace WHEN 'pg_catalog'::pg_catalog.regnamespace THEN 'pg_catalog'
          ELSE (SELECT e.extname FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
              AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass) END`;

const columnNames = (relation: string, numbers: string): string => `(
    SELECT pg_catalog.jsonb_agg(a.attname ORDER BY u.i)
    FROM pg_catalog.unnest(${numbers}) WITH ORDINALITY AS u (n, i)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = ${relation} AND a.attnum = u.n)`;

const foreignKeys = (own: 'conrelid' | 'confrelid', other: 'conrelid' | 'confrelid'): string => `(
    SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', k.conname, 'schema', s.nspname, 'table', r.relname,
      'sql', pg_catalog.format('%I.%I', s.nspname, r.relname),
      'columns', ${columnNames('k.conrelid', 'k.conkey')},
      'referred', ${columnNames('k.confrelid', 'k.confkey')},
      'onUpdate', k.confupdtype, 'deferrable', k.condeferrable) ORDER BY k.oid), '[]')
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class r ON r.oid = k.${other}
    JOIN pg_catalog.pg_namespace s ON s.oid = r.relnamespace
    WHERE k.contype = 'f' AND k.${own} = ANY (own.oids)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o
        WHERE o.oid = k.conparentid AND o.${own} = ANY (own.oids)))`;

const factsSql = (table: string) => `
  SELECT pg_catalog.jsonb_build_object(
    'schema', n.nspname, 'name', c.relname, 'sql', pg_catalog.format('%I.%I', n.nspname, c.relname),
    'isTable', c.relkind IN ('r', 'p'),
    'rowSecurity', (SELECT pg_catalog.bool_or(p.relrowsecurity)
      FROM pg_catalog.pg_class p WHERE p.oid = ANY (own.oids)),
    'hasHeirs', c.relkind <> 'p'
      AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid),
    'triggers', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'name', g.tgname, 'type', g.tgtype, 'enabled', g.tgenabled, 'deferrable', g.tgdeferrable,
        'callsWhen', EXISTS (SELECT FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = g.oid
            AND d.refobjid <> g.tgfoid AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass,
              'pg_catalog.pg_operator'::pg_catalog.regclass)),
        'routine', p.proname, 'origin', ${ORIGIN_SQL},
        'language', l.lanname, 'body', p.prosrc, 'searchPath', (
          SELECT pg_catalog.substr(s, 13) FROM pg_catalog.unnest(p.proconfig) s
          WHERE s LIKE 'search_path=%')) ORDER BY g.tgname), '[]')
      FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE g.tgrelid = ANY (own.oids) AND NOT g.tgisinternal AND g.tgenabled <> 'D'),
    'refersTo', ${foreignKeys('conrelid', 'confrelid')},
    'referredBy', ${foreignKeys('confrelid', 'conrelid')})::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (SELECT c.oid || ARRAY(
    SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(c.oid)) AS oids) AS own
  WHERE c.oid = ${quoteLiteral(table)}::pg_catalog.regclass`;

/** `table`: as SQL. */
export async function moveFacts(connection: ServerConnection, table: string): Promise<MoveFacts> {
  const { rows } = await query(connection, factsSql(table));
  return JSON.parse(rows[0]![0]!) as MoveFacts;
}

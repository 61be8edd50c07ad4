// Schema query: what a shard says about its tables, views, routines and collation.

import { VIEW_LOCK_TIMEOUT_MS } from '../base/limits.ts';
import { ORIGIN_SQL } from '../execute/move-facts.ts';
import { query, queryKept } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { ShardSchema, ViewQueries } from './shard-schema.ts';

/** The connection's own, then what the next login gets. Source: process_settings (postinit.c). */
const defaultsOf = (name: string): string => `(
    SELECT pg_catalog.jsonb_build_array(s.reset_val) || coalesce((
      SELECT pg_catalog.jsonb_build_array(pg_catalog.substr(each, pg_catalog.length(s.name) + 2))
      FROM pg_catalog.pg_db_role_setting d, pg_catalog.unnest(d.setconfig) each
      WHERE pg_catalog.starts_with(each, s.name || '=')
        AND d.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
        AND d.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database
          WHERE datname = pg_catalog.current_database()))
      ORDER BY d.setrole <> 0 DESC, d.setdatabase <> 0 DESC LIMIT 1), '[]')
    FROM pg_catalog.pg_settings s WHERE s.name = '${name}')`;

/** The relation `c` and what inherits from it, as an array. */
const FAMILY_SQL = `
    CASE WHEN c.relhassubclass THEN ARRAY(
      WITH RECURSIVE own (oid) AS (SELECT c.oid UNION
        SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN own ON own.oid = h.inhparent)
      SELECT oid FROM own) ELSE ARRAY[c.oid] END`;

const columnNamesSql = (relation: string, numbers: string): string => `(
          SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = ${relation} AND a.attnum = ANY (${numbers}))`;

const PG_CATALOG = `'pg_catalog'::pg_catalog.regnamespace`;

/** The parts of relations, rows of `catalog`, that depend on what is `used`. */
const partsSql = (part: string, catalog: string, relation: string, key: string): string => `
  SELECT '${part}' AS part, x.${relation} AS relation, u.refclassid, u.refobjid
  FROM used u JOIN pg_catalog.${catalog} x ON x.${key} = u.objid
  WHERE u.classid = 'pg_catalog.${catalog === 'pg_index' ? 'pg_class' : catalog}'::pg_catalog.regclass`;

const USES_SQL = [
  partsSql('default', 'pg_attrdef', 'adrelid', 'oid'),
  partsSql('constraint', 'pg_constraint', 'conrelid', 'oid'),
  partsSql('index', 'pg_index', 'indrelid', 'indexrelid'),
  partsSql('policy', 'pg_policy', 'polrelid', 'oid'),
  `${partsSql('trigger', 'pg_trigger', 'tgrelid', 'oid')} AND NOT x.tgisinternal AND x.tgenabled <> 'D'`,
].join('\n  UNION ALL');

/** A default that is a constant, as pg_get_expr() writes it; ' is doubled for SQL. */
const CONSTANT = String.raw`^(''([^'']|'''')*''|[0-9.]+|true|false|NULL)(::[a-z_ ."0-9]+(\([0-9,]+\)[a-z ]*)?(\[\])?)?$`;

// One row of JSON: the shape above needs no second mapping, and `to_jsonb(d)` reads columns of
// pg_database that not every server version has.
const SCHEMA_SQL = `
WITH restricted AS (
  SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'drive') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT pg_catalog.has_schema_privilege('public', n.oid, 'USAGE')
), based (domain, oid) AS MATERIALIZED (
  WITH RECURSIVE step (domain, oid) AS (
    SELECT y.oid, y.typbasetype FROM pg_catalog.pg_type y WHERE y.typtype = 'd'
    UNION ALL
    SELECT s.domain, d.typbasetype
    FROM step s JOIN pg_catalog.pg_type d ON d.oid = s.oid AND d.typtype = 'd')
  SELECT s.domain, s.oid FROM step s JOIN pg_catalog.pg_type d ON d.oid = s.oid AND d.typtype <> 'd'
), used AS MATERIALIZED (
  SELECT d.classid, d.objid, d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
  WHERE d.refobjid >= 16384 AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass,
    'pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_opclass'::pg_catalog.regclass)
), uses AS MATERIALIZED (${USES_SQL}
), acting AS MATERIALIZED (
  SELECT k.conrelid, k.conkey, k.confrelid, k.confkey, k.confupdtype, k.confdeltype
  FROM pg_catalog.pg_constraint k
  WHERE k.contype = 'f' AND (k.confupdtype NOT IN ('a', 'r') OR k.confdeltype NOT IN ('a', 'r'))
), relation AS MATERIALIZED (
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
    c.relrowsecurity AS row_security, ${FAMILY_SQL} AS family,
    c.relkind <> 'r' OR c.relrowsecurity OR c.relhasrules OR c.relhassubclass OR EXISTS (
      SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
    ) OR EXISTS (
      SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND y.oid >= 16384 AND y.typtype <> 'e'
    ) OR c.oid IN (
      SELECT u.relation FROM uses u WHERE u.part IN ('default', 'constraint', 'index')
    ) AS runs_code,
    EXISTS (
      SELECT FROM pg_catalog.pg_trigger t WHERE t.tgtype & 32 <> 0 AND NOT t.tgisinternal
        AND t.tgenabled <> 'D' AND (t.tgrelid = c.oid OR c.relhassubclass)
    ) AS fires_on_truncate
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname !~ '^pg_(toast|temp)'
)
SELECT pg_catalog.jsonb_build_object(
  'relations', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
    'oid', r.oid::bigint, 'schema', r.schema, 'name', r.name, 'kind', r.kind,
    'rowSecurity', r.row_security,
    'triggers', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object(
        'insert', t.tgtype & 4 <> 0, 'update', t.tgtype & 16 <> 0,
        'routine', ${ORIGIN_SQL} || '.' || p.proname, 'body', CASE l.lanname WHEN 'plpgsql' THEN p.prosrc END)), '[]')
      FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        AND t.tgrelid = ANY (r.family)),
    'calls', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object(
        'routine', pg_catalog.lower(p.proname), 'by', u.part)), '[]')
      FROM uses u JOIN pg_catalog.pg_proc p ON p.oid = u.refobjid
      WHERE u.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND (u.relation = r.oid AND u.part IN ('default', 'constraint', 'policy')
          OR u.relation = ANY (r.family) AND u.part = 'trigger')),
    'runsCode', r.runs_code, 'fired', (
      SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object(
        'insert', t.tgtype & 4 <> 0, 'update', t.tgtype & 16 <> 0, 'delete', t.tgtype & 8 <> 0,
        'routine', p.proname, 'given', pg_catalog.encode(t.tgargs, 'escape'))), '[]')
      FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
      WHERE t.tgtype & 28 <> 0 AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        AND t.tgrelid = ANY (r.family)),
    'firesOnTruncate', r.fires_on_truncate,
    'actions', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object(
        'table', k.conrelid::bigint, 'onUpdate', k.confupdtype, 'onDelete', k.confdeltype,
        'columns', ${columnNamesSql('k.conrelid', 'k.conkey')},
        'referred', ${columnNamesSql('k.confrelid', 'k.confkey')})), '[]')
      FROM acting k WHERE k.confrelid = ANY (r.family)),
    'rule', (SELECT w.xmin::text FROM pg_catalog.pg_rewrite w
      WHERE w.ev_class = r.oid AND w.rulename = '_RETURN'),
    'columns', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'name', a.attname, 'typeOid', a.atttypid::bigint,
        'collation', CASE WHEN a.attcollation NOT IN (0, 100) THEN co.collname END,
        'hasDefault', a.atthasdef OR a.attidentity <> '' OR y.typdefault IS NOT NULL,
        'notNull', a.attnotnull,
        'constantDefault', coalesce(given.value ~ '${CONSTANT}', false),
        'generated', a.attgenerated <> '', 'identity', a.attidentity <> '',
        'sequenceDefault', a.attidentity <> '' OR coalesce(given.value ~ '^nextval\\(', false),
        'distinctDefault', a.attidentity <> '' OR coalesce(given.value ~
          '^(nextval|gen_random_uuid|uuidv[47]|([^ ]+\\.)?uuid_generate_v4)\\(', false),
        'timeDefault', CASE
          WHEN taken.value ~ '\\m(now|transaction_timestamp)\\(\\)|\\m(CURRENT_(DATE|TIME)|LOCALTIME)'
            AND (y.oid < 16384 OR pg_catalog.strpos(taken.value, '::' || y.typname) = 0)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
              WHERE d.classid = taken.class AND d.objid = taken.oid AND d.refobjid >= 16384
                AND d.refclassid <> 'pg_catalog.pg_namespace'::pg_catalog.regclass
                AND d.refobjid NOT IN (a.attrelid, y.oid, y.typbasetype))
          THEN taken.value END,
        'defaultType', CASE WHEN taken.value IS NOT NULL AND coalesce(b.oid, y.oid) < 16384
          THEN pg_catalog.format_type(coalesce(b.oid, y.oid), -1) END
      ) ORDER BY a.attnum), '[]')
      FROM pg_catalog.pg_attribute a
      LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
      LEFT JOIN LATERAL (
        SELECT ad.oid, pg_catalog.pg_get_expr(CASE a.attgenerated WHEN '' THEN ad.adbin END, 0)
        FROM pg_catalog.pg_attrdef ad
        WHERE a.atthasdef AND ad.adrelid = a.attrelid AND ad.adnum = a.attnum OFFSET 0
      ) given (oid, value) ON true
      JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
      LEFT JOIN based b ON b.domain = y.oid
      LEFT JOIN LATERAL (
        SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, given.oid, given.value WHERE a.atthasdef
        UNION ALL
        SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid, pg_catalog.pg_get_expr(y.typdefaultbin, 0)
        WHERE y.typtype = 'd' AND NOT a.atthasdef
      ) taken (class, oid, value) ON true
      WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'reads', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT d.refobjid::bigint), '[]')
      FROM pg_catalog.pg_rewrite w
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      WHERE w.ev_class = r.oid AND d.refobjid <> r.oid)
  ) ORDER BY r.oid), '[]') FROM relation r),
  'routines', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', p.proname, 'isVolatile', p.provolatile = 'v', 'language', l.lanname,
      'body', CASE WHEN p.prosqlbody IS NULL THEN p.prosrc
        ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END,
      'usedBy', CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_depend d
          WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid
            AND d.classid NOT IN ('pg_catalog.pg_trigger'::pg_catalog.regclass,
              'pg_catalog.pg_event_trigger'::pg_catalog.regclass,
              'pg_catalog.pg_proc'::pg_catalog.regclass)) THEN 'other'
        WHEN p.prorettype IN ('pg_catalog.trigger'::pg_catalog.regtype,
          'pg_catalog.event_trigger'::pg_catalog.regtype) THEN 'trigger' END
    ) ORDER BY p.oid), '[]')
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'drive')
      AND l.lanname NOT IN ('internal', 'c') AND p.prokind <> 'a'),
  'foreign', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT p.proname), '[]')
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'drive')
      AND l.lanname IN ('internal', 'c') AND p.provolatile <> 'i'),
  'immutable', (SELECT coalesce(pg_catalog.jsonb_object_agg(f.name,
      pg_catalog.jsonb_build_object('mayBeText', f.may_be_text) ORDER BY f.name), '{}') FROM (
    SELECT p.proname, bool_or(t.typcollation <> 0 OR t.typtype = 'p') FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
    WHERE p.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'drive')
    GROUP BY p.proname
    HAVING bool_and(p.prokind = 'f' AND p.provolatile = 'i' AND NOT p.proretset
      AND p.proallargtypes IS NULL AND (t.oid < 16384 OR t.typcollation = 0)
      AND t.typname NOT IN ('record', 'internal', 'void'))) f (name, may_be_text)),
  'ownAggregates', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT p.proname), '[]')
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
    WHERE p.oid >= 16384 AND p.proname IN ('count', 'sum', 'min', 'max', 'avg')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT (p.proname IN ('min', 'max') AND coalesce(t.typcategory = 'S', false))),
  'standIns', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT n.nspname), '[]') FROM (
      SELECT p.pronamespace FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_proc own
        ON own.proname = p.proname AND own.proargtypes = p.proargtypes AND own.pronamespace = ${PG_CATALOG}
      WHERE p.oid >= 16384
      UNION ALL
      SELECT o.oprnamespace FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_operator own
        ON own.oprname = o.oprname AND own.oprleft = o.oprleft AND own.oprright = o.oprright
          AND own.oprnamespace = ${PG_CATALOG}
      WHERE o.oid >= 16384
      UNION ALL
      SELECT t.typnamespace FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type own
        ON own.typname = t.typname AND own.typnamespace = ${PG_CATALOG}
      WHERE t.oid >= 16384 AND t.typtype <> 'c' AND t.typcategory <> 'A'
    ) s (oid) JOIN pg_catalog.pg_namespace n ON n.oid = s.oid
    WHERE s.oid <> ${PG_CATALOG}),
  'systemNames', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT r.name), '[]')
    FROM relation r JOIN pg_catalog.pg_class own ON own.relname = r.name AND own.relnamespace = ${PG_CATALOG}),
  'sequences', CASE WHEN pg_catalog.to_regprocedure('drive.columns()') IS NOT NULL THEN (
    SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'schema', n.nspname, 'name', c.relname,
      'quoted', pg_catalog.format('%I.%I', n.nspname, c.relname)) ORDER BY c.oid), '[]')
    FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE s.seqincrement % 1024 = 0 AND c.relpersistence <> 't') END,
  'searchPath', pg_catalog.to_jsonb(pg_catalog.current_schemas(false)),
  'restricted', pg_catalog.jsonb_build_object(
    'schemas', (SELECT coalesce(pg_catalog.jsonb_object_agg(s.nspname,
        pg_catalog.jsonb_build_object(
          'login', pg_catalog.has_schema_privilege(s.oid, 'USAGE'),
          'roles', (SELECT pg_catalog.jsonb_agg(DISTINCT pg_catalog.pg_get_userbyid(g.role))
            FROM (SELECT s.nspowner UNION ALL
              SELECT a.grantee FROM pg_catalog.aclexplode(s.nspacl) a
              WHERE a.privilege_type = 'USAGE') g (role)))), '{}')
      FROM restricted s),
    'members', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'role', pg_catalog.pg_get_userbyid(m.member), 'of', pg_catalog.pg_get_userbyid(m.roleid))
        ORDER BY m.member, m.roleid), '[]')
      FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
      WHERE coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit)
        AND EXISTS (SELECT FROM restricted)),
    'superusers', (SELECT coalesce(pg_catalog.jsonb_agg(r.rolname ORDER BY r.oid), '[]')
      FROM pg_catalog.pg_roles r WHERE r.rolsuper AND EXISTS (SELECT FROM restricted))),
  'transactionDefaults', pg_catalog.jsonb_build_object(
    'isolation', ${defaultsOf('default_transaction_isolation')},
    'readOnly', ${defaultsOf('default_transaction_read_only')}),
  'hasSizes', pg_catalog.to_regproc('drive.relation_sizes') IS NOT NULL,
  'hasStatistics', pg_catalog.to_regproc('drive.statistics') IS NOT NULL,
  'hasKinds', pg_catalog.to_regclass('drive.tables') IS NOT NULL,
  'collation', (SELECT pg_catalog.jsonb_build_object(
      'provider', d.datlocprovider, 'collate', d.datcollate,
      'locale', coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale',
        pg_catalog.to_jsonb(d) ->> 'daticulocale'))
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
)::text`;

const KINDS_SQL = `
SELECT coalesce(pg_catalog.jsonb_object_agg(t.relation::oid,
  pg_catalog.jsonb_build_object('kind', t.kind, 'key', t.key_column)), '{}')::text
FROM drive.tables t`;

/**
 * Names that an empty search path does not find are qualified. The path is given back as it was: the
 * connection may be in a transaction of a session. Others' locks are waited for only so long.
 */
const VIEWS_SQL = `
SELECT pg_catalog.set_config('drive.search_path', pg_catalog.current_setting('search_path'), true),
  pg_catalog.set_config('drive.lock_timeout', pg_catalog.current_setting('lock_timeout'), true);
SELECT pg_catalog.set_config('search_path', '', true),
  pg_catalog.set_config('lock_timeout', '${VIEW_LOCK_TIMEOUT_MS}', true);
SELECT coalesce(pg_catalog.jsonb_object_agg(c.oid, pg_catalog.jsonb_build_object(
  'text', pg_catalog.pg_get_viewdef(c.oid), 'operatorSchemas', (
    SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT s.nspname), '[]')
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
    JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid AND o.oid >= 16384
    JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
    WHERE w.ev_class = c.oid))), '{}')::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp)';
SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('drive.search_path'), true),
  pg_catalog.set_config('lock_timeout', pg_catalog.current_setting('drive.lock_timeout'), true)`;

/** As of `queryKept`: the server does not compile it. The session in whose transaction it is has its setting again. */
const SCHEMA_WITHIN_SQL = `
SELECT pg_catalog.set_config('drive.jit', pg_catalog.current_setting('jit'), true);
SELECT pg_catalog.set_config('jit', 'off', true);
${SCHEMA_SQL};
SELECT pg_catalog.set_config('jit', pg_catalog.current_setting('drive.jit'), true)`;

/**
 * To be asked again only when the schema has changed. Rejects with ServerError 55P03 where somebody
 * is changing a view or its tables.
 */
export async function readViews(
  connection: ServerConnection,
  schema: ShardSchema,
): Promise<ViewQueries> {
  if (!schema.relations.some(({ kind }) => kind === 'v' || kind === 'm')) return {};
  const { rows } = await query(connection, VIEWS_SQL);
  const [answer] = rows.at(-2)!;
  return JSON.parse(answer!) as ViewQueries;
}

/**
 * Rejects with ServerError or SqlError. `text`: the answer as it came, to tell changes by. `isKept`: the server
 * keeps the plan, which takes it longer to make than to run; not to be asked for within a transaction.
 */
export async function readSchema(
  connection: ServerConnection,
  { isKept }: { readonly isKept: boolean },
): Promise<{ schema: ShardSchema; text: string }> {
  const { rows } = isKept
    ? await queryKept(connection, 'drive_schema', SCHEMA_SQL)
    : await query(connection, SCHEMA_WITHIN_SQL);
  const text = rows.at(isKept ? 0 : 2)![0]!;
  const schema = JSON.parse(text) as Omit<ShardSchema, 'kinds'>;
  if (!schema.hasKinds) return { schema: { ...schema, kinds: {} }, text };
  const answer = await query(connection, KINDS_SQL);
  const kinds = answer.rows[0]![0]!;
  const remembered = JSON.parse(kinds) as ShardSchema['kinds'];
  return { schema: { ...schema, kinds: remembered }, text: text + kinds };
}

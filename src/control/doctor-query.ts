// Doctor's queries: everything about one shard that should be the same on all, one line per object.

/** What a session compares by: names are written with their schemas, values in one way on all shards. */
export const BEGIN_SQL: readonly string[] = [
  'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY',
  "SET LOCAL search_path = ''",
  "SET LOCAL TimeZone = 'UTC'",
  "SET LOCAL DateStyle = 'ISO, YMD'",
  "SET LOCAL IntervalStyle = 'postgres'",
  'SET LOCAL extra_float_digits = 1',
  "SET LOCAL bytea_output = 'hex'",
  "SET LOCAL lc_monetary = 'C'",
];

/** Settings that clients meet. Other ones than these are a server's own business. */
const SETTINGS = [
  ...['server_encoding', 'max_prepared_transactions', 'standard_conforming_strings', 'TimeZone'],
  ...['DateStyle', 'IntervalStyle', 'default_transaction_isolation', 'search_path'],
  ...['default_transaction_read_only', 'integer_datetimes', 'extra_float_digits', 'bytea_output'],
  ...[
    'lc_monetary',
    'lc_numeric',
    'lc_time',
    'default_text_search_config',
    'xmlbinary',
    'xmloption',
  ],
];

/** A role by its name; the shard's own user, which the configuration names for each, by one word. */
const role = (oid: string): string =>
  `coalesce((SELECT CASE WHEN rolname = current_user THEN 'the shard''s user' ELSE quote_ident(rolname) END
    FROM pg_catalog.pg_roles WHERE pg_roles.oid = ${oid}), 'PUBLIC')`;

/** Owner and grants, in whatever order these were given. `kind` is acldefault's. */
const rights = (kind: string, owner: string, acl: string): string =>
  `concat('owner ', ${role(owner)}, (SELECT string_agg(concat('; ', held.who, ': ', held.what), '' ORDER BY held.who)
    FROM (SELECT ${role('x.grantee')} AS who,
        string_agg(concat(x.privilege_type, CASE WHEN x.is_grantable THEN '*' END), ', ' ORDER BY x.privilege_type) AS what
      FROM aclexplode(coalesce(${acl}, acldefault(${kind}, ${owner}))) x GROUP BY 1) held))`;

const isOwn = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM member WHERE classid = 'pg_catalog.${catalog}'::regclass AND objid = ${oid})`;

/**
 * Rows (kind, name, definition, table). Of kind `setting` and `sequence` it is more than text to compare. `table`
 * is what the object is a part of, or empty. Objects of PostgreSQL, of extensions and of schema drive are left out.
 */
export const OBJECTS_SQL = `
WITH own AS (
  SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'drive') AND nspname !~ '^pg_'
),
member AS (
  SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
),
rel AS (
  SELECT c.*, format('%I.%I', own.nspname, c.relname) AS named
  FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace
  WHERE c.relpersistence <> 't' AND ${isOwn('pg_class', 'c.oid')}
),
tab AS (SELECT * FROM rel WHERE relkind IN ('r', 'p', 'f', 'v', 'm')),
typ AS (
  SELECT t.*, t.oid::regtype::text AS named FROM pg_catalog.pg_type t JOIN own ON own.oid = t.typnamespace
  WHERE (typtype IN ('e', 'd', 'r') OR (typtype = 'b' AND typcategory <> 'A')
    OR (typtype = 'c' AND EXISTS (SELECT FROM rel WHERE rel.oid = t.typrelid AND relkind = 'c')))
    AND ${isOwn('pg_type', 't.oid')}
)
SELECT 'schema' AS kind, quote_ident(nspname) AS name, '' AS definition, '' AS part_of FROM own
UNION ALL
SELECT 'rights on schema', quote_ident(nspname), ${rights(`'n'`, 'nspowner', 'nspacl')}, '' FROM own
UNION ALL
SELECT 'table', named, concat_ws(' ',
  CASE relpersistence WHEN 'u' THEN 'unlogged' END,
  CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'
    WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' END,
  CASE WHEN NOT relispopulated THEN 'without data' END,
  'with ' || array_to_string(reloptions, ','),
  CASE WHEN relkind = 'p' THEN 'by ' || pg_get_partkeydef(oid) END,
  (SELECT CASE WHEN relispartition THEN 'partition of ' ELSE 'child of ' END ||
     string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
   FROM pg_catalog.pg_inherits WHERE inhrelid = tab.oid),
  CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
  CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END), named
FROM tab
UNION ALL
SELECT 'row level security of', named, concat(CASE WHEN relrowsecurity THEN 'enabled' ELSE 'disabled' END,
  CASE WHEN relforcerowsecurity THEN ', forced' END), named
FROM tab WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'rights on', named, concat(${rights(`CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END`, 'relowner', 'relacl')},
  (SELECT string_agg(concat('; ', quote_ident(attname), ' to ', ${role('x.grantee')}, ': ', x.privilege_type,
     CASE WHEN x.is_grantable THEN '*' END), '' ORDER BY attname, x.grantee::regrole::text, x.privilege_type)
   FROM pg_catalog.pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = rel.oid AND NOT a.attisdropped)),
  CASE relkind WHEN 'S' THEN coalesce((SELECT d.refobjid::regclass::text FROM pg_catalog.pg_depend d
    WHERE d.objid = rel.oid AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND d.refclassid = 'pg_catalog.pg_class'::regclass), '') ELSE named END
FROM rel WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
UNION ALL
SELECT 'column', format('%s.%I', tab.named, a.attname), concat_ws(' ',
  format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
  CASE WHEN a.attnotnull THEN 'NOT NULL' END,
  CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
  CASE WHEN a.attgenerated = '' THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
    ELSE format('GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid), a.attgenerated) END), tab.named
FROM tab JOIN pg_catalog.pg_attribute a ON a.attrelid = tab.oid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'column order of', named, (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
  FROM pg_catalog.pg_attribute WHERE attrelid = tab.oid AND attnum > 0 AND NOT attisdropped), named
FROM tab WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'index', rel.named, concat_ws(' ', pg_get_indexdef(i.indexrelid),
  CASE WHEN NOT i.indisvalid THEN 'INVALID' END), tab.named
FROM pg_catalog.pg_index i JOIN rel ON rel.oid = i.indexrelid JOIN tab ON tab.oid = i.indrelid
UNION ALL
SELECT 'constraint', format('%s.%I', tab.named, conname), pg_get_constraintdef(k.oid), tab.named
FROM pg_catalog.pg_constraint k JOIN tab ON tab.oid = k.conrelid WHERE contype IN ('p','u','x','c','f')
UNION ALL
SELECT 'trigger', format('%s.%I', tab.named, tgname), concat_ws(' ', pg_get_triggerdef(t.oid),
  CASE tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END), tab.named
FROM pg_catalog.pg_trigger t JOIN tab ON tab.oid = t.tgrelid WHERE NOT tgisinternal
UNION ALL
SELECT 'rule', format('%s.%I', tab.named, rulename), concat_ws(' ', pg_get_ruledef(r.oid), nullif(ev_enabled, 'O')), tab.named
FROM pg_catalog.pg_rewrite r JOIN tab ON tab.oid = r.ev_class WHERE rulename <> '_RETURN'
UNION ALL
SELECT 'policy', format('%s.%I', tab.named, polname), concat_ws(' ',
  CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
  CASE polcmd WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT' WHEN 'w' THEN 'FOR UPDATE' WHEN 'd' THEN 'FOR DELETE' END,
  'TO ' || (SELECT string_agg(who, ', ' ORDER BY who) FROM unnest(polroles) each,
    LATERAL (SELECT ${role('each')} AS who) named),
  format('USING (%s)', pg_get_expr(polqual, polrelid)),
  'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')'), tab.named
FROM pg_catalog.pg_policy p JOIN tab ON tab.oid = p.polrelid
UNION ALL
SELECT 'statistics object', format('%I.%I', own.nspname, s.stxname), pg_get_statisticsobjdef(s.oid), tab.named
FROM pg_catalog.pg_statistic_ext s JOIN own ON own.oid = s.stxnamespace JOIN tab ON tab.oid = s.stxrelid
UNION ALL
SELECT 'comment on', named, description, named
FROM tab JOIN pg_catalog.pg_description c ON c.objoid = tab.oid AND c.objsubid = 0
  AND c.classoid = 'pg_catalog.pg_class'::regclass
UNION ALL
SELECT 'function', p.oid::regprocedure::text, CASE p.prokind WHEN 'a' THEN
  (SELECT concat_ws(', ', g.aggtransfn, g.aggtranstype::regtype, g.aggfinalfn, g.aggcombinefn, g.agginitval, g.aggkind)
   FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)
  ELSE pg_get_functiondef(p.oid) END, ''
FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace
WHERE ${isOwn('pg_proc', 'p.oid')}
UNION ALL
SELECT 'rights on function', p.oid::regprocedure::text, ${rights(`'f'`, 'proowner', 'proacl')}, ''
FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace
WHERE ${isOwn('pg_proc', 'p.oid')}
UNION ALL
SELECT 'type', named, concat_ws(' ',
  CASE typtype WHEN 'd' THEN concat_ws(' ', format_type(typbasetype, typtypmod),
    nullif(typcollation, 0)::regcollation::text, CASE WHEN typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || typdefault,
    (SELECT string_agg(format('%I %s', conname, pg_get_constraintdef(k.oid)), ' ' ORDER BY conname)
     FROM pg_catalog.pg_constraint k WHERE contypid = typ.oid AND contype = 'c'))
  WHEN 'e' THEN (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
    FROM pg_catalog.pg_enum WHERE enumtypid = typ.oid)
  WHEN 'r' THEN (SELECT concat_ws(' ', rngsubtype::regtype, nullif(rngcollation, 0)::regcollation, nullif(rngcanonical, 0),
    nullif(rngsubdiff, 0)) FROM pg_catalog.pg_range WHERE rngtypid = typ.oid)
  WHEN 'c' THEN (SELECT string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
    FROM pg_catalog.pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped)
  ELSE concat_ws(' ', typlen, typinput, typoutput, typalign, typstorage) END), ''
FROM typ
UNION ALL
SELECT 'rights on type', named, ${rights(`'T'`, 'typowner', 'typacl')}, '' FROM typ
UNION ALL
SELECT 'operator', o.oid::regoperator::text, concat_ws(' ', oprcode::oid::regprocedure, nullif(oprcom, 0)::regoperator,
  nullif(oprnegate, 0)::regoperator, nullif(oprrest, 0), nullif(oprjoin, 0), oprcanmerge, oprcanhash), ''
FROM pg_catalog.pg_operator o JOIN own ON own.oid = o.oprnamespace
WHERE ${isOwn('pg_operator', 'o.oid')}
UNION ALL
SELECT 'operator class', format('%I.%I USING %s', own.nspname, opcname, a.amname),
  concat_ws(' ', opcintype::regtype, CASE WHEN opcdefault THEN 'DEFAULT' END), ''
FROM pg_catalog.pg_opclass c JOIN own ON own.oid = c.opcnamespace JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
WHERE ${isOwn('pg_opclass', 'c.oid')}
UNION ALL
SELECT 'cast', format('%s AS %s', castsource::regtype, casttarget::regtype),
  concat_ws(' ', castcontext, castmethod, nullif(castfunc, 0)::regprocedure), ''
FROM pg_catalog.pg_cast c WHERE c.oid >= 16384 AND ${isOwn('pg_cast', 'c.oid')}
UNION ALL
SELECT 'collation', format('%I.%I', own.nspname, collname), concat_ws(' ', collprovider,
  to_jsonb(c) - ARRAY['oid', 'collname', 'collnamespace', 'collowner', 'collprovider', 'collversion', 'collencoding']), ''
FROM pg_catalog.pg_collation c JOIN own ON own.oid = c.collnamespace
WHERE ${isOwn('pg_collation', 'c.oid')}
UNION ALL
SELECT 'text search configuration', format('%I.%I', own.nspname, cfgname),
  (SELECT string_agg(concat_ws(' ', maptokentype, mapdict::regdictionary), ', ' ORDER BY maptokentype, mapseqno)
   FROM pg_catalog.pg_ts_config_map WHERE mapcfg = c.oid), ''
FROM pg_catalog.pg_ts_config c JOIN own ON own.oid = c.cfgnamespace
WHERE ${isOwn('pg_ts_config', 'c.oid')}
UNION ALL
SELECT 'text search dictionary', format('%I.%I', own.nspname, dictname), dictinitoption, ''
FROM pg_catalog.pg_ts_dict c JOIN own ON own.oid = c.dictnamespace
WHERE ${isOwn('pg_ts_dict', 'c.oid')}
UNION ALL
SELECT 'extension', quote_ident(extname), extversion, '' FROM pg_catalog.pg_extension
UNION ALL
SELECT 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtenabled, evttags, evtfoid::regprocedure), ''
FROM pg_catalog.pg_event_trigger e WHERE ${isOwn('pg_event_trigger', 'e.oid')}
UNION ALL
SELECT 'sequence', rel.named, concat_ws(' ', s.seqincrement, s.seqstart), coalesce(
  (SELECT d.refobjid::regclass::text FROM pg_catalog.pg_depend d
   WHERE d.objid = rel.oid AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
     AND d.refclassid = 'pg_catalog.pg_class'::regclass), '')
FROM pg_catalog.pg_sequence s JOIN rel ON rel.oid = s.seqrelid
UNION ALL
SELECT 'setting', name, reset_val, ''
FROM pg_catalog.pg_settings
WHERE name IN (${SETTINGS.map((name) => `'${name}'`).join(', ')})
UNION ALL
SELECT 'setting', 'server major version', (current_setting('server_version_num')::int / 10000)::text, ''
UNION ALL
SELECT 'setting', 'collation of the database', concat_ws(' ', datlocprovider, datcollate, datctype), ''
FROM pg_catalog.pg_database WHERE datname = current_database()
UNION ALL
SELECT 'setting', 'shard number', regexp_replace(p.prosrc, '\\D', '', 'g'), '' FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'drive' AND p.proname = 'shard_id'
UNION ALL
SELECT 'setting', 'shard count', regexp_replace(p.prosrc, '\\D', '', 'g'), '' FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'drive' AND p.proname = 'shard_count'
UNION ALL
SELECT 'setting', 'drive functions', count(*)::text, '' FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'drive'
UNION ALL
SELECT 'prepared', gid, prepared::text, '' FROM pg_catalog.pg_prepared_xacts
WHERE database = current_database() AND prepared < now() - interval '1 minute'`;

/** (name, kind, key, what it is in pg_class, whether it has rows to read) of each that drive.tables has. */
export const KINDS_SQL = `
SELECT format('%I.%I', n.nspname, c.relname), t.kind, t.key_column, c.relkind::text, c.relispopulated::text
FROM drive.tables t JOIN pg_catalog.pg_class c ON c.oid = t.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;

/** How many rows a table has and what they are, in whatever order they lie. */
export const digestSql = (table: string): string =>
  `SELECT count(*)::text, coalesce(sum(hashtextextended((t.*)::text, 0)), 0)::text FROM ${table} t`;

/** (schema, table, columns of integers) of what may hold rows of sharded tables. */
export const HOLDERS_SQL = `
SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), array_to_json(array_agg(a.attname))::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
  AND a.atttypid IN (20, 21, 23) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'drive')
  AND n.nspname !~ '^pg_'
GROUP BY 1, 2, 3 ORDER BY 3`;

/** How many rows of a table belong on another of `n` shards than `shard`, and the key of one of them. */
export const strayedSql = (table: string, key: string, shard: number, n: number): string =>
  `SELECT count(*)::text, min(${key})::text FROM ONLY ${table}
    WHERE (${key}::numeric % ${n} + ${n}) % ${n} IS DISTINCT FROM ${shard}`;

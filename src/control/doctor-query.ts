// Doctor's query: everything about one shard that should be the same on all, one line per object.

/**
 * Rows (kind, name, definition). Of kind `setting` and `sequence` it is more than text to compare.
 * `own` objects of PostgreSQL, of extensions and of schema drive are left out.
 */
export const OBJECTS_SQL = `
WITH own AS (
  SELECT oid, nspname FROM pg_catalog.pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'drive') AND nspname !~ '^pg_'
),
member AS (
  SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
),
rel AS (
  SELECT c.*, format('%I.%I', own.nspname, c.relname) AS named
  FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace
  WHERE c.relpersistence <> 't'
    AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid)
),
tab AS (SELECT * FROM rel WHERE relkind IN ('r', 'p', 'f', 'v', 'm'))
SELECT 'schema' AS kind, nspname::text AS name, '' AS definition FROM own
UNION ALL
SELECT 'table', named, concat_ws(' ', relkind, relpersistence, array_to_string(reloptions, ','),
  CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
  CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
  CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
FROM tab
UNION ALL
SELECT 'column', format('%s.%I', tab.named, a.attname), concat_ws(' ',
  format_type(a.atttypid, a.atttypmod), nullif(a.attcollation, 0)::regcollation::text,
  CASE WHEN a.attnotnull THEN 'NOT NULL' END, a.attidentity, a.attgenerated,
  'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
FROM tab JOIN pg_catalog.pg_attribute a ON a.attrelid = tab.oid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'column order', named, (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
  FROM pg_catalog.pg_attribute WHERE attrelid = tab.oid AND attnum > 0 AND NOT attisdropped)
FROM tab WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'index', rel.named, concat_ws(' ', pg_get_indexdef(i.indexrelid),
  CASE WHEN NOT i.indisvalid THEN 'INVALID' END)
FROM pg_catalog.pg_index i JOIN rel ON rel.oid = i.indexrelid
WHERE i.indrelid IN (SELECT oid FROM tab)
UNION ALL
SELECT 'constraint', format('%s.%I', tab.named, conname), pg_get_constraintdef(k.oid)
FROM pg_catalog.pg_constraint k JOIN tab ON tab.oid = k.conrelid WHERE contype IN ('p','u','x','c','f')
UNION ALL
SELECT 'trigger', format('%s.%I', tab.named, tgname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
FROM pg_catalog.pg_trigger t JOIN tab ON tab.oid = t.tgrelid WHERE NOT tgisinternal
UNION ALL
SELECT 'policy', format('%s.%I', tab.named, polname), concat_ws(' ', polcmd, polpermissive,
  pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_catalog.pg_policy p JOIN tab ON tab.oid = p.polrelid
UNION ALL
SELECT 'function', p.oid::regprocedure::text, md5(CASE p.prokind WHEN 'a' THEN p.proname::text
  ELSE pg_get_functiondef(p.oid) END)
FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT 'type', t.oid::regtype::text, concat_ws(' ', typtype,
  CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END,
  (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
   FROM pg_catalog.pg_enum WHERE enumtypid = t.oid))
FROM pg_catalog.pg_type t JOIN own ON own.oid = t.typnamespace
WHERE typtype IN ('e', 'd', 'r')
  AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_type'::regclass AND objid = t.oid)
UNION ALL
SELECT 'extension', extname, extversion FROM pg_catalog.pg_extension
UNION ALL
SELECT 'sequence', rel.named, concat_ws(' ', s.seqincrement, s.seqstart,
  (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_depend d
   JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE d.objid = rel.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
FROM pg_catalog.pg_sequence s JOIN rel ON rel.oid = s.seqrelid
UNION ALL
SELECT 'setting', name, setting FROM pg_catalog.pg_settings
WHERE name IN ('server_encoding', 'max_prepared_transactions', 'standard_conforming_strings',
  'TimeZone', 'DateStyle', 'IntervalStyle', 'default_transaction_isolation', 'search_path',
  'default_transaction_read_only', 'integer_datetimes')
UNION ALL
SELECT 'setting', 'server major version', (current_setting('server_version_num')::int / 10000)::text
UNION ALL
SELECT 'setting', 'collation of the database', concat_ws(' ', datlocprovider, datcollate, datctype)
FROM pg_catalog.pg_database WHERE datname = current_database()
UNION ALL
SELECT 'setting', 'drive functions', count(*)::text FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'drive'
UNION ALL
SELECT 'prepared', gid, prepared::text FROM pg_catalog.pg_prepared_xacts
WHERE database = current_database() AND prepared < now() - interval '1 minute'`;

/** Kinds by name: (name, kind). Needs drive.tables. */
export const KINDS_SQL = `
SELECT format('%I.%I', n.nspname, c.relname), t.kind, c.relkind::text
FROM drive.tables t JOIN pg_catalog.pg_class c ON c.oid = t.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;

/** How many rows a table has and what they are, in whatever order they lie. */
export const digestSql = (table: string): string =>
  `SELECT count(*)::text, coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM ${table} t`;

-- The statements that make a table again on another shard, from the system catalogs.

-- `late` false: sequences and the table itself, to be run before rows are copied. `late` true:
-- constraints, indexes, triggers, comments and grants, to be run after them.
CREATE OR REPLACE FUNCTION drive.table_script(relation regclass, late boolean)
RETURNS SETOF text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH own AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS named
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
  ),
  -- Sequences of serial columns; an identity makes its own.
  seq AS (
    SELECT s.*, format('%I.%I', n.nspname, c.relname) AS named, a.attname
    FROM pg_depend d
    JOIN pg_sequence s ON s.seqrelid = d.objid
    JOIN pg_class c ON c.oid = s.seqrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refobjid = relation AND d.deptype = 'a'
  ),
  col AS (
    SELECT a.attnum, concat_ws(' ',
      format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)),
      CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
        THEN 'COLLATE ' || a.attcollation::regcollation END,
      CASE
        WHEN a.attgenerated <> '' THEN format('GENERATED ALWAYS AS (%s) %s',
          pg_get_expr(ad.adbin, ad.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)
        WHEN a.attidentity <> '' THEN (SELECT format(
          'GENERATED %s AS IDENTITY (INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s)',
          CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
          s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache)
          FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid
          WHERE d.refobjid = relation AND d.refobjsubid = a.attnum AND d.deptype = 'i')
        WHEN a.atthasdef THEN 'DEFAULT ' || pg_get_expr(ad.adbin, ad.adrelid)
      END,
      CASE WHEN a.attnotnull THEN 'NOT NULL' END) AS text
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
  ),
  line AS (
    SELECT 1 AS step, attname::text AS name, format(
      'CREATE SEQUENCE %s AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s',
      named, format_type(seqtypid, NULL), seqincrement, seqmin, seqmax, seqstart, seqcache) AS text
    FROM seq
    UNION ALL
    SELECT 2, '', format('CREATE %sTABLE %s (%s)%s',
      CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' END, named,
      (SELECT string_agg(col.text, ', ' ORDER BY attnum) FROM col),
      ' WITH (' || array_to_string(reloptions, ', ') || ')')
    FROM own
    UNION ALL
    SELECT 3, attname, format('ALTER SEQUENCE %s OWNED BY %s.%I', seq.named, own.named, attname)
    FROM seq, own
    UNION ALL
    SELECT CASE contype WHEN 'f' THEN 13 ELSE 11 END, conname,
      format('ALTER TABLE %s ADD CONSTRAINT %I %s', named, conname, pg_get_constraintdef(k.oid))
    FROM own JOIN pg_constraint k ON k.conrelid = own.oid WHERE contype IN ('p', 'u', 'x', 'c', 'f')
    UNION ALL
    SELECT 12, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index i WHERE i.indrelid = relation
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = relation)
    UNION ALL
    SELECT 14, tgname, pg_get_triggerdef(oid)
    FROM pg_trigger WHERE tgrelid = relation AND NOT tgisinternal
    UNION ALL
    SELECT 15, objsubid::text, CASE objsubid
      WHEN 0 THEN format('COMMENT ON TABLE %s IS %L', named, description)
      ELSE format('COMMENT ON COLUMN %s.%I IS %L', named,
        (SELECT attname FROM pg_attribute WHERE attrelid = relation AND attnum = objsubid), description)
      END
    FROM own JOIN pg_description ON objoid = own.oid AND classoid = 'pg_class'::regclass
    UNION ALL
    SELECT 16, '', format('GRANT %s ON %s TO %s', a.privilege_type, named,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
    FROM own, aclexplode(own.relacl) a WHERE a.grantee <> own.relowner
  )
  SELECT text FROM line WHERE (step > 10) = late ORDER BY step, name
$$;

-- Why a table cannot be moved to or from other shards; null where it can.
CREATE OR REPLACE FUNCTION drive.immovable(relation regclass)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN c.relkind <> 'r' THEN 'it is not an ordinary table'
    WHEN c.relpersistence = 't' THEN 'it is a temporary table'
    WHEN c.relispartition OR EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent))
      THEN 'it is a partition, a child or a parent of other tables'
    WHEN c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
      THEN 'it has row level security'
    WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid) THEN 'it has rules'
    WHEN EXISTS (SELECT FROM pg_constraint
                 WHERE contype = 'f' AND confrelid = c.oid AND conrelid <> c.oid)
      THEN 'foreign keys of other tables refer to it'
  END
  FROM pg_class c WHERE c.oid = relation
$$;

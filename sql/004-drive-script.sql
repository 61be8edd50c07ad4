-- The statements that make a table again on another shard, from the system catalogs.

-- A table and what are its partitions, each behind the one that it is of. `columns`: those that can be given
-- a value. `holds_rows`: it has no partitions.
CREATE OR REPLACE FUNCTION drive.table_tree(relation regclass)
RETURNS TABLE (oid oid, named text, columns json, holds_rows boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH member AS (
    SELECT relation::oid AS oid, 0 AS level
    UNION SELECT relid, level FROM pg_partition_tree(relation)
  )
  SELECT c.oid, format('%I.%I', n.nspname, c.relname),
    (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
    c.relkind <> 'p'
  FROM member m JOIN pg_class c ON c.oid = m.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY m.level, 2
$$;

-- `late` false: sequences, the table itself and its partitions, to be run before rows are copied. `late` true:
-- constraints, indexes, triggers, statistics, comments, grants and owners, to be run after them. What a table makes in its
-- partitions is left to it, but for indexes, which have names of their own.
CREATE OR REPLACE FUNCTION drive.table_script(relation regclass, late boolean)
RETURNS SETOF text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH own AS (
    SELECT c.*, t.named, t.place, CASE c.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END AS alone
    FROM drive.table_tree(relation) WITH ORDINALITY AS t (relid, named, columns, holds_rows, place)
    JOIN pg_class c ON c.oid = t.relid
  ),
  -- Sequences of serial columns; an identity makes its own.
  seq AS (
    SELECT s.*, format('%I.%I', n.nspname, c.relname) AS named, c.relacl, c.relowner, a.attname,
      own.place, own.named AS of_table
    FROM own
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refobjid = own.oid AND d.deptype = 'a'
    JOIN pg_sequence s ON s.seqrelid = d.objid
    JOIN pg_class c ON c.oid = s.seqrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  ),
  col AS (
    SELECT a.attrelid, a.attnum, concat_ws(' ',
      format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)),
      CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
        THEN 'COLLATE ' || a.attcollation::regcollation END,
      CASE
        WHEN a.attgenerated <> '' THEN format('GENERATED ALWAYS AS (%s) %s',
          pg_get_expr(ad.adbin, ad.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)
        -- A partition has the identity of its table.
        WHEN a.attidentity <> '' THEN (SELECT format(
          'GENERATED %s AS IDENTITY (INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s)',
          CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
          s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache)
          FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid
          WHERE d.refobjid = own.oid AND d.refobjsubid = a.attnum AND d.deptype = 'i')
        WHEN a.atthasdef THEN 'DEFAULT ' || pg_get_expr(ad.adbin, ad.adrelid)
      END,
      -- Its own constraint since PostgreSQL 18, by a name; one that has not been validated comes behind the rows.
      CASE WHEN nn.oid IS NULL THEN CASE WHEN a.attnotnull THEN 'NOT NULL' END
        WHEN nn.convalidated THEN format('CONSTRAINT %I %s', nn.conname, concat('NOT NULL', CASE WHEN nn.connoinherit THEN ' NO INHERIT' END))
      END) AS text
    FROM own
    JOIN pg_attribute a ON a.attrelid = own.oid
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
    LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum]
    WHERE a.attnum > 0 AND NOT a.attisdropped
  ),
  line AS (
    SELECT 1 AS step, place, attname::text AS name, format(
      'CREATE SEQUENCE %s AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s',
      named, format_type(seqtypid, NULL), seqincrement, seqmin, seqmax, seqstart, seqcache) AS text
    FROM seq
    UNION ALL
    SELECT 2, place, '', format('CREATE %sTABLE %s (%s)%s%s',
      CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' END, named,
      (SELECT string_agg(col.text, ', ' ORDER BY attnum) FROM col WHERE attrelid = own.oid),
      ' PARTITION BY ' || pg_get_partkeydef(oid),
      ' WITH (' || array_to_string(reloptions, ', ') || ')')
    FROM own
    UNION ALL
    SELECT 3, place, attname, format('ALTER SEQUENCE %s OWNED BY %s.%I', named, of_table, attname)
    FROM seq
    UNION ALL
    SELECT 3, place, '', format('ALTER TABLE %s OF %s', named, format_type(reloftype, NULL))
    FROM own WHERE reloftype <> 0
    UNION ALL
    SELECT 4, child.place, '', format('ALTER TABLE %s ATTACH PARTITION %s %s', parent.named, child.named,
      pg_get_expr(child.relpartbound, child.oid))
    FROM own child JOIN pg_inherits i ON i.inhrelid = child.oid JOIN own parent ON parent.oid = i.inhparent
    UNION ALL
    SELECT 5, place, attname, format('ALTER TABLE ONLY %s %s', named, concat_ws(', ',
      CASE WHEN a.attstorage <> t.typstorage THEN format('ALTER %I SET STORAGE %s', attname,
        CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) END,
      CASE a.attcompression WHEN 'p' THEN format('ALTER %I SET COMPRESSION pglz', attname)
        WHEN 'l' THEN format('ALTER %I SET COMPRESSION lz4', attname) END,
      CASE WHEN a.attstattarget >= 0 THEN format('ALTER %I SET STATISTICS %s', attname, a.attstattarget) END))
    FROM own JOIN pg_attribute a ON a.attrelid = own.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped
      AND (a.attstorage <> t.typstorage OR a.attcompression <> '' OR a.attstattarget >= 0)
    UNION ALL
    SELECT CASE contype WHEN 'f' THEN 14 ELSE 11 END, place, conname,
      format('ALTER TABLE %s%s ADD CONSTRAINT %I %s', CASE WHEN contype IN ('p', 'u', 'x') THEN alone END,
        named, conname, pg_get_constraintdef(k.oid))
    FROM own JOIN pg_constraint k ON k.conrelid = own.oid
    WHERE contype IN ('p', 'u', 'x')
      OR contype = 'f' AND k.conparentid = 0
      OR contype = 'c' AND NOT (k.coninhcount > 0 AND relispartition)
      OR contype = 'n' AND NOT k.convalidated AND NOT (k.coninhcount > 0 AND relispartition)
    UNION ALL
    SELECT 12, place, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM own JOIN pg_index i ON i.indrelid = own.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = own.oid)
    UNION ALL
    SELECT 13, place, inhrelid::regclass::text, format('ALTER INDEX %s ATTACH PARTITION %s',
      inhparent::regclass, inhrelid::regclass)
    FROM own JOIN pg_index i ON i.indrelid = own.oid JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    UNION ALL
    SELECT 14, place, '', format('ALTER TABLE %s CLUSTER ON %I', named, c.relname)
    FROM own JOIN pg_index i ON i.indrelid = own.oid JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisclustered
    UNION ALL
    SELECT 14, place, '', format('ALTER TABLE %s REPLICA IDENTITY %s', named, CASE own.relreplident WHEN 'f' THEN 'FULL'
      WHEN 'n' THEN 'NOTHING' ELSE format('USING INDEX %I', (SELECT c.relname FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = own.oid AND i.indisreplident)) END)
    FROM own WHERE own.relreplident <> 'd'
    UNION ALL
    SELECT 15, place, tgname, pg_get_triggerdef(t.oid)
    FROM own JOIN pg_trigger t ON tgrelid = own.oid WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT 16, place, tgname, format('ALTER TABLE %s%s %s TRIGGER %I', alone, named,
      CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
    FROM own JOIN pg_trigger t ON tgrelid = own.oid WHERE NOT tgisinternal AND tgenabled <> 'O'
    UNION ALL
    SELECT 17, place, objsubid::text, CASE objsubid
      WHEN 0 THEN format('COMMENT ON TABLE %s IS %L', named, description)
      ELSE format('COMMENT ON COLUMN %s.%I IS %L', named,
        (SELECT attname FROM pg_attribute WHERE attrelid = own.oid AND attnum = objsubid), description)
      END
    FROM own JOIN pg_description ON objoid = own.oid AND classoid = 'pg_class'::regclass
    UNION ALL
    SELECT 17, place, what, format('COMMENT ON %s IS %L', what, obj_description(oid, class))
    FROM (SELECT place, 'SEQUENCE ' || named AS what, seqrelid AS oid, 'pg_class' AS class FROM seq
      UNION ALL SELECT place, 'INDEX ' || indexrelid::regclass, indexrelid, 'pg_class'
        FROM own JOIN pg_index ON indrelid = own.oid
      UNION ALL SELECT place, format('CONSTRAINT %I ON %s', conname, named), k.oid, 'pg_constraint'
        FROM own JOIN pg_constraint k ON conrelid = own.oid
      UNION ALL SELECT place, format('TRIGGER %I ON %s', tgname, named), t.oid, 'pg_trigger'
        FROM own JOIN pg_trigger t ON tgrelid = own.oid WHERE NOT tgisinternal
      UNION ALL SELECT place, format('STATISTICS %I.%I', nspname, stxname), x.oid, 'pg_statistic_ext'
        FROM own JOIN pg_statistic_ext x ON stxrelid = own.oid JOIN pg_namespace n ON n.oid = stxnamespace) commented
    WHERE obj_description(oid, class) IS NOT NULL
    UNION ALL
    SELECT 16, place, stxname, pg_get_statisticsobjdef(x.oid) FROM own JOIN pg_statistic_ext x ON stxrelid = own.oid
    UNION ALL
    SELECT 18, place, '', format('GRANT %s ON %s TO %s%s', a.privilege_type, granted.named,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
      CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
    FROM (SELECT place, named, relacl, relowner FROM own
      UNION ALL SELECT place, 'SEQUENCE ' || named, relacl, relowner FROM seq) granted,
      aclexplode(granted.relacl) a WHERE a.grantee <> granted.relowner
    UNION ALL
    SELECT 18, place, attname, format('GRANT %s (%I) ON %s TO %s%s', a.privilege_type, attname, named,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
      CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
    FROM own JOIN pg_attribute t ON t.attrelid = own.oid, aclexplode(t.attacl) a
    WHERE a.grantee <> own.relowner AND NOT attisdropped
    UNION ALL
    SELECT 19, place, '', format('ALTER TABLE %s OWNER TO %s', named, relowner::regrole)
    FROM own WHERE pg_get_userbyid(relowner) <> current_user
  )
  SELECT text FROM line WHERE (step > 10) = late ORDER BY step, place, name
$$;

-- Why a table cannot be moved to or from other shards; null where it can.
CREATE OR REPLACE FUNCTION drive.immovable(relation regclass)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH tree AS (SELECT c.* FROM drive.table_tree(relation) t JOIN pg_class c ON c.oid = t.oid)
  SELECT CASE
    WHEN c.relkind NOT IN ('r', 'p') THEN 'it is not an ordinary table'
    WHEN c.relpersistence = 't' THEN 'it is a temporary table'
    WHEN c.relispartition THEN 'it is a partition of another table'
    WHEN EXISTS (SELECT FROM pg_inherits WHERE c.oid = inhrelid OR c.oid = inhparent AND c.relkind = 'r')
      THEN 'it is a child or a parent of other tables'
    WHEN EXISTS (SELECT FROM tree WHERE relkind NOT IN ('r', 'p')) THEN 'one of its partitions is not an ordinary table'
    WHEN EXISTS (SELECT FROM tree WHERE relrowsecurity)
      OR EXISTS (SELECT FROM pg_policy WHERE polrelid IN (SELECT oid FROM tree)) THEN 'it has row level security'
    WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM tree)) THEN 'it has rules'
    WHEN EXISTS (SELECT FROM pg_constraint
                 WHERE contype = 'f' AND confrelid IN (SELECT oid FROM tree)
                   AND conrelid NOT IN (SELECT oid FROM tree))
      THEN 'foreign keys of other tables refer to it'
  END
  FROM pg_class c WHERE c.oid = relation
$$;

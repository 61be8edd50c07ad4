-- Sizes as one PostgreSQL would tell them: of a table whose rows are on all shards, all of its parts.

-- A relation by what it is called on every shard. The names of TOAST tables have a shard's own numbers in them.
CREATE OR REPLACE FUNCTION drive.size_name(relation regclass)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT drive.relation_key(n.nspname, coalesce(o.relname, c.relname))
    || CASE WHEN o.oid IS NULL THEN '' WHEN i.indexrelid IS NULL THEN ' toast' ELSE ' toast index' END
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid AND c.relnamespace = 'pg_toast'::regnamespace
  LEFT JOIN pg_catalog.pg_class o ON o.reltoastrelid = coalesce(i.indrelid, c.oid)
  JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(o.relnamespace, c.relnamespace)
  WHERE c.oid = relation
$$;

-- This shard's part of these tables, by their schemas and their names in the same order, of their indexes and their
-- TOAST tables: {"key": {"main": bytes, …}}.
CREATE OR REPLACE FUNCTION drive.relation_sizes(schemas text[], names text[])
RETURNS jsonb LANGUAGE sql VOLATILE AS $$
  WITH own AS (
    SELECT c.oid, c.reltoastrelid
    FROM unnest(schemas, names) wanted (nspname, relname)
    JOIN pg_catalog.pg_namespace n USING (nspname)
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
  ), whole AS (
    SELECT oid FROM own UNION ALL SELECT reltoastrelid FROM own WHERE reltoastrelid <> 0
  ), part AS (
    SELECT oid FROM whole
    UNION ALL SELECT i.indexrelid FROM whole JOIN pg_catalog.pg_index i ON i.indrelid = whole.oid
  )
  SELECT coalesce(jsonb_object_agg(drive.size_name(oid), jsonb_build_object(
    'main', pg_catalog.pg_relation_size(oid, 'main'), 'fsm', pg_catalog.pg_relation_size(oid, 'fsm'),
    'vm', pg_catalog.pg_relation_size(oid, 'vm'), 'init', pg_catalog.pg_relation_size(oid, 'init'),
    'table', pg_catalog.pg_table_size(oid), 'indexes', pg_catalog.pg_indexes_size(oid),
    'total', pg_catalog.pg_total_relation_size(oid))), '{}')
  FROM part
$$;

-- Of all shards. `sizes`: "relations" has what each has told; "database" is how large all are together, and "name" how
-- the proxy calls them. NULL: none of them has told of it.
CREATE OR REPLACE FUNCTION drive.told_size(sizes jsonb, relation regclass, part text)
RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT sum((each -> name ->> part)::bigint)::bigint
  FROM drive.size_name(relation) name, jsonb_array_elements(sizes -> 'relations') each
$$;

-- What stands for the functions of these names, which tell of one server.
CREATE OR REPLACE FUNCTION drive.pg_relation_size(sizes jsonb, relation regclass, fork text DEFAULT 'main')
RETURNS bigint LANGUAGE sql VOLATILE STRICT AS $$
  SELECT coalesce(
    CASE WHEN fork IN ('main', 'fsm', 'vm', 'init') THEN drive.told_size(sizes, relation, fork) END,
    pg_catalog.pg_relation_size(relation, fork))
$$;

CREATE OR REPLACE FUNCTION drive.pg_table_size(sizes jsonb, relation regclass)
RETURNS bigint LANGUAGE sql VOLATILE STRICT AS $$
  SELECT coalesce(drive.told_size(sizes, relation, 'table'), pg_catalog.pg_table_size(relation))
$$;

CREATE OR REPLACE FUNCTION drive.pg_indexes_size(sizes jsonb, relation regclass)
RETURNS bigint LANGUAGE sql VOLATILE STRICT AS $$
  SELECT coalesce(drive.told_size(sizes, relation, 'indexes'), pg_catalog.pg_indexes_size(relation))
$$;

CREATE OR REPLACE FUNCTION drive.pg_total_relation_size(sizes jsonb, relation regclass)
RETURNS bigint LANGUAGE sql VOLATILE STRICT AS $$
  SELECT coalesce(drive.told_size(sizes, relation, 'total'), pg_catalog.pg_total_relation_size(relation))
$$;

CREATE OR REPLACE FUNCTION drive.pg_database_size(sizes jsonb, database name)
RETURNS bigint LANGUAGE sql VOLATILE STRICT AS $$
  SELECT CASE WHEN database IN (current_database(), (sizes ->> 'name')::name)
    THEN (sizes ->> 'database')::bigint ELSE pg_catalog.pg_database_size(database) END
$$;

CREATE OR REPLACE FUNCTION drive.pg_database_size(sizes jsonb, database oid)
RETURNS bigint LANGUAGE sql VOLATILE STRICT AS $$
  SELECT coalesce(drive.pg_database_size(sizes, (SELECT datname FROM pg_catalog.pg_database d WHERE d.oid = database)),
    pg_catalog.pg_database_size(database))
$$;

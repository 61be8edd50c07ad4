-- Statistics as one PostgreSQL would have them: of a table whose rows are on all shards, those of all its parts.

-- What this shard has counted of these tables, by their schemas and their names in the same order, and of their
-- indexes: {"view": {"key": {"column": value, …}}}, for each of the views.
CREATE OR REPLACE FUNCTION drive.statistics(views text[], schemas text[], names text[])
RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  counted jsonb := '{}';
  rows jsonb;
  view text;
BEGIN
  FOREACH view IN ARRAY views LOOP
    IF view = 'pg_class' THEN
      SELECT jsonb_object_agg(drive.relation_key(n.nspname, c.relname), drive.estimates(c)) INTO rows
      FROM unnest(schemas, names) wanted (nspname, relname)
      JOIN pg_catalog.pg_namespace n USING (nspname)
      JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = wanted.relname
      LEFT JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
      JOIN pg_catalog.pg_class c ON c.oid IN (t.oid, i.indexrelid);
    ELSE
      EXECUTE format('SELECT jsonb_object_agg(drive.statistics_name(to_jsonb(s)), to_jsonb(s))
        FROM unnest($1, $2) wanted (schemaname, relname)
        JOIN pg_catalog.%I s USING (schemaname, relname)', view)
      INTO rows USING schemas, names;
    END IF;
    counted := counted || jsonb_build_object(view, coalesce(rows, '{}'));
  END LOOP;
  RETURN counted;
END
$$;

-- A row of such a view by what it is about.
CREATE OR REPLACE FUNCTION drive.statistics_name(counted jsonb)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_array(counted -> 'schemaname', counted -> 'relname', counted -> 'indexrelname')::text
$$;

-- How large the planner takes a relation to be; negative: it does not know.
CREATE OR REPLACE FUNCTION drive.estimates(relation pg_catalog.pg_class)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(relation))
  WHERE key IN ('reltuples', 'relpages', 'relallvisible', 'relallfrozen')
$$;

-- What shards have counted of one thing: numbers added up, of times the last. What is negative is not known.
CREATE OR REPLACE FUNCTION drive.added(counted jsonb)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}')
  FROM (
    SELECT key, coalesce(
      to_jsonb(max(each::timestamptz) FILTER (WHERE key LIKE 'last\_%')),
      to_jsonb(sum(each::numeric) FILTER (WHERE key NOT LIKE 'last\_%' AND each NOT LIKE '-%'))) AS value
    FROM jsonb_array_elements(counted) part, jsonb_each_text(part) own (key, each)
    WHERE key NOT IN ('relid', 'indexrelid', 'schemaname', 'relname', 'indexrelname')
    GROUP BY key
  ) summed
$$;

-- What stands for a view: its rows, of the cluster where shards have told of them, by `told`, which has for each
-- shard what its drive.statistics() gives.
DO $make$
DECLARE
  view text;
BEGIN
  FOR view IN
    SELECT c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'v'
      AND c.relname ~ '^pg_stat(io)?_(all|user)_(tables|indexes)$'
  LOOP
    EXECUTE format($function$
      CREATE OR REPLACE FUNCTION drive.%1$I(told jsonb)
      RETURNS SETOF pg_catalog.%1$I LANGUAGE sql STABLE AS $$
        WITH cluster AS (
          SELECT name, jsonb_agg(counted) AS counted
          FROM jsonb_array_elements(told) shard, jsonb_each(shard -> %1$L) each (name, counted) GROUP BY name
        )
        SELECT whole.*
        FROM pg_catalog.%1$I own LEFT JOIN cluster ON name = drive.statistics_name(to_jsonb(own)),
          jsonb_populate_record(own, CASE WHEN name IS NOT NULL THEN drive.added(counted) ELSE '{}' END) whole
      $$
    $function$, view);
  END LOOP;
END
$make$;

-- pg_catalog.pg_class with the estimates of the cluster.
CREATE OR REPLACE FUNCTION drive.pg_class(told jsonb)
RETURNS SETOF pg_catalog.pg_class LANGUAGE sql STABLE AS $$
  WITH cluster AS (
    SELECT name, jsonb_agg(counted) AS counted
    FROM jsonb_array_elements(told) shard, jsonb_each(shard -> 'pg_class') each (name, counted) GROUP BY name
  )
  SELECT whole.*
  FROM pg_catalog.pg_class own JOIN pg_catalog.pg_namespace n ON n.oid = own.relnamespace
  LEFT JOIN cluster ON name = drive.relation_key(n.nspname, own.relname),
    jsonb_populate_record(own, CASE WHEN name IS NOT NULL THEN drive.added(counted) ELSE '{}' END) whole
$$;

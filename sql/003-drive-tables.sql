-- Table kinds that were given by statement, and ids that are unique over the shards.

-- A table that is not in here is what the configuration says, or sharded if it has the key column.
-- regclass: a row follows its table through RENAME and SET SCHEMA.
CREATE TABLE IF NOT EXISTS drive.tables (
  relation regclass PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('sharded', 'reference', 'home')),
  key_column name CHECK ((key_column IS NOT NULL) = (kind = 'sharded'))
);

-- A role that changes the schema has the proxy read it again in its transaction.
GRANT SELECT ON drive.tables TO PUBLIC;

COMMENT ON TABLE drive.tables IS 'kinds of tables: sharded by key_column, reference or home';

-- Forgets the tables that have been dropped, but for those that another transaction is just forgetting, or
-- has forgotten behind the snapshot of this one: nobody is to wait or to fail for them.
CREATE OR REPLACE FUNCTION drive.forget_dropped_tables()
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM drive.tables WHERE relation IN (
    SELECT t.relation FROM drive.tables t
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.relation)
    FOR UPDATE SKIP LOCKED);
EXCEPTION WHEN serialization_failure THEN
  NULL;
END
$$;

-- Remembers the kind of a table.
CREATE OR REPLACE FUNCTION drive.set_table_kind(relation regclass, kind text, key_column name)
RETURNS void LANGUAGE sql AS $$
  SELECT drive.forget_dropped_tables();
  INSERT INTO drive.tables VALUES (relation, kind, key_column)
  ON CONFLICT ON CONSTRAINT tables_pkey
  DO UPDATE SET kind = excluded.kind, key_column = excluded.key_column;
$$;

-- Tables of the home shard that look sharded, but for those in `spread` ([schema, name] each), are
-- remembered as home tables: CREATE TABLE AS or a new column must not change what a table is.
CREATE OR REPLACE FUNCTION drive.keep_home(key_column name, spread jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  home oid;
BEGIN
  FOR home IN
    SELECT c.oid
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'drive')
      AND n.nspname !~ '^pg_' AND a.attname = keep_home.key_column AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM drive.tables t WHERE t.relation = c.oid)
      AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(spread) s
                      WHERE s = pg_catalog.jsonb_build_array(n.nspname, c.relname))
  LOOP
    BEGIN
      INSERT INTO drive.tables (relation, kind) VALUES (home, 'home') ON CONFLICT DO NOTHING;
    EXCEPTION WHEN serialization_failure THEN
      NULL; -- Remembered by another transaction, behind the snapshot of this one.
    END;
  END LOOP;
END
$$;

-- A value as text that another server reads as the same value, whatever the session has set.
CREATE OR REPLACE FUNCTION drive.exact_text(value anyelement)
RETURNS text LANGUAGE sql STABLE SET extra_float_digits = 1 SET datestyle = 'ISO, YMD' AS $$
  SELECT value::text
$$;

-- Sequences that count in steps that are not for several shards.
CREATE OR REPLACE FUNCTION drive.narrow_sequences()
RETURNS SETOF text LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_sequence s
  JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE s.seqincrement % 1024 <> 0 AND c.relpersistence <> 't'
$$;

-- Sequences that count in steps of 1024 or a multiple, with their START: spread ones, which start elsewhere
-- on every shard, and those that somebody has made so.
CREATE OR REPLACE FUNCTION drive.wide_sequences()
RETURNS TABLE (named text, start bigint) LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), s.seqstart
  FROM pg_catalog.pg_sequence s
  JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE s.seqincrement % 1024 = 0 AND c.relpersistence <> 't'
$$;

-- Takes the spread back: one server counts alone again, behind the last id that any shard has given.
CREATE OR REPLACE FUNCTION drive.narrow_sequence(sequence regclass, given bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s pg_catalog.pg_sequence;
  step bigint;
  start bigint;
BEGIN
  SELECT * INTO STRICT s FROM pg_catalog.pg_sequence WHERE seqrelid = sequence;
  IF s.seqincrement % 1024 <> 0 THEN
    RETURN;
  END IF;
  step := s.seqincrement / 1024;
  start := s.seqstart - step * ((drive.shard_id() + 1023) % 1024);
  EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s START WITH %s RESTART WITH %s', sequence,
    step, start, coalesce(given + step, start));
END
$$;

-- Spreads a sequence: every shard counts in steps of 1024 from its own number. For START 1: shard 1
-- gives 1, 1025, …, and shard 0 gives 1024, 2048, …, so that ids are above 0.
CREATE OR REPLACE FUNCTION drive.spread_sequence(sequence regclass)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s pg_catalog.pg_sequence;
BEGIN
  SELECT * INTO STRICT s FROM pg_catalog.pg_sequence WHERE seqrelid = sequence;
  EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s START WITH %s RESTART', sequence,
    s.seqincrement * 1024,
    s.seqstart + s.seqincrement * ((drive.shard_id() + 1023) % 1024));
END
$$;

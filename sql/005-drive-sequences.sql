-- Sequences as one PostgreSQL would have them, for who reads them: the steps of the shards are ours.

GRANT USAGE ON SCHEMA drive TO PUBLIC;

-- What setval() was told, where the shard's own next value is another. It holds as long as the
-- sequence is where align_sequence() left it: at `own`, not called.
CREATE TABLE IF NOT EXISTS drive.told_values (
  sequence regclass PRIMARY KEY,
  last_value bigint NOT NULL,
  is_called boolean NOT NULL,
  own bigint NOT NULL
);
GRANT SELECT ON drive.told_values TO PUBLIC;

COMMENT ON TABLE drive.told_values IS 'values given to sequences that are not this shard''s own';

-- After RESTART WITH and setval(): the next value is the first from there on that is this shard's own.
CREATE OR REPLACE FUNCTION drive.align_sequence(sequence regclass)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s pg_catalog.pg_sequence;
  at bigint;
  called boolean;
  own bigint;
BEGIN
  SELECT * INTO STRICT s FROM pg_catalog.pg_sequence WHERE seqrelid = sequence;
  EXECUTE format('SELECT last_value, is_called FROM %s', sequence) INTO at, called;
  IF (at - s.seqstart) % s.seqincrement = 0 THEN
    RETURN;
  END IF;
  own := s.seqstart + s.seqincrement * ceil((at - s.seqstart)::numeric / s.seqincrement)::bigint;
  PERFORM pg_catalog.setval(sequence, own, false);
  DELETE FROM drive.told_values t
  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.sequence);
  INSERT INTO drive.told_values VALUES (sequence, at, called, own)
  ON CONFLICT ON CONSTRAINT told_values_pkey DO UPDATE
    SET last_value = excluded.last_value, is_called = excluded.is_called, own = excluded.own;
END
$$;

-- START as it was written, from a shard's own START and INCREMENT.
CREATE OR REPLACE FUNCTION drive.written_start(start bigint, increment bigint)
RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN increment % 1024 = 0
    THEN start - increment / 1024 * ((drive.shard_id() + 1023) % 1024) ELSE start END
$$;

-- INCREMENT as it was written.
CREATE OR REPLACE FUNCTION drive.written_increment(increment bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN increment % 1024 = 0 THEN increment / 1024 ELSE increment END
$$;

-- pg_catalog.pg_sequence with START and INCREMENT as they were written. No view: pg_dump reads none.
CREATE OR REPLACE FUNCTION drive.pg_sequence()
RETURNS SETOF pg_catalog.pg_sequence LANGUAGE sql STABLE AS $$
  SELECT seqrelid, seqtypid,
    drive.written_start(seqstart, seqincrement), drive.written_increment(seqincrement),
    seqmax, seqmin, seqcache, seqcycle
  FROM pg_catalog.pg_sequence
$$;

-- What tells a relation from all others, and is the same on every shard whatever quote_all_identifiers says there.
CREATE OR REPLACE FUNCTION drive.relation_key(schema name, relation name)
RETURNS text LANGUAGE sql STABLE AS $$ SELECT jsonb_build_array(schema, relation)::text $$;

-- Where this shard is in the sequences that count in the shards' steps; `wanted` null: in all that the
-- user may read. One that has given no value is at its START, or where it was told to begin.
CREATE OR REPLACE FUNCTION drive.sequence_states(wanted text[])
RETURNS TABLE (sequence text, last_value bigint, is_called boolean, upwards boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  s record;
BEGIN
  FOR s IN
    SELECT q.*, p.seqstart AS own_start, t.own, t.last_value AS told, t.is_called AS told_called,
      drive.relation_key(n.nspname, c.relname) AS named
    FROM drive.pg_sequence() q
    JOIN pg_catalog.pg_sequence p USING (seqrelid)
    JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN drive.told_values t ON t.sequence = q.seqrelid
    WHERE p.seqincrement % 1024 = 0
      AND (wanted IS NULL OR q.seqrelid IN (SELECT to_regclass(name) FROM unnest(wanted) name))
      AND (wanted IS NOT NULL OR pg_catalog.has_sequence_privilege(q.seqrelid, 'SELECT'))
  LOOP
    sequence := s.named;
    upwards := s.seqincrement > 0;
    EXECUTE format('SELECT last_value, is_called FROM %s', s.seqrelid::regclass)
      INTO sequence_states.last_value, sequence_states.is_called;
    IF NOT sequence_states.is_called AND sequence_states.last_value = s.own THEN
      sequence_states.last_value := s.told;
      sequence_states.is_called := s.told_called;
    ELSIF NOT sequence_states.is_called AND sequence_states.last_value = s.own_start THEN
      sequence_states.last_value := s.seqstart;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;

-- What a sequence itself would answer, of the cluster: `states` has {"key": [last_value, is_called]}.
-- Any sequence that is not in there answers by itself.
CREATE OR REPLACE FUNCTION drive.sequence_row(
  states jsonb, sequence regclass, OUT last_value bigint, OUT log_cnt bigint, OUT is_called boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  state jsonb;
BEGIN
  SELECT states -> drive.relation_key(n.nspname, c.relname) INTO state
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = sequence;
  IF state IS NULL THEN
    EXECUTE format('SELECT last_value, log_cnt, is_called FROM %s', sequence)
      INTO last_value, log_cnt, is_called;
  ELSE
    last_value := (state ->> 0)::bigint;
    log_cnt := 0;
    is_called := (state ->> 1)::boolean;
  END IF;
END
$$;

-- As pg_catalog.pg_get_sequence_data() of PostgreSQL 18: NULLs for what the user may not read.
CREATE OR REPLACE FUNCTION drive.pg_get_sequence_data(
  states jsonb, sequence regclass, OUT last_value bigint, OUT is_called boolean)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF pg_catalog.has_sequence_privilege(sequence, 'SELECT') THEN
    SELECT r.last_value, r.is_called INTO last_value, is_called
    FROM drive.sequence_row(states, sequence) r;
  END IF;
END
$$;

-- pg_catalog.pg_sequences, of the cluster.
CREATE OR REPLACE FUNCTION drive.pg_sequences(states jsonb)
RETURNS SETOF pg_catalog.pg_sequences LANGUAGE sql STABLE AS $$
  SELECT s.schemaname, s.sequencename, s.sequenceowner, s.data_type,
    drive.written_start(s.start_value, s.increment_by), s.min_value, s.max_value,
    drive.written_increment(s.increment_by), s.cycle, s.cache_size,
    CASE WHEN states ? drive.relation_key(s.schemaname, s.sequencename) THEN
      CASE WHEN (states -> drive.relation_key(s.schemaname, s.sequencename) ->> 1)::boolean
        THEN (states -> drive.relation_key(s.schemaname, s.sequencename) ->> 0)::bigint END
      ELSE s.last_value END
  FROM pg_catalog.pg_sequences s
$$;

-- information_schema.sequences with START and INCREMENT as they were written.
CREATE OR REPLACE FUNCTION drive.sequences()
RETURNS SETOF information_schema.sequences LANGUAGE sql STABLE AS $$
  SELECT sequence_catalog, sequence_schema, sequence_name, data_type, numeric_precision,
    numeric_precision_radix, numeric_scale,
    drive.written_start(start_value::text::bigint, increment::text::bigint)
      ::text::information_schema.character_data,
    minimum_value, maximum_value,
    drive.written_increment(increment::text::bigint)::text::information_schema.character_data,
    cycle_option
  FROM information_schema.sequences
$$;

-- information_schema.columns with the START and INCREMENT of identities as they were written. Every
-- column by its name: the planner then looks at the columns of one table only, where only those are asked for.
CREATE OR REPLACE FUNCTION drive.columns()
RETURNS SETOF information_schema.columns LANGUAGE sql STABLE AS $$
  SELECT table_catalog, table_schema, table_name, column_name, ordinal_position, column_default,
    is_nullable, data_type, character_maximum_length, character_octet_length, numeric_precision,
    numeric_precision_radix, numeric_scale, datetime_precision, interval_type, interval_precision,
    character_set_catalog, character_set_schema, character_set_name, collation_catalog,
    collation_schema, collation_name, domain_catalog, domain_schema, domain_name, udt_catalog,
    udt_schema, udt_name, scope_catalog, scope_schema, scope_name, maximum_cardinality,
    dtd_identifier, is_self_referencing, is_identity, identity_generation,
    drive.written_start(identity_start::text::bigint, identity_increment::text::bigint)
      ::text::information_schema.character_data,
    drive.written_increment(identity_increment::text::bigint)
      ::text::information_schema.character_data,
    identity_maximum, identity_minimum, identity_cycle, is_generated, generation_expression,
    is_updatable
  FROM information_schema.columns
$$;

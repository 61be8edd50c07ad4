-- Schema drive: who this shard is, and the decisions of two-phase commits.
-- The installer sets drive.install_as to the shard's number, and drive.install_of to how many there are, before it
-- runs this file, with psql:
--   PGOPTIONS='-c drive.install_as=1 -c drive.install_of=3' psql -v ON_ERROR_STOP=1 -f sql/001-drive.sql …
-- Every file of sql/ can be run again on a shard that has it.

CREATE SCHEMA IF NOT EXISTS drive;

-- A database that is shard 1 must never be installed as shard 0: its rows would be in the wrong
-- place and its ids would collide.
DO $$
DECLARE
  wanted int := current_setting('drive.install_as')::int;
  present int;
BEGIN
  IF wanted NOT BETWEEN 0 AND 1023 THEN
    RAISE EXCEPTION 'a shard number is 0 to 1023, not %', wanted;
  END IF;
  IF to_regprocedure('drive.shard_id()') IS NOT NULL THEN
    EXECUTE 'SELECT drive.shard_id()' INTO present;
    IF present <> wanted THEN
      RAISE EXCEPTION 'database % is shard % and cannot become shard %',
        current_database(), present, wanted
        USING HINT = 'Give the shards in the order in which they were installed.';
    END IF;
  ELSE
    EXECUTE format(
      'CREATE FUNCTION drive.shard_id() RETURNS int
         LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L',
      format('SELECT %s', wanted));
  END IF;
END
$$;

-- With another number of shards most keys are on another one. Shards from before did not keep it.
DO $$
DECLARE
  wanted int := current_setting('drive.install_of', true)::int;
  present int;
BEGIN
  IF to_regprocedure('drive.shard_count()') IS NOT NULL THEN
    EXECUTE 'SELECT drive.shard_count()' INTO present;
    IF present <> wanted THEN
      RAISE EXCEPTION 'database % is one of % shards and cannot become one of %',
        current_database(), present, wanted
        USING HINT = 'Their rows are elsewhere then: dump them through the proxy, and restore into new databases.';
    END IF;
  ELSIF wanted IS NOT NULL THEN
    EXECUTE format(
      'CREATE FUNCTION drive.shard_count() RETURNS int
         LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L',
      format('SELECT %s', wanted));
  END IF;
END
$$;

COMMENT ON FUNCTION drive.shard_id() IS 'the number of this shard, 0-based';

-- One row per transaction that is being decided: the shard that holds the row is its decider.
CREATE TABLE IF NOT EXISTS drive.txlog (
  gid text PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('commit', 'abort')),
  decided_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE drive.txlog IS 'decisions of two-phase commits that are not finished everywhere';

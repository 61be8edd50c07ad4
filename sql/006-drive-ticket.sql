-- The order of serializable transactions over several shards.

-- Each of them locks it and writes its one row on each of its shards, so that no two are there at once.
CREATE TABLE IF NOT EXISTS drive.ticket (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
INSERT INTO drive.ticket VALUES (true) ON CONFLICT DO NOTHING;
GRANT SELECT, UPDATE ON drive.ticket TO PUBLIC;

COMMENT ON TABLE drive.ticket IS 'what serializable transactions over several shards have one after the other';

// Statements of the parity test of writes: WITH that writes, over the tables of write-servers.

import type { Said } from './write-servers.ts';

/** All parts see the state before; what others give back is all that they see of each other. */
export const WITH_WRITES: readonly Said[] = [
  // A key that is set, and what RETURNING shows of other tables.
  {
    sql: `WITH u AS (UPDATE members SET user_id = user_id + 200 WHERE user_id = 11 RETURNING *)
      SELECT u.name, u.user_id, f.id FROM u JOIN files f ON f.id = u.user_id - 200`,
  },
  {
    sql: `WITH u AS (UPDATE members m SET total = 1
        RETURNING name, (SELECT count(*) FROM files WHERE id > m.user_id) AS above) SELECT * FROM u`,
  },
  // The same table is read and written, in either order.
  {
    sql: `WITH i AS (INSERT INTO files SELECT user_id, id + 300, name FROM files
        ON CONFLICT DO NOTHING RETURNING id),
      d AS (DELETE FROM files WHERE id BETWEEN 15 AND 99 RETURNING id)
      SELECT (SELECT count(*) FROM i), (SELECT count(*) FROM d), (SELECT count(*) FROM files)`,
  },
  {
    sql: `WITH d AS (DELETE FROM members WHERE user_id < 5 RETURNING *)
      INSERT INTO members SELECT user_id + 1000, name, total FROM d UNION ALL
      SELECT user_id + 2000, name, total FROM members RETURNING user_id`,
  },
  // Moves between tables.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 9 RETURNING *)
      INSERT INTO picked (user_id, label) SELECT id, name FROM d RETURNING *`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id % 3 = 0 RETURNING user_id, name)
      INSERT INTO picked SELECT * FROM d`,
  },
  {
    sql: `WITH gone (k, v, f) AS (DELETE FROM files WHERE id BETWEEN 10 AND 20 RETURNING id, name, feels)
      INSERT INTO notes SELECT 500 + k, k, v || f::text FROM gone`,
  },
  {
    sql: `WITH d AS (DELETE FROM notes WHERE id < 3 RETURNING *) INSERT INTO picked SELECT owner, body FROM d`,
  },
  // The main query: of what was written, and of the state before.
  {
    sql: `WITH u AS (UPDATE files SET note = 'changed', size = size + 1 WHERE id > 20 RETURNING user_id, id, size, made, tags)
      SELECT * FROM u ORDER BY id`,
    ordered: true,
  },
  {
    sql: `WITH u AS (UPDATE files SET note = 'again' WHERE id > 25 RETURNING id, note)
      SELECT f.id, f.note, u.note, f.twice FROM files f JOIN u ON u.id = f.id ORDER BY f.id`,
    ordered: true,
  },
  { sql: `WITH d AS (DELETE FROM files WHERE id > 30) SELECT count(*), max(id) FROM files` },
  { sql: `WITH d AS (DELETE FROM members) SELECT 1` },
  {
    sql: `WITH i AS (INSERT INTO members VALUES (81, 'a'), (82, 'b'), (83, 'c') RETURNING *)
      SELECT (SELECT count(*) FROM members) AS before, (SELECT sum(user_id) FROM i) AS made`,
  },
  {
    sql: `WITH u AS (UPDATE files SET name = name || '!' RETURNING name, user_id)
      SELECT name, count(*) FROM u GROUP BY name ORDER BY name`,
    ordered: true,
  },
  // Upserts by hand.
  {
    sql: `WITH v (k, t) AS (VALUES (1, 'one'), (91, 'more'), (92, 'yet more')),
      u AS (UPDATE members m SET name = v.t FROM v WHERE m.user_id = v.k RETURNING m.user_id)
      INSERT INTO members (user_id, name) SELECT k, t FROM v WHERE k NOT IN (SELECT user_id FROM u)`,
  },
  {
    sql: `WITH n AS (SELECT id AS k, max(name) AS t FROM files WHERE id < 14 GROUP BY id),
      u AS (UPDATE members SET name = n.t FROM n WHERE user_id = k AND n.t IS NOT NULL RETURNING user_id)
      INSERT INTO members (user_id, name) SELECT k, coalesce(t, '-') FROM n
      WHERE NOT EXISTS (SELECT FROM u WHERE u.user_id = n.k) RETURNING user_id`,
  },
  {
    sql: `WITH i AS (INSERT INTO members SELECT id, name FROM files WHERE id < 5
        ON CONFLICT (user_id) DO UPDATE SET name = excluded.name RETURNING user_id, name)
      SELECT * FROM i`,
  },
  // Several writers, of tables of all kinds.
  {
    sql: `WITH a AS (DELETE FROM files WHERE id < 4 RETURNING id),
      b AS (UPDATE members SET total = 100 RETURNING user_id),
      c AS (INSERT INTO picked SELECT id, 'c' FROM a RETURNING user_id)
      SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT count(*) FROM c),
        (SELECT count(*) FROM files), (SELECT sum(total) FROM members)`,
  },
  {
    sql: `WITH a AS (INSERT INTO picked VALUES (1, 'x'), (2, 'y') RETURNING *),
      b AS (INSERT INTO picked SELECT user_id + 1, label || '+' FROM a RETURNING *)
      INSERT INTO picked SELECT user_id + 1, label || '+' FROM b RETURNING *`,
  },
  {
    sql: `WITH w AS (INSERT INTO country SELECT 'x' || id, name FROM files WHERE id < 3 RETURNING code)
      UPDATE members SET country = code FROM w WHERE code = 'x' || user_id RETURNING user_id, country`,
  },
  {
    sql: `WITH w AS (UPDATE country SET name = upper(name) RETURNING code, weight)
      DELETE FROM files USING w WHERE files.user_id = w.weight RETURNING files.id`,
  },
  {
    sql: `WITH w AS (UPDATE notes SET body = 'w' WHERE id = 1 RETURNING owner)
      UPDATE files SET note = 'w' FROM w WHERE id = owner`,
  },
  {
    sql: `WITH w AS (UPDATE files SET note = 'm' WHERE id = 7 RETURNING id)
      MERGE INTO members USING w ON user_id = w.id WHEN MATCHED THEN DELETE
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (w.id, 'merged')`,
  },
  // A reading query that several parts use is read once; one that nothing uses, never.
  {
    sql: `WITH r AS (SELECT id FROM files ORDER BY id DESC LIMIT 4), unused AS (SELECT 1 / 0),
      d AS (DELETE FROM files WHERE id IN (SELECT id FROM r))
      INSERT INTO picked SELECT id, 'r' FROM r RETURNING *`,
  },
  {
    sql: `WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5),
      d AS (DELETE FROM files WHERE id IN (SELECT n FROM r) RETURNING id)
      SELECT n, d.id FROM r LEFT JOIN d ON d.id = n ORDER BY n`,
    ordered: true,
  },
  // Names and text.
  {
    sql: `WITH files AS (DELETE FROM files WHERE id > 28 RETURNING *) SELECT count(*), min(id) FROM files`,
  },
  {
    sql: `WITH "D d" AS (UPDATE public.files AS f SET note = ')' WHERE f.id > 24 /* ( */ RETURNING f.*, f.id AS id2),
      e AS NOT MATERIALIZED (SELECT max(id2) AS top, ARRAY[feels] AS feels FROM "D d" GROUP BY feels)
      SELECT e.*, (SELECT count(*) FROM public.files WHERE public.files.note = ')') FROM e`,
  },
  {
    sql: `WITH i AS (INSERT INTO picked DEFAULT VALUES RETURNING *) SELECT label, user_id FROM i, notes`,
  },
  {
    sql: `WITH u AS (UPDATE files SET tags = tags || 'z', feels = NULL WHERE id BETWEEN 20 AND 23 RETURNING id, tags, feels, made)
      INSERT INTO files (user_id, id, tags, feels, made) SELECT id, id + 400, tags, feels, made FROM u RETURNING tags, feels`,
  },
  {
    sql: `WITH u AS (UPDATE members SET user_id = user_id + 200 WHERE user_id > 1 RETURNING user_id, name)
      SELECT * FROM u WHERE EXISTS (SELECT FROM members m WHERE m.user_id = u.user_id - 200)`,
  },
  {
    sql: `WITH m AS (MERGE INTO members USING (SELECT id AS k FROM files WHERE id < 20) f ON user_id = k
        WHEN MATCHED THEN UPDATE SET total = 7 WHEN NOT MATCHED AND k > 15 THEN INSERT (user_id, name) VALUES (k, 'm')
        RETURNING merge_action() AS act, user_id)
      SELECT act, count(*), sum(user_id) FROM m GROUP BY act`,
  },
  {
    sql: `WITH a AS (SELECT max(id) AS top FROM files), d AS (DELETE FROM files USING a WHERE id = top RETURNING id),
      b AS (SELECT count(*) AS n FROM files, a WHERE id = top)
      SELECT d.id, n, top FROM d, b, a`,
  },
  {
    sql: `WITH d AS (DELETE FROM country RETURNING *), i AS (INSERT INTO country SELECT code || '2', name, weight FROM d) TABLE d`,
  },
  // Errors.
  {
    sql: `WITH d AS (DELETE FROM files RETURNING id) INSERT INTO members SELECT id / 2, 'twice' FROM d`,
  },
  { sql: `WITH d AS (DELETE FROM files) SELECT * FROM d` },
  { sql: `WITH d AS (DELETE FROM files RETURNING id) SELECT missing FROM d` },
  // Parameters.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < $1 RETURNING id, feels)
      INSERT INTO files (user_id, id, note, feels) SELECT id, id + $2, $3, feels FROM d WHERE feels <> $4 RETURNING id, feels, $3`,
    parameters: [12, 700, 'given', 'sad'],
  },
];

/** Each shard runs them whole, or could seem able to. */
export const WITH_BY_KEY: readonly Said[] = [
  // The key is passed on.
  {
    sql: `WITH d AS (DELETE FROM files WHERE made < now() - interval '1 day' AND id % 2 = 0 RETURNING user_id, name)
      INSERT INTO picked SELECT * FROM d`,
  },
  {
    sql: `WITH d (k, n) AS (DELETE FROM files WHERE id < 9 RETURNING user_id, name)
      INSERT INTO picked (label, user_id) SELECT n, k FROM d RETURNING label`,
  },
  {
    sql: `WITH u AS (UPDATE files SET note = 'w', size = size + 1 WHERE id > 20 RETURNING user_id, id, size, tags, feels)
      SELECT * FROM u`,
  },
  {
    sql: `WITH d AS (DELETE FROM members WHERE user_id < 3 RETURNING user_id, name),
      i AS (INSERT INTO picked SELECT * FROM d RETURNING user_id AS k, label)
      UPDATE files SET note = label FROM i WHERE files.user_id = k RETURNING id, note`,
  },
  {
    sql: `WITH u AS (UPDATE files f SET note = m.name FROM members m WHERE m.user_id = f.user_id
        RETURNING m.user_id, f.id, m.name)
      INSERT INTO picked SELECT user_id, name FROM u`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 9 RETURNING *), r AS (SELECT DISTINCT user_id FROM d)
      INSERT INTO members SELECT user_id, 'c' FROM r ON CONFLICT (user_id) DO UPDATE SET name = excluded.name
      RETURNING user_id, name`,
  },
  // A condition on what was written is none on what is written.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 12 RETURNING *) SELECT id FROM d WHERE user_id = 1`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 6 RETURNING user_id)
      UPDATE members SET total = 8 WHERE user_id = 1 AND user_id IN (SELECT user_id FROM d) RETURNING name`,
  },
  {
    sql: `WITH d AS (DELETE FROM picked RETURNING 1) DELETE FROM members WHERE user_id = 5 RETURNING name`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE user_id IN (1, 2) AND id < 20 RETURNING user_id, name),
      e AS (DELETE FROM members WHERE user_id = 5)
      INSERT INTO picked SELECT * FROM d WHERE user_id = 2`,
  },
  // Several uses of the rows, by the key and otherwise.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 15 RETURNING *)
      SELECT a.id, b.note FROM d a JOIN d b USING (user_id, id)`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 15 RETURNING *)
      SELECT a.id, b.id FROM d a, d b WHERE a.id = b.id + 1`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 15 RETURNING *)
      SELECT m.name FROM members m WHERE EXISTS (SELECT FROM d WHERE d.user_id = m.user_id) AND m.user_id < 2`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 3 RETURNING user_id, id)
      SELECT m.name, d.id FROM members m LEFT JOIN d ON d.user_id = m.user_id`,
  },
  {
    sql: `WITH d AS (DELETE FROM members WHERE user_id < 3 RETURNING *)
      SELECT f.id, d.name FROM d RIGHT JOIN files f ON d.user_id = f.user_id AND f.user_id = 1`,
  },
  {
    sql: `WITH d AS (DELETE FROM members RETURNING *) SELECT d.name, c.name FROM d JOIN country c ON c.code = d.country`,
  },
  // What mixes rows, within keys and over them.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 25 RETURNING *)
      SELECT user_id, count(*), sum(size) FROM d GROUP BY user_id`,
  },
  { sql: `WITH d AS (DELETE FROM files WHERE id < 25 RETURNING *) SELECT DISTINCT name FROM d` },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 25 RETURNING *) SELECT id FROM d ORDER BY id LIMIT 3`,
    ordered: true,
  },
  { sql: `WITH d AS (DELETE FROM files WHERE id < 25 RETURNING *) SELECT 'x' FROM d LIMIT 1` },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id IN (SELECT id FROM files ORDER BY id LIMIT 4) RETURNING user_id, name)
      INSERT INTO picked SELECT * FROM d`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 25 RETURNING *)
      INSERT INTO picked SELECT max(user_id), name FROM d GROUP BY name`,
  },
  // The state before, by the side of what was written.
  {
    sql: `WITH u AS (UPDATE members SET name = name || '!' RETURNING user_id, name AS new_name)
      SELECT m.name, u.new_name FROM members m JOIN u USING (user_id)`,
  },
  {
    sql: `WITH a AS (UPDATE members SET total = 1 WHERE user_id > 1 RETURNING user_id),
      b AS (DELETE FROM members WHERE user_id < 1 RETURNING name) SELECT * FROM b`,
  },
  // All rows are of one time.
  {
    sql: `WITH d AS (DELETE FROM members RETURNING user_id),
      i AS (INSERT INTO files (user_id, id, made) SELECT user_id, 900, now() FROM d RETURNING user_id, made)
      SELECT count(DISTINCT made) FROM i`,
  },
  // What RETURNING calls the key need not be the key.
  {
    sql: `WITH u AS (UPDATE files SET note = 'o' WHERE id < 9 RETURNING old.*, name AS label)
      INSERT INTO picked SELECT user_id, label FROM u`,
  },
  {
    sql: `WITH u AS (UPDATE files SET note = 'o' WHERE id < 9 RETURNING id AS user_id, name)
      INSERT INTO picked SELECT * FROM u`,
  },
  {
    sql: `WITH u AS (UPDATE files SET note = 'o' WHERE id < 9 RETURNING user_id, id AS user_id, name)
      INSERT INTO picked SELECT u.k, u.name FROM u AS u (own, k)`,
  },
  {
    sql: `WITH RECURSIVE d AS (DELETE FROM members USING e WHERE members.user_id < e.id RETURNING members.user_id),
      e AS (DELETE FROM files WHERE id < 3 RETURNING id) SELECT * FROM d`,
  },
  // MERGE, as a part and as the main query.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < 3 RETURNING user_id, id AS n)
      MERGE INTO members m USING d ON m.user_id = d.user_id WHEN MATCHED THEN UPDATE SET total = d.n
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (d.user_id, 'new')`,
  },
  {
    sql: `WITH m AS (MERGE INTO members USING (SELECT user_id AS k FROM files WHERE id BETWEEN 3 AND 6) f ON user_id = k
        WHEN MATCHED THEN UPDATE SET total = 3 WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (k, 'm')
        RETURNING merge_action(), k, members.user_id, name)
      SELECT * FROM m`,
  },
  // Errors.
  {
    sql: `WITH d AS (DELETE FROM files RETURNING user_id) INSERT INTO members SELECT user_id, 'twice' FROM d`,
  },
  // Parameters.
  {
    sql: `WITH d AS (DELETE FROM files WHERE id < $1 AND feels <> $3 RETURNING user_id, id, feels)
      INSERT INTO files (user_id, id, note, feels) SELECT user_id, id + $2, $4, feels FROM d RETURNING id, feels, $4`,
    parameters: [12, 700, 'sad', 'given'],
  },
];

// Statements of the parity test of writes, over the tables of write-servers.

import type { Said } from './write-servers.ts';

/** INSERT … SELECT in all forms. Those that fail do so in PostgreSQL, too. */
export const INSERTS: readonly Said[] = [
  // Each shard makes its own rows.
  { sql: `INSERT INTO members SELECT user_id, 'm' FROM files WHERE user_id > 2 GROUP BY user_id` },
  {
    sql: `INSERT INTO picked (user_id, label) SELECT user_id, name FROM files WHERE id < 9 RETURNING *`,
  },
  { sql: `INSERT INTO files SELECT user_id, id + 100, name, size, feels, tags, made FROM files` },
  // USING shows its column first.
  {
    sql: `INSERT INTO picked SELECT * FROM (SELECT user_id, id AS weight FROM files) f
      JOIN (SELECT weight FROM country) c USING (weight)`,
  },
  // One shard's.
  { sql: `INSERT INTO picked SELECT 3, name FROM files WHERE user_id = 3` },
  // Rows that go elsewhere.
  {
    sql: `INSERT INTO picked (label, user_id) SELECT name, id FROM files WHERE id < 12 ORDER BY id RETURNING label, user_id`,
    ordered: true,
  },
  { sql: `INSERT INTO picked SELECT id FROM files ORDER BY id DESC LIMIT 5` },
  { sql: `INSERT INTO picked SELECT user_id + 1, name FROM files WHERE user_id = 3` },
  { sql: `INSERT INTO picked SELECT 4, name FROM files WHERE user_id = 3` },
  { sql: `INSERT INTO picked (user_id) SELECT generate_series(1, 40)` },
  { sql: `INSERT INTO picked SELECT g, 'row ' || g FROM generate_series(-3, 3) g` },
  { sql: `INSERT INTO picked VALUES (1, 'a'), (2, 'b'), (3, 'c') ORDER BY 1 DESC LIMIT 2` },
  {
    sql: `INSERT INTO files (user_id, id, name, size, feels, tags, made)
      SELECT id, user_id + 500, name, size * 1.005, feels, tags, made FROM files`,
  },
  // Assignment casts of numbers, and literals of no type of their own.
  { sql: `INSERT INTO picked SELECT total + 0.5, total FROM members WHERE total IS NOT NULL` },
  {
    sql: `INSERT INTO files (user_id, id, name, made, feels, size, tags)
      SELECT id, 900, 'x', '2026-05-05T10:00Z', 'happy', '3.456', '{q}' FROM files WHERE id < 8 RETURNING *`,
  },
  { sql: `INSERT INTO files (user_id, id, made) SELECT '7', 901, NULL FROM files WHERE id < 2` },
  { sql: `INSERT INTO files (user_id, id, name) SELECT id, 902, repeat('x', 21) FROM files` },
  { sql: `INSERT INTO files (user_id, id, feels) SELECT id, 903, 'angry' FROM files WHERE id < 4` },
  { sql: `INSERT INTO files (user_id, id, feels) SELECT id, 904, name FROM files` },
  { sql: `INSERT INTO members SELECT user_id + 3000000000, 'big' FROM files WHERE id = 7` },
  { sql: `INSERT INTO members SELECT NULL, name FROM files WHERE id < 3` },
  { sql: `INSERT INTO members (name) SELECT name FROM files WHERE id < 3` },
  // No integer.
  { sql: `INSERT INTO picked VALUES ('xxx', 'a')` },
  { sql: `INSERT INTO picked VALUES (1, 'a'), (1e30, 'b')` },
  { sql: `INSERT INTO picked (user_id) VALUES ('9223372036854775808')` },
  // Conflicts.
  { sql: `INSERT INTO members SELECT id, name FROM files WHERE id < 20` },
  { sql: `INSERT INTO members SELECT id, name FROM files WHERE id < 20 ON CONFLICT DO NOTHING` },
  {
    sql: `INSERT INTO members AS m SELECT id, name, size FROM files WHERE id < 20
      ON CONFLICT (user_id) DO UPDATE SET name = excluded.name || m.name WHERE m.user_id > 4
      RETURNING m.*`,
  },
  {
    sql: `INSERT INTO members SELECT id % 3, name FROM files
      ON CONFLICT (user_id) DO UPDATE SET name = excluded.name`,
  },
  {
    sql: `INSERT INTO members SELECT user_id, min(name) FROM files GROUP BY user_id
      ON CONFLICT (user_id) DO UPDATE SET name = 'again ' || excluded.name`,
  },
  // Other sources: computed over copies, home, reference, WITH.
  {
    sql: `INSERT INTO picked SELECT count(*), max(f.name) FROM files f JOIN members m ON m.name <> f.name
      GROUP BY m.country`,
  },
  { sql: `INSERT INTO picked SELECT owner, body FROM notes RETURNING label` },
  { sql: `INSERT INTO picked SELECT weight, name FROM country` },
  { sql: `INSERT INTO picked SELECT n.id, f.name FROM notes n JOIN files f ON f.id = n.id` },
  {
    sql: `WITH w AS (SELECT id, name FROM files WHERE id > 30) INSERT INTO picked (user_id, label)
      SELECT id, name FROM w UNION ALL SELECT -id, 'minus' FROM w`,
  },
  { sql: `INSERT INTO picked WITH w AS (SELECT 9 AS k) SELECT k, 'w' FROM w, country` },
  { sql: `INSERT INTO picked TABLE picked` },
  { sql: `INSERT INTO picked (SELECT id, name FROM files WHERE id < 4)` },
  { sql: `INSERT INTO picked SELECT id, name FROM files WHERE false` },
  // Into home and reference tables.
  {
    sql: `INSERT INTO notes SELECT 100 + id, user_id, name, made FROM files WHERE id < 9 RETURNING *`,
  },
  { sql: `INSERT INTO notes (id) SELECT 200 + count(*) FROM files` },
  { sql: `INSERT INTO notes SELECT 1 FROM files ON CONFLICT DO NOTHING` },
  {
    sql: `INSERT INTO country SELECT name, max(name) FROM files WHERE name IS NOT NULL GROUP BY name
      RETURNING code, weight`,
  },
  { sql: `INSERT INTO country (code) SELECT DISTINCT name FROM files ON CONFLICT DO NOTHING` },
  {
    sql: `INSERT INTO country (code, name, weight) SELECT name, max(note), count(*) FROM files
      WHERE name IS NOT NULL GROUP BY name
      ON CONFLICT (code) DO UPDATE SET weight = country.weight + excluded.weight RETURNING code, weight`,
  },
  {
    sql: `INSERT INTO country AS c VALUES ('de', (SELECT body FROM notes WHERE id = 1), 3), ('zz', 'new', 1 + 1)
      ON CONFLICT (code) DO UPDATE SET name = excluded.name || '!' WHERE c.weight < 100`,
  },
  {
    sql: `INSERT INTO country SELECT 'de', 'twice', 1 FROM files ON CONFLICT (code) DO UPDATE SET weight = 9`,
  },
  // A WITH that writes one shard.
  {
    sql: `WITH d AS (DELETE FROM files WHERE user_id = 1 AND id < 20 RETURNING *)
      INSERT INTO picked SELECT id, name FROM d RETURNING *`,
  },
  {
    sql: `WITH d AS (DELETE FROM members WHERE user_id = 5 RETURNING *)
      INSERT INTO notes SELECT 900 + user_id, user_id, name FROM d`,
  },
  {
    sql: `WITH i AS (INSERT INTO picked VALUES (5, 'first') RETURNING *)
      INSERT INTO picked SELECT user_id + 1, 'second' FROM i RETURNING *`,
  },
  // With parameters.
  {
    sql: `INSERT INTO picked SELECT id + $1, $2 FROM files WHERE user_id = $3 RETURNING user_id, $2`,
    parameters: [1, 'given', 2],
  },
  {
    sql: `INSERT INTO files (user_id, id, feels, made) SELECT id, $1, $2, $3 FROM files WHERE id < 6`,
    parameters: [950, 'ok', '2026-07-01T00:00:00Z'],
  },
  { sql: `INSERT INTO picked SELECT $1, $2 FROM country`, parameters: [6, 'six'] },
];

/** UPDATE and DELETE of rows that no shard finds by itself, and of the sharding key. */
export const CHANGES: readonly Said[] = [
  {
    sql: `UPDATE members m SET name = f.name FROM files f WHERE f.id = m.user_id RETURNING m.user_id, m.name`,
  },
  { sql: `UPDATE members SET total = (SELECT avg(size) FROM files) WHERE user_id > 0 RETURNING *` },
  { sql: `UPDATE members SET name = (SELECT max(name) FROM files WHERE id < 9) WHERE user_id = 1` },
  { sql: `UPDATE files f SET name = n.body, size = n.id * 1.5 FROM notes n WHERE n.id = f.id` },
  {
    sql: `UPDATE files SET note = DEFAULT, tags = '{n}', feels = 'sad' WHERE size > (SELECT avg(size) FROM files)`,
  },
  { sql: `UPDATE files SET (name, note) = ('row', name) WHERE id IN (SELECT id FROM notes)` },
  {
    sql: `UPDATE members m SET (name, total) = (SELECT max(name), sum(size) FROM files f WHERE f.id > m.user_id)
      WHERE user_id > 1 RETURNING *`,
  },
  {
    sql: `UPDATE members m SET (name, total) = (WITH w AS (SELECT * FROM files WHERE id = m.user_id)
      SELECT name, size FROM w WHERE false), country = 'de'`,
  },
  {
    sql: `UPDATE members m SET (name, total) = (SELECT name, size FROM files f WHERE f.id > m.user_id)`,
  },
  { sql: `UPDATE members m SET (name, total) = (SELECT name, size, id FROM files WHERE id = 1)` },
  {
    sql: `UPDATE members m SET (user_id, name) = (SELECT m.user_id + 1000, max(f.name) FROM files f)`,
  },
  { sql: `UPDATE files SET name = repeat('z', 21) WHERE id = (SELECT max(id) FROM files)` },
  { sql: `UPDATE files SET size = NULL WHERE id IN (SELECT max(id) FROM files GROUP BY name)` },
  {
    sql: `UPDATE files f SET note = c.name FROM members m JOIN country c ON c.code = m.country WHERE m.user_id = f.id`,
  },
  {
    sql: `WITH w AS (SELECT max(id) AS top FROM files) UPDATE files SET note = 'top' FROM w WHERE id = top`,
  },
  { sql: `UPDATE members SET name = 'none' FROM files WHERE files.id = members.user_id AND false` },
  { sql: `UPDATE files SET size = 1 / (id - id) WHERE id = (SELECT min(id) FROM files)` },
  // Home and reference tables by sharded rows.
  { sql: `UPDATE notes SET body = f.name FROM files f WHERE f.id = notes.id RETURNING notes.*` },
  { sql: `UPDATE notes SET owner = (SELECT count(*) FROM files)` },
  {
    sql: `UPDATE country c SET weight = (SELECT count(*) FROM members m WHERE m.country = c.code) RETURNING code, weight`,
  },
  { sql: `UPDATE country SET name = n.body FROM notes n WHERE n.id = country.weight` },
  // Rows that take each other's keys, within a shard and over shards.
  { sql: `INSERT INTO members VALUES (100, 'a'), (101, 'b'), (102, 'c'), (106, 'd')` },
  { sql: `UPDATE members SET user_id = 201 - user_id WHERE user_id IN (100, 101)` },
  { sql: `UPDATE members SET user_id = 206 - user_id WHERE user_id IN (100, 106)` },
  { sql: `UPDATE members SET user_id = 100 + (user_id - 99) % 3 WHERE user_id IN (100, 101, 102)` },
  { sql: `UPDATE members SET user_id = 201 - user_id, name = 'e' WHERE user_id IN (100, 102)` },
  { sql: `DELETE FROM members WHERE user_id >= 99` },
  // Keys within their shard and beyond it.
  { sql: `UPDATE members SET user_id = user_id + 6 WHERE user_id = 5` },
  { sql: `UPDATE members SET user_id = 30 WHERE user_id = 2 RETURNING user_id, name, total` },
  {
    sql: `UPDATE members SET user_id = 31, name = 'moved ' || name WHERE user_id = 30 RETURNING *`,
  },
  { sql: `UPDATE files SET user_id = id, note = DEFAULT WHERE id < 10 RETURNING *` },
  { sql: `UPDATE files SET user_id = user_id + 1` },
  { sql: `UPDATE files f SET user_id = m.user_id FROM members m WHERE m.user_id = f.id` },
  { sql: `UPDATE members SET user_id = 11 WHERE user_id = 1` },
  { sql: `UPDATE members SET user_id = NULL WHERE user_id = 1` },
  { sql: `UPDATE members SET user_id = 1.6 + user_id WHERE user_id = 0` },
  { sql: `UPDATE members SET (user_id, name) = (77, 'both') WHERE user_id = 31` },
  { sql: `UPDATE members SET user_id = 3000000000 WHERE user_id = 77` },
  // DELETE.
  { sql: `DELETE FROM files WHERE id = (SELECT max(id) FROM files) RETURNING user_id, id` },
  { sql: `DELETE FROM files WHERE id IN (SELECT id FROM files ORDER BY id LIMIT 3)` },
  { sql: `DELETE FROM files f USING notes n WHERE n.id = f.id RETURNING f.id` },
  { sql: `DELETE FROM members m USING files f WHERE f.name = m.name` },
  { sql: `DELETE FROM notes USING files f WHERE f.id = notes.id AND f.user_id > 2` },
  {
    sql: `DELETE FROM country WHERE code NOT IN (SELECT country FROM members WHERE country IS NOT NULL)`,
  },
  // Parameters.
  {
    sql: `UPDATE files SET name = $1, feels = $2 FROM notes WHERE notes.id = files.id + $3 RETURNING files.id, $1`,
    parameters: ['given', 'happy', 0],
  },
  { sql: `UPDATE members SET user_id = $1 WHERE user_id = $2 RETURNING *`, parameters: [40, 11] },
  { sql: `DELETE FROM files WHERE size < (SELECT avg(size) - $1 FROM files)`, parameters: ['10'] },
];

/** MERGE on each shard, and with a source that is computed first. */
export const MERGES: readonly Said[] = [
  // Into a reference table.
  {
    sql: `MERGE INTO country USING (VALUES ('de', 'Deutschland', 9), ('it', 'Italy', 4)) v (c, n, w) ON code = c
      WHEN MATCHED THEN UPDATE SET name = n WHEN NOT MATCHED THEN INSERT VALUES (c, n, w)
      RETURNING merge_action(), country.*`,
  },
  {
    sql: `MERGE INTO country c USING (SELECT country AS k, count(*) AS n FROM members GROUP BY country) m
      ON c.code = m.k WHEN MATCHED AND n > 1 THEN UPDATE SET weight = n
      WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING merge_action(), c.code`,
  },
  {
    sql: `MERGE INTO country c USING files f ON c.code = f.name WHEN NOT MATCHED AND f.id < 2 THEN
      INSERT (code, name, weight) VALUES ('f' || f.id, f.name, f.id) RETURNING c.weight`,
  },
  {
    sql: `MERGE INTO country c USING notes n ON c.weight = n.id WHEN MATCHED AND n.id = 1 THEN DELETE
      WHEN MATCHED THEN UPDATE SET name = n.body`,
  },
  {
    sql: `MERGE INTO country c USING (SELECT $1::text AS k) v ON c.code = v.k WHEN MATCHED THEN DELETE
      WHEN NOT MATCHED THEN INSERT (code, name, weight) VALUES (v.k, $2, 1)`,
    parameters: ['xx', 'new'],
  },
  {
    sql: `MERGE INTO country c USING country d ON c.code = d.code WHEN MATCHED THEN UPDATE SET name = d.name || '!'`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT user_id, max(name) AS name FROM files GROUP BY user_id) f
      ON m.user_id = f.user_id WHEN MATCHED THEN UPDATE SET name = f.name
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (f.user_id, 'new ' || f.name)`,
  },
  {
    sql: `MERGE INTO members m USING files f ON m.user_id = f.user_id AND f.id < 7
      WHEN MATCHED THEN UPDATE SET total = f.size RETURNING merge_action(), m.user_id, f.id`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT id, min(name) AS name FROM files GROUP BY id) f
      ON m.user_id = f.id WHEN MATCHED AND f.id > 1 THEN DELETE
      WHEN NOT MATCHED AND f.id < 30 THEN INSERT VALUES (f.id, coalesce(f.name, 'none'))
      RETURNING merge_action(), m.user_id, m.name`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON n.owner = m.user_id WHEN MATCHED THEN
      UPDATE SET name = coalesce(n.body, 'no body') WHEN NOT MATCHED THEN DO NOTHING`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (50, 'fifty'), (51, 'fifty-one'), (2, 'two again')) v (k, t)
      ON m.user_id = v.k WHEN MATCHED THEN UPDATE SET name = v.t
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.k, v.t)`,
  },
  {
    sql: `MERGE INTO members m USING country c ON m.country = c.code
      WHEN MATCHED THEN UPDATE SET name = c.name || m.user_id
      WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = 'nowhere'`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT weight, name FROM country) c ON m.user_id = c.weight
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (c.weight, c.name)
      WHEN NOT MATCHED BY SOURCE AND m.user_id > 20 THEN DELETE`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT * FROM files WHERE user_id = 3 AND id < 5) f
      ON m.user_id = f.user_id WHEN NOT MATCHED BY SOURCE AND m.user_id = 51 THEN DELETE`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 'a'), (1, 'b')) v (k, t) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET name = v.t`,
  },
  {
    sql: `WITH w AS (SELECT 60 + id AS k FROM files WHERE id < 4) MERGE INTO members m USING w
      ON m.user_id = w.k WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (w.k, 'with')`,
  },
  {
    sql: `MERGE INTO notes n USING files f ON n.id = f.id WHEN MATCHED THEN UPDATE SET body = f.name
      WHEN NOT MATCHED AND f.id < 9 THEN INSERT (id, owner) VALUES (f.id, f.user_id)
      RETURNING merge_action(), n.id`,
  },
  {
    sql: `MERGE INTO files t USING (SELECT id AS i, user_id AS u, size FROM files WHERE id < 8) s
      ON t.user_id = s.u AND t.id = s.i + 1000
      WHEN NOT MATCHED THEN INSERT (user_id, id, size, feels) VALUES (s.u, s.i + 1000, s.size, 'ok')`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT $1::int AS k, $2::text AS t) v ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET name = v.t || $3
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.k, $3)`,
    parameters: [70, 'text', 'third'],
  },
];

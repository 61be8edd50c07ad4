// RETURNING of sub-queries on rows that are known only when they have been written: defaults, chance, triggers.

import type { Said } from './write-servers.ts';

export const RETURNED_BEHIND: readonly Said[] = [
  // INSERT: of values, of a query, with defaults and generated columns.
  {
    sql: `INSERT INTO files (user_id, id, name) VALUES (1, 101, 'a'), (2, 102, 'b')
      RETURNING id, (SELECT count(*) FROM members m WHERE m.user_id < files.id - 100), note, (SELECT max(f.id) FROM files f WHERE f.id < twice)`,
  },
  {
    sql: `INSERT INTO files (user_id, id, name) SELECT user_id + 1, user_id + 200, name FROM members
      RETURNING *, (SELECT count(*) FROM notes n WHERE n.owner = files.user_id) AS notes`,
  },
  {
    sql: `INSERT INTO piles AS p (user_id, label) VALUES (7, 'g'), (8, 'h') RETURNING p.*, p.n + 1 AS more,
      (SELECT max(size) FROM files f WHERE f.id > p.n) AS top, EXISTS (SELECT FROM members WHERE user_id = n - 1)`,
  },
  {
    sql: `INSERT INTO files (user_id, id) VALUES (1, 101), (3, 303) ON CONFLICT (user_id, id) DO UPDATE SET note = DEFAULT
      RETURNING id, note, (SELECT max(name) FROM files f WHERE f.note > files.note), id IN (SELECT id FROM notes)`,
  },
  {
    sql: `INSERT INTO picked (label) VALUES ('x') RETURNING user_id, (SELECT count(*) FROM files WHERE files.user_id < picked.user_id)`,
  },
  // The table itself as it was before.
  {
    sql: `INSERT INTO members (user_id, name) VALUES (30, 'x'), (31, 'y') RETURNING (SELECT count(*) FROM members),
      (SELECT max(m.name) FROM members m WHERE m.user_id < members.user_id), name`,
  },
  // Triggers: what they change, and what they write, which is not seen.
  {
    sql: `INSERT INTO stamps (user_id, name) VALUES (3, 'three'), (4, 'four')
      RETURNING touched, (SELECT count(*) FROM files f WHERE f.id < touched), (SELECT count(*) FROM trail)`,
  },
  {
    sql: `UPDATE stamps SET name = name || '!' WHERE user_id < 3
      RETURNING stamps.name, (SELECT max(f.name) FROM files f WHERE f.id = stamps.touched), (SELECT count(*) FROM trail t WHERE t.note <> stamps.name)`,
  },
  {
    sql: `UPDATE stamps s SET name = m.name || s.name FROM members m WHERE m.user_id = s.user_id AND m.total > 0
      RETURNING s.*, m.total, (SELECT count(*) FROM files f WHERE f.id BETWEEN old.touched AND new.touched), (SELECT s.name || m.country)`,
  },
  {
    sql: `UPDATE stamps SET user_id = user_id + 6 RETURNING user_id, (SELECT count(*) FROM stamps s WHERE s.user_id >= stamps.user_id), old.user_id`,
  },
  {
    sql: `MERGE INTO stamps s USING members m ON m.user_id = s.user_id WHEN MATCHED THEN UPDATE SET name = m.name || s.name
      RETURNING merge_action(), s.touched, (SELECT count(*) FROM files f WHERE f.id < s.touched), m.name`,
  },
  {
    sql: `MERGE INTO stamps s USING notes n ON n.owner = s.user_id AND s.name > n.body WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 60, n.body || 'x')
      WHEN MATCHED THEN UPDATE SET touched = DEFAULT RETURNING s.name, (SELECT max(id) FROM files WHERE id < s.touched), n.*`,
  },
  // Chance and defaults of what is updated.
  {
    sql: `UPDATE members SET total = floor(random()) + 5 WHERE user_id > 1 RETURNING name, (SELECT count(*) FROM files f WHERE f.size > total)`,
  },
  {
    sql: `UPDATE files SET note = DEFAULT, user_id = user_id + 1 WHERE id IN (SELECT max(id) FROM files GROUP BY name)
      RETURNING id, note, (SELECT count(*) FROM files f WHERE f.note < files.note), (SELECT count(*) FROM notes WHERE id = old.user_id - new.user_id)`,
  },
  {
    sql: `WITH w AS (SELECT max(id) AS top FROM files) UPDATE piles SET n = DEFAULT WHERE user_id > (SELECT min(id) FROM notes)
      RETURNING n, (SELECT top + n FROM w), (SELECT count(*) FROM members WHERE user_id < n)`,
  },
  // Reference and home tables.
  {
    sql: `INSERT INTO country (code, name) VALUES ('it', 'Italy') RETURNING code, weight, (SELECT count(*) FROM files WHERE id < weight)`,
  },
  {
    sql: `UPDATE tariff SET share = floor(random()), rate = rate + 1 WHERE code = 'de' RETURNING share, (SELECT count(*) FROM files WHERE id < rate)`,
  },
  {
    sql: `INSERT INTO notes (id, owner) VALUES (40, 4) RETURNING id, (SELECT max(size) FROM files f WHERE f.user_id = notes.owner)`,
  },
  // What fails.
  {
    sql: `INSERT INTO piles (user_id) VALUES (9) RETURNING (SELECT name FROM files WHERE id > n)`,
  },
  {
    sql: `INSERT INTO piles (user_id) VALUES (9) RETURNING (SELECT nothing FROM files WHERE id > n)`,
  },
  {
    sql: `INSERT INTO piles (user_id) SELECT 9 FROM files WHERE id = 99 RETURNING label, (SELECT name FROM files WHERE id > n)`,
  },
  // Parameters.
  {
    sql: `INSERT INTO piles (user_id, label) VALUES ($1, $2), ($1, 'own') RETURNING label, (SELECT count(*) FROM files WHERE id > n + $3), $2`,
    parameters: [12, 'given', 4],
  },
];

// Writes and queries whose sub-queries are run before them, for locks or for what the rest does.

import type { Said } from './write-servers.ts';

export const LOCKING: readonly Said[] = [
  {
    sql: `DELETE FROM files WHERE id = (SELECT id FROM files ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *`,
  },
  {
    sql: `DELETE FROM files WHERE id IN (SELECT id FROM files ORDER BY size DESC, id LIMIT 3 FOR UPDATE SKIP LOCKED) RETURNING id, name`,
  },
  {
    sql: `UPDATE files SET note = 'taken' WHERE (user_id, id) IN (SELECT user_id, id FROM files WHERE note IS NOT NULL ORDER BY made, id LIMIT 4 FOR UPDATE) RETURNING id, note`,
  },
  {
    sql: `WITH next AS (SELECT user_id, id FROM files WHERE feels = 'sad' ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED)
     UPDATE files f SET note = 'next', size = f.size + 1 FROM next n WHERE n.user_id = f.user_id AND n.id = f.id RETURNING f.id, f.note, f.size`,
  },
  {
    sql: `WITH next AS MATERIALIZED (SELECT id FROM files ORDER BY id LIMIT 2 FOR UPDATE) DELETE FROM files USING next WHERE files.id = next.id RETURNING files.*`,
  },
  {
    sql: `WITH w AS (SELECT max(id) AS top FROM files) UPDATE files SET note = 'w' WHERE id IN (SELECT f.id FROM files f WHERE f.id > 20 ORDER BY f.id LIMIT 2 FOR NO KEY UPDATE OF f) AND id < (SELECT top FROM w) RETURNING id`,
  },
  {
    sql: `UPDATE members SET total = 5 FROM (SELECT id FROM notes ORDER BY id LIMIT 1 FOR UPDATE) n WHERE n.id = members.user_id RETURNING name`,
  },
  {
    sql: `UPDATE notes SET body = 'q' WHERE id IN (SELECT id FROM files ORDER BY id DESC LIMIT 5 FOR SHARE) RETURNING *`,
  },
  {
    sql: `UPDATE files SET note = 'none' WHERE id IN (SELECT id FROM files WHERE id > 900 LIMIT 3 FOR UPDATE)`,
  },
  {
    sql: `DELETE FROM piles WHERE label = (SELECT label FROM piles WHERE label IS NOT NULL ORDER BY label LIMIT 1 FOR UPDATE) RETURNING *`,
  },
  {
    sql: `INSERT INTO picked SELECT id, 'locked' FROM (SELECT id FROM files ORDER BY id LIMIT 2 FOR UPDATE) x RETURNING *`,
  },
  {
    sql: `WITH n AS (SELECT id FROM files ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED) SELECT n.id, m.name FROM n JOIN members m ON m.user_id = n.id`,
  },
  {
    sql: `SELECT count(*), max(x.name) FROM (SELECT name FROM files ORDER BY id LIMIT 4 FOR UPDATE) x`,
  },
  {
    sql: `SELECT name FROM members WHERE user_id IN (SELECT id FROM files ORDER BY id LIMIT 4 FOR UPDATE) ORDER BY name`,
  },
  {
    sql: `WITH d AS (DELETE FROM files WHERE id IN (SELECT id FROM files ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED) RETURNING user_id, name) INSERT INTO picked SELECT user_id, name FROM d RETURNING *`,
  },
  {
    sql: `UPDATE files SET note = $1 WHERE id IN (SELECT id FROM files WHERE id > $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id, note`,
    parameters: ['p', 3, 2],
  },
];

/** Sub-queries that depend on no row, where the rest cannot be computed first. */
export const APART: readonly Said[] = [
  { sql: `UPDATE files SET tags[1] = 'z' WHERE id = (SELECT max(id) FROM files) RETURNING tags` },
  {
    sql: `UPDATE files SET tags[2:3] = (SELECT array_agg(name ORDER BY name) FROM members) WHERE id < 3 RETURNING id, tags`,
  },
  { sql: `INSERT INTO members VALUES (50, 'fifty') RETURNING (SELECT count(*) FROM files), name` },
  // A column that a table beside has, too: a sub-query in FROM means the new row's.
  {
    sql: `INSERT INTO members (user_id, name, total) VALUES (55, 'x', 3) RETURNING (SELECT m.user_id FROM (SELECT id FROM files WHERE id = total) f
      LEFT JOIN members m ON m.user_id = f.id ORDER BY 1 LIMIT 1)`,
  },
  {
    sql: `INSERT INTO members VALUES (51, 'fifty'), (52, 'x') RETURNING (SELECT count(*) FROM members), name, EXISTS (SELECT 1 FROM notes)`,
    ordered: true,
  },
  {
    sql: `INSERT INTO members VALUES (53, (SELECT max(name) FROM files)), (54, DEFAULT || 'x') RETURNING (SELECT 1)`,
  },
  {
    sql: `INSERT INTO picked SELECT id, name FROM files WHERE id < 4 RETURNING (SELECT max(total) FROM members), label, user_id IN (SELECT user_id FROM picked)`,
  },
  {
    sql: `INSERT INTO picked VALUES (1, 'a'), (2, DEFAULT), (DEFAULT, 'c') RETURNING (SELECT max(feels) FROM files), *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO members VALUES (1, 'one') ON CONFLICT (user_id) DO UPDATE SET total = (SELECT max(size) FROM files) RETURNING *`,
  },
  {
    sql: `INSERT INTO members VALUES (1, 'one'), (2, 'two'), (60, 'new') ON CONFLICT (user_id)
      DO UPDATE SET total = (SELECT min(size) FROM files), name = excluded.name || (SELECT count(*) FROM notes)
      WHERE members.user_id < (SELECT max(user_id) FROM members) RETURNING *, (SELECT sum(total) FROM members)`,
  },
  {
    sql: `INSERT INTO members AS m SELECT user_id, 'x' FROM files ON CONFLICT (user_id)
      DO UPDATE SET total = (SELECT max(size) FROM files f WHERE f.user_id = m.user_id)`,
  },
  { sql: `INSERT INTO notes VALUES (70, 1, 'x') RETURNING (SELECT count(*) FROM files), id` },
  { sql: `DELETE FROM files WHERE random() < 0 AND id IN (SELECT max(id) FROM files)` },
  {
    sql: `DELETE FROM files WHERE random() < 2 AND id IN (SELECT id FROM files ORDER BY id LIMIT 2) RETURNING id`,
  },
  { sql: `DELETE FROM files WHERE random() < 2 AND id = (SELECT id FROM files) RETURNING id` },
  {
    sql: `UPDATE files SET note = 'n' WHERE random() < 2 AND (user_id, id) NOT IN (SELECT user_id, id FROM files WHERE id > 9 UNION SELECT user_id, 8 FROM members)`,
  },
  {
    sql: `INSERT INTO members VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET total = (SELECT max(size) FROM files WHERE id < $3) RETURNING *, $2`,
    parameters: [5, 'five', 20],
  },
];

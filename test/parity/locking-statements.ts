// Writes and queries whose sub-queries or WITH queries lock the rows that they find.

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

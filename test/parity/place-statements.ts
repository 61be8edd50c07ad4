// Writes of rows found first in tables without a primary key, some of whose rows are fully equal.

import type { Said } from './write-servers.ts';

export const PLACES: readonly Said[] = [
  { sql: `UPDATE piles SET n = (SELECT max(id) FROM files) WHERE label = 'b' RETURNING *` },
  {
    sql: `UPDATE piles p SET label = f.name FROM files f WHERE f.id = p.n RETURNING p.*, f.id, f.name`,
  },
  {
    sql: `UPDATE piles SET (label, at) = (SELECT max(name), max(made) FROM files f WHERE f.id > piles.n) WHERE n < 3`,
  },
  // Any row of several that meet one and the same is as good.
  {
    sql: `UPDATE piles p SET label = 'met', n = p.n + 1 FROM files f, members m WHERE m.name <> f.name AND p.n = 1`,
  },
  {
    sql: `UPDATE piles p SET feels = 'happy' FROM heap h WHERE h.k = p.n RETURNING p.label, p.feels`,
  },
  {
    sql: `UPDATE piles SET n = DEFAULT, label = DEFAULT FROM notes x JOIN members m ON m.user_id = x.id
      WHERE piles.user_id = m.user_id + 1 RETURNING *`,
  },
  {
    sql: `WITH w AS (SELECT user_id AS k, count(*) AS c FROM piles GROUP BY user_id) UPDATE piles SET n = c::int FROM w
      WHERE w.k = piles.user_id AND w.c > (SELECT min(c) FROM w) RETURNING piles.user_id, n, w.c`,
  },
  // Rows that move, equal ones among them, and such as stay.
  { sql: `UPDATE piles SET user_id = user_id + 1` },
  { sql: `UPDATE piles SET user_id = 3, n = DEFAULT WHERE n = 2 RETURNING *` },
  {
    sql: `UPDATE piles SET user_id = m.user_id FROM members m WHERE m.name = 'five' AND piles.label IS NULL RETURNING *`,
  },
  { sql: `UPDATE piles SET user_id = 7 - user_id RETURNING user_id, label` },
  { sql: `UPDATE piles SET label = repeat('z', 31) WHERE n = (SELECT min(n) FROM piles)` },
  { sql: `UPDATE piles SET user_id = NULL WHERE n = (SELECT min(n) FROM piles)` },
  // Partitions, between which rows move, too.
  { sql: `UPDATE parts SET body = (SELECT max(name) FROM members) WHERE day < 12 RETURNING *` },
  {
    sql: `UPDATE parts SET day = day + 9 WHERE body IN (SELECT body FROM parts WHERE day < 9) RETURNING *`,
  },
  {
    sql: `UPDATE parts SET user_id = user_id + 1, day = 2 WHERE day > (SELECT avg(day) FROM parts)`,
  },
  { sql: `UPDATE parts p SET body = q.body FROM parts q WHERE q.day = p.day + 1` },
  { sql: `DELETE FROM parts_1 WHERE body > (SELECT min(body) FROM parts) RETURNING *` },
  { sql: `DELETE FROM parts WHERE day = (SELECT max(day) FROM parts) RETURNING *` },
  // Of home tables.
  { sql: `UPDATE heap SET v = (SELECT max(name) FROM files) WHERE k = 1 RETURNING *` },
  { sql: `DELETE FROM heap USING piles p WHERE p.n = heap.k RETURNING heap.k, p.n` },
  // DELETE.
  { sql: `DELETE FROM piles p USING notes x WHERE x.id = p.n RETURNING p.user_id, p.label, x.id` },
  { sql: `DELETE FROM piles WHERE n >= (SELECT avg(n) FROM piles) RETURNING *` },
  { sql: `DELETE FROM piles WHERE user_id IN (SELECT id FROM files ORDER BY id LIMIT 2)` },
  { sql: `DELETE FROM piles WHERE label = (SELECT 'nothing' FROM notes LIMIT 1)` },
  { sql: `UPDATE picked SET label = (SELECT max(name) FROM files)` },
  // Parameters.
  {
    sql: `UPDATE piles SET label = $1, n = n + $2 WHERE n IN (SELECT n FROM piles WHERE n > $3) RETURNING *, $1`,
    parameters: ['given', 4, 0],
  },
  { sql: `UPDATE piles SET user_id = $1 WHERE user_id = $2 RETURNING *`, parameters: [12, 4] },
];

// RETURNING of writes whose rows are computed first: what it shows of the other tables.

import type { Said } from './write-servers.ts';

export const RETURNED: readonly Said[] = [
  {
    sql: `UPDATE members m SET name = f.name FROM files f WHERE f.id = m.user_id
      RETURNING m.user_id, f.id, f.name, f.size, f.feels, f.tags, f.made, f.twice`,
  },
  // Expressions over both, and the new row.
  {
    sql: `UPDATE members AS m SET total = f.size * 2, name = 'new ' || m.name FROM files f
      WHERE f.id = m.user_id RETURNING m.name || ' of ' || f.name AS both, m.total - f.size,
      CASE WHEN f.feels > 'sad' THEN m.country ELSE f.note END, f.size BETWEEN 1 AND m.total,
      coalesce(f.note, m.name), (f.tags)[2], f.tags[1:2], ROW(m.user_id, f.id), f.id::text || m.user_id`,
  },
  {
    sql: `UPDATE members SET name = "f".body FROM notes AS "f" WHERE "f".id = members.user_id
      RETURNING members.name, "f"."body", /* its */ f /* own */ . /* key */ id, public.members.name`,
  },
  {
    sql: `UPDATE members SET total = weight FROM country WHERE code = country.code AND country = code RETURNING weight, code, user_id`,
  },
  // Stars.
  {
    sql: `UPDATE members m SET total = 1 FROM files f WHERE f.id = m.user_id RETURNING *`,
  },
  {
    sql: `UPDATE members m SET total = 2 FROM notes n, files f WHERE f.id = m.user_id AND n.owner = f.user_id
      RETURNING n.*, m.*, f.id, f.*`,
  },
  {
    sql: `UPDATE members m SET total = 3 FROM (VALUES (1, 'a'), (2, 'b'), (5, 'c')) v (k, t), files f
      WHERE f.id = v.k AND m.user_id = f.id RETURNING *, t || m.name, v.*`,
  },
  {
    sql: `UPDATE files t SET note = n.body FROM notes n JOIN (SELECT user_id AS id, total FROM members) m USING (id)
      WHERE t.id = n.id RETURNING *, m.id + t.id, total`,
  },
  {
    sql: `UPDATE files SET note = m.name FROM notes n JOIN members m ON m.user_id = n.id
      WHERE n.id = files.id RETURNING files.*, m.name || files.note, n.*, m.*`,
  },
  {
    sql: `UPDATE files SET note = x.label FROM (SELECT notes.id AS k, weight FROM country, notes) y
      JOIN (SELECT g AS k, 'g' || g AS label FROM generate_series(1, 3) g) x USING (k)
      WHERE y.weight = 1 AND files.size = k + 0.25 RETURNING *, label || k, x.k + y.k`,
  },
  // Other kinds of relations.
  {
    sql: `UPDATE files SET note = 'g' FROM generate_series(3, 5) g, members m
      WHERE files.id = g AND m.user_id = g - 3 RETURNING g, files.id + g, m.name`,
  },
  {
    sql: `UPDATE files SET note = u.v FROM unnest(ARRAY[7, 33, 34], ARRAY['x', NULL, 'z']) AS u (k, v)
      WHERE files.id = u.k AND files.id IN (SELECT max(id) FROM files GROUP BY name) RETURNING id, u.v, u.k, v IS NULL`,
  },
  {
    sql: `UPDATE files f SET note = j.v FROM jsonb_to_recordset('[{"k": 1, "v": "one"}, {"k": 4, "v": "four"}]') AS j (k int, v text),
      members m WHERE f.id = j.k AND m.user_id = j.k RETURNING j.*, f.note || j.v, m.total`,
  },
  {
    sql: `WITH w AS (SELECT id, count(*) OVER () AS n FROM files WHERE id < 5)
      UPDATE files SET size = n FROM w WHERE w.id = files.id RETURNING files.id, w.n, n + files.size`,
  },
  {
    sql: `UPDATE files f SET size = 1 FROM files g LEFT JOIN members m ON m.user_id = g.id
      WHERE g.id = f.id AND g.id < 4 RETURNING f.user_id, g.size, m.name, m.total IS NULL`,
  },
  {
    sql: `UPDATE files f SET size = l.s FROM notes n, LATERAL (SELECT n.id * 2 AS s, sum(user_id) FROM members) l
      WHERE f.id = n.id RETURNING l.*, n.id, f.size`,
  },
  // Of home and of reference tables.
  {
    sql: `UPDATE notes SET body = f.name FROM files f WHERE f.id = notes.id RETURNING notes.*, f.name || notes.body, f.tags`,
  },
  {
    sql: `UPDATE country c SET weight = m.n FROM (SELECT country, count(*) AS n FROM members GROUP BY country) m
      WHERE m.country = c.code RETURNING *, m.n + c.weight`,
  },
  // Rows that move.
  {
    sql: `UPDATE members m SET user_id = f.id + 300, name = f.name FROM files f WHERE f.id = m.user_id AND f.id < 5
      RETURNING m.*, f.name, f.id, m.user_id - f.id, *`,
  },
  {
    sql: `UPDATE files SET user_id = n.id, note = DEFAULT FROM notes n WHERE n.id = files.id
      RETURNING files.twice, n.body, user_id, note, files, n.at`,
  },
  {
    sql: `UPDATE files SET user_id = m.user_id FROM members m WHERE m.name = 'one' AND files.id < 20
      RETURNING id, files.user_id, m.user_id + files.twice, m.country`,
  },
  // The old row and the new.
  {
    sql: `UPDATE members m SET total = coalesce(total, 0) + f.size FROM files f WHERE f.id = m.user_id
      RETURNING old.total, new.total, f.size, old.*`,
  },
  {
    sql: `DELETE FROM files f USING notes n WHERE n.id = f.id AND n.id < 2 RETURNING old.name, new.id, n.body`,
  },
  // DELETE.
  {
    sql: `DELETE FROM files f USING notes n WHERE n.id = f.id - 20 RETURNING f.id, n.body, n.id + f.user_id, n.at`,
  },
  {
    sql: `DELETE FROM members m USING files f WHERE f.id = m.user_id AND f.id > 4 RETURNING *, f.name || m.name`,
  },
  {
    sql: `DELETE FROM notes USING files f WHERE f.id = notes.id AND f.user_id > 1 RETURNING f.*, notes.id`,
  },
  {
    sql: `DELETE FROM country USING notes n WHERE n.id = country.weight AND n.id = 3 RETURNING n.id, code, n.owner`,
  },
  // The time, and queries of the row alone.
  {
    sql: `UPDATE members m SET total = extract(epoch FROM now()) * 0 FROM files f WHERE f.id = m.user_id
      RETURNING m.total, f.name, now() = now(), f.made < CURRENT_TIMESTAMP, (SELECT f.size + m.user_id)`,
  },
  // Of none, and what fails.
  {
    sql: `UPDATE members m SET name = f.name FROM files f WHERE f.id = m.user_id AND false RETURNING *`,
  },
  { sql: `UPDATE members m SET total = 1 FROM files f WHERE f.id = m.user_id RETURNING f.nothing` },
  { sql: `UPDATE members m SET total = 1 FROM files f WHERE f.id = m.user_id RETURNING name` },
  {
    sql: `UPDATE members m SET total = 1 FROM files f WHERE f.id = m.user_id RETURNING 1 / (f.id - f.id)`,
  },
  { sql: `UPDATE members m SET total = 1 FROM files f WHERE f.id = m.user_id RETURNING x.name` },
  // Names that are also those of what carries the rows.
  {
    sql: `UPDATE members made SET total = 4 FROM (SELECT id, name AS c1, size AS c2 FROM files) c3
      WHERE c3.id = made.user_id RETURNING made.user_id, c1, c2, c3.c1`,
  },
  // Parameters.
  {
    sql: `UPDATE files SET name = $1, feels = $2 FROM notes WHERE notes.id = files.id + $3
      RETURNING files.id, $1, notes.body || $1 || files.name, notes.id + $3`,
    parameters: ['given', 'happy', 0],
  },
  {
    sql: `UPDATE files SET note = u.v FROM unnest($1::int[], $2::text[]) AS u (k, v) WHERE files.id = u.k
      RETURNING u.*, files.user_id, files.note = u.v`,
    parameters: [
      [11, 12, 13],
      ['eleven', null, 'x'],
    ],
  },
  {
    sql: `UPDATE members SET user_id = $1 FROM notes n WHERE n.id = $2 AND members.user_id = n.owner + 9 RETURNING *`,
    parameters: [440, 2],
  },
];

/** What is computed with the rows when they are found: sub-queries, whole rows, old and new of rows that move. */
export const RETURNED_QUERIES: readonly Said[] = [
  // Sub-queries, of nothing, of the other tables, of the row as it becomes.
  {
    sql: `UPDATE members SET country = 'fr' WHERE user_id > 1
      RETURNING user_id, (SELECT count(*) FROM files), (SELECT max(feels) FROM files) AS top, ARRAY(SELECT id FROM files ORDER BY id LIMIT 2)`,
  },
  {
    sql: `UPDATE members m SET total = f.size FROM files f WHERE f.id = m.user_id AND f.id < 5
      RETURNING m.name, (SELECT count(*) FROM files x WHERE x.size < f.size) AS below, f.name`,
  },
  {
    sql: `UPDATE members m SET total = 5, name = 'n' || name WHERE user_id < 3
      RETURNING name, (SELECT count(*) FROM files WHERE size > total), (SELECT m.name || max(f.name) FROM files f WHERE f.id > m.user_id)`,
  },
  {
    sql: `UPDATE files SET size = size + 0.005, note = NULL WHERE id IN (SELECT min(id) FROM files GROUP BY name)
      RETURNING id, (SELECT max(user_id) + size FROM members), (SELECT count(*) FROM notes WHERE notes.id < twice AND note IS NULL)`,
  },
  {
    sql: `UPDATE files SET id = id + 100 WHERE id < 4 RETURNING (SELECT max(name) FROM members WHERE user_id < twice - 199), *`,
  },
  {
    sql: `UPDATE members SET total = 1 RETURNING user_id IN (SELECT id FROM files WHERE id > total),
      EXISTS (SELECT FROM notes WHERE owner = user_id), name = ALL (SELECT 'x' FROM files), total + (SELECT sum(size) FROM files)`,
  },
  {
    sql: `WITH w AS (SELECT max(id) AS top FROM files) UPDATE members SET total = 2 WHERE user_id = 5 RETURNING name, (SELECT top FROM w)`,
  },
  {
    sql: `UPDATE piles SET n = 2 WHERE label = 'a' RETURNING label, n, (SELECT count(*) FROM files WHERE files.id > n)`,
  },
  {
    sql: `UPDATE members m SET (name, total) = (SELECT max(f.name), min(f.size) FROM files f)
      RETURNING (SELECT count(*) FROM files f WHERE f.name = m.name AND f.size >= m.total)`,
  },
  // Whole rows.
  {
    sql: `UPDATE members m SET total = 1 FROM files f WHERE f.id = m.user_id RETURNING f, m, f.id, m.user_id`,
  },
  {
    sql: `UPDATE members m SET total = 3 FROM notes n WHERE n.id = m.user_id RETURNING n, to_json(n), n::text || m.name, m.total`,
  },
  {
    sql: `UPDATE members m SET total = 4 FROM (SELECT id, name FROM files) f, country c WHERE f.id = m.user_id AND c.code = m.country
      RETURNING ROW(f.*), ROW(f.id, m.total), c, f IS NULL, (c).name`,
  },
  // Old and new rows, of rows that move and such as stay.
  {
    sql: `UPDATE members SET user_id = user_id + 20, total = 7 WHERE user_id > 0
      RETURNING old.*, new.*, old.user_id || '>' || new.user_id, old.total IS NULL, name, user_id`,
  },
  {
    sql: `UPDATE files SET user_id = id, note = DEFAULT WHERE id BETWEEN 5 AND 9
      RETURNING old.user_id, new.user_id, old.note, new.note, note, old.twice + new.twice, new`,
  },
  {
    sql: `UPDATE files SET user_id = user_id + n.id FROM notes n WHERE n.id = files.id - 9
      RETURNING old.user_id, files.user_id, n.id, old.user_id + n.id = new.user_id`,
  },
  { sql: `UPDATE members SET user_id = user_id + 40 WHERE user_id > 20 RETURNING old` },
  {
    sql: `UPDATE members m SET total = 9 FROM files f WHERE f.id = m.user_id RETURNING old, new, f.id`,
  },
  {
    sql: `UPDATE members SET total = coalesce(total, 0) + 3 RETURNING name,
      (SELECT count(*) FROM files WHERE size BETWEEN old.total AND new.total), (SELECT max(id) FROM files WHERE id < total)`,
  },
  {
    sql: `UPDATE members SET user_id = user_id + 100 WHERE user_id > 20
      RETURNING old.user_id, (SELECT count(*) FROM files WHERE id BETWEEN old.user_id AND new.user_id), user_id`,
  },
  {
    sql: `UPDATE members SET total = 3 RETURNING WITH (OLD AS o, NEW AS n) o.total, n.total, o.name`,
  },
  {
    sql: `UPDATE members m SET total = 2 FROM files f WHERE f.id = m.user_id RETURNING WITH (OLD AS "before") "before".total, new.total, f.id, "before".*`,
  },
  {
    sql: `UPDATE members SET user_id = user_id + 5 WHERE user_id = 0 RETURNING WITH (NEW AS n, OLD AS o) o.user_id, n.user_id, n.*, o`,
  },
  // Of reference and home tables, of DELETE, and of what fails.
  {
    sql: `UPDATE country SET weight = weight + 1 RETURNING code, (SELECT count(*) FROM members m WHERE m.country = code AND m.total < weight)`,
  },
  {
    sql: `UPDATE notes SET body = 'b' RETURNING id, (SELECT max(size) || body FROM files f WHERE f.id > notes.id)`,
  },
  {
    sql: `DELETE FROM files WHERE id IN (10, 11) RETURNING id, (SELECT count(*) FROM files), (SELECT max(name) FROM members WHERE user_id <> id)`,
  },
  {
    sql: `DELETE FROM files f USING notes n WHERE n.id = f.id - 11
      RETURNING n, (SELECT count(*) FROM files x WHERE x.id < f.id), old.name, (SELECT max(old.id) FROM files), (SELECT new.id FROM notes LIMIT 1)`,
  },
  // A row that there is not is NULL, and not a row of NULLs.
  {
    sql: `DELETE FROM members m USING files f WHERE f.id = m.total
      RETURNING (SELECT coalesce((new)::text, 'none') || (old)::text || count(*) FROM notes), m.user_id`,
  },
  {
    sql: `MERGE INTO members m USING files f ON m.total = f.id WHEN MATCHED AND m.user_id < 2 THEN DELETE
      WHEN MATCHED THEN UPDATE SET name = 'y' RETURNING merge_action(), m.user_id,
      (SELECT coalesce((new)::text, 'none') || coalesce((old)::text, 'none') || count(*) FROM notes)`,
  },
  { sql: `DELETE FROM members WHERE user_id < 1 RETURNING (SELECT name FROM files)` },
  { sql: `DELETE FROM members WHERE user_id < 1 RETURNING (SELECT nothing FROM files)` },
  {
    sql: `DELETE FROM notes RETURNING (SELECT max(size) FROM files f WHERE f.id = notes.id), notes.*`,
  },
  {
    sql: `DELETE FROM piles WHERE n = $1 RETURNING $2, (SELECT count(*) FROM files WHERE id > n + $1), label`,
    parameters: [2, 'given'],
  },
  {
    sql: `UPDATE members SET name = $1 WHERE user_id > $2 RETURNING (SELECT max(f.name) || members.name FROM files f WHERE f.id < $2), name`,
    parameters: ['given', 3],
  },
];

// RETURNING of sub-queries that ask for whole rows, by any name, where these are known only when they have been written.

import type { Said } from './write-servers.ts';

export const RETURNED_ROWS: readonly Said[] = [
  // Names for OLD and NEW.
  {
    sql: `UPDATE members SET total = coalesce(total, 0) + 3 RETURNING WITH (OLD AS o, NEW AS n) name,
      (SELECT count(*) FROM files WHERE size BETWEEN o.total AND n.total), o.total, (SELECT max(id) FROM files WHERE id < total)`,
  },
  {
    sql: `UPDATE stamps SET name = name || '!' WHERE user_id < 3 RETURNING WITH (OLD AS o)
      (SELECT max(f.name) FROM files f WHERE f.id BETWEEN o.touched AND new.touched), o.*, o, (SELECT stamps.name || o.name)`,
  },
  {
    sql: `UPDATE stamps SET user_id = user_id + 6 RETURNING WITH (NEW AS "after") "after".touched, (SELECT count(*) FROM stamps s WHERE s.user_id >= old.user_id AND s.user_id < "after".user_id)`,
  },
  {
    sql: `DELETE FROM members WHERE user_id > 1 RETURNING WITH (OLD AS o, NEW AS n) o.name, (SELECT count(*) FROM files f WHERE f.id < o.user_id), (SELECT max(f.name || coalesce(n.name, '-')) FROM files f), n.total`,
  },
  {
    sql: `UPDATE members SET user_id = user_id + 100 WHERE user_id > 1 RETURNING WITH (OLD AS o, NEW AS n)
      (SELECT count(*) FROM files WHERE id BETWEEN o.user_id AND n.user_id), user_id`,
  },
  {
    sql: `INSERT INTO members (user_id, name) VALUES (1, 'again'), (40, 'new') ON CONFLICT (user_id) DO UPDATE SET name = excluded.name
      RETURNING WITH (OLD AS o) user_id, o.name, (SELECT count(*) FROM files f WHERE f.id > o.total), (SELECT to_jsonb(o) FROM notes LIMIT 1)`,
  },
  {
    sql: `MERGE INTO stamps s USING members m ON m.user_id = s.user_id WHEN MATCHED THEN UPDATE SET name = m.name || s.name
      RETURNING WITH (OLD AS o, NEW AS n) merge_action(), o.name, (SELECT count(*) FROM files f WHERE f.id BETWEEN o.touched AND n.touched), m.name`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT max(id) AS id, name FROM files GROUP BY name) f ON f.id - 30 = m.user_id WHEN MATCHED THEN UPDATE SET total = 9
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (f.id, f.name) RETURNING WITH (OLD AS o, NEW AS n) o.total, n.total, (SELECT count(*) FROM files x WHERE x.size < o.user_id)`,
  },
  {
    sql: `UPDATE members m SET total = 1 FROM notes n WHERE n.id = m.user_id RETURNING WITH (OLD AS n) n.total, (SELECT count(*) FROM files WHERE id = n.id)`,
  },
  {
    sql: `UPDATE members m SET total = 1 RETURNING WITH (OLD AS o) (SELECT old.total FROM files)`,
  },
  // The new row as a whole.
  {
    sql: `INSERT INTO files (user_id, id, name) VALUES (1, 101, 'a'), (2, 102, NULL) RETURNING id, (SELECT to_jsonb(files) - 'made' FROM notes WHERE notes.id = 1)`,
  },
  {
    sql: `INSERT INTO files (user_id, id, name, tags, feels) VALUES (1, 101, 'a "q"', '{x,NULL}', 'ok')
      RETURNING (SELECT files FROM members WHERE members.user_id = files.user_id), (SELECT count(*) FROM members m WHERE m.name < files::text), files`,
  },
  {
    sql: `INSERT INTO piles AS p (user_id, label) VALUES (7, 'g'), (8, NULL) RETURNING (SELECT ROW(p.*, max(f.id)) FROM files f WHERE f.id > p.n)::text, (SELECT p IS NULL FROM notes LIMIT 1)`,
  },
  {
    sql: `INSERT INTO piles (user_id, label) VALUES (7, 'g'), (7, 'g') RETURNING (SELECT jsonb_agg(x ORDER BY x.id) FROM (SELECT piles.*, f.id FROM files f WHERE f.id < n - 3) x)`,
  },
  {
    sql: `INSERT INTO piles (user_id) VALUES (7) RETURNING (SELECT (piles).n + (piles).user_id + max(f.id) FROM files f), (SELECT to_json(piles.*) FROM notes WHERE id = 3)`,
  },
  {
    sql: `UPDATE stamps SET name = name || '+' RETURNING (SELECT stamps::text || count(*) FROM files f WHERE f.id < touched), stamps`,
  },
  {
    sql: `UPDATE stamps s SET name = s.name || '+' RETURNING (SELECT string_agg(x.name, ',' ORDER BY x.name) FROM stamps x WHERE x = s OR x.touched < s.touched), user_id`,
  },
  {
    sql: `UPDATE piles SET n = DEFAULT WHERE user_id IN (SELECT max(id) - 34 FROM files) RETURNING (SELECT count(*) FROM files WHERE files.id::text <> piles::text), piles.*`,
  },
  // Old and new rows as a whole, of what has none.
  {
    sql: `INSERT INTO members (user_id, name) VALUES (1, 'again'), (40, 'new') ON CONFLICT (user_id) DO UPDATE SET name = 'upd', total = DEFAULT
      RETURNING (SELECT old FROM notes LIMIT 1), (SELECT new FROM notes LIMIT 1), (SELECT old IS DISTINCT FROM NULL FROM files WHERE id = 1)`,
  },
  {
    sql: `INSERT INTO files (user_id, id) VALUES (1, 1), (1, 101) ON CONFLICT (user_id, id) DO UPDATE SET note = DEFAULT
      RETURNING id, (SELECT to_jsonb(old) FROM notes WHERE id = 1), (SELECT count(*) FROM members m WHERE m.user_id > old.user_id), (SELECT old IS NULL FROM notes WHERE id = 1), (SELECT new::text FROM notes WHERE id = 2)`,
  },
  {
    sql: `UPDATE stamps SET name = name || '-' RETURNING (SELECT old::text || new::text || count(*) FROM files), (SELECT ROW(old.*) = ROW(new.*) FROM notes WHERE id = 1)`,
  },
  {
    sql: `UPDATE stamps SET user_id = user_id + 1 WHERE user_id = 5 RETURNING (SELECT to_jsonb(old) || to_jsonb(f) FROM files f WHERE f.id = old.user_id)`,
  },
  {
    sql: `MERGE INTO stamps s USING notes n ON n.id = s.user_id WHEN NOT MATCHED BY SOURCE THEN DELETE
      WHEN MATCHED THEN UPDATE SET touched = DEFAULT WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 60, 'x')
      RETURNING merge_action(), (SELECT to_jsonb(old) FROM files WHERE id = 1), (SELECT to_jsonb(new) FROM files WHERE id = 1), (SELECT s::text FROM files WHERE id = 1),
      (SELECT to_jsonb(n) FROM files WHERE id = 1), (SELECT n.body || s.name FROM files WHERE id = 1), (SELECT n IS NULL FROM files WHERE id = 1)`,
  },
  {
    sql: `MERGE INTO stamps s USING notes n ON n.id = s.user_id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN UPDATE SET touched = DEFAULT
      RETURNING (SELECT merge_action() || count(*) FROM files f WHERE f.id > s.touched), s.name`,
  },
  // Rows of other tables.
  {
    sql: `UPDATE stamps s SET name = m.name || s.name FROM members m WHERE m.user_id = s.user_id
      RETURNING (SELECT to_jsonb(m) || to_jsonb(s) FROM files f WHERE f.id = s.touched), m, s, (SELECT m.*::text FROM notes LIMIT 1)`,
  },
  {
    sql: `UPDATE stamps s SET name = s.name || 'l' FROM members m LEFT JOIN notes n ON n.id = m.user_id WHERE m.user_id = s.user_id
      RETURNING s.name, (SELECT to_jsonb(n) FROM files WHERE id = 1), (SELECT n::text FROM files WHERE id = 1), (SELECT n.body FROM files WHERE id = 1)`,
  },
  // A star within an item.
  {
    sql: `UPDATE stamps s SET name = m.name || s.name FROM members m WHERE m.user_id = s.user_id RETURNING ROW(m.*, s.touched), s.name`,
  },
  {
    sql: `UPDATE stamps s SET name = m.name || s.name FROM members m WHERE m.user_id = s.user_id RETURNING to_jsonb(m.*) || to_jsonb(s.touched), ROW(s.*, m.*)::text`,
  },
  {
    sql: `UPDATE stamps s SET name = m.name || s.name, user_id = s.user_id + 7 FROM members m WHERE m.user_id = s.user_id RETURNING ROW(old.*, m.*)::text, s.touched`,
  },
  // A schema before a name.
  {
    sql: `INSERT INTO piles (user_id, label) VALUES (7, 'g'), (8, 'h') RETURNING (SELECT count(*) FROM files f WHERE f.id > public.piles.n), public.piles.label`,
  },
  {
    sql: `UPDATE members SET total = 4 WHERE user_id = 5 RETURNING (SELECT max(f.name) FROM files f WHERE f.id > public.members.total), (SELECT public.members.name || f.id FROM files f WHERE f.id = 3)`,
  },
  {
    sql: `INSERT INTO members (user_id, name) VALUES (77, 'x'), (78, 'y') RETURNING (SELECT count(*) FROM public.files WHERE public.files.id > public.members.user_id - 50),
      (SELECT public.files.id || public.members.name FROM public.files WHERE public.files.id = members.user_id - 70)`,
  },
  // Names within that hide those of the statement.
  {
    sql: `INSERT INTO piles (user_id, label) VALUES (7, 'g') RETURNING (SELECT to_jsonb(piles) FROM (SELECT id FROM files WHERE id = 3) piles), (SELECT piles FROM (SELECT 5 AS piles, id FROM files WHERE id = 4) x)`,
  },
  {
    sql: `INSERT INTO stamps (user_id, name) VALUES (9, 'nine') RETURNING (SELECT count(stamps) FROM stamps WHERE stamps.user_id < 3), (SELECT jsonb_agg(stamps ORDER BY stamps.name) FROM stamps)`,
  },
  // MERGE that inserts into a table with triggers, from a query.
  {
    sql: `MERGE INTO stamps s USING (SELECT owner, max(body) AS body FROM notes GROUP BY owner) n ON n.owner = s.user_id AND n.body = s.name WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.owner + 60, coalesce(n.body, 'none') || 'x')
      RETURNING (SELECT count(*) FROM files f WHERE f.id > s.touched), n.body, (SELECT n.owner + count(*) FROM members), n.*`,
  },
  {
    sql: `MERGE INTO stamps s USING (VALUES (1, 'v'), (2, NULL)) AS v (k, t) ON v.k + 1 = s.user_id WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.k, 'v') WHEN MATCHED THEN UPDATE SET touched = DEFAULT
      RETURNING (SELECT v.t || count(*) FROM files f WHERE f.id > s.touched), (SELECT s::text || v.k FROM notes LIMIT 1), *`,
  },
  {
    sql: `UPDATE stamps s SET name = x.name || s.name FROM (SELECT id, name FROM files WHERE id < 9) x WHERE x.id = s.user_id RETURNING (SELECT x.name || count(*) FROM members m WHERE m.user_id < s.touched), x.*`,
  },
  {
    sql: `WITH w AS (SELECT max(id) AS top FROM files) UPDATE piles SET n = DEFAULT FROM w WHERE piles.user_id > w.top - 34 RETURNING (SELECT top + n + count(*) FROM members), w.top`,
  },
  {
    sql: `UPDATE files f SET note = DEFAULT FROM notes n, (SELECT id, count(*) FROM files GROUP BY id) x WHERE n.id = f.id AND x.id = f.id
      RETURNING (SELECT x.count + count(*) FROM members), (SELECT x.id || f.note FROM members WHERE user_id = f.user_id), f.id`,
  },
  // What a MERGE that sets the key shows of the old row, by a star within something else.
  {
    sql: `MERGE INTO members m USING notes n ON n.id = m.user_id WHEN MATCHED THEN UPDATE SET user_id = m.user_id + 7 RETURNING ROW(old.*), m.name`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON n.id = m.user_id WHEN MATCHED THEN UPDATE SET user_id = m.user_id + 7 WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id, 'x')
      RETURNING ROW(1, old.*, new.name)::text, to_jsonb(old.*), old.* IS NULL, (old.*) = (new.*), new.*`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON n.id = m.user_id WHEN MATCHED THEN UPDATE SET user_id = m.user_id + 7
      RETURNING WITH (OLD AS o) ROW(o.*, o.name), (SELECT o.name || (SELECT o.total)), jsonb_build_object('a', o.*)`,
  },
  // Reference and home tables.
  {
    sql: `INSERT INTO country (code, name) VALUES ('it', 'Italy') RETURNING (SELECT country::text || count(*) FROM files WHERE id < weight)`,
  },
  {
    sql: `INSERT INTO notes (id, owner) VALUES (40, 4) RETURNING (SELECT to_jsonb(notes) || to_jsonb(max(size)) FROM files f WHERE f.user_id = notes.owner)`,
  },
  // What fails.
  {
    sql: `INSERT INTO piles (user_id) VALUES (9) RETURNING (SELECT piles FROM files WHERE id > n)`,
  },
  { sql: `INSERT INTO piles (user_id) VALUES (9) RETURNING (SELECT piles.nothing FROM files)` },
  { sql: `INSERT INTO piles (user_id) VALUES (9) RETURNING (SELECT public.piles FROM files)` },
  // Parameters.
  {
    sql: `INSERT INTO piles (user_id, label) VALUES ($1, $2), ($1, 'own') RETURNING WITH (NEW AS n) (SELECT piles::text || $3 FROM files WHERE id = n.n), $2`,
    parameters: [12, 'given', 'x'],
  },
];

// MERGE whose matches, and what becomes of them, no shard can tell by itself.

import type { Said } from './write-servers.ts';

export const MERGES_FOUND: readonly Said[] = [
  // The key is set: rows move.
  {
    sql: `MERGE INTO members m USING (VALUES (1, 101), (2, 104), (77, 7)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = v.n, name = m.name || ' moved'
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.n, 'new')
      RETURNING merge_action(), m.*, v.k`,
  },
  {
    sql: `MERGE INTO members m USING files f ON m.user_id = f.id AND f.id < 6
      WHEN MATCHED AND m.user_id = 0 THEN DELETE
      WHEN MATCHED AND f.size > 1.5 THEN UPDATE SET (user_id, total) = (f.user_id + 300 + f.id, f.size)
      WHEN MATCHED THEN DO NOTHING
      WHEN NOT MATCHED AND f.id < 9 THEN INSERT (user_id, name) VALUES (f.id + 500, f.name)
      WHEN NOT MATCHED BY SOURCE AND m.user_id BETWEEN 6 AND 400 THEN UPDATE SET user_id = -m.user_id, country = NULL
      WHEN NOT MATCHED BY SOURCE AND m.user_id < 400 THEN DELETE
      RETURNING *, merge_action() AS done, f.name || m.name`,
  },
  {
    sql: `MERGE INTO files t USING (SELECT id, user_id AS u FROM files WHERE id < 9) s ON t.id = s.id
      WHEN MATCHED AND s.id % 2 = 0 THEN UPDATE SET user_id = s.u + 31, note = DEFAULT, size = t.size + s.u
      WHEN MATCHED THEN UPDATE SET note = 'stays' RETURNING t.*, s.u`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 201), (2, 304), (5, 41), (78, 17)) v (k, n) ON m.user_id % 100 = v.k
      WHEN MATCHED AND v.k = 5 THEN UPDATE SET name = 'stays' WHEN MATCHED THEN UPDATE SET user_id = v.n
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.n, 'new')
      RETURNING old, new, to_jsonb(old), old IS NULL, (old).name || v.n, old::text, m`,
  },
  {
    sql: `MERGE INTO files t USING notes n ON t.id = n.id + 20 WHEN MATCHED THEN UPDATE SET user_id = n.id + 60, note = DEFAULT
      RETURNING WITH (OLD AS was) was, t, was.twice, n`,
  },
  {
    sql: `MERGE INTO files t USING members m ON t.user_id = m.user_id AND t.id = m.user_id * 3
      WHEN MATCHED THEN UPDATE SET user_id = 42, feels = 'happy', tags = ARRAY[m.name]`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 2), (2, 1)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = v.n`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 5)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = v.n`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 61), (1, 62)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = v.n`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, NULL::int)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = v.n`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT $1::int AS k) v ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = $2, name = $3 WHEN NOT MATCHED THEN INSERT VALUES ($2, $3, $4)
      RETURNING m.*, v.k, merge_action(), new.user_id`,
    parameters: [5, 1000, 'by parameters', 2.5],
  },
  {
    sql: `WITH m AS (MERGE INTO members m USING (VALUES (1, 101), (5, 11)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED AND v.k = 1 THEN UPDATE SET user_id = v.n WHEN MATCHED THEN UPDATE SET name = 'five'
      RETURNING merge_action() AS done, m.user_id) SELECT * FROM m`,
  },
  // Rows that move, as they were.
  {
    sql: `MERGE INTO members m USING (VALUES (1, 101), (2, 104), (5, 11), (77, 7)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED AND v.k = 5 THEN UPDATE SET name = 'stays'
      WHEN MATCHED THEN UPDATE SET user_id = v.n, name = m.name || ' moved'
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.n, 'new')
      RETURNING merge_action(), old.user_id, new.user_id, old.*, v.n, old.name || m.name, (SELECT old.total + v.k)`,
  },
  {
    sql: `MERGE INTO files t USING members m ON t.user_id = m.user_id AND t.id = m.user_id * 3
      WHEN MATCHED THEN UPDATE SET user_id = 42 + t.id, note = DEFAULT
      RETURNING WITH (OLD AS was, NEW AS "is") was.*, "is".twice - was.twice, was.tags[2], was.feels, "is".*, m.name`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 101)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = v.n RETURNING WITH (OLD AS o) *, o.user_id AS before`,
  },
  // The key is left to its default, or to be NULL.
  {
    sql: `MERGE INTO picked p USING (VALUES (1, 'a'), (4, 'b'), (9, 'c')) v (k, l) ON p.user_id = v.k
      WHEN NOT MATCHED AND v.k = 1 THEN INSERT (label) VALUES (v.l)
      WHEN NOT MATCHED AND v.k = 4 THEN INSERT VALUES (DEFAULT, v.l)
      WHEN NOT MATCHED THEN INSERT DEFAULT VALUES RETURNING merge_action(), p.*, v.l`,
  },
  {
    sql: `MERGE INTO picked p USING members m ON p.user_id = m.user_id
      WHEN NOT MATCHED AND m.user_id IN (SELECT user_id FROM files WHERE id > 9) THEN INSERT (label) VALUES (m.name)
      RETURNING p.*, m.user_id`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1), (70)) v (k) ON m.user_id = v.k
      WHEN NOT MATCHED THEN INSERT (name) VALUES ('none')`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1), (70)) v (k) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET user_id = DEFAULT`,
  },
  {
    sql: `MERGE INTO country c USING files f ON c.code = f.name
      WHEN NOT MATCHED AND f.id < 2 THEN INSERT (code, name) VALUES (f.name || f.id, 'new')
      WHEN NOT MATCHED AND f.id = 3 THEN INSERT VALUES ('three', DEFAULT, DEFAULT) RETURNING c.*, f.id`,
  },
  // Bare names that both sides have, where only the target is seen.
  {
    sql: `MERGE INTO members m USING (SELECT user_id, name, 2.5 AS total FROM members WHERE user_id > 1) s ON m.user_id = s.user_id
      WHEN MATCHED THEN UPDATE SET total = s.total + 1
      WHEN NOT MATCHED BY SOURCE AND user_id < 1 THEN UPDATE SET name = name || user_id, total = (SELECT count(*) FROM files f WHERE f.user_id = m.user_id)
      WHEN NOT MATCHED BY SOURCE THEN DELETE
      RETURNING merge_action(), m.*, s.name, (SELECT count(*) FROM files f WHERE f.id < new.total)`,
  },
  {
    sql: `MERGE INTO members USING (SELECT user_id, name FROM members WHERE user_id > 1) s ON members.user_id = s.user_id
      WHEN NOT MATCHED BY SOURCE AND user_id < 1 THEN UPDATE SET name = name || user_id, country = (SELECT max(note) FROM files f WHERE f.user_id = members.user_id), user_id = user_id - 40
      WHEN NOT MATCHED BY SOURCE THEN DELETE
      RETURNING merge_action(), old.user_id, s.name, (SELECT count(*) FROM files f WHERE f.id > old.user_id)`,
  },
  {
    sql: `MERGE INTO country USING (SELECT code, name FROM country WHERE code = 'de') s ON country.code = s.code
      WHEN NOT MATCHED BY SOURCE AND code > 'fr' THEN UPDATE SET name = name || code
      WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = code, weight = weight + 1
      RETURNING country.*, s.code, (SELECT count(*) FROM files f WHERE f.id < country.weight)`,
  },
  {
    sql: `MERGE INTO piles USING (SELECT label, n FROM piles WHERE label = 'a') s ON piles.label = s.label
      WHEN NOT MATCHED BY SOURCE AND n > 1 THEN UPDATE SET label = label || n, n = n + 1
      RETURNING piles.*, s.n, (SELECT count(*) FROM files f WHERE f.id < piles.n)`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT user_id FROM members WHERE user_id > 1) s ON m.user_id = s.user_id
      WHEN NOT MATCHED BY SOURCE AND user_id > 0 THEN DELETE
      RETURNING m.*, s.user_id, (SELECT count(*) FROM files f WHERE f.id < m.user_id)`,
  },
  // RETURNING of what other shards have, of rows as they were and as they become.
  {
    sql: `MERGE INTO members m USING files f ON m.user_id = f.user_id AND f.id < 9
       WHEN MATCHED THEN UPDATE SET name = f.name
       WHEN NOT MATCHED AND f.id < 3 THEN INSERT (user_id, name) VALUES (f.user_id + 100, 'new')
       RETURNING merge_action(), m.user_id, (SELECT count(*) FROM files g WHERE g.name = f.name) AS n`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 'x'), (2, 'y'), (77, 'z')) v (k, n) ON m.user_id = v.k
       WHEN MATCHED AND v.k = 1 THEN DELETE
       WHEN MATCHED THEN UPDATE SET total = v.k * 10, name = v.n
       WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.k, v.n)
       RETURNING merge_action(), (SELECT max(id) FROM files WHERE files.user_id <= m.user_id), m.name, (SELECT min(f.name) FROM files f WHERE f.id > old.total), (SELECT merge_action() || count(*) FROM files f WHERE f.id < new.total), v.*`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 101), (2, 104), (5, 7)) v (k, n) ON m.user_id = v.k
       WHEN MATCHED THEN UPDATE SET user_id = v.n
       WHEN NOT MATCHED BY SOURCE AND m.user_id = 0 THEN DELETE
       WHEN NOT MATCHED BY SOURCE AND m.user_id < 0 THEN UPDATE SET name = 'lacks'
       RETURNING old.user_id, (SELECT count(*) FROM files f WHERE f.id < m.user_id) AS fewer, (SELECT count(*) FROM members x WHERE x.user_id < old.user_id) + v.n, v.n`,
  },
  {
    sql: `MERGE INTO files t USING members m ON t.user_id = m.user_id AND t.id = m.user_id * 3
       WHEN MATCHED THEN UPDATE SET note = 'n' || t.id, size = t.size + 1
       RETURNING *, (SELECT array_agg(n.body ORDER BY n.id) FROM notes n WHERE n.id <= t.twice), (SELECT string_agg(x.name, ',' ORDER BY x.user_id) FROM members x WHERE x.total > new.size OR x.name = m.name)`,
  },
  {
    sql: `MERGE INTO country c USING members m ON c.code = m.country
       WHEN MATCHED AND m.user_id IN (1, 0) THEN UPDATE SET weight = m.user_id
       WHEN MATCHED THEN DO NOTHING
       WHEN NOT MATCHED THEN INSERT (code, name, weight) VALUES ('none', m.name, 3)
       RETURNING c.*, (SELECT count(*) FROM files WHERE files.user_id = m.user_id)`,
  },
  {
    sql: `WITH w AS (SELECT user_id, count(*) AS n FROM files GROUP BY user_id)
      MERGE INTO members m USING notes n ON m.user_id = n.owner
      WHEN MATCHED THEN UPDATE SET total = n.id RETURNING m.user_id, (SELECT w.n FROM w WHERE w.user_id = m.total), (SELECT max(w.n) FROM w)`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.owner
      WHEN MATCHED THEN UPDATE SET total = n.id RETURNING (SELECT x FROM members x WHERE x.user_id = m.total), m IN (SELECT y FROM members y)`,
  },
  {
    sql: `MERGE INTO piles p USING members m ON p.user_id = m.user_id AND p.label = 'a'
      WHEN MATCHED THEN UPDATE SET n = m.user_id + 5 RETURNING p.*, (SELECT count(*) FROM files f WHERE f.id < p.n + coalesce(old.n, 0))`,
  },
  {
    sql: `MERGE INTO notes n USING files f ON n.id = f.id AND f.id < 4
      WHEN MATCHED THEN UPDATE SET body = f.name RETURNING n.id, (SELECT count(*) FROM members m WHERE m.name > n.body), (SELECT f)`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT 1 AS k) v ON m.user_id = v.k WHEN MATCHED THEN UPDATE SET name = 'q' RETURNING (SELECT count(*) FROM files WHERE nope = 1)`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT 1 AS k) v ON m.user_id = v.k WHEN MATCHED THEN UPDATE SET name = 'q' RETURNING (SELECT user_id FROM files)`,
  },
  // Sub-queries over other rows: in ON, in conditions, in values.
  {
    sql: `MERGE INTO members m USING notes n
      ON m.user_id = n.owner AND m.user_id < (SELECT max(id) FROM files WHERE name = 'file 1')
      WHEN MATCHED AND EXISTS (SELECT FROM files f WHERE f.id = m.user_id + 1) THEN
        UPDATE SET name = (SELECT min(name) FROM members), total = (SELECT count(*) FROM files f WHERE f.id > n.id)
      WHEN NOT MATCHED THEN INSERT VALUES ((SELECT max(user_id) FROM members) + n.id, 'late') RETURNING merge_action(), *`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (3), (4), (1)) v (k) ON m.user_id = v.k
      WHEN NOT MATCHED AND v.k IN (SELECT user_id FROM files) THEN
        INSERT (user_id, name, total) VALUES (v.k, 'n' || (SELECT count(*) FROM files WHERE user_id > v.k), (SELECT sum(id) FROM notes))
      WHEN MATCHED AND v.k = (SELECT min(id) FROM notes) THEN DELETE RETURNING merge_action(), m.*`,
  },
  {
    sql: `WITH w AS (SELECT user_id, count(*) AS n FROM files GROUP BY user_id)
      MERGE INTO members m USING notes ON m.user_id = notes.id
      WHEN MATCHED THEN UPDATE SET total = (SELECT n FROM w WHERE w.user_id = notes.id)
      WHEN NOT MATCHED THEN INSERT VALUES (notes.id, (SELECT 'of ' || sum(n) FROM w)) RETURNING m.name, m.total`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.id
      WHEN NOT MATCHED BY SOURCE AND m.user_id > (SELECT avg(id) FROM notes) THEN UPDATE SET name = name || '!'
      WHEN NOT MATCHED BY SOURCE AND NOT EXISTS (SELECT FROM files WHERE files.id = m.user_id) THEN DELETE
      RETURNING merge_action(), m.name, n IS NULL`,
  },
  {
    sql: `MERGE INTO notes n USING files f ON n.id = f.id AND f.id < (SELECT count(*) FROM members)
      WHEN MATCHED THEN UPDATE SET body = (SELECT max(name) FROM files), owner = f.user_id
      WHEN NOT MATCHED AND f.id = (SELECT max(id) FROM files) THEN INSERT (id, owner) VALUES (f.id, (SELECT 12 FROM members WHERE user_id = 1))
      RETURNING n.id, n.owner, f.name`,
  },
  {
    sql: `MERGE INTO members m USING notes n JOIN (VALUES (1, 4), (2, 6), (3, 8)) v (id, k) USING (id) ON m.user_id = n.owner
      WHEN MATCHED AND id < (SELECT max(id) FROM notes) THEN UPDATE SET user_id = m.user_id + k + 60, total = id
      WHEN NOT MATCHED BY SOURCE AND m.user_id < (SELECT min(id) FROM notes) THEN DELETE
      RETURNING merge_action(), m.*, id, n.body`,
  },
  // What is chosen, or given, by chance: once.
  {
    sql: `MERGE INTO members m USING (VALUES (1, 300), (2, 301), (70, 303)) v (k, n) ON m.user_id = v.k
      WHEN MATCHED AND random() < 2 THEN UPDATE SET user_id = v.n + (random() * 0)::int, total = 0 * random()
      WHEN NOT MATCHED AND random() > -1 THEN INSERT (user_id, name) VALUES (v.n, 'r' || (random() * 0))
      RETURNING merge_action(), m.user_id, m.name`,
  },
  // A reference table: all copies get what is found once.
  {
    sql: `MERGE INTO country c USING (VALUES ('de', 1), ('it', 2)) v (code, n) ON c.code = v.code
      WHEN MATCHED THEN UPDATE SET weight = (SELECT count(*) FROM members WHERE country = v.code), name = left(now()::text, 0) || 'x'
      WHEN NOT MATCHED THEN INSERT VALUES (v.code, 'r' || (random() * 0), (SELECT max(id) FROM notes)) RETURNING c.*, v.n`,
  },
  {
    sql: `MERGE INTO country c USING files f ON c.weight = f.id AND f.user_id < (SELECT max(user_id) FROM members)
      WHEN MATCHED AND f.id = (SELECT min(id) FROM notes) THEN DELETE
      WHEN NOT MATCHED BY SOURCE AND (SELECT count(*) FROM files) > 3 THEN UPDATE SET name = 'left'
      RETURNING merge_action(), c.code`,
  },
  // A condition sees the source's columns only where there is a row of it: their names are no others'.
  {
    sql: `MERGE INTO members m USING (SELECT user_id AS k, name FROM members) v ON m.user_id = v.k + 1
      WHEN MATCHED THEN UPDATE SET user_id = m.user_id + 70000
      WHEN NOT MATCHED BY SOURCE AND name <> 'five' THEN DELETE
      RETURNING merge_action(), m.user_id, m.name, v.k, cardinality(xpath('/a', '<a/>'::xml)) + (SELECT count(*) FROM files)`,
  },
  // Nothing is done to any row: what would be returned has a type all the same.
  {
    sql: `MERGE INTO files t USING (SELECT * FROM members WHERE user_id > 9000) s ON s.user_id = t.id
      WHEN NOT MATCHED THEN DO NOTHING RETURNING (SELECT max(name) AS top FROM members WHERE user_id > t.id), s.*`,
  },
];

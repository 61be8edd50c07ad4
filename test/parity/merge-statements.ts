// MERGE whose inserted rows have other keys than the rows that they were compared with.

import type { Said } from './write-servers.ts';

export const MERGES_APART: readonly Said[] = [
  // Keys that are computed, constant, of another column.
  {
    sql: `MERGE INTO members m USING files f ON m.user_id = f.id
      WHEN MATCHED THEN UPDATE SET name = f.name
      WHEN NOT MATCHED AND f.id > 20 THEN INSERT (user_id, name) VALUES (f.id + 1000, f.name)
      RETURNING merge_action(), m.user_id, m.name, f.id`,
  },
  {
    sql: `MERGE INTO members AS m USING notes n ON m.user_id = n.owner AND n.id > 1
      WHEN MATCHED THEN UPDATE SET name = coalesce(n.body, 'none')
      WHEN NOT MATCHED THEN INSERT VALUES (500, 'constant', n.id) RETURNING *`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT id, user_id AS other, name FROM files WHERE id BETWEEN 6 AND 12) f
      ON m.name = f.name OR m.user_id = f.id
      WHEN MATCHED AND m.user_id > 1 THEN DELETE
      WHEN MATCHED THEN DO NOTHING
      WHEN NOT MATCHED THEN INSERT (name, user_id, country) VALUES (f.name || f.id, f.id * 100 + f.other, 'de')
      RETURNING m.*, f.other, merge_action()`,
  },
  // Several clauses, of which the first that fits is taken.
  {
    sql: `MERGE INTO members m USING (SELECT id, name, size FROM files) f ON m.total = f.size - 0.75
      WHEN NOT MATCHED AND f.id % 3 = 0 THEN INSERT (user_id, name) VALUES (2000 + f.id, 'third')
      WHEN NOT MATCHED AND CASE WHEN f.id > 30 THEN true ELSE false END THEN DO NOTHING
      WHEN MATCHED AND m.user_id = 1 THEN DELETE
      WHEN MATCHED THEN UPDATE SET total = f.size, name = 'matched'
      WHEN NOT MATCHED BY TARGET AND f.name = 'file 2' THEN INSERT (user_id, total, name) VALUES (3000 - f.id, f.size, f.name)
      RETURNING merge_action(), m.*`,
  },
  // Rows that the source lacks.
  {
    sql: `MERGE INTO members m USING (SELECT id FROM files WHERE id IN (1, 2, 40) UNION ALL VALUES (900), (901)) s
      ON m.user_id = s.id
      WHEN NOT MATCHED BY SOURCE AND m.user_id > 5 THEN DELETE
      WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = m.name || ' alone'
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (s.id + 7, 'late')
      RETURNING merge_action(), m.user_id, m.name, s.id`,
  },
  // Sources of every kind: joined by other columns, reference, home, VALUES, WITH, functions.
  {
    sql: `MERGE INTO members m USING country c ON m.country = c.code
      WHEN MATCHED THEN UPDATE SET total = c.weight
      WHEN NOT MATCHED THEN INSERT (user_id, name, country) VALUES (c.weight + 600, c.name, c.code)`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT * FROM country WHERE code <> 'de' UNION ALL VALUES ('it', 'Italy', 12), ('at', 'Austria', 13)) c
      ON m.country = c.code WHEN NOT MATCHED THEN INSERT (user_id, name, country) VALUES (c.weight + 600, c.name, c.code)
      RETURNING c.*, m.user_id`,
  },
  {
    sql: `MERGE INTO picked p USING (VALUES ('a', 1), ('b', 2), ('a', 3), (NULL, 4)) v (t, k) ON p.label = v.t
      WHEN NOT MATCHED THEN INSERT VALUES (v.k + 10, v.t) RETURNING p.*, v.k`,
  },
  {
    sql: `MERGE INTO picked USING generate_series(5, 9) g ON picked.user_id = g AND picked.label = 'x'
      WHEN NOT MATCHED THEN INSERT (user_id, label) VALUES (-g, 'g' || g)`,
  },
  {
    sql: `WITH w AS (SELECT id, count(*) OVER () AS n FROM files WHERE id < 4)
      MERGE INTO picked p USING w ON p.label = 'w' || w.id
      WHEN NOT MATCHED THEN INSERT VALUES (w.n * 10 + w.id, 'w' || w.id) RETURNING p.label, w.n`,
  },
  {
    sql: `MERGE INTO files t USING (SELECT f.id, m.user_id, m.name FROM files f JOIN members m ON m.user_id = f.id) s
      ON t.id = s.id WHEN MATCHED AND s.id < 2 THEN DELETE
      WHEN MATCHED THEN UPDATE SET note = s.name, size = DEFAULT
      WHEN NOT MATCHED THEN INSERT (user_id, id, note) VALUES (s.user_id, s.id, s.name)
      RETURNING merge_action(), t.id, t.note, t.twice`,
  },
  {
    sql: `MERGE INTO files t USING (SELECT id + 30 AS id, feels, tags, made, size FROM files WHERE id < 12) s ON t.id = s.id
      WHEN MATCHED THEN UPDATE SET feels = s.feels, tags = s.tags
      WHEN NOT MATCHED THEN INSERT (id, feels, tags, made, size, user_id)
        VALUES (s.id, s.feels, s.tags, s.made, s.size, (s.id % 5)::text::int) RETURNING *`,
  },
  {
    sql: `MERGE INTO ONLY files USING notes ON files.id = notes.id AND files.user_id = notes.owner
      WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (user_id, id, name) VALUES (notes.owner * 2, notes.id + 700, body)
      RETURNING merge_action(), files.id, notes.*`,
  },
  // Joins by themselves.
  {
    sql: `MERGE INTO members m USING notes n JOIN files f ON f.id = n.id ON m.user_id = n.owner AND f.id > 1
      WHEN MATCHED THEN UPDATE SET name = coalesce(n.body, 'none'), total = f.size
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (f.id + 4200, f.name) RETURNING *, n.at`,
  },
  {
    sql: `MERGE INTO members m USING country c LEFT JOIN (SELECT user_id AS k, id, name FROM files WHERE id < 5) f
        ON f.k = c.weight AND CASE WHEN c.code = 'de' THEN true ELSE false END ON m.country = c.code AND m.user_id < 10
      WHEN MATCHED AND f.k IS NULL THEN UPDATE SET name = c.name RETURNING merge_action(), m.*, f.*, f IS NULL, c.name`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1), (9)) v (k) CROSS JOIN generate_series(1, 2) g ON m.user_id = v.k + 4300
      WHEN NOT MATCHED AND g = 1 THEN INSERT (user_id, name) VALUES (v.k + 4300, 'v' || g)
      WHEN NOT MATCHED THEN INSERT (name, user_id) VALUES ('g', k * 10 + g + 4300) RETURNING m.user_id, v.k, g`,
  },
  {
    sql: `MERGE INTO members m USING (notes n JOIN files f ON f.id = n.id) AS j ON m.user_id = j.owner
      WHEN MATCHED THEN UPDATE SET name = coalesce(j.body, 'none') WHEN NOT MATCHED THEN INSERT VALUES (j.owner + 4400, 'j')
      RETURNING m.user_id, j.at, j.size`,
  },
  // Joins by USING and NATURAL, whose columns are of two relations.
  {
    sql: `MERGE INTO members m USING notes n JOIN files f USING (id) ON m.user_id = n.owner AND id > 1
      WHEN MATCHED THEN UPDATE SET name = coalesce(n.body, 'none'), total = f.id + n.id + id
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (id + 5200, f.name) RETURNING merge_action(), m.*, id, f.id, n.at`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 'a'), (2, NULL), (55, 'c')) v (id, t) LEFT JOIN notes n USING (id)
        LEFT JOIN (SELECT id, min(name) AS low FROM files GROUP BY id) f USING (id) ON m.user_id = id
      WHEN MATCHED AND n.body = 'first' THEN UPDATE SET name = t || id
      WHEN NOT MATCHED AND f.low IS NULL THEN INSERT (user_id, name) VALUES (id + 5300, coalesce(n.body, t)) RETURNING id, v.id, n.id, f.id, low`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 'a'), (NULL, 'b')) v (id, t) RIGHT JOIN notes n USING (id) ON m.user_id = n.owner + 5400
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.owner + 5400 + id, coalesce(t, 'none')) RETURNING m.*, id, v.id, n.id`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (1, 'a'), (NULL, 'b'), (9, 'c')) v (id, t) FULL JOIN notes n USING (id) ON m.user_id = coalesce(id, 0) + 5500
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (5510 + coalesce(id, 0), coalesce(t, body, 'none')) RETURNING m.*, id, v.id, n.id, v, n IS NULL`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT id, owner AS k FROM notes) n NATURAL JOIN (SELECT id, name AS k2 FROM files) f ON m.user_id = n.k
      WHEN MATCHED THEN UPDATE SET name = k2 || id WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (id + 5600, k2) RETURNING m.user_id, id`,
  },
  {
    sql: `MERGE INTO members m USING (notes n NATURAL LEFT JOIN (VALUES (1, 'x')) v (id, t)) CROSS JOIN generate_series(1, 2)
        LEFT JOIN (SELECT 1 AS generate_series, 7 AS u) w USING (generate_series) ON m.user_id = n.owner + generate_series + 5700
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.owner * 10 + generate_series + 5700, coalesce(t, 'u' || u, 'none'))
      RETURNING m.*, n.id, generate_series`,
  },
  {
    sql: `MERGE INTO members m USING notes n JOIN files f USING (id) AS both ON m.user_id = both.id + 5800
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (both.id * 3 + 5800, f.name) RETURNING both.id, m.name`,
  },
  {
    sql: `MERGE INTO members m USING (notes n JOIN files f USING (id)) AS j ON m.user_id = j.owner AND j.id = 1
      WHEN MATCHED THEN UPDATE SET name = coalesce(j.body, 'none') WHEN NOT MATCHED THEN INSERT VALUES (j.owner + 5900, 'j') RETURNING *`,
  },
  // Without a name.
  {
    sql: `MERGE INTO members m USING (SELECT id AS k, name AS t FROM files WHERE id BETWEEN 5 AND 7) ON m.user_id = k
      WHEN MATCHED THEN UPDATE SET name = t WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (k + 6000, t) RETURNING *, k`,
  },
  {
    sql: `MERGE INTO members m USING generate_series(4, 6) ON m.user_id = generate_series
      WHEN MATCHED THEN UPDATE SET name = 'g' || generate_series
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (generate_series.generate_series + 6100, 'g') RETURNING *`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT user_id AS k, max(name) AS t FROM files GROUP BY user_id) ON m.user_id = k
      WHEN MATCHED THEN UPDATE SET name = t WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (k, t) RETURNING merge_action(), *`,
  },
  // A shard by the source's key, which the row that is inserted does not have.
  {
    sql: `MERGE INTO members m USING (SELECT * FROM files WHERE user_id = 3 AND id < 9) f ON m.user_id = f.user_id
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (1004, f.name) RETURNING m.user_id`,
  },
  {
    sql: `MERGE INTO members m USING (SELECT 77 AS k) f ON m.user_id = f.k
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (78, 'next') RETURNING m.user_id`,
  },
  // The old row and the new.
  {
    sql: `MERGE INTO members m USING files f ON m.user_id = f.id AND f.id < 3
      WHEN MATCHED THEN UPDATE SET name = f.name || '!' WHEN NOT MATCHED AND f.id = 9 THEN INSERT VALUES (909, 'nine')
      RETURNING WITH (OLD AS o, NEW AS n) o.name, n.name, *, merge_action()`,
  },
  // What fails: a row that is met twice, keys that are taken or none, errors of values.
  {
    sql: `MERGE INTO members m USING (VALUES (1, 'a'), (1, 'b'), (81, 'c')) v (k, t) ON m.user_id = v.k
      WHEN MATCHED THEN UPDATE SET name = v.t WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (v.k + 1, v.t)`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (90), (91)) v (k) ON m.user_id = v.k
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (95, 'both')`,
  },
  {
    sql: `MERGE INTO members m USING (VALUES (90)) v (k) ON m.user_id = v.k
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (2, 'taken')`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.id + 50
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.owner + NULL, 'none')`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.id + 50
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 3000000000, 'large')`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.id + 50
      WHEN NOT MATCHED AND 1 / (n.id - 2) > 5 THEN INSERT (user_id, name) VALUES (n.id, 'x')`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.id + 50
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.body, 'text')`,
  },
  {
    sql: `MERGE INTO members m USING notes n ON m.user_id = n.id + 50
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (m.user_id, 'its own')`,
  },
  // Of none.
  {
    sql: `MERGE INTO members m USING (SELECT * FROM notes WHERE false) n ON m.user_id = n.id + 50
      WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (n.id + 1, 'x') RETURNING *`,
  },
  {
    sql: `MERGE INTO picked made USING (SELECT id AS c1, name AS c2 FROM files WHERE id < 3) c3 ON made.user_id = c1
      WHEN NOT MATCHED THEN INSERT VALUES (c1 + 1, c2) RETURNING made.user_id, c1, c3.c2`,
  },
  // Chance decides once.
  {
    sql: `MERGE INTO picked p USING (VALUES (1), (2), (3)) v (k) ON p.label = 'chance'
      WHEN NOT MATCHED AND random() < 2 THEN INSERT VALUES (v.k + (random() * 0)::int + 40, 'chance')
      RETURNING p.user_id`,
  },
  // The time, in what decides and in the key.
  {
    sql: `MERGE INTO members m USING files f ON m.user_id = f.id AND f.made < now()
      WHEN MATCHED THEN UPDATE SET total = extract(epoch FROM now()) * 0
      WHEN NOT MATCHED AND now() > f.made THEN INSERT (user_id, name, total)
        VALUES ((extract(epoch FROM now()) * 0)::int + f.id + 5700, f.name, 1) RETURNING m.*, now() = now()`,
  },
  // Parameters.
  {
    sql: `MERGE INTO members m USING (SELECT $1::text AS t) v ON m.name = v.t
      WHEN MATCHED THEN UPDATE SET total = $2 WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES ($3, v.t)
      RETURNING m.*, merge_action()`,
    parameters: ['someone', 1.5, 130],
  },
  {
    sql: `MERGE INTO members m USING unnest($1::int[], $2::text[]) AS u (k, t) ON m.country = u.t
      WHEN MATCHED THEN UPDATE SET name = u.t || $3
      WHEN NOT MATCHED AND u.k > $4 THEN INSERT (user_id, name) VALUES (u.k + $4, $3) RETURNING m.user_id, m.name`,
    parameters: [[7, 8, 9], ['fr', 'xx', null], 'third', 7],
  },
];

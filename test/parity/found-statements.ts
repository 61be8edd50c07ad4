// Statements of the written parity tests: what searches have found answered wrong once.

export const FOUND: readonly string[] = [
  "SELECT tag, sum('-0'::float8), avg('-0'::float8) FROM files GROUP BY tag",
  // The variance that is computed beside an average of floating-point numbers.
  'SELECT avg(user_id % 3 * 1e200::float8) FROM files',
  'SELECT avg(user_id * 1e154::float8) FROM members WHERE user_id IN (1, 5)',
  'SELECT avg(user_id * 1e153::float8) FROM members WHERE user_id IN (1, 5)',
  'SELECT tag, avg(size * 1e200::float8) FILTER (WHERE size = 5), avg(size) FROM files GROUP BY tag',
  "SELECT tag, avg(ratio) FILTER (WHERE size > 25), avg(ratio), avg(made - '2026-01-01') FROM files GROUP BY tag",
  'SELECT tag FROM files GROUP BY tag HAVING avg(ratio) > 0',
  'SELECT tag, avg(ratio) FROM files GROUP BY tag HAVING avg(ratio) > 0 ORDER BY avg(ratio)',
  'SELECT avg(r) FROM (SELECT ratio * 1e200 AS r FROM files) x',
  "SELECT avg(CASE WHEN user_id = 42 THEN 'Infinity'::float8 ELSE 1e300 END) FROM files WHERE user_id IN (1, 42)",
  "SELECT avg(CASE WHEN user_id = 42 THEN 'Infinity'::float8 ELSE '-Infinity' END) FROM files",
  // An aggregate of an outer query, in a sub-query.
  'SELECT (SELECT max((SELECT m.user_id FROM members m WHERE m.user_id = f.user_id))) FROM files f',
  'SELECT (SELECT sum(f.size)) FROM files f',
  'SELECT (SELECT count(f.size) FROM members m WHERE m.user_id = 42) FROM files f',
  'SELECT tag, (SELECT sum(f.size)) FROM files f GROUP BY tag',
  'SELECT user_id, (SELECT sum(f.size)) FROM files f GROUP BY user_id',
  'SELECT (SELECT max(f.size) FILTER (WHERE f.flag)) FROM files f',
  'SELECT (SELECT (SELECT min(f.tag))) FROM files f',
  'SELECT 1 FROM files f HAVING EXISTS (SELECT 1 FROM members m WHERE count(f.id) > m.user_id)',
  'SELECT id, (SELECT sum(x) FROM unnest(ARRAY[f.id, 1]) x) FROM files f',
  'SELECT id, (SELECT sum(m.user_id % 9 + f.id) FROM members m WHERE m.user_id = f.user_id) FROM files f',
  // The name of a join, for its columns or its row.
  'SELECT a, d FROM (members m CROSS JOIN country c) AS j (a, b, c, d, e)',
  'SELECT j::text FROM (members m JOIN country c ON c.code > m.country) AS j',
  'SELECT j::text FROM (members m JOIN narrow n ON n.user_id < m.user_id) AS j',
  // Tables of one name, told apart by their schemas.
  'SELECT count(*) FROM kept.members, public.members',
  'SELECT kept.members.n, members.* FROM kept.members, (SELECT * FROM public.members) x',
  'SELECT kept.members.*, public.members.name FROM kept.members JOIN members ON kept.members.n = public.members.user_id',
  'SELECT kept.members.n, (SELECT count(*) FROM members WHERE public.members.user_id = kept.members.n) FROM kept.members',
  'SELECT kept.members.n, (SELECT max(public.members.user_id) FROM members WHERE public.members.user_id < kept.members.n) FROM kept.members',
  'SELECT public.members.user_id FROM members WHERE NOT EXISTS (SELECT FROM kept.members WHERE kept.members.n = public.members.user_id)',
  'SELECT (SELECT string_agg((kept.members.*)::text, NULL) FROM public.members) FROM kept.members',
  'SELECT f.id FROM files f WHERE f.size IN (SELECT kept.members.n FROM kept.members WHERE kept.members.n IN (SELECT public.members.user_id FROM members))',
  'SELECT kept.notes.body, public.notes.body, f.id FROM kept.notes JOIN public.notes ON kept.notes.id = public.notes.id JOIN files f ON f.size = kept.notes.id',
  'SELECT kept.notes.body, (SELECT public.notes.body FROM public.notes WHERE public.notes.id = kept.notes.id), f.id FROM kept.notes JOIN files f ON f.size = kept.notes.id',
  'WITH members AS (SELECT public.members.user_id FROM public.members WHERE public.members.user_id < 5) SELECT * FROM members JOIN kept.members k ON k.n = members.user_id',
  // Names as they may be written: letters that are not folded, escapes, more than a server keeps.
  'SELECT Übung, rank() OVER (ORDER BY übung) FROM spelled',
  'SELECT count(DISTINCT Übung), count(DISTINCT ü.übung) FROM spelled ü',
  'SELECT (SELECT count(DISTINCT Übung) FROM spelled), s.Übung FROM (SELECT übung AS "Übung" FROM spelled) s',
  String.raw`SELECT U&"\00DCbung", rank() OVER (ORDER BY U&"\+0000fcbung") FROM spelled`,
  String.raw`SELECT (SELECT count(*) FROM spelled s WHERE U&"\006b" > m.user_id) FROM members m`,
  'SELECT a_name_of_as_many_bytes_as_servers_keep_of_one_which_is_63_byteXYZ, count(DISTINCT k) FROM spelled GROUP BY 1',
  'SELECT max("a_name_of_as_many_bytes_as_servers_keep_of_one_which_is_63_byte-") - count(DISTINCT k) FROM spelled',
  // LIMIT as clients write it that want all rows behind an OFFSET.
  'SELECT id, user_id FROM files ORDER BY id, user_id LIMIT 9223372036854775807 OFFSET 135',
  'SELECT tag, count(*) FROM files GROUP BY tag ORDER BY tag LIMIT 9223372036854775807 OFFSET 9223372036854775807',
  'SELECT id, user_id FROM files ORDER BY id, user_id LIMIT 9223372036854775807 OFFSET 135 FOR UPDATE',
  // A function of a row, and rows that a view shows.
  'SELECT titled(f), count(*) FROM files f GROUP BY 1',
  'SELECT titled(f), rank() OVER (ORDER BY f.size, f.id, f.user_id) FROM files f',
  'SELECT f.titled, rank() OVER (ORDER BY f.size, f.id, f.user_id) FROM files f',
  'SELECT max(f.titled) FROM files f WHERE f.titled IS NOT NULL',
  'SELECT f.titled FROM members m JOIN files f ON f.name > m.name AND f.size = 5',
  'SELECT f.untitled, rank() OVER (ORDER BY f.size) FROM files f',
  'SELECT file, n FROM ranked WHERE n < 9',
  'SELECT (file).name, titled(file), n FROM ranked',
  // The aggregates of an extension's type.
  'SELECT max(tag::citext), count(*) FROM files',
  'SELECT user_id % 2, min(tag::citext COLLATE "C") FROM files WHERE tag <> \'zoo\' GROUP BY 1',
  // FOR UPDATE of nothing that can be locked.
  'WITH few AS (SELECT max(id) AS m FROM members JOIN files USING (user_id)) SELECT m FROM few FOR KEY SHARE NOWAIT',
  'WITH few AS MATERIALIZED (SELECT id FROM files) SELECT id FROM few ORDER BY id LIMIT 3 FOR UPDATE',
  // What PostgreSQL does not read in binary as it writes it.
  'SELECT what, rank() OVER (ORDER BY user_id) FROM sought',
  'SELECT kept_in, count(*), array_agg(DISTINCT made_by::text) FROM sought GROUP BY 1',
  'SELECT DISTINCT made_by FROM sought',
  'SELECT args, rank() OVER (ORDER BY user_id) FROM sought',
  'SELECT a.user_id, b.user_id FROM sought a JOIN sought b ON a.kept_in = b.kept_in',
  // The type of what is copied.
  'SELECT pg_typeof(f.size), pg_typeof(n.mood), pg_typeof(f.price), f.id FROM files f JOIN narrow n ON n.user_id = f.id',
  'SELECT pg_typeof(max(mood)), pg_typeof(avg(part)), pg_typeof(array_agg(mood ORDER BY mood)) FROM thirds',
  "SELECT pg_typeof((SELECT tag::german FROM files WHERE id = 1)), pg_typeof(NULL), pg_typeof('x'), rank() OVER (ORDER BY user_id) FROM members",
];

/** Name a parameter, which a simple Query gives no value. */
export const UNBOUND: readonly string[] = [
  'SELECT * FROM files WHERE user_id = $1',
  'SELECT * FROM files WHERE size = $1',
  'SELECT count(*) FROM files WHERE size = $1',
  'SELECT rank() OVER (ORDER BY size + $1) FROM files',
  'SELECT nosuch($1), now() - $2 FROM files',
  'SELECT id FROM files ORDER BY size LIMIT $1 FOR UPDATE',
  'SELECT 1; TABLE files LIMIT $1',
  'INSERT INTO files (user_id, id) VALUES (1, $2), (2, 4)',
  'INSERT INTO files (user_id, id) SELECT user_id + $1, id FROM files',
  'UPDATE files SET user_id = $1',
  'UPDATE country SET name = $1',
  'DELETE FROM files WHERE id IN (SELECT user_id + $1 FROM members)',
  'MERGE INTO files f USING members m ON m.user_id = f.id + $1 WHEN MATCHED THEN DELETE',
  'WITH d AS (DELETE FROM files WHERE size = $1 RETURNING id) SELECT * FROM d',
  'DECLARE c CURSOR WITH HOLD FOR SELECT id FROM files WHERE size = $1',
  'CREATE TABLE made AS SELECT * FROM files WHERE size = $1',
  'EXPLAIN SELECT * FROM files WHERE size = $1',
];

/** The same, under settings of the session. */
export const FOUND_UNDER = [
  {
    settings: ['transform_null_equals = on'],
    sql: 'SELECT f.id FROM files f LEFT JOIN members m ON m.user_id = f.user_id WHERE m.user_id = NULL',
  },
  {
    settings: ['transform_null_equals = on'],
    sql: 'SELECT tag FROM files GROUP BY tag HAVING NOT max(size) = NULL OR NULL = tag',
  },
  {
    settings: ['extra_float_digits = -3'],
    sql: 'SELECT part * user_id = 1, rank() OVER (ORDER BY mood, user_id) FROM thirds',
  },
] as const;

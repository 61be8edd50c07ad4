// Statements of the parity test of writes: INSERT … VALUES whose rows are not known as they stand.

import type { Said } from './write-servers.ts';

/** INSERT … VALUES with keys and values that PostgreSQL must compute. */
export const VALUES: readonly Said[] = [
  {
    sql: `INSERT INTO picked VALUES (1 + 1, 'two'), (3, 'three'), (abs(-8), 'eight') RETURNING *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO members VALUES (20.5, 'rounded'), ('21'::int8, 'read'), (22::numeric, 'cast')`,
  },
  { sql: `INSERT INTO members VALUES (length('four') + 40, 'x') RETURNING user_id, name` },
  { sql: `INSERT INTO members VALUES (2147483647 + 1::int8, 'too big')` },
  { sql: `INSERT INTO members VALUES (NULLIF(1, 1), 'none')` },
  { sql: `INSERT INTO members VALUES ((SELECT max(user_id) + 1 FROM members), 'next'), (60, 'x')` },
  { sql: `INSERT INTO members VALUES ((SELECT owner FROM notes WHERE id = 2) + 70, 'by note')` },
  {
    sql: `INSERT INTO members VALUES (1 + 1, 'again') ON CONFLICT (user_id) DO UPDATE SET name = excluded.name RETURNING *`,
  },
  { sql: `INSERT INTO members VALUES (1 / 0, 'x')` },
  // The key by its default.
  { sql: `INSERT INTO picked (label) VALUES ('a'), ('b') RETURNING *` },
  { sql: `INSERT INTO picked VALUES (DEFAULT, 'c'), (5, 'd'), (2 + 4, 'e')` },
  { sql: `INSERT INTO picked DEFAULT VALUES RETURNING user_id` },
  { sql: `INSERT INTO picked AS p (label) VALUES ('f') ON CONFLICT DO NOTHING RETURNING p.label` },
  {
    sql: `INSERT INTO picked (label) SELECT name FROM files WHERE id < 5 RETURNING user_id, label`,
  },
  { sql: `INSERT INTO members DEFAULT VALUES` },
  { sql: `INSERT INTO members (name) VALUES ('no key')` },
  // Sub-queries and WITH.
  {
    sql: `INSERT INTO picked VALUES (1, (SELECT name FROM members WHERE user_id = 2)),
      (2, (SELECT max(name) FROM files)), (3, (SELECT body FROM notes WHERE id = 1)) RETURNING label`,
    ordered: true,
  },
  {
    sql: `INSERT INTO picked (label, user_id) VALUES ((SELECT name FROM members WHERE user_id = 2), 1)`,
  },
  { sql: `INSERT INTO picked VALUES (1, (SELECT name FROM country WHERE code = 'de')), (2, 'x')` },
  {
    sql: `WITH w AS (SELECT 'with' AS t) INSERT INTO picked VALUES (1, (SELECT t FROM w)), (2, 'x')`,
  },
  { sql: `WITH w AS (SELECT count(*) AS n FROM files) INSERT INTO picked SELECT n, 'n' FROM w` },
  {
    sql: `INSERT INTO files (id, user_id, note, size, feels, tags, made) VALUES
      (800, 1, DEFAULT, (SELECT sum(size) FROM files WHERE id < 9), 'ok', '{x}', NULL),
      (801, 2, DEFAULT, '2.345', (SELECT feels FROM files WHERE id = 1), ARRAY['a', 'b'], '2026-01-01')
      RETURNING *`,
  },
  { sql: `INSERT INTO files (id, user_id, note) VALUES (802, 1, DEFAULT), (803, 2, 'given')` },
  {
    sql: `INSERT INTO files (id, user_id, name) VALUES (804, 1, (SELECT repeat('y', 30) FROM notes LIMIT 1))`,
  },
  { sql: `INSERT INTO files (id, user_id, name) VALUES (805, 1, 'one', 2)` },
  // Parameters.
  {
    sql: `INSERT INTO picked VALUES ($1::int + 1, $2), ($1, 'plain') RETURNING *`,
    parameters: [7, 'x'],
  },
  {
    sql: `INSERT INTO picked VALUES ($1, (SELECT name FROM members WHERE user_id = $2))`,
    parameters: [1, 2],
  },
  {
    sql: `INSERT INTO files (user_id, id, feels) VALUES ($1 + 0, $2, $3), (9, 811, 'ok')`,
    parameters: [3, 810, 'sad'],
  },
  { sql: `INSERT INTO picked VALUES (coalesce($1, 8), $2)`, parameters: [null, 'x'] },
  // DEFAULT in some rows and not in others, beside what is computed first.
  {
    sql: `INSERT INTO files (id, user_id, note, name, size, feels, tags, made) VALUES
      (820, 1, DEFAULT, (SELECT max(name) FROM files), 1.005, DEFAULT, '{a,"b c",NULL}', '2026-03-03'),
      (821, 2, 'given', DEFAULT, DEFAULT, 'ok', DEFAULT, DEFAULT),
      (822, 3, DEFAULT, NULL, (SELECT sum(size) FROM files), (SELECT max(feels) FROM files), '{}', DEFAULT)
      RETURNING *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO picked VALUES (DEFAULT, (SELECT max(name) FROM members)), (3, DEFAULT),
      ((SELECT count(*) FROM files), 'counted') RETURNING *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO picked (label, user_id) VALUES (DEFAULT, DEFAULT), (DEFAULT, (SELECT max(user_id) FROM members))`,
  },
  {
    sql: `WITH w AS (SELECT count(*) AS n FROM files) INSERT INTO picked VALUES (DEFAULT, (SELECT n FROM w)),
      ((SELECT n FROM w), 'x') RETURNING label, user_id`,
    ordered: true,
  },
  { sql: `WITH w AS (SELECT 1) INSERT INTO picked VALUES (DEFAULT, DEFAULT) RETURNING *` },
  {
    sql: `WITH w AS (SELECT max(name) AS top FROM files) INSERT INTO files (user_id, id, note, name, twice)
      VALUES (1, 830, DEFAULT, (SELECT top FROM w), DEFAULT), (2, 831, (SELECT top FROM w), DEFAULT, DEFAULT)
      ON CONFLICT (user_id, id) DO UPDATE SET note = excluded.note || files.note RETURNING *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO files (user_id, id, note, name) VALUES (1, 832, DEFAULT, (SELECT max(name) FROM files)), (1, 832, 'b', 'c')
      ON CONFLICT (user_id, id) DO UPDATE SET note = excluded.note`,
  },
  {
    sql: `INSERT INTO country VALUES ('zz', (SELECT max(name) FROM files), DEFAULT), ('yy', DEFAULT, (SELECT count(*) FROM members)) RETURNING *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO notes VALUES (60, (SELECT max(user_id) FROM files), DEFAULT), (61, DEFAULT, 'sixty-one'), (62, 1, DEFAULT) RETURNING *`,
    ordered: true,
  },
  { sql: `INSERT INTO members VALUES (DEFAULT, (SELECT max(name) FROM files)), (70, 'x')` },
  { sql: `INSERT INTO members VALUES (71, (SELECT max(name) FROM files)), (72, DEFAULT)` },
  {
    sql: `INSERT INTO files (user_id, id, twice, name) VALUES (1, 833, DEFAULT, (SELECT max(name) FROM files)), (2, 834, 5, 'x')`,
  },
  {
    sql: `INSERT INTO picked VALUES ($1, (SELECT max(name) FROM members)), (DEFAULT, $2), ($1 + 1, DEFAULT) RETURNING *, $2`,
    parameters: [8, 'given'],
    ordered: true,
  },
  // A WITH clause within another's statement.
  {
    sql: `WITH a AS (SELECT id, name FROM files WHERE id < 4) INSERT INTO picked
      WITH b AS (SELECT id * 2 AS k, name FROM a) SELECT k, name FROM b UNION ALL SELECT id, 'a' FROM a ORDER BY 1, 2 RETURNING *`,
    ordered: true,
  },
  {
    sql: `WITH a AS (SELECT 7 AS k) INSERT INTO files (user_id, id, feels, made)
      WITH b AS (SELECT k, count(*) FROM a, files GROUP BY k) SELECT k, count, 'ok', '2026-09-09T00:00Z' FROM b RETURNING *`,
  },
  // A key that ON CONFLICT sets to one of the same shard, on any number of them.
  {
    sql: `INSERT INTO members VALUES (2, 'again') ON CONFLICT (user_id) DO UPDATE SET user_id = 2, name = excluded.name RETURNING *`,
  },
  {
    sql: `INSERT INTO members VALUES (2, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 8, name = 'two is eight' RETURNING *`,
  },
  {
    sql: `INSERT INTO members VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET user_id = $3, name = $2`,
    parameters: [5, 'five again', 5],
  },
  // To one of another shard: the row that was met goes there.
  {
    sql: `INSERT INTO members VALUES (2, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 9, name = 'two is nine' RETURNING *`,
    ordered: true,
  },
  {
    sql: `INSERT INTO members AS m (user_id, name) VALUES (1, 'one'), (31, 'new'), (5, 'five'), (2, 'two')
      ON CONFLICT (user_id) DO UPDATE SET user_id = m.user_id + 20, name = excluded.name || m.name WHERE m.user_id <> 5 RETURNING *, total`,
  },
  {
    sql: `INSERT INTO members SELECT id, 'id ' || id FROM files WHERE id < 6 ON CONFLICT (user_id) DO UPDATE SET (name, user_id) = (excluded.name, 40 + excluded.user_id)`,
  },
  {
    sql: `INSERT INTO members (name, user_id) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET user_id = $3 RETURNING name`,
    parameters: ['five again', 5, 22],
  },
  {
    sql: `INSERT INTO members VALUES (1, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 2`,
  },
  {
    sql: `INSERT INTO members VALUES (1, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = NULL`,
  },
  {
    sql: `INSERT INTO members VALUES (1, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 10, country = 'fr' RETURNING user_id, country`,
  },
  {
    sql: `WITH n AS (INSERT INTO members VALUES (1, 'x'), (0, 'y') ON CONFLICT (user_id) DO UPDATE SET user_id = members.user_id + 7 RETURNING *)
      SELECT name, user_id FROM n`,
  },
  {
    sql: `INSERT INTO files (user_id, id, name) VALUES (1, 2, 'a'), (0, 1, 'b'), (3, 99, 'c')
      ON CONFLICT (user_id, id) DO UPDATE SET user_id = files.user_id + 1, note = excluded.name RETURNING *`,
    ordered: true,
  },
  // Defaults of a reference table, for all copies.
  {
    sql: `INSERT INTO country (code, name) VALUES ('de', 'x'), ('pl', 'Poland')
      ON CONFLICT (code) DO UPDATE SET name = excluded.name, weight = country.weight + excluded.weight RETURNING *`,
  },
  {
    sql: `INSERT INTO country VALUES ('de', DEFAULT, DEFAULT), ('fr', 'F', 9), ('nl')
      ON CONFLICT (code) DO UPDATE SET name = excluded.name, weight = excluded.weight`,
  },
  {
    sql: `INSERT INTO country SELECT 'c' || user_id % 2 FROM members WHERE user_id > $1
      ON CONFLICT (code) DO UPDATE SET weight = excluded.weight`,
    parameters: [7],
  },
  // RETURNING in the order of the rows, of which some give none.
  {
    sql: `INSERT INTO members (user_id, name) VALUES (1, 'dup'), (300, 'n'), (0, 'dup'), (301, 'o'), (7, 's'), (2, 'd'), (8, 't')
      ON CONFLICT DO NOTHING RETURNING user_id, name`,
    ordered: true,
  },
  {
    sql: `INSERT INTO members AS own (user_id, name) VALUES (1, 'dup'), (300, 'n'), (0, 'dup'), (301, 'o'), (7, 's'), (2, 'd'), (8, 't')
      ON CONFLICT (user_id) DO UPDATE SET name = 'met' WHERE own.user_id > 0 RETURNING *, own.name`,
    ordered: true,
  },
  {
    sql: `INSERT INTO files (user_id, id, name) VALUES (1, 90, 'a'), (2, 90, 'b'), (1, 91, 'c'), (4, 5, 'd'), (3, 90, 'e'), (2, 91, $1), (3, 4, 'g'), (1, 92, 'h'), (2, 3, 'i')
      ON CONFLICT DO NOTHING RETURNING id, user_id, name`,
    parameters: ['f'],
    ordered: true,
  },
  {
    sql: `INSERT INTO members (user_id, name) SELECT id, name FROM files WHERE id < 14 ORDER BY id DESC
      ON CONFLICT (user_id) DO NOTHING RETURNING user_id`,
    ordered: true,
  },
  {
    sql: `INSERT INTO members (user_id, name) VALUES (1 + 0, 'dup'), (length('a') + 400, 'x'), (0, 'dup'), (401 + 1, 'y'), (403, 'z')
      ON CONFLICT DO NOTHING RETURNING user_id`,
    ordered: true,
  },
];

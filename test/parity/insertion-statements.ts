// Statements of the parity test of writes: whether ON CONFLICT has inserted or met a row, as applications ask for it.

import type { Said } from './write-servers.ts';

const ROWS = `(1, 'dup'), (300, 'n'), (0, 'dup'), (301, 'o'), (7, 's'), (2, 'd'), (8, 't')`;
const MEETS = 'ON CONFLICT (user_id) DO UPDATE SET name = excluded.name';

const TESTS = [
  '(xmax = 0) AS inserted',
  'm.xmax = 0, m.xmax <> 0, 0 = m.xmax',
  `xmax::text = '0', '0' <> xmax::text, xmax = '0'`,
  'xmax::text::int > 0 AS updated, 0 < xmax::text::int8, xmax IS DISTINCT FROM 0',
  `CASE WHEN xmax = 0 THEN 'inserted' ELSE 'updated' END AS how, NOT (xmax = 0 AND user_id > 5)`,
  'json_build_object(user_id, xmax = 0)::text, (xmax = 0)::int',
];

export const INSERTIONS: readonly Said[] = [
  ...TESTS.map((test) => ({
    sql: `INSERT INTO members AS m (user_id, name) VALUES ${ROWS} ${MEETS} RETURNING user_id, ${test}`,
    ordered: true,
  })),
  ...TESTS.map((test) => ({
    sql: `INSERT INTO members AS m (user_id, name) SELECT id, 'x' FROM files WHERE id < 30 ORDER BY id ${MEETS}
      RETURNING user_id, ${test}`,
  })),
  {
    sql: `INSERT INTO members (user_id, name) SELECT user_id, max(name) FROM files GROUP BY user_id ${MEETS} RETURNING user_id, xmax = 0`,
  },
  {
    sql: `INSERT INTO members (user_id, name) VALUES (1 + 0, $1), (length('a') + 400, 'x') ${MEETS} RETURNING user_id, xmax = 0`,
    parameters: ['p'],
  },
  {
    sql: `INSERT INTO members (user_id, name) VALUES ${ROWS} ON CONFLICT DO NOTHING RETURNING xmax = 0`,
  },
  { sql: `INSERT INTO members (user_id, name) VALUES (7, 's') ${MEETS} RETURNING xmax = 0` },
  {
    sql: `WITH w AS (INSERT INTO members (user_id, name) VALUES ${ROWS} ${MEETS} RETURNING (xmax = 0) AS inserted)
      SELECT inserted, count(*) FROM w GROUP BY 1`,
  },
  {
    sql: `INSERT INTO stamps (user_id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (44, 'd')
      ON CONFLICT (user_id, name) DO UPDATE SET touched = 0 RETURNING user_id, touched, xmax = 0`,
  },
  {
    sql: `INSERT INTO country VALUES ('de', 'x', 1), ('zz', 'y', 2) ON CONFLICT (code) DO UPDATE SET name = 'met' RETURNING code, xmax = 0`,
  },
  {
    sql: `INSERT INTO country (code) SELECT 'c' || user_id FROM members ON CONFLICT (code) DO UPDATE SET name = 'met' RETURNING code, xmax = 0`,
  },
];

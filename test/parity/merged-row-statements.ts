// Whole rows in RETURNING of MERGE: of sources that are joins, and of what has no row there.

import type { Said } from './write-servers.ts';

const MERGED: readonly string[] = [
  // One relation, whose rows are inserted on other shards than those where they are looked for.
  `MERGE INTO stamps s USING notes n ON n.id = s.user_id WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE
    WHEN MATCHED THEN UPDATE SET touched = DEFAULT WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 60, 'x')`,
  `MERGE INTO members s USING (SELECT * FROM notes) n ON n.id = s.user_id WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE
    WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 5, 'x')`,
  `MERGE INTO members s USING files n ON n.id = s.user_id AND (SELECT count(*) FROM files) > 5
    WHEN NOT MATCHED BY SOURCE THEN UPDATE SET total = -1 WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id, 'x')`,
  `MERGE INTO country s USING notes n ON n.id = s.weight + 1 WHEN NOT MATCHED BY SOURCE AND s.weight < 9 THEN DELETE
    WHEN MATCHED THEN UPDATE SET name = 'y' WHEN NOT MATCHED THEN INSERT (code) VALUES ('n' || n.id)`,
];

const JOINED: readonly string[] = [
  `MERGE INTO members s USING (notes n JOIN country k ON k.weight = n.id) ON n.id = s.user_id WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE`,
  `MERGE INTO members s USING (notes n LEFT JOIN country k ON k.weight = n.id + 1) ON n.id = s.user_id WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE
    WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 5, 'x') WHEN MATCHED THEN UPDATE SET total = 8`,
  `MERGE INTO members s USING (files n JOIN piles k ON k.user_id = n.id AND k.label = 'c') ON n.id = s.user_id
    WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = 'gone' WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id, k.label)`,
  `MERGE INTO country s USING (notes n LEFT JOIN country k ON k.weight = n.id + 1) ON n.id = s.weight
    WHEN NOT MATCHED BY SOURCE AND s.weight < 9 THEN DELETE WHEN MATCHED THEN UPDATE SET name = 'y'`,
  ...['JOIN', 'LEFT JOIN'].map(
    (
      join,
    ) => `MERGE INTO members s USING (notes n ${join} piles k ON k.user_id = n.id + 2 AND k.label > 'a') ON n.id = s.user_id
      WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 50 + coalesce(length(k.label), 0), 'x')
      WHEN MATCHED THEN UPDATE SET total = 8`,
  ),
  // Rows of NULLs that are rows all the same.
  ...['LEFT', 'RIGHT', 'FULL'].map(
    (
      join,
    ) => `MERGE INTO members s USING (notes n ${join} JOIN (VALUES (NULL::int, NULL), (1, 'v')) AS k (a, b) ON k.a IS NULL AND n.id = 2) ON n.id = s.user_id
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (coalesce(n.id, k.a + 20) + 50, 'x') WHEN MATCHED THEN UPDATE SET total = 8`,
  ),
  ...['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'].map(
    (
      join,
    ) => `MERGE INTO members s USING (notes n ${join} (SELECT DISTINCT user_id AS id, label FROM piles WHERE user_id > 1) k USING (id)) ON id = s.user_id
      WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (id + 50 + coalesce(length(k.label), 0), 'x') WHEN MATCHED THEN UPDATE SET total = 8`,
  ),
  `MERGE INTO members s USING (notes n JOIN (SELECT DISTINCT user_id AS id, label FROM piles WHERE user_id > 1) k USING (id) LEFT JOIN country c ON c.weight = n.id + 1) ON n.id = s.user_id
    WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 50, coalesce(c.name, to_jsonb(c)::text, 'none'))
    WHEN MATCHED THEN UPDATE SET name = coalesce(c::text, 'no row')`,
  ...['JOIN', 'RIGHT JOIN'].map(
    (
      join,
    ) => `MERGE INTO members s USING (notes n ${join} (SELECT DISTINCT user_id AS id, label FROM piles WHERE user_id > 1) k USING (id)) ON k.id = s.user_id
      WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE WHEN MATCHED THEN UPDATE SET total = 8`,
  ),
  ...['JOIN', 'LEFT JOIN'].map(
    (
      join,
    ) => `MERGE INTO members s USING (notes n ${join} heap k ON k.k = n.id + 1) ON n.id = s.user_id AND (SELECT count(*) FROM files) > 3
      WHEN NOT MATCHED BY SOURCE AND s.user_id < 2 THEN DELETE WHEN NOT MATCHED THEN INSERT (user_id, name) VALUES (n.id + 50 + coalesce(length(k.v), 0), 'x')
      WHEN MATCHED THEN UPDATE SET total = 8`,
  ),
];

export const MERGED_ROWS: readonly Said[] = [
  ...MERGED.flatMap((sql) => [
    {
      sql: `${sql} RETURNING merge_action(), n::text, to_jsonb(n.*), n IS NULL, n IS DISTINCT FROM NULL`,
    },
    { sql: `${sql} RETURNING old, new, s, old::text, new::text, s::text` },
  ]),
  ...JOINED.flatMap((sql) => [
    { sql: `${sql} RETURNING merge_action(), n.*::text, k.*::text, to_jsonb(n.*), to_jsonb(k.*)` },
    { sql: `${sql} RETURNING n.*, k.*, s.*, new::text` },
  ]),
];

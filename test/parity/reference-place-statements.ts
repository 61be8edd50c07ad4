// Writes of rows found first in a reference table that nothing keeps apart; copies have them in other orders.

import type { Said } from './write-servers.ts';

/** Rows alike and others, for what follows. */
const MORE: Said = {
  sql: `INSERT INTO tariff VALUES ('de', 1, 0.1, 'a', 'ok'), ('de', 1, 0.1, 'a', 'ok'), ('it', 7, 0.3, 'none', NULL),
    ('fr', 2, 2.5, 'x', 'sad'), ('it', 7, 0.3, 'none', NULL), ('us', 3, 'Infinity', '', 'happy'), (NULL, NULL, NULL, NULL, NULL)`,
};

export const REFERENCE_PLACES: readonly Said[] = [
  { sql: `UPDATE tariff SET note = (SELECT max(name) FROM files) WHERE code = 'de' RETURNING *` },
  {
    sql: `UPDATE tariff t SET rate = f.size FROM files f WHERE f.id = t.rate AND f.user_id = 0 RETURNING t.*, f.id`,
  },
  { sql: `DELETE FROM tariff USING members m WHERE m.country = tariff.code RETURNING tariff.loud` },
  {
    sql: `UPDATE tariff SET rate = rate + 1 FROM piles p WHERE p.n = tariff.rate RETURNING tariff.rate`,
  },
  { sql: `UPDATE tariff SET rate = (SELECT count(*) FROM files WHERE name > note)` },
  {
    sql: `UPDATE tariff SET share = random() * 0, rate = -rate WHERE feels = 'ok' RETURNING rate, share`,
  },
  { sql: `UPDATE tariff SET (note, feels) = (SELECT name, feels FROM files WHERE id = 7)` },
  MORE,
  // Rows that are equal before and others behind it, and the reverse.
  {
    sql: `UPDATE tariff SET code = code || m.user_id FROM members m WHERE m.country = tariff.code AND m.user_id > 0 RETURNING code`,
  },
  {
    sql: `UPDATE tariff SET code = 'all', rate = (SELECT max(id) FROM files), share = 0, note = '', feels = NULL, at = NULL`,
  },
  MORE,
  {
    sql: `WITH w AS (SELECT n, count(*) AS c FROM piles GROUP BY n) UPDATE tariff SET rate = c FROM w WHERE w.n = rate RETURNING code, w.c`,
  },
  { sql: `DELETE FROM tariff WHERE rate > (SELECT avg(total) FROM members) RETURNING *` },
  { sql: `DELETE FROM tariff WHERE code IN (SELECT country FROM members) AND note = 'nothing'` },
  { sql: `DELETE FROM tariff WHERE share >= (SELECT min(total) FROM members)` },
  { sql: `UPDATE tariff SET rate = 1 / (rate - (SELECT count(*) FROM members WHERE user_id = 1))` },
  { sql: `UPDATE tariff SET at = '2026-01-01Z', code = (SELECT 'same' FROM files WHERE id = 3)` },
  MORE,
  // Of home tables, and beside each other.
  { sql: `UPDATE tariff SET note = h.v FROM heap h WHERE h.k = tariff.rate RETURNING note` },
  {
    sql: `UPDATE heap SET v = t.note FROM tariff t, files f WHERE t.rate = heap.k AND f.id = heap.k`,
  },
  { sql: `UPDATE piles SET label = t.loud FROM tariff t WHERE t.rate = piles.user_id + 2` },
  // Chance among the conditions, also where there is a primary key.
  { sql: `DELETE FROM tariff USING members m WHERE m.user_id = tariff.rate AND random() < 2` },
  { sql: `UPDATE tariff SET rate = 8 WHERE rate < (SELECT max(id) * (1 + random()) FROM files)` },
  { sql: `DELETE FROM country WHERE random() > 2` },
  {
    sql: `UPDATE country c SET name = m.name FROM members m WHERE m.user_id = c.weight AND random() < 2 RETURNING c.*`,
  },
  // MERGE.
  MORE,
  {
    sql: `MERGE INTO tariff t USING members m ON m.country = t.code AND m.user_id IN (2, 5)
      WHEN MATCHED AND t.rate::text = '1.0' THEN DELETE
      WHEN MATCHED THEN UPDATE SET rate = (SELECT max(id) FROM files WHERE user_id = m.user_id), note = DEFAULT
      WHEN NOT MATCHED AND m.user_id = 5 THEN INSERT (code, rate) VALUES (m.name, (SELECT count(*) FROM files))
      RETURNING merge_action(), t.code, t.rate`,
  },
  {
    sql: `MERGE INTO tariff t USING (SELECT DISTINCT user_id AS k FROM files) f ON f.k = t.rate AND random() < 2
      WHEN MATCHED THEN UPDATE SET share = f.k`,
  },
  {
    sql: `MERGE INTO tariff t USING (VALUES ('de'), ('xx')) v (c) ON v.c = t.code
      WHEN NOT MATCHED BY SOURCE AND t.rate < (SELECT max(id) FROM files) THEN DELETE
      WHEN MATCHED THEN UPDATE SET rate = t.rate + (SELECT min(id) FROM files)
      WHEN NOT MATCHED THEN INSERT (code) VALUES (v.c) RETURNING merge_action(), t.*`,
  },
  {
    sql: `MERGE INTO country c USING members m ON m.country = c.code AND random() >= 0 AND m.user_id < 2
      WHEN MATCHED AND c.weight > 1 THEN DELETE WHEN MATCHED THEN UPDATE SET name = m.name RETURNING merge_action(), c.code`,
  },
  // Parameters.
  MORE,
  {
    sql: `UPDATE tariff SET note = $1, rate = rate * $2 WHERE rate IN (SELECT n FROM piles WHERE n > $3) RETURNING *, $1`,
    parameters: ['given', 4, 0],
  },
];

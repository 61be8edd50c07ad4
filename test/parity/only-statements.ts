// Statements of the written parity tests: ONLY a partitioned table.

/**
 * PostgreSQL's planner knows that it is empty: a sub-query of too many rows beside it is not computed.
 */
export const ONLY_PARTITIONED: readonly string[] = [
  'SELECT count(*) OVER (ORDER BY a.n) FROM ONLY parted AS a (r0, n) WHERE 1 = (SELECT 42 FROM parted b)',
  'SELECT n FROM files, ONLY (parted) WHERE size = n AND n = (SELECT id FROM files) UNION TABLE ONLY parted_low',
  'SELECT count(*) FROM files f LEFT JOIN ONLY parted ON parted.n = f.size AND n = (SELECT id FROM files)',
  'SELECT p, p.n, f.id FROM files f LEFT JOIN ONLY parted p ON p.n = f.size',
  'SELECT p.user_id, p.n, count(f.id) FROM ONLY parted p RIGHT JOIN files f ON p.n = f.size GROUP BY p.user_id, p.n',
  'TABLE ONLY parted UNION ALL SELECT user_id, size FROM files',
  'SELECT public.parted.n, rank() OVER () FROM ONLY (public.parted) ORDER BY parted.user_id',
];

// Statements that read tableoid, over several shards and on one.

/** The table's number, which is the home shard's. */
export const TABLEOIDS: readonly string[] = [
  'SELECT tableoid::regclass, id FROM files',
  'SELECT f.tableoid::regclass, * FROM files f ORDER BY id',
  'SELECT f.*, tableoid::regclass AS t FROM files f WHERE id < 20 ORDER BY 1',
  "SELECT tableoid = 'files'::regclass, count(*) FROM files GROUP BY 1",
  "SELECT id FROM files WHERE tableoid = 'members'::regclass",
  'SELECT f.tableoid::regclass, m.tableoid::regclass, count(*) FROM files f JOIN members m ON m.user_id = f.size GROUP BY 1, 2',
  'SELECT c.tableoid::regclass, f.tableoid::regclass, f.id FROM files f CROSS JOIN country c WHERE f.id < 9',
  'SELECT id, (SELECT max(tableoid::regclass::text) FROM members m WHERE m.user_id > f.user_id) FROM files f',
  "SELECT tableoid::regclass, id FROM files WHERE user_id = 42 AND tableoid = 'files'::regclass",
  'SELECT x.t, rank() OVER (ORDER BY id) FROM (SELECT tableoid::regclass AS t, id FROM files) x',
];

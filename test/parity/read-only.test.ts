// Parity of READ ONLY: a write is refused before any of its rows is computed, and where it has none.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { compare, type ParityServers, startParity } from './servers.ts';

/** Each needs rows that are computed or found before they are written. */
const STATEMENTS = [
  "INSERT INTO files (user_id, id, name) SELECT user_id + 1, 1000 / (id - id), 'x' FROM files",
  'INSERT INTO files (user_id, id) SELECT user_id + 1, id FROM files WHERE id < 0',
  'INSERT INTO files (user_id, id) VALUES ((SELECT max(1 / (user_id - user_id)) FROM members), 1)',
  'INSERT INTO files (user_id, id) VALUES (length(chr(ascii(lower(chr(7)))) || 1 / 1), 1), (2, 2)',
  'INSERT INTO files (user_id, id) VALUES (1, 1 / 0), ((SELECT max(user_id) FROM members), 1)',
  'INSERT INTO files (user_id, id) SELECT user_id + 1, nothing FROM files',
  'INSERT INTO country SELECT name, name FROM members WHERE user_id < -1000',
  'INSERT INTO notes SELECT 1 / (id - id), name FROM files',
  'UPDATE files SET size = 1 / (size - size) WHERE id IN (SELECT user_id FROM members)',
  "UPDATE files f SET size = 1 FROM members m WHERE m.name = 'nobody' AND m.user_id > f.id",
  "DELETE FROM files f USING members m WHERE m.name = 'nobody' AND m.user_id > f.id RETURNING f.*",
  'UPDATE files SET user_id = user_id + 1 WHERE id < 0',
  "MERGE INTO files f USING members m ON m.user_id = f.id AND m.name = 'nobody' WHEN MATCHED THEN DELETE",
  'MERGE INTO country c USING files f ON f.tag = c.code WHEN MATCHED THEN UPDATE SET name = f.name',
  // They write nothing, whatever the rows, and may be run.
  'MERGE INTO files f USING members m ON m.user_id = f.id WHEN MATCHED THEN DO NOTHING',
  'MERGE INTO notes n USING files f ON f.id = n.id WHEN MATCHED AND f.size > 1 THEN DO NOTHING',
  'MERGE INTO country c USING files f ON f.tag = c.code WHEN NOT MATCHED THEN DO NOTHING',
  'WITH gone AS (DELETE FROM files WHERE id < 0 RETURNING *) SELECT count(*) FROM gone',
  'WITH gone AS (DELETE FROM files WHERE id < 0 RETURNING *) INSERT INTO members SELECT id, name FROM gone',
  'CREATE TABLE made AS SELECT size, count(*) FROM files GROUP BY size',
  'SELECT id FROM files WHERE id < 0 ORDER BY size LIMIT 3 FOR UPDATE',
  'SELECT id FROM files WHERE id < 0 FOR SHARE',
  'SELECT f.id FROM files f JOIN members m ON m.user_id > f.id WHERE f.id < 0 ORDER BY 1 FOR UPDATE OF f',
  'DELETE FROM files WHERE id IN (SELECT id FROM files WHERE id < 0 ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED)',
];

/** A temporary table may be written all the same. */
const OF_TEMPORARY = [
  'INSERT INTO kept SELECT user_id, name FROM members RETURNING *',
  'UPDATE kept SET name = m.name FROM members m WHERE m.user_id = kept.id RETURNING kept.*',
  "UPDATE kept SET name = 'none' FROM members m WHERE m.user_id = kept.id AND m.name = 'nobody'",
  'DELETE FROM kept WHERE id IN (SELECT user_id FROM members) RETURNING *',
  'INSERT INTO members SELECT id, name FROM kept',
  'UPDATE files SET size = 1 / (size - size) FROM kept WHERE kept.id = files.id',
];

/** How a session comes to only read, and back. */
const WAYS = [
  { begin: ['BEGIN READ ONLY'], end: 'ROLLBACK' },
  { begin: ['BEGIN', 'SET TRANSACTION READ ONLY'], end: 'ROLLBACK' },
  { begin: ['SET default_transaction_read_only = on'], end: 'RESET ALL' },
  {
    begin: ['SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'BEGIN'],
    end: 'ROLLBACK; RESET ALL',
  },
  { begin: ['BEGIN READ ONLY', 'SET transaction_read_only = off'], end: 'ROLLBACK' },
] as const;

describe.each([1, 3])('over %i shards', (shardCount) => {
  let servers: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shardCount);
  });

  afterAll(() => servers.close());

  const each = async (sql: string) => {
    for (const client of [servers.plain, servers.proxy, servers.engine]) await client.query(sql);
  };

  describe.each(WAYS)('behind $begin', ({ begin, end }) => {
    afterEach(() => each(end));

    test.each(STATEMENTS)('%s', async (sql) => {
      for (const first of begin) await each(first);
      const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
      expect(proxy).toEqual(plain);
      expect(engine).toEqual(plain);
    });
  });

  describe('with a temporary table', () => {
    beforeAll(() => each("CREATE TEMPORARY TABLE kept AS SELECT 1 AS id, 'one'::text AS name"));

    afterAll(() => each('DROP TABLE kept'));

    afterEach(() => each('ROLLBACK'));

    test.each(OF_TEMPORARY)('%s', async (sql) => {
      await each('BEGIN READ ONLY');
      const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
      expect(proxy).toEqual(plain);
      expect(engine).toEqual(plain);
    });
  });
});

// Parity of views: made through the proxy, they give what they give on one PostgreSQL.

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { superusers } from '../support/cluster.ts';
import { compare, type ParityServers, startParity } from './servers.ts';

const VIEWS = [
  'CREATE VIEW big AS SELECT id, user_id AS owner, name, size FROM files WHERE size > 20',
  'CREATE VIEW counted (label, n) AS SELECT tag, count(*) FROM files GROUP BY tag',
  'CREATE VIEW owned AS SELECT m.name AS member, f.* FROM members m LEFT JOIN files f USING (user_id)',
  'CREATE VIEW per_user AS SELECT user_id, count(*) AS n, max(made) AS last FROM files GROUP BY user_id',
  'CREATE VIEW over_views AS SELECT p.user_id, p.n, c.label FROM per_user p, counted c WHERE p.n = c.n',
  'CREATE VIEW nested AS SELECT * FROM big WHERE owner <> 42',
  'CREATE VIEW of_42 WITH (security_barrier) AS SELECT name, size FROM files WHERE user_id = 42',
  'CREATE VIEW hidden AS SELECT id, name FROM files WHERE id >= 1000',
  'CREATE VIEW checked AS SELECT user_id AS owner, id, name, size, lower(tag) AS low FROM files WHERE size < 60 WITH CHECK OPTION',
  'CREATE VIEW ids AS SELECT id FROM files UNION SELECT user_id FROM members',
  'CREATE RECURSIVE VIEW steps (n) AS SELECT min(id) FROM files UNION ALL SELECT n + 1 FROM steps WHERE n < 4',
  'CREATE VIEW top AS SELECT id, rank() OVER (ORDER BY size DESC NULLS LAST, id) AS r FROM files LIMIT 9',
  'CREATE VIEW with_country AS SELECT m.user_id, c.name FROM members m JOIN country c ON c.code = m.country',
  "CREATE VIEW invoked WITH (security_invoker) AS SELECT max(size) AS most, 'it''s' AS text FROM files",
  'CREATE VIEW keyless AS SELECT user_id, name, size FROM files',
  'CREATE VIEW recent AS SELECT id, user_id, size FROM files WHERE made <= now()',
  'CREATE VIEW whole AS SELECT country, user_id AS k, name, upper(name) AS up FROM members WHERE user_id < 2000 WITH CHECK OPTION',
  'CREATE VIEW sorted AS SELECT id, user_id, name FROM files ORDER BY size DESC NULLS LAST, id, user_id',
  // Of home tables, too.
  'CREATE VIEW noted AS SELECT f.id, f.user_id, f.name, n.body FROM files f JOIN notes n ON n.id = f.id',
  'CREATE VIEW counted_notes AS SELECT body, count(*) AS n FROM noted GROUP BY body',
  'CREATE VIEW with_note AS SELECT id, user_id, name FROM files WHERE id IN (SELECT id FROM notes)',
];

const KEPT =
  'CREATE MATERIALIZED VIEW kept AS SELECT user_id, id, size * 2 AS twice FROM files WHERE size > 30';

const STATEMENTS = [
  'SELECT * FROM big',
  'TABLE big',
  'SELECT * FROM big WHERE owner = 42',
  'SELECT b.name, m.name FROM big b JOIN members m ON m.user_id = b.owner',
  'SELECT count(*), count(DISTINCT name) FROM big b WHERE b.id > 7',
  'SELECT name, rank() OVER (ORDER BY id) FROM public.big',
  'SELECT public.big.name, count(*) FROM public.big GROUP BY public.big.name',
  'SELECT b FROM big b, members WHERE b.id = members.user_id',
  'SELECT a, b FROM big AS x (a, b) ORDER BY x.a LIMIT 5',
  'SELECT * FROM counted',
  'SELECT label FROM counted WHERE n > 19',
  'SELECT label, counted.n FROM ONLY counted UNION TABLE ONLY (counted)',
  'SELECT c.*, f.id FROM counted c JOIN files f ON f.tag = c.label AND f.size = 7',
  'SELECT row_to_json(c) FROM counted c',
  'SELECT * FROM counted a FULL JOIN counted b ON a.n = b.n AND a.label < b.label',
  'SELECT * FROM owned WHERE user_id = 42 AND size > 40',
  'SELECT member, count(id) FROM owned GROUP BY member',
  'SELECT count(*) FROM owned',
  'SELECT * FROM per_user WHERE user_id IN (1, 42)',
  'SELECT user_id, n FROM per_user ORDER BY n DESC, user_id LIMIT 4',
  'SELECT sum(n), max(last) FROM per_user',
  'SELECT * FROM over_views',
  'SELECT count(*) FROM nested n JOIN big b ON n.id = b.id',
  'SELECT * FROM nested WHERE owner = 42',
  'SELECT * FROM of_42',
  'SELECT name FROM of_42 UNION SELECT name FROM nested',
  'SELECT count(*) FROM of_42, counted',
  'SELECT * FROM ids WHERE id < 10',
  'SELECT * FROM steps',
  'SELECT * FROM top WHERE r < 5',
  'SELECT name, count(*) FROM with_country GROUP BY name',
  'SELECT * FROM with_country w LEFT JOIN files f ON f.user_id = w.user_id AND f.size = 7',
  'SELECT * FROM invoked',
  'SELECT (SELECT most FROM invoked), n.body FROM notes n',
  'WITH v AS (SELECT * FROM counted) SELECT * FROM v JOIN v w USING (n)',
  'SELECT id FROM files f WHERE EXISTS (SELECT 1 FROM big b WHERE b.owner = f.user_id AND b.id = f.id)',
  'SELECT id FROM files WHERE size > (SELECT avg(size) FROM big)',
  'SELECT nothing FROM counted',
  'SELECT * FROM kept',
  'SELECT * FROM kept WHERE user_id = 42',
  'SELECT sum(twice), count(DISTINCT twice) FROM kept',
  'SELECT k.id FROM kept k JOIN files f ON f.user_id = k.user_id AND f.id = k.id',
  'COPY big TO STDOUT',
  'SELECT * FROM noted',
  'SELECT id, body FROM noted WHERE user_id = 42',
  'SELECT id, body FROM noted WHERE user_id = 3',
  'SELECT * FROM counted_notes c LEFT JOIN notes n ON n.body = c.body',
  'SELECT count(*) FROM with_note w JOIN members m USING (user_id)',
  'COPY (SELECT name FROM noted) TO STDOUT',
];

async function asSuperuser(
  { plain, shards }: ParityServers,
  sql: (user: string) => string,
): Promise<void> {
  const users = superusers();
  for (const client of [plain, ...shards]) {
    const { host, port, database } = client;
    const login = client === plain ? users.plain : users.shards;
    const superuser = new pg.Client({ host, port, database: database!, ...login });
    await superuser.connect();
    await superuser.query(sql(client.user!));
    await superuser.end();
  }
}

describe.each([1, 2, 3])('over %i shards', (shardCount) => {
  let servers: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shardCount);
    for (const sql of [...VIEWS, KEPT]) {
      const { plain, proxy } = await compare(servers, sql, { ordered: false });
      expect(proxy, sql).toEqual(plain);
      expect(plain.kind, sql).toBe('rows');
    }
  });

  afterAll(() => servers.close());

  test.each(STATEMENTS)('%s', async (sql) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });

  test.each([
    'SELECT * FROM sorted',
    'SELECT id FROM sorted WHERE id > 7',
    'SELECT name FROM sorted LIMIT 5',
    'SELECT s.id, n FROM (SELECT id, user_id AS n FROM sorted) s',
  ])('rows come in the order of their view: %s', async (sql) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: true });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });

  test('is read where transactions only read, too', async () => {
    const clients = [servers.plain, servers.proxy, servers.engine];
    for (const client of clients) await client.query('SET default_transaction_read_only = on');
    for (const sql of ['SELECT * FROM counted', 'COPY (SELECT n FROM counted) TO STDOUT']) {
      const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
      expect(proxy).toEqual(plain);
      expect(engine).toEqual(plain);
    }
    for (const client of clients) await client.query('RESET default_transaction_read_only');
  });

  test('is written through to its table where PostgreSQL does so', async () => {
    for (const sql of [
      "INSERT INTO big (id, owner, name, size) VALUES (2000, 1, 'a', 90), (2001, 2, 'b', 91) RETURNING *",
      "INSERT INTO nested (id, owner, name) VALUES (2002, 42, 'not shown')",
      'INSERT INTO checked (owner, id, size) VALUES (1, 2003, 7), (2, 2004, 99)',
      'INSERT INTO checked (owner, id, size) VALUES (1, 2003, 7), (2, 2004, 9) RETURNING owner, low',
      "INSERT INTO checked (owner, id, low) VALUES (1, 2005, 'x')",
      'INSERT INTO big (id, owner, size) VALUES (2000, 1, 95) ON CONFLICT (owner, id) DO UPDATE SET size = excluded.size',
      'INSERT INTO big (id, owner, size) SELECT id + 3000, owner, size FROM big WHERE id < 20',
      'INSERT INTO checked (id, owner) SELECT max(id) + 5000, 7 FROM files',
      'INSERT INTO checked (owner, id) VALUES (NULL, 1)',
      'UPDATE big SET size = size + 1 WHERE owner = 42 RETURNING id, size',
      'UPDATE nested SET name = upper(name) WHERE id % 3 = 0',
      'UPDATE checked SET size = 61 WHERE id = 2003',
      "UPDATE hidden SET name = name || '!' RETURNING id, name",
      'UPDATE big b SET name = m.name FROM members m WHERE m.user_id = b.owner AND b.id < 30',
      'DELETE FROM nested WHERE owner = 1 AND id = 2000 RETURNING *',
      'MERGE INTO checked c USING files f ON f.user_id = c.owner AND f.id = c.id AND f.id < 9 WHEN MATCHED THEN UPDATE SET size = 3',
      'DELETE FROM hidden WHERE id >= 3000',
      'UPDATE of_42 SET size = 5 WHERE size = 6',
      'BEGIN',
      'DELETE FROM big',
      'SELECT count(*) FROM big',
      'ROLLBACK',
      'DELETE FROM files WHERE id >= 1000',
    ]) {
      const written = await compare(servers, sql, { ordered: false });
      expect(written.proxy, sql).toEqual(written.plain);
      const all = 'SELECT * FROM files ORDER BY user_id, id';
      const after = await compare(servers, all, { ordered: true });
      expect(after.proxy, sql).toEqual(after.plain);
    }
  });

  test('is written through where its rows must be found first', async () => {
    let done = 0;
    for (const sql of [
      "INSERT INTO big (id, owner, name, size) VALUES (2000, 1, 'a', 90), (2001, 2, 'b', 91), (2002, 3, 'c', 92)",
      'UPDATE big b SET name = m.name FROM members m WHERE m.user_id = b.size - 40 AND b.id < 90 RETURNING b.*, m.name',
      'UPDATE big SET size = (SELECT max(size) FROM files) WHERE id = 2000 RETURNING *',
      "UPDATE nested n SET name = 'most' WHERE size = (SELECT max(size) FROM big) RETURNING n.id, n.owner",
      'UPDATE checked SET size = (SELECT min(size) FROM files) WHERE id < 5 RETURNING owner, id, size, low',
      'UPDATE checked SET size = (SELECT max(size) FROM files) WHERE id < 5',
      "UPDATE checked SET low = (SELECT 'x' FROM members WHERE user_id = 1) WHERE id < 5",
      'UPDATE checked SET id = id + 7000, name = m.name FROM members m WHERE m.user_id = checked.id AND checked.id < 3',
      'DELETE FROM big b USING members m WHERE b.id - 1999 = m.user_id RETURNING *',
      'DELETE FROM nested WHERE id IN (SELECT max(id) FROM files)',
      `MERGE INTO big b USING (SELECT id, name FROM files WHERE id < 40) f ON b.id = f.id + 20
        WHEN MATCHED AND f.id % 2 = 0 THEN UPDATE SET name = f.name WHEN MATCHED THEN DELETE
        WHEN NOT MATCHED THEN INSERT (owner, id, size, name) VALUES (f.id, f.id + 5000, f.id + 1, f.name)
        RETURNING merge_action(), b.*, f.id`,
      `MERGE INTO checked c USING files f ON f.user_id = c.owner AND f.id = c.id AND f.id < (SELECT min(id) + 9 FROM files)
        WHEN MATCHED AND c.size > (SELECT avg(size) FROM files) THEN UPDATE SET name = c.low || (SELECT count(*) FROM members)
        WHEN MATCHED THEN UPDATE SET size = 5
        WHEN NOT MATCHED AND f.id = (SELECT max(id) FROM members, notes) THEN INSERT (owner, id, size) VALUES (f.user_id, f.id + 6000, 1)
        RETURNING merge_action(), c.owner, c.id, c.name, c.size`,
      `MERGE INTO checked c USING (VALUES (1, 50), (2, 70)) v (k, s) ON c.id = v.k
        WHEN NOT MATCHED AND v.k = (SELECT 2) THEN INSERT (owner, id, size) VALUES (4, 8000 + (SELECT max(id) FROM notes), v.s)
        WHEN MATCHED THEN UPDATE SET size = v.s + (SELECT max(size) FROM files)`,
      'UPDATE whole SET k = k + 1001 WHERE k IN (1, 2, 3) RETURNING *',
      'UPDATE whole SET k = 2001 WHERE k = 1002',
      'UPDATE whole w SET k = 1500 + f.id, name = f.name FROM files f WHERE w.k = 1002 AND f.id = 5 RETURNING w.k, f.id, up',
      `MERGE INTO whole w USING (VALUES (1003, 1010), (1004, 1021), (1900, 1901)) v (a, b) ON w.k = v.a
        WHEN MATCHED THEN UPDATE SET k = v.b, name = w.up || '!' WHEN NOT MATCHED THEN INSERT (k, name) VALUES (v.b, 'new')
        RETURNING merge_action(), w.*, v.a`,
      'SELECT * FROM whole',
      'DELETE FROM members WHERE user_id BETWEEN 1000 AND 2000',
      'DELETE FROM files WHERE id >= 1000',
    ]) {
      const written = await compare(servers, sql, { ordered: false });
      expect(written.proxy, sql).toEqual(written.plain);
      if (written.plain.kind === 'rows') done += 1;
      const all = 'SELECT * FROM files ORDER BY user_id, id';
      const after = await compare(servers, all, { ordered: true });
      expect(after.proxy, sql).toEqual(after.plain);
    }
    expect(done).toBeGreaterThan(15);
  });

  test('in a transaction views show its own changes', async () => {
    for (const sql of [
      'BEGIN',
      'UPDATE files SET size = 49 WHERE id % 5 = 0',
      'SELECT count(*), sum(size) FROM big',
      'SELECT * FROM counted',
      'SELECT * FROM invoked',
      'SELECT b.id, c.n FROM big b, counted c WHERE b.id = c.n',
      'ROLLBACK',
    ]) {
      const { plain, proxy } = await compare(servers, sql, { ordered: false });
      expect(proxy, sql).toEqual(plain);
    }
  });

  test('one of home tables, too, is changed like any other', async () => {
    for (const sql of [
      'CREATE VIEW told AS SELECT f.id, n.body FROM files f JOIN notes n USING (id)',
      "COMMENT ON VIEW told IS 'of both'",
      'GRANT SELECT ON told TO PUBLIC',
      'ALTER VIEW told RENAME TO said',
      'CREATE OR REPLACE VIEW said AS SELECT f.id, n.body, f.name FROM files f LEFT JOIN notes n USING (id)',
      'CREATE VIEW said_again AS SELECT count(*) FROM said',
      'SELECT * FROM said_again, (SELECT max(name) FROM said) s',
      'DROP VIEW said_again, said',
      'CREATE VIEW told AS SELECT f.id, n.body FROM files f, notes n',
      'CREATE VIEW shown AS SELECT id FROM files',
      'DROP VIEW shown, told',
      'CREATE VIEW told AS SELECT name FROM files',
      'CREATE OR REPLACE VIEW told AS SELECT f.name FROM files f, notes',
      'SELECT count(*) FROM told',
      'DROP VIEW told',
      'BEGIN',
      'CREATE VIEW told AS SELECT f.id, n.body FROM files f JOIN notes n USING (id)',
      'SELECT count(body) FROM told',
      'ROLLBACK',
    ]) {
      const { plain, proxy, refused } = await compare(servers, sql, { ordered: false });
      expect(refused, sql).toBe(false);
      expect(proxy, sql).toEqual(plain);
      expect(plain.kind, sql).toBe('rows');
    }
  });

  test('a view that is changed, and tables that are renamed, are known at once', async () => {
    for (const sql of [
      'CREATE OR REPLACE VIEW counted (label, n) AS SELECT tag, sum(size) FROM files GROUP BY tag',
      'SELECT * FROM counted',
      'DROP VIEW counted CASCADE',
      'CREATE VIEW counted (label, n) AS SELECT tag, sum(size) FROM files GROUP BY tag',
      'SELECT * FROM counted',
      'ALTER VIEW counted RENAME COLUMN n TO total',
      'SELECT total FROM counted',
      'ALTER TABLE files RENAME COLUMN tag TO colour',
      'SELECT total FROM counted WHERE label IS NOT NULL',
      'ALTER TABLE files RENAME TO documents',
      'SELECT total FROM counted',
      'SELECT name FROM big WHERE owner = 42',
      'SELECT count(DISTINCT name) FROM big',
      'REFRESH MATERIALIZED VIEW kept',
      'REFRESH MATERIALIZED VIEW CONCURRENTLY kept',
      'CREATE UNIQUE INDEX ON kept (user_id, id)',
      'REFRESH MATERIALIZED VIEW CONCURRENTLY kept',
      'SELECT count(*) FROM kept',
    ]) {
      const { plain, proxy } = await compare(servers, sql, { ordered: false });
      expect(proxy, sql).toEqual(plain);
    }
    await servers.proxy.query('BEGIN');
    const within = servers.proxy.query('REFRESH MATERIALIZED VIEW CONCURRENTLY kept');
    if (shardCount === 1) await within;
    else await expect(within).rejects.toMatchObject({ code: '0A000' });
    await servers.proxy.query(shardCount === 1 ? 'COMMIT' : 'ROLLBACK');
  });

  test('reading a view takes the right to read it, also where its tables may be read', async () => {
    const role = `view_reader_${shardCount}`;
    await asSuperuser(
      servers,
      (user) => `CREATE ROLE ${role}; GRANT ${role} TO "${user}";
        GRANT SELECT ON documents, members TO ${role}`,
    );
    for (const sql of [
      `SET ROLE ${role}`,
      'SELECT count(*) FROM documents',
      'SELECT total FROM counted',
      'SELECT count(*) FROM big',
      'BEGIN',
      'SELECT total FROM counted',
      'ROLLBACK',
      'RESET ROLE',
    ]) {
      const { plain, proxy } = await compare(servers, sql, { ordered: false });
      expect(proxy, sql).toEqual(plain);
      const isView = /counted|big/.test(sql);
      expect(proxy, sql).toMatchObject(isView ? { code: '42501' } : { kind: 'rows' });
    }
    await asSuperuser(servers, () => `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  test('RETURNING shows what sub-queries find for columns that a view computes', async () => {
    const sql = `UPDATE checked SET name = 'X' WHERE id < 3
      RETURNING (SELECT max(m.name) || low FROM members m WHERE m.name < checked.name)`;
    const { plain, proxy } = await compare(servers, sql, { ordered: false });
    expect(proxy).toEqual(plain);
    expect(proxy).toMatchObject({ kind: 'rows' });
  });

  // One shard has none of the others' rows to miss.
  if (shardCount > 1) {
    test('what a view may not do is refused', async () => {
      for (const sql of [
        'CREATE TABLE given (user_id bigint NOT NULL DEFAULT 7, id int)',
        'CREATE VIEW shown AS SELECT * FROM given',
      ]) {
        const { plain, proxy } = await compare(servers, sql, { ordered: false });
        expect(proxy, sql).toEqual(plain);
      }
      for (const sql of [
        'INSERT INTO hidden (id, name) VALUES (1, $$x$$)',
        'INSERT INTO shown (id) VALUES (1)',
        'UPDATE big SET owner = owner + 1',
        'UPDATE keyless SET name = m.name FROM members m WHERE m.user_id = keyless.user_id + 1',
        'UPDATE recent SET size = (SELECT max(size) FROM files) WHERE size = 3',
        'DELETE FROM owned WHERE user_id = 42',
        'CREATE MATERIALIZED VIEW all_of_it AS SELECT max(ctid) FROM members',
        'CREATE TEMP VIEW mine AS SELECT * FROM members',
        'CREATE TEMP VIEW lands AS SELECT * FROM country',
        'DELETE FROM with_note',
      ]) {
        const { refused } = await compare(servers, sql, { ordered: false });
        expect(refused, sql).toBe(true);
        await servers.plain.query('DROP MATERIALIZED VIEW IF EXISTS all_of_it');
      }
    });
  }
});

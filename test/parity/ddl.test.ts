// DDL parity: a schema made, changed and used through the proxy answers as one PostgreSQL does.

import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { type Answer, ask, connect, unordered } from './answer.ts';

/** Both sides of a schema that starts empty. */
interface Sides {
  readonly tested: TestProxy;
  readonly plain: pg.Client;
  readonly proxy: pg.Client;
  readonly shards: readonly pg.Client[];
}

async function open(shardCount: number): Promise<Sides> {
  const tested = await startTestProxy({ shards: shardCount });
  const plain = await connect(tested.plain);
  const shards = await Promise.all(tested.shards.map(connect));
  return { tested, plain, proxy: await connect(tested.login), shards };
}

async function close({ tested, plain, proxy, shards }: Sides): Promise<void> {
  await Promise.all([plain, proxy, ...shards].map((client) => client.end()));
  await tested.close();
}

/** Steps that must answer the same on both sides; rows are compared without their order. */
const SCRIPTS: readonly (readonly [name: string, steps: readonly string[]])[] = [
  [
    'a sharded table from CREATE to DROP',
    [
      `CREATE TABLE a (user_id int8 NOT NULL, id int8, name text, PRIMARY KEY (user_id, id))`,
      `INSERT INTO a VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 1, 'z'), (4, 2, NULL)`,
      'SELECT * FROM a ORDER BY user_id',
      'ALTER TABLE a ADD COLUMN size int NOT NULL DEFAULT 7',
      'SELECT user_id, size FROM a ORDER BY user_id',
      'CREATE INDEX a_name ON a (name)',
      'CREATE INDEX a_name ON a (name)',
      'CREATE INDEX IF NOT EXISTS a_name ON a (name)',
      'ALTER INDEX a_name RENAME TO a_named',
      'DROP INDEX a_name',
      'DROP INDEX a_named',
      'ALTER TABLE a RENAME COLUMN name TO title',
      'SELECT title FROM a WHERE user_id = 1',
      'ALTER TABLE a ALTER COLUMN size TYPE int8',
      'SELECT sum(size) FROM a',
      'ALTER TABLE a DROP COLUMN nothing',
      'ALTER TABLE a RENAME TO b',
      'SELECT count(*) FROM b',
      'SELECT count(*) FROM a',
      `COMMENT ON TABLE b IS 'files'`,
      'TRUNCATE b',
      'SELECT count(*) FROM b',
      'DROP TABLE b',
      'DROP TABLE b',
      'DROP TABLE IF EXISTS b',
      'SELECT count(*) FROM b',
    ],
  ],
  [
    'rows without a column',
    [
      'CREATE TABLE a (user_id int8, n int)',
      'INSERT INTO a VALUES (1, 1), (2, 2), (3, 3)',
      'CREATE TABLE e AS SELECT FROM a',
      'INSERT INTO e SELECT FROM a',
      'SELECT count(*) FROM e',
      `WITH w AS (SELECT FROM a), d AS (INSERT INTO a SELECT 5, 5 FROM w RETURNING n)
        SELECT count(*), (SELECT count(*) FROM w) FROM d`,
      'MERGE INTO a USING (SELECT FROM a LIMIT 1) s ON user_id = 5 WHEN MATCHED THEN UPDATE SET n = 6',
      'UPDATE a SET n = 7 FROM (SELECT FROM a WHERE n < 3 LIMIT 2) s WHERE user_id = 5',
      'SELECT * FROM a',
      'DROP TABLE a, e',
    ],
  ],
  [
    'home tables',
    [
      'CREATE TABLE h (id serial PRIMARY KEY, body text)',
      `INSERT INTO h (body) VALUES ('one'), ('two') RETURNING id`,
      'ALTER TABLE h ADD COLUMN user_id int8',
      'UPDATE h SET user_id = id',
      'SELECT * FROM h WHERE user_id = 1',
      'SELECT * FROM h WHERE user_id = 2',
      'CREATE TABLE h2 AS SELECT id, user_id FROM h',
      'SELECT * FROM h2 WHERE user_id = 1',
      'CREATE VIEW hv AS SELECT body FROM h',
      'SELECT * FROM hv',
      'DROP VIEW hv',
      'CREATE TABLE IF NOT EXISTS h (id int)',
      'DROP TABLE h, h2',
    ],
  ],
  [
    'objects that are not tables',
    [
      'CREATE SCHEMA s',
      'CREATE SCHEMA s',
      "CREATE TYPE s.mood AS ENUM ('good', 'bad')",
      `ALTER TYPE s.mood ADD VALUE 'so so'`,
      'CREATE DOMAIN s.size AS int CHECK (VALUE >= 0)',
      'CREATE TABLE s.c (user_id int8, m s.mood, size s.size)',
      `INSERT INTO s.c VALUES (1, 'good', 1), (2, 'so so', 2), (3, 'bad', 3)`,
      'INSERT INTO s.c VALUES (1, NULL, -1)',
      'SELECT user_id, m, size FROM s.c ORDER BY user_id',
      `CREATE FUNCTION s.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'`,
      'SELECT user_id, s.twice(size) FROM s.c WHERE user_id = 2',
      'DROP FUNCTION s.twice(int)',
      'DROP FUNCTION s.twice(int)',
      'DROP TYPE s.mood',
      'DROP SCHEMA s',
      'DROP SCHEMA s CASCADE',
      'SELECT * FROM s.c',
    ],
  ],
  [
    'DDL in a transaction',
    [
      'BEGIN',
      'CREATE TABLE t (user_id int8 PRIMARY KEY, name text)',
      `INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')`,
      'SELECT count(*) FROM t',
      'SAVEPOINT p',
      'ALTER TABLE t ADD COLUMN x int DEFAULT 5',
      'SELECT sum(x) FROM t',
      'ROLLBACK TO p',
      'SELECT * FROM t ORDER BY user_id',
      'COMMIT',
      'SELECT * FROM t ORDER BY user_id',
      'BEGIN',
      'DROP TABLE t',
      'SELECT count(*) FROM t',
      'ROLLBACK',
      'SELECT count(*) FROM t',
      'BEGIN',
      'CREATE TABLE u (user_id int8)',
      'ROLLBACK',
      'SELECT * FROM u',
      `CREATE TABLE u (user_id int8); INSERT INTO u VALUES (1), (2), (3)`,
      'SELECT * FROM u ORDER BY user_id',
      'DROP TABLE t, u',
    ],
  ],
  [
    'partitions and children',
    [
      'CREATE TABLE p (user_id int8, day date, n int) PARTITION BY RANGE (day)',
      `CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-07-01')`,
      'CREATE TABLE p2 PARTITION OF p DEFAULT',
      `INSERT INTO p VALUES (1, '2026-02-01', 1), (2, '2026-03-01', 2), (3, '2027-01-01', 3)`,
      'SELECT user_id FROM p1 ORDER BY user_id',
      'SELECT user_id FROM p2',
      'SELECT sum(n) FROM p',
      'ALTER TABLE p DETACH PARTITION p2',
      'SELECT sum(n) FROM p',
      'SELECT sum(n) FROM p2',
      'CREATE TABLE q (LIKE p1 INCLUDING ALL)',
      'INSERT INTO q VALUES (4, NULL, 4), (5, NULL, 5)',
      'SELECT sum(n) FROM q',
      'DROP TABLE p, p2, q',
    ],
  ],
  [
    'triggers, grants and views',
    [
      'CREATE TABLE v (user_id int8, n int)',
      `CREATE FUNCTION plus_one() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.n := NEW.n + 1; RETURN NEW; END'`,
      `CREATE TRIGGER plus BEFORE INSERT ON v FOR EACH ROW EXECUTE FUNCTION plus_one()`,
      'INSERT INTO v VALUES (1, 1), (2, 2), (3, 3)',
      'SELECT * FROM v ORDER BY user_id',
      'DROP TRIGGER plus ON v',
      'DROP TRIGGER plus ON v',
      'INSERT INTO v VALUES (4, 4)',
      'SELECT sum(n) FROM v',
      'GRANT SELECT ON v TO PUBLIC',
      'CREATE VIEW vv AS SELECT n FROM v',
      'DROP TABLE v',
      'DROP VIEW vv',
      'ANALYZE v',
      'VACUUM v',
      'DROP TABLE v',
      'DROP FUNCTION plus_one()',
    ],
  ],
  [
    'lists of what is at home and elsewhere',
    [
      'CREATE TABLE at_home (id int)',
      `CREATE FUNCTION on_all(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'`,
      `CREATE FUNCTION at_home_only() RETURNS int8 LANGUAGE sql AS 'SELECT count(*) FROM at_home'`,
      'REVOKE EXECUTE ON FUNCTION at_home_only(), on_all(int) FROM PUBLIC',
      `/* drive.key=0 */ SELECT has_function_privilege('public', 'at_home_only()', 'EXECUTE')`,
      `/* drive.key=0 */ SELECT has_function_privilege('public', 'on_all(int)', 'EXECUTE')`,
      `/* drive.key=1 */ SELECT has_function_privilege('public', 'on_all(int)', 'EXECUTE')`,
      'GRANT ALL ON ROUTINE on_all, at_home_only TO PUBLIC',
      `/* drive.key=0 */ SELECT has_function_privilege('public', 'at_home_only()', 'EXECUTE')`,
      `/* drive.key=1 */ SELECT has_function_privilege('public', 'on_all(int)', 'EXECUTE')`,
      'REVOKE EXECUTE ON FUNCTION on_all(int), missing(int, text) FROM PUBLIC',
      `/* drive.key=1 */ SELECT has_function_privilege('public', 'on_all(int)', 'EXECUTE')`,
      'DROP FUNCTION at_home_only(), on_all(int)',
      'CREATE TABLE on_all (user_id int, n int)',
      'ANALYZE at_home, on_all (n)',
      'VACUUM (ANALYZE) on_all, at_home (id)',
      'BEGIN',
      'ANALYZE on_all, at_home',
      'COMMIT',
      'DROP TABLE at_home, on_all',
    ],
  ],
  [
    'a schema with its objects, in whatever order they are written',
    [
      `CREATE FUNCTION sevens() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.n := 7; RETURN NEW; END'`,
      `CREATE SCHEMA os
        CREATE VIEW known AS SELECT n, user_id AS create FROM parts
        GRANT SELECT ON known, plain TO PUBLIC
        CREATE TRIGGER sevens BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION sevens()
        CREATE INDEX parts_n ON parts (n)
        CREATE TABLE plain (id serial PRIMARY KEY, note text)
        CREATE VIEW plain_notes AS SELECT note FROM plain
        CREATE TABLE owners (user_id int8 PRIMARY KEY, code int8 DEFAULT nextval('codes'))
        CREATE TABLE parts (user_id int8 REFERENCES owners, n int)
        CREATE SEQUENCE codes`,
      `INSERT INTO os.plain (note) VALUES ('a'), ('b') RETURNING id`,
      'INSERT INTO os.owners (user_id) VALUES (1), (2), (3)',
      'SELECT count(DISTINCT code) FROM os.owners',
      'INSERT INTO os.parts VALUES (1, 1), (2, 2), (3, 3), (3, 4)',
      'INSERT INTO os.parts VALUES (9, 1)',
      'SELECT "create", n FROM os.known ORDER BY 1',
      'SELECT note FROM os.plain_notes ORDER BY 1',
      `SELECT has_table_privilege('public', 'os.plain', 'SELECT')`,
      'CREATE SCHEMA os CREATE TABLE other (user_id int8)',
      'SELECT * FROM os.other',
      'CREATE SCHEMA os2 CREATE TABLE t (user_id int8) CREATE INDEX ON missing (user_id)',
      'CREATE SCHEMA os2 CREATE TABLE os.t (user_id int8)',
      'CREATE SCHEMA os2 CREATE TEMPORARY TABLE t (user_id int8)',
      'SELECT * FROM os2.t',
      'DROP SCHEMA os CASCADE',
      'DROP SCHEMA os2',
      'DROP FUNCTION sevens()',
    ],
  ],
  [
    'what cannot run in a transaction block',
    [
      'CREATE TABLE w (user_id int8, name text)',
      'INSERT INTO w VALUES (1, NULL), (2, NULL)',
      'CREATE INDEX CONCURRENTLY w_name ON w (name)',
      'BEGIN',
      'CREATE INDEX CONCURRENTLY w_name2 ON w (name)',
      'ROLLBACK',
      'BEGIN',
      'VACUUM w',
      'ROLLBACK',
      'LOCK TABLE w',
      'BEGIN',
      'LOCK TABLE w',
      'COMMIT',
      'REINDEX TABLE w',
      'REINDEX INDEX CONCURRENTLY w_name',
      'DROP INDEX CONCURRENTLY w_name',
      'DROP INDEX CONCURRENTLY w_name',
      'VACUUM FULL w',
      'ANALYZE',
      'DROP TABLE w',
    ],
  ],
];

/** Both protocols: what matters of an error is its code. */
async function answers(client: pg.Client, sql: string, extended: boolean): Promise<Answer> {
  const answer = await ask(client, sql, extended ? [] : undefined);
  return answer.kind === 'error' ? { ...answer, message: '' } : unordered(answer);
}

describe.each([1, 2, 3])('over %i shards', (shardCount) => {
  let sides: Sides;

  beforeAll(async () => {
    sides = await open(shardCount);
  });

  afterAll(() => close(sides));

  test.each(SCRIPTS)('%s', async (_, steps) => {
    const differences: unknown[] = [];
    for (const extended of [false, true]) {
      for (const sql of steps) {
        const by = extended && !sql.includes(';');
        const plain = await answers(sides.plain, sql, by);
        const proxy = await answers(sides.proxy, sql, by);
        if (!isDeepStrictEqual(plain, proxy)) differences.push({ sql, by, plain, proxy });
      }
      await Promise.all([sides.plain, sides.proxy].map((client) => client.query('ROLLBACK')));
    }
    expect(differences).toEqual([]);
  });
});

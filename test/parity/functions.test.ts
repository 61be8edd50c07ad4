// Functions: what the planner knows of PostgreSQL's own is what pg_proc says, and users' own are pushed only where they may.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { givesText, isScalar } from '../../src/plan/functions.ts';
import type { Call } from '../../src/sql/expression.ts';
import { compare, type ParityServers, startParity } from './servers.ts';

let servers: ParityServers;

beforeAll(async () => {
  servers = await startParity(3);
});

afterAll(() => servers?.close());

const named = (name: string) =>
  ({ kind: 'call', name, schema: null, over: null, args: [] }) as unknown as Call;

interface Overloads {
  readonly name: string;
  readonly isPlain: boolean;
  readonly mayBeText: boolean;
}

const OVERLOADS = `
  SELECT p.proname AS name,
    bool_and(p.prokind = 'f' AND NOT p.proretset AND p.provolatile <> 'v') AS "isPlain",
    bool_or(t.typcollation <> 0 OR t.typtype = 'p') AS "mayBeText"
  FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype
  WHERE p.pronamespace = 'pg_catalog'::regnamespace GROUP BY p.proname`;

describe('PostgreSQL’s own', () => {
  let overloads: readonly Overloads[];

  beforeAll(async () => {
    const { rows } = await servers.plain.query<Overloads>(OVERLOADS);
    overloads = rows.filter(({ name }) => isScalar(named(name)));
  });

  test('are computed by any shard only where all of a name give one value, not by chance', () => {
    expect(overloads.length).toBeGreaterThan(300);
    expect(overloads.filter(({ isPlain }) => !isPlain)).toEqual([]);
  });

  test('give text where one of a name does', () => {
    const wrong = overloads.filter(({ name, mayBeText }) => mayBeText !== givesText(named(name)));
    expect(wrong).toEqual([]);
  });
});

describe('users’ own', () => {
  const MAKE = [
    'CREATE EXTENSION pg_trgm',
    'CREATE EXTENSION hstore',
    `CREATE FUNCTION slug(t text) RETURNS text LANGUAGE sql IMMUTABLE
       AS $$ SELECT lower(replace(t, ' ', '-')) $$`,
    'CREATE FUNCTION twice(n int8) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$ SELECT 2 * n $$',
    `CREATE FUNCTION body_of(n int8) RETURNS text LANGUAGE plpgsql IMMUTABLE
       AS $$ BEGIN RETURN (SELECT body FROM notes WHERE id = n); END $$`,
    `CREATE FUNCTION body_by(n int8) RETURNS text LANGUAGE plpgsql IMMUTABLE
       AS $$ BEGIN RETURN body_of(n); END $$`,
    "CREATE FUNCTION title(f files) RETURNS text LANGUAGE sql STABLE AS $$ SELECT f.name || '!' $$",
    // By a name of PostgreSQL's own.
    `CREATE FUNCTION log(t text) RETURNS text LANGUAGE plpgsql
       AS $$ BEGIN RETURN (SELECT max(body) FROM notes) || t; END $$`,
  ];

  beforeAll(async () => {
    for (const sql of MAKE)
      expect((await compare(servers, sql, { ordered: false })).refused).toBe(false);
  });

  test.each([
    ["SELECT id FROM files ORDER BY similarity(name, 'report') DESC, id, user_id LIMIT 7", 1],
    ['SELECT slug(name), count(*) FROM files GROUP BY 1 ORDER BY 2, 1', 2],
    ['SELECT DISTINCT twice(size) FROM files ORDER BY 1', 2],
    ['SELECT max(twice(size)), sum(twice(id)), min(similarity(name, tag)) FROM files', 2],
    ["SELECT hstore('a', name), count(*) FROM files GROUP BY 1 ORDER BY 2, 1", 2],
    ['SELECT id, body_of(id) FROM files ORDER BY id, user_id', 3],
    ['SELECT id, body_by(id) FROM files ORDER BY id, user_id', 3],
    ['SELECT id, log(name) FROM files ORDER BY id, user_id', 3],
    ['SELECT f.id, title(f.*) FROM files f JOIN notes n ON n.id = f.size ORDER BY 1, 2', 3],
    ['SELECT f.*, title((f.*)) FROM files f JOIN notes n ON n.id = f.size ORDER BY 1, 2', 3],
    ['SELECT f, title(f) FROM files f JOIN notes n ON n.id = f.size ORDER BY 1, 2', 3],
  ])('%s', async (sql, inClass) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: true });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
    const { rows } = await servers.proxy.query({ text: `EXPLAIN ${sql}`, rowMode: 'array' });
    expect(rows[0]![0]).toContain(`class ${inClass}`);
  });

  test.each([
    "UPDATE files SET name = slug(name) WHERE size > 3 RETURNING id, slug(name), hstore('a', name)",
    'DELETE FROM files WHERE twice(size) > 60 RETURNING twice(id)',
  ])('%s', async (sql) => {
    for (const client of [servers.plain, servers.proxy]) await client.query('BEGIN');
    const [plain, proxy] = await Promise.all(
      [servers.plain, servers.proxy].map(async (client) =>
        (await client.query(sql)).rows.map((r) => JSON.stringify(r)).sort(),
      ),
    );
    for (const client of [servers.plain, servers.proxy]) await client.query('ROLLBACK');
    expect(plain!.length).toBeGreaterThan(0);
    expect(proxy).toEqual(plain);
  });

  test.each([
    'SELECT title(x.f) FROM (SELECT f FROM files f) x JOIN notes n ON n.id = (x.f).size',
    'SELECT n.id, title(f.*) FROM notes n LEFT JOIN files f ON n.id = f.size',
    'SELECT pg_typeof(f.*) FROM files f JOIN notes n ON n.id = f.size',
    'SELECT pg_typeof(array_agg(f.*)) FROM files f JOIN notes n ON n.id = f.size',
    'SELECT current_query() FROM files',
  ])('is refused a row whose type, and a text, that is not the client’s: %s', async (sql) => {
    expect((await compare(servers, sql, { ordered: false })).refused).toBe(true);
  });

  test('a type of the same transaction is refused to the engine', async () => {
    const { proxy } = servers;
    await proxy.query('BEGIN');
    await proxy.query("CREATE TYPE feeling AS ENUM ('sad', 'ok')");
    await proxy.query('CREATE TABLE feels (user_id int8, feeling feeling)');
    const asked = proxy.query('SELECT feeling, rank() OVER (ORDER BY feeling) FROM feels');
    await expect(asked).rejects.toThrow(/types made by users/);
    await proxy.query('ROLLBACK');
  });
});

describe('a query given as text', () => {
  beforeAll(async () => {
    for (const name of ['tablefunc', 'tsm_system_rows', 'xml2']) {
      await compare(servers, `CREATE EXTENSION ${name}`, { ordered: false });
    }
  });

  test.each([
    "SELECT * FROM crosstab('SELECT user_id, name, 1 FROM files ORDER BY 1') AS t (a int8, b int)",
    "SELECT * FROM connectby('files', 'id', 'user_id', '42', 1) AS t (a int8, b int8, l int)",
    "SELECT * FROM xpath_table('id', 'name', 'files', '/a', 'true') AS t (a int8, b text)",
    'SELECT count(*) FROM files TABLESAMPLE system_rows (3)',
    'SELECT count(*) FROM (SELECT FROM files TABLESAMPLE system_rows (3)) f, notes',
  ])('is refused where it is of rows on shards, as is a sample of so many: %s', async (sql) => {
    expect((await compare(servers, sql, { ordered: false })).refused).toBe(true);
  });

  test.each([
    "SELECT * FROM crosstab('SELECT id, 1, body FROM notes ORDER BY 1') AS t (a int, b text)",
    "SELECT * FROM crosstab('SELECT code, 1, name FROM country ORDER BY 1'::text) AS t (a text, b text)",
    'SELECT count(*) FROM notes TABLESAMPLE system_rows (2)',
  ])('is answered where it is of home or every shard: %s', async (sql) => {
    const { plain, proxy } = await compare(servers, sql, { ordered: true });
    expect(plain.kind).toBe('rows');
    expect(proxy).toEqual(plain);
  });
});

describe('the type of rows of a table of home is known in a statement on rows of shards', () => {
  test.each([
    'SELECT null::notes, user_id FROM files ORDER BY id LIMIT 2',
    'SELECT (json_populate_record(null::kept.notes, to_json(f))).id FROM files f ORDER BY f.id',
    "SELECT id FROM files WHERE user_id = 1 AND row(1, 'x')::notes IS NOT NULL ORDER BY id",
    `SELECT f.id, n.body FROM files f, json_populate_recordset(null::notes, '[{"id":1,"body":"z"}]') n
       WHERE n.id = f.size ORDER BY 1`,
  ])('%s', async (sql) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: true });
    expect(plain.kind).toBe('rows');
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });
});

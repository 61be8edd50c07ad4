// postgres_fdw: another PostgreSQL server reads and writes the sharded tables through the proxy, as foreign ones.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

const ROWS = 900;
let proxy: TestProxy;
let client: RawClient;
let other: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  client = await RawClient.login(proxy.login);
  await client.rows(
    `CREATE TABLE files (user_id bigint, id int, name text, PRIMARY KEY (user_id, id))`,
  );
  await client.rows(
    `INSERT INTO files SELECT i % 30, i, 'f' || i FROM generate_series(1, ${ROWS}) i`,
  );
  await client.rows('ANALYZE files');
  const { host, port, database, user, password } = proxy.login;
  other = new Client({ ...proxy.plain, ...superusers().plain });
  await other.connect();
  await other.query(`CREATE EXTENSION postgres_fdw;
    CREATE SERVER cluster FOREIGN DATA WRAPPER postgres_fdw
      OPTIONS (host '${host}', port '${port}', dbname '${database}', use_remote_estimate 'true', fetch_size '50');
    CREATE USER MAPPING FOR CURRENT_USER SERVER cluster OPTIONS (user '${user}', password '${password}');
    IMPORT FOREIGN SCHEMA public LIMIT TO (files) FROM SERVER cluster INTO public`);
});

afterAll(async () => {
  await other.end();
  await client.close();
  await proxy.close();
});

const rows = async (sql: string) => (await other.query({ text: sql, rowMode: 'array' })).rows;

describe('postgres_fdw over the proxy', () => {
  it('reads by the proxy’s own estimates', async () => {
    const [[{ Plan: plan }]] = (
      (await rows('EXPLAIN (FORMAT JSON) SELECT * FROM files')) as [
        [[{ Plan: { 'Node Type': string; 'Plan Rows': number } }]],
      ]
    )[0]!;
    expect(plan).toMatchObject({ 'Node Type': 'Foreign Scan', 'Plan Rows': ROWS });
  });

  it.each([
    ['SELECT count(*)::int, sum(id)::int FROM files', [[ROWS, (ROWS * (ROWS + 1)) / 2]]],
    ['SELECT name FROM files WHERE user_id = 7 AND id = 37', [['f37']]],
    ['SELECT id FROM files ORDER BY name DESC LIMIT 2', [[99], [98]]],
    [
      `SELECT f.id FROM files f JOIN files g ON g.id = f.id + 899 AND g.user_id <> f.user_id`,
      [[1]],
    ],
    [`SELECT count(*)::int FROM (SELECT * FROM files OFFSET 0) f`, [[ROWS]]],
  ])('answers as the tables’ own server: %s', async (sql, answer) => {
    expect(await rows(sql)).toEqual(answer);
  });

  it('writes rows of several shards, and takes them back', async () => {
    // It would estimate by what every row's ctid costs, also where the server is sent the whole statement.
    await rows(`ALTER SERVER cluster OPTIONS (SET use_remote_estimate 'false')`);
    await rows('BEGIN');
    await rows(`INSERT INTO files SELECT i, 5000 + i, 'new' FROM generate_series(1, 10) i`);
    await rows(`UPDATE files SET name = name || '!' WHERE id > 5005`);
    await rows(`SAVEPOINT s`);
    await rows(`DELETE FROM files WHERE id = 5001`);
    await rows(`ROLLBACK TO s`);
    await rows('COMMIT');
    const found = `SELECT count(*), count(*) FILTER (WHERE name = 'new!') FROM files WHERE id > 5000`;
    expect(await client.rows(found)).toEqual([['10', '5']]);
    await rows('BEGIN');
    await rows(`DELETE FROM files WHERE id > 5000`);
    await rows('ROLLBACK');
    expect(await client.rows(found)).toEqual([['10', '5']]);
    await rows(`DELETE FROM files WHERE id > 5000`);
    expect(await client.rows(found)).toEqual([['0', '0']]);
  });

  it('samples the table for its own statistics', async () => {
    await rows('ANALYZE files');
    expect(await rows(`SELECT reltuples FROM pg_class WHERE relname = 'files'`)).toEqual([[ROWS]]);
  });
});

// Statistics asked through the proxy: of what is on all shards, those of all shards together.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

const SHARDS = 3;
const ROWS = 600;
let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: SHARDS });
  client = await RawClient.login(proxy.login);
  await client.rows(`CREATE TABLE spread (user_id bigint, id bigint, PRIMARY KEY (user_id, id));
    CREATE TABLE young (user_id bigint);
    CREATE TABLE alone (id bigint PRIMARY KEY)`);
  await client.rows(`INSERT INTO spread SELECT i, i FROM generate_series(1, ${ROWS}) i`);
  await client.rows('INSERT INTO alone SELECT generate_series(1, 100)');
  await client.rows('ANALYZE spread; ANALYZE alone');
  await client.rows('SET enable_seqscan = off');
  for (const id of [1, 2, 3, 4, 5, 6]) {
    await client.rows(`SELECT FROM spread WHERE user_id = ${id} AND id = ${id}`);
  }
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

/** What each shard says by itself. */
async function byShard(sql: string): Promise<unknown[][]> {
  const answers: unknown[][] = [];
  for (const { host, port, user, password, database } of proxy.shards) {
    const shard = new Client({ host, port, user, password, database });
    await shard.connect();
    try {
      const { rows } = await shard.query({ text: sql, rowMode: 'array' });
      answers.push(rows[0]!);
    } finally {
      await shard.end();
    }
  }
  return answers;
}

const sum = (answers: readonly unknown[][]) =>
  answers.reduce((total, [value]) => total + Number(value), 0);

describe('Statistics of what is on all shards', () => {
  it.each([
    `SELECT reltuples FROM pg_class WHERE relname = 'spread'`,
    `SELECT c.relpages FROM pg_catalog.pg_class AS c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relname = 'spread_pkey'`,
    `SELECT pg_class.relpages FROM pg_class WHERE oid = 'spread'::regclass`,
    `SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'spread'`,
    `SELECT s.n_tup_ins FROM pg_catalog.pg_stat_all_tables s WHERE s.relname = 'spread'`,
    `SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'spread_pkey'`,
    `SELECT heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'spread'`,
    `SELECT idx_blks_hit FROM pg_statio_all_indexes WHERE indexrelname = 'spread_pkey'`,
  ])('are those of all together: %s', async (sql) => {
    // Servers count when a connection has had nothing to do for a while.
    const told = async () => {
      const own = await byShard(sql);
      const [[all]] = (await client.rows(sql)) as [[string]];
      return own.every(([value]) => Number(value) > 0) && Number(all) === sum(own);
    };
    await expect.poll(told).toBe(true);
  });

  it('are asked by any statement', async () => {
    const estimate = `SELECT reltuples FROM pg_class WHERE relname = 'spread'`;
    const rows = [[String(ROWS)]];
    expect(await client.rows(`SELECT (${estimate}) FROM spread WHERE user_id = 1`)).toEqual(rows);
    expect(await client.rows(`SELECT count(*), (${estimate}) FROM spread`)).toEqual([
      [String(ROWS), String(ROWS)],
    ]);
    const join = `SELECT DISTINCT reltuples FROM spread JOIN pg_class ON relname = 'spread'`;
    expect(await client.rows(join)).toEqual(rows);
    const copied = await client.query(`COPY (${estimate}) TO STDOUT`);
    expect(copied.find(({ type }) => type === 'd')!.body.toString()).toBe(`${ROWS}\n`);
    await client.rows('BEGIN');
    await client.rows(`DECLARE c CURSOR FOR ${estimate}`);
    expect(await client.rows('FETCH c')).toEqual(rows);
    await client.rows('COMMIT');
    await client.rows(`CREATE TABLE estimated AS ${estimate}`);
    expect(await client.rows('TABLE estimated')).toEqual(rows);
  });

  it.each([
    `SELECT to_jsonb(c) ->> 'reltuples' FROM pg_class c WHERE relname = 'spread'`,
    `SELECT k FROM pg_class AS c (a, b, c, d, e, f, g, h, i, j, k) WHERE b = 'spread'`,
    `SELECT reltuples FROM ONLY (pg_catalog.pg_class) WHERE relname = 'spread'`,
  ])('are asked without their names, too: %s', async (sql) => {
    expect(await client.rows(sql)).toEqual([[String(ROWS)]]);
  });

  it('are in whole rows', async () => {
    const sql = `FROM pg_class WHERE relname = 'spread'`;
    const [columns, starred] = [
      await client.rows(`SELECT relname, reltuples ${sql}`),
      await client.rows(`SELECT * ${sql}`),
    ];
    expect(starred[0]).toEqual(expect.arrayContaining(columns[0]!));
    expect(starred[0]).toContain(String(ROWS));
  });

  it('are not those of a table of the same name that is found before', async () => {
    await client.rows(`CREATE TABLE public.pg_stat_user_tables AS SELECT 5 AS n_live_tup`);
    await client.rows('SET search_path = public, pg_catalog');
    expect(await client.rows('SELECT n_live_tup FROM pg_stat_user_tables')).toEqual([['5']]);
    await client.rows('RESET search_path');
    await client.rows('DROP TABLE public.pg_stat_user_tables');
  });

  it('do not depend on what one server quotes', async () => {
    await client.rows('BEGIN');
    await client.rows('SET LOCAL quote_all_identifiers = on');
    const sql = `SELECT reltuples FROM pg_class WHERE relname = 'spread'`;
    expect(await client.rows(sql)).toEqual([[String(ROWS)]]);
    await client.rows('ROLLBACK');
  });

  it('are of the last time where they are times', async () => {
    const sql = `SELECT last_analyze::text FROM pg_stat_user_tables WHERE relname = 'spread'`;
    const times = (await byShard(sql)).map(([time]) => time as string);
    expect(await client.rows(sql)).toEqual([[times.sort().at(-1)]]);
  });

  it('are not known where nobody knows them', async () => {
    const sql = `SELECT reltuples FROM pg_class WHERE relname = 'young'`;
    expect(await client.rows(sql)).toEqual([['-1']]);
  });

  it('are those of one table, as of any other on one shard', async () => {
    const sql = `SELECT reltuples FROM pg_class WHERE relname = 'alone'`;
    expect(await client.rows(sql)).toEqual([['100']]);
  });

  it('stand in rows that are otherwise as they are', async () => {
    const names = (
      await client.rows('SELECT attname FROM pg_attribute WHERE attrelid = 1259 AND attnum > 0')
    )
      .map(([name]) => name!)
      .filter((name) => !name.startsWith('rel') || name === 'relname' || name === 'relkind');
    const sql = `SELECT ${names.join(', ')} FROM pg_class ORDER BY oid`;
    const all = await client.rows(sql);
    expect(await client.rows(sql.replace('FROM', ', reltuples IS NULL FROM'))).toEqual(
      all.map((row) => [...row, 'f']),
    );
  });
});

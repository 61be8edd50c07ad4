// Sizes asked through the proxy: of what is on all shards, those of all shards together.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, fieldsOf, RawClient } from '../support/raw-client.ts';

const SHARDS = 3;
let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: SHARDS });
  client = await RawClient.login(proxy.login);
  await client.rows(`CREATE TABLE spread (user_id bigint, id bigint, note text, PRIMARY KEY (user_id, id));
    CREATE TABLE empty (user_id bigint);
    CREATE TABLE alone (id bigint PRIMARY KEY);
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM spread`);
  await client.rows(`INSERT INTO spread SELECT i % 50, i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 90) j)
    FROM generate_series(1, 600) i`);
  await client.rows('INSERT INTO alone SELECT generate_series(1, 1000)');
  await client.rows('REFRESH MATERIALIZED VIEW kept');
  await client.rows('VACUUM spread');
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

const sizeOf = async (sql: string) => Number((await client.rows(sql))[0]![0]);

/** What each shard says by itself, added up. */
async function added(expression: string): Promise<number> {
  let sum = 0;
  for (const { host, port, user, password, database } of proxy.shards) {
    const shard = new Client({ host, port, user, password, database });
    await shard.connect();
    try {
      const { rows } = await shard.query(`SELECT ${expression} AS size`);
      sum += Number(rows[0].size);
    } finally {
      await shard.end();
    }
  }
  return sum;
}

describe('The size of what is on all shards', () => {
  it.each([
    `pg_relation_size('spread')`,
    `pg_relation_size('public.spread'::regclass, 'vm')`,
    `pg_table_size('spread')`,
    `pg_indexes_size('spread')`,
    `pg_catalog.pg_total_relation_size('spread')`,
    `pg_relation_size('spread_pkey')`,
    `pg_relation_size((SELECT reltoastrelid FROM pg_class WHERE relname = 'spread'))`,
    `pg_relation_size((SELECT indexrelid FROM pg_index JOIN pg_class c ON indrelid = c.reltoastrelid
      WHERE c.relname = 'spread'))`,
    `pg_total_relation_size('kept')`,
    'pg_database_size(current_database())',
    '(SELECT pg_database_size(oid) FROM pg_database WHERE datname = current_database())',
  ])('is that of all shards together: %s', async (expression) => {
    const size = await sizeOf(`SELECT ${expression}`);
    expect(size).toBeGreaterThan(0);
    expect(size).toBe(await added(expression));
  });

  it('has the name of the function', async () => {
    const pg = new Client(proxy.login);
    await pg.connect();
    const sql = `SELECT pg_table_size('spread'), pg_size_pretty(pg_table_size('empty'))`;
    const { fields } = await pg.query(sql).finally(() => pg.end());
    expect(fields.map(({ name }) => name)).toEqual(['pg_table_size', 'pg_size_pretty']);
  });

  it('is asked by any statement', async () => {
    const total = await added(`pg_total_relation_size('spread')`);
    const size = `pg_total_relation_size('spread')`;
    const list = `SELECT relname, ${size.replace(`'spread'`, 'oid')} FROM pg_class
      WHERE relname IN ('spread', 'empty') ORDER BY 2`;
    expect(await client.rows(list)).toEqual([
      ['empty', '0'],
      ['spread', String(total)],
    ]);
    expect(await client.rows(`SELECT count(*), ${size} FROM spread`)).toEqual([
      ['600', String(total)],
    ]);
    expect(await sizeOf(`SELECT ${size} FROM spread WHERE user_id = 7 LIMIT 1`)).toBe(total);
    await client.rows(`CREATE TABLE noted (user_id bigint, size bigint)`);
    await client.rows(`INSERT INTO noted SELECT user_id, ${size} FROM spread WHERE id < 4`);
    expect(await client.rows('SELECT DISTINCT size FROM noted')).toEqual([[String(total)]]);
    await client.rows(`UPDATE noted SET size = size - ${size}`);
    expect(await client.rows('SELECT DISTINCT size FROM noted')).toEqual([['0']]);
    await client.rows(`PREPARE measured AS SELECT pg_table_size($1::regclass)`);
    const [[prepared]] = (await client.rows(`EXECUTE measured('spread')`)) as [[string]];
    expect(Number(prepared)).toBe(await added(`pg_table_size('spread')`));
    await client.rows(`CREATE TABLE made AS SELECT ${size} AS size`);
    await client.rows(
      `CREATE TABLE made_of AS SELECT user_id, ${size} AS size FROM spread WHERE id < 4`,
    );
    await client.rows(`SELECT ${size} AS size INTO made_into`);
    for (const made of ['made', 'made_of', 'made_into']) {
      expect(await client.rows(`SELECT DISTINCT size FROM ${made}`)).toEqual([[String(total)]]);
    }
    await client.rows('BEGIN');
    await client.rows(`DECLARE c CURSOR FOR SELECT ${size}`);
    expect(await client.rows('FETCH c')).toEqual([[String(total)]]);
    await client.rows('COMMIT');
    const copied = await client.query(`COPY (SELECT ${size}) TO STDOUT`);
    const [line] = copied.filter(({ type }) => type === 'd');
    expect(line!.body.toString()).toBe(`${total}\n`);
  });

  it('is that of a transaction, in it', async () => {
    await client.rows('BEGIN');
    await client.rows('CREATE TABLE young (user_id bigint)');
    await client.rows('INSERT INTO young SELECT generate_series(1, 1000)');
    const size = await sizeOf(`SELECT pg_relation_size('young')`);
    await client.rows('ROLLBACK');
    expect(size).toBeGreaterThanOrEqual(SHARDS * 8192);
  });

  it('does not depend on what one server quotes', async () => {
    const total = await added(`pg_table_size('spread')`);
    await client.rows('BEGIN');
    await client.rows('SET LOCAL quote_all_identifiers = on');
    expect(await sizeOf(`SELECT pg_table_size('spread')`)).toBe(total);
    await client.rows('ROLLBACK');
  });

  it('is that of a fork, and of nothing else', async () => {
    const messages = await client.query(`SELECT pg_relation_size('spread', 'total')`);
    expect(errorCode(messages)).toBe('22023');
  });

  it('is told to prepared statements, by parameters', async () => {
    const pg = new Client(proxy.login);
    await pg.connect();
    try {
      const total = await added(`pg_table_size('spread')`);
      for (const _ of [1, 2, 3]) {
        const asked = {
          name: 'size',
          text: 'SELECT pg_table_size($1::regclass) AS size',
          values: ['spread'],
        };
        const { rows } = await pg.query(asked);
        expect(Number(rows[0].size)).toBe(total);
      }
    } finally {
      await pg.end();
    }
  });
});

describe('What is on one shard', () => {
  it('has its own size', async () => {
    expect(await sizeOf(`SELECT pg_table_size('alone')`)).toBe(
      await sizeOf(`SELECT pg_table_size(oid) FROM pg_class WHERE relname = 'alone'`),
    );
    expect(await sizeOf(`SELECT pg_relation_size('pg_class')`)).toBeGreaterThan(0);
  });

  it('is told to who asks that shard', async () => {
    const all = await sizeOf(`SELECT pg_table_size('spread')`);
    await client.rows('SET drive.shard = 1');
    const own = await sizeOf(`SELECT pg_table_size('spread')`);
    await client.rows('RESET drive.shard');
    expect(own).toBeLessThan(all);
  });

  it('is what a view tells', async () => {
    await client.rows(
      `CREATE VIEW sized AS SELECT user_id, pg_table_size('spread') AS size FROM spread`,
    );
    const [[all, shard0]] = (await client.rows(
      `SELECT pg_table_size('spread'), min(size) FROM sized`,
    )) as [[string, string]];
    expect(Number(shard0)).toBeGreaterThan(0);
    expect(Number(shard0)).toBeLessThan(Number(all));
  });

  it('is not taken for that of a function of the same name', async () => {
    await client.rows(
      `CREATE FUNCTION pg_table_size(text, text) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    );
    expect(errorCode(await client.query(`SELECT pg_table_size('spread')`))).toBe('0A000');
    expect(await sizeOf(`SELECT public.pg_table_size('spread', '')`)).toBe(1);
    const size = await sizeOf(`SELECT pg_catalog.pg_table_size('spread')`);
    await client.rows('DROP FUNCTION pg_table_size(text, text)');
    expect(await sizeOf(`SELECT pg_table_size('spread')`)).toBe(size);
  });

  it('is a wrong name with its place in the text', async () => {
    const messages = await client.query(`SELECT 1, pg_table_size('no_such')`);
    expect(errorCode(messages)).toBe('42P01');
    expect(fieldsOf(messages.find(({ type }) => type === 'E')!).get('P')).toBe('25');
  });
});

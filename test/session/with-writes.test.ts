// WITH that writes over several shards: what reacts too early is not seen, or refused; collations are kept.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;

const SCHEMA = [
  `CREATE TABLE parents (user_id bigint, id int, PRIMARY KEY (user_id, id))`,
  `CREATE TABLE children (user_id bigint, id int, parent int, PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, parent) REFERENCES parents (user_id, id) ON DELETE CASCADE)`,
  `CREATE TABLE watched (user_id bigint PRIMARY KEY, note text)`,
  `CREATE TABLE seen (user_id bigint, note text)`,
  `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO seen VALUES (OLD.user_id, OLD.note); RETURN OLD; END'`,
  `CREATE TRIGGER t AFTER DELETE ON watched FOR EACH ROW EXECUTE FUNCTION see()`,
  `CREATE VIEW shown AS SELECT user_id, note FROM seen`,
  `CREATE TABLE words (user_id bigint PRIMARY KEY, word text COLLATE "en-US-x-icu", plain text)`,
];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  client = await RawClient.login(proxy.login);
  for (const sql of SCHEMA) await client.rows(sql);
  await client.close();
});

afterAll(() => proxy.close());

beforeEach(async () => {
  client = await RawClient.login(proxy.login);
  await client.rows('TRUNCATE parents, children, watched, seen, words');
  await client.rows('INSERT INTO parents VALUES (1, 1), (2, 2)');
  await client.rows('INSERT INTO children VALUES (1, 1, 1), (2, 2, 2), (2, 3, 2)');
  await client.rows(`INSERT INTO watched VALUES (1, 'a'), (2, 'b')`);
  await client.rows(
    `INSERT INTO words VALUES (1, 'b', 'b'), (2, 'A', 'A'), (3, 'a', 'a'), (4, 'B', 'B')`,
  );
});

afterEach(() => client.close());

const refusedWith = async (sql: string) => errorCode(await client.query(sql));

describe('A part that something reacts to before the others have run', () => {
  it('is not seen where a foreign key deletes what another part reads', async () => {
    const sql = `WITH d AS (DELETE FROM parents RETURNING id) SELECT c.id FROM d, children c, watched`;
    const ids = ['1', '2', '3'].flatMap((id) => [id, id, id, id]);
    expect((await client.rows(sql)).flat().sort()).toEqual(ids);
    expect(await client.rows('SELECT count(*) FROM children')).toEqual([['0']]);
  });

  it('is refused where a foreign key ties it to what another part writes', async () => {
    const sql = `WITH p AS (DELETE FROM parents RETURNING id)
      DELETE FROM children USING p WHERE children.parent = p.id + 0`;
    expect(await refusedWith(sql)).toBe('0A000');
  });

  it('is not seen where a trigger changes what another part reads', async () => {
    const sql = `WITH d AS (DELETE FROM watched RETURNING note)
      SELECT d.note, (SELECT count(*) FROM seen) FROM d`;
    expect((await client.rows(sql)).sort()).toEqual([
      ['a', '0'],
      ['b', '0'],
    ]);
    expect(await client.rows('SELECT count(*) FROM seen')).toEqual([['2']]);
  });

  it('is refused where rows of a sample are read', async () => {
    const sql = `WITH d AS (DELETE FROM watched RETURNING note)
      SELECT d.note, (SELECT count(*) FROM seen TABLESAMPLE system (100)) FROM d`;
    expect(await refusedWith(sql)).toBe('0A000');
    expect(await client.rows('SELECT count(*) FROM watched')).toEqual([['2']]);
  });

  it('is not seen by a view that another part reads', async () => {
    const sql = `WITH i AS (INSERT INTO seen VALUES (1, 'x'), (2, 'y') RETURNING user_id)
      SELECT i.user_id, (SELECT count(*) FROM shown) FROM i`;
    expect((await client.rows(sql)).sort()).toEqual([
      ['1', '0'],
      ['2', '0'],
    ]);
  });

  it('runs with its trigger where nothing reads behind it', async () => {
    const sql = `WITH d AS (DELETE FROM watched RETURNING *)
      INSERT INTO words SELECT user_id + 10, note, note FROM d RETURNING word`;
    expect((await client.rows(sql)).flat().sort()).toEqual(['a', 'b']);
    expect(await client.rows('SELECT count(*) FROM seen')).toEqual([['2']]);
  });
});

describe('Parts over the rows of one key each', () => {
  const rows = async (table: string) =>
    (await client.rows(`SELECT user_id, id FROM ${table}`)).map((row) => row.join('.')).sort();

  it('are one statement on each shard, to whose end foreign keys wait', async () => {
    const sql = `WITH d AS (DELETE FROM parents WHERE id = 2 RETURNING user_id, id)
      SELECT c.id FROM d JOIN children c ON c.user_id = d.user_id AND c.parent = d.id`;
    expect((await client.rows(sql)).flat().sort()).toEqual(['2', '3']);
    expect(await rows('parents')).toEqual(['1.1']);
    expect(await rows('children')).toEqual(['1.1']);
  });

  it('are one statement on each shard, which triggers are not seen by', async () => {
    const sql = `WITH d AS (DELETE FROM watched RETURNING user_id)
      SELECT d.user_id, (SELECT count(*) FROM seen s WHERE s.user_id = d.user_id) FROM d`;
    expect((await client.rows(sql)).sort()).toEqual([
      ['1', '0'],
      ['2', '0'],
    ]);
    expect(await client.rows('SELECT count(*) FROM seen')).toEqual([['2']]);
  });

  it('give all rows that are inserted one time', async () => {
    const sql = `WITH d AS (DELETE FROM watched RETURNING user_id)
      INSERT INTO seen SELECT user_id, now()::text FROM d RETURNING note`;
    const times = (await client.rows(sql)).flat();
    expect(times).toHaveLength(2);
    expect(new Set(times).size).toBe(1);
  });

  it('are all or nothing over the shards', async () => {
    await client.rows(`INSERT INTO parents VALUES (2, 9)`);
    const sql = `WITH d AS (DELETE FROM watched RETURNING user_id)
      INSERT INTO parents SELECT user_id, CASE user_id WHEN 2 THEN 9 ELSE 5 END FROM d`;
    expect(await refusedWith(sql)).toBe('23505');
    expect(await client.rows('SELECT count(*) FROM watched')).toEqual([['2']]);
    expect(await rows('parents')).toEqual(['1.1', '2.2', '2.9']);
  });
});

describe('The rows of a part', () => {
  it('keep the collation of their column', async () => {
    const sql = `WITH u AS (UPDATE words SET plain = plain || '' RETURNING word, plain)
      SELECT word FROM u ORDER BY word`;
    expect((await client.rows(sql)).flat()).toEqual(['a', 'A', 'b', 'B']);
  });

  it('are refused where their collation is not known', async () => {
    const sql = `WITH u AS (UPDATE words SET plain = 'x' RETURNING word || 'y' AS w) SELECT w FROM u ORDER BY w`;
    expect(await refusedWith(sql)).toBe('0A000');
  });
});

describe('A WITH that writes one table twice', () => {
  it('is refused with what to do, and leaves the transaction failed', async () => {
    const sql = `WITH a AS (UPDATE words SET plain = 'a' WHERE user_id > 2),
      b AS (UPDATE words SET plain = 'b' WHERE user_id < 2) SELECT 1`;
    await client.rows('BEGIN');
    expect(await refusedWith(sql)).toBe('0A000');
    expect(await refusedWith('SELECT 1')).toBe('25P02');
    await client.rows('ROLLBACK');
  });
});

// Wrong answers that sharding proxies are known to give: here they are PostgreSQL's, or refused.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compare, type ParityServers, startParity } from './servers.ts';

/** By what goes wrong elsewhere; each statement orders all of its rows, or has one. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  'LIMIT without ORDER BY gives n rows a shard': [
    'SELECT count(*) FROM (SELECT id FROM files LIMIT 7) t',
    "SELECT 'row' FROM files LIMIT 7",
    "SELECT 'row' FROM files OFFSET 130",
  ],
  'GROUP BY with LIMIT is cut on partial groups': [
    'SELECT tag, count(*) AS n FROM files GROUP BY tag ORDER BY n DESC, tag LIMIT 2',
    'SELECT name, sum(size) FROM files GROUP BY name ORDER BY 2 DESC NULLS LAST, 1 LIMIT 3',
  ],
  'LIMIT 0 computes what no row is asked of': [
    'SELECT sum(1 / (id - id)) FROM files LIMIT 0',
    'SELECT tag, avg(1 / (id - id)) FROM files GROUP BY tag HAVING count(*) > 0 ORDER BY 2 LIMIT 0',
    'SELECT DISTINCT 1 / (id - id) FROM files LIMIT 0 OFFSET 3',
  ],
  'OFFSET is applied twice': [
    'SELECT id FROM files ORDER BY id, user_id LIMIT 5 OFFSET 20',
    'SELECT tag, count(*) FROM files GROUP BY tag ORDER BY tag OFFSET 2',
  ],
  'GROUP BY an expression, an alias or an unselected column collapses': [
    'SELECT count(*) FROM files GROUP BY size % 4 ORDER BY 1',
    'SELECT size % 4 AS m, count(*) FROM files GROUP BY m ORDER BY m',
    'SELECT count(*), sum(size) FROM files GROUP BY tag ORDER BY 1, 2',
    'SELECT upper(tag) AS u, count(*) FROM files GROUP BY u ORDER BY 2, 1',
  ],
  'GROUP BY without an aggregate is not merged': [
    'SELECT tag FROM files GROUP BY tag ORDER BY tag',
    'SELECT flag, day FROM files GROUP BY day, flag ORDER BY 1, 2',
  ],
  'aggregates inside of expressions count per shard': [
    'SELECT count(*) + 1, coalesce(sum(size), 0) * 2, round(avg(price), 1) FROM files',
    'SELECT tag, max(size) - min(size) FROM files GROUP BY tag ORDER BY 1',
    'SELECT CASE WHEN count(*) > 100 THEN 1 ELSE 0 END FROM files',
  ],
  'HAVING looks at partial groups': [
    'SELECT tag FROM files GROUP BY tag HAVING count(*) > 19 ORDER BY tag',
    'SELECT tag FROM files GROUP BY tag HAVING count(*) < 20 ORDER BY tag',
    'SELECT name FROM files GROUP BY name HAVING avg(size) > 25 ORDER BY name',
  ],
  'window functions are taken for aggregates': [
    'SELECT id, user_id, count(*) OVER () FROM files ORDER BY 1, 2',
    'SELECT id, sum(size) OVER (PARTITION BY tag) FROM files ORDER BY id, user_id',
    'SELECT user_id, count(*) OVER (PARTITION BY user_id) FROM files ORDER BY 1, id',
  ],
  'NULLS FIRST is ignored': [
    'SELECT size, id FROM files ORDER BY size NULLS FIRST, id, user_id LIMIT 20',
    'SELECT size, id FROM files ORDER BY size DESC NULLS LAST, id, user_id',
    'SELECT tag, id FROM files ORDER BY tag DESC, id, user_id LIMIT 30',
  ],
  "text is sorted by bytes under a language's collation": [
    'SELECT tag, id FROM files ORDER BY tag COLLATE "de-x-icu", id, user_id',
    'SELECT max(tag COLLATE "de-x-icu"), min(tag COLLATE "en-x-icu") FROM files',
    'SELECT tag, id FROM files ORDER BY tag::german, id, user_id',
  ],
  'a sort by what is not selected is skipped': [
    'SELECT name FROM files ORDER BY size, id, user_id LIMIT 9',
    'SELECT tag FROM files ORDER BY upper(name) DESC NULLS LAST, id, user_id LIMIT 9',
  ],
  "a UNION of two keys goes to the first one's shard": [
    'SELECT id FROM files WHERE user_id = 1 UNION ALL SELECT id FROM files WHERE user_id = 2 ORDER BY 1',
    'SELECT 1 AS n FROM files WHERE user_id = 42 UNION SELECT 2 FROM files WHERE user_id = 3 ORDER BY 1',
  ],
  'a key in a select list, a CASE or the ON of an outer join is taken for a route': [
    'SELECT user_id = 1, count(*) FROM files GROUP BY 1 ORDER BY 1',
    'SELECT count(CASE WHEN user_id = 1 THEN 1 END), count(*) FROM files',
    'SELECT count(*) FILTER (WHERE user_id = 1), count(*) FROM files',
    'SELECT count(*) FROM members m LEFT JOIN files f ON f.user_id = m.user_id AND f.user_id = 1',
    'SELECT count(*) FROM files f LEFT JOIN members m ON m.user_id = f.user_id AND f.user_id = 1',
    'SELECT count(*) FROM files WHERE NOT user_id = 1',
    'SELECT count(*) FROM files WHERE user_id = 1 OR size = 7',
  ],
  'count(DISTINCT …) is summed': [
    'SELECT count(DISTINCT tag), count(DISTINCT size), count(DISTINCT user_id) FROM files',
    'SELECT flag, count(DISTINCT tag) FROM files GROUP BY flag ORDER BY 1',
  ],
  'an average of averages': [
    'SELECT avg(size), avg(price), avg(ratio) FROM files',
    'SELECT tag, avg(size) FROM files GROUP BY tag ORDER BY tag',
  ],
  'the order of a sub-query is lost': [
    'SELECT * FROM (SELECT id, user_id FROM files ORDER BY size, id, user_id) t LIMIT 7',
    'SELECT id FROM (SELECT id, user_id FROM files ORDER BY name DESC, id, user_id) t WHERE id > 9',
    'WITH t AS (SELECT id, user_id FROM files ORDER BY size, id, user_id) SELECT * FROM t OFFSET 120',
    'SELECT * FROM (SELECT * FROM (SELECT id, user_id FROM files ORDER BY size, 1, 2) a) b LIMIT 5',
  ],
  'a join of two scattered tables is made per shard only': [
    'SELECT count(*) FROM files f JOIN members m ON f.size = m.user_id',
    'SELECT count(*) FROM files a, files b WHERE a.id = b.size',
    'SELECT m.name, (SELECT count(*) FROM files f WHERE f.size = m.user_id) FROM members m ORDER BY 1',
  ],
};

/** What is written, then what all is there. */
const WRITES: Readonly<Record<string, readonly string[]>> = {
  'an INSERT of several rows is repeated on every shard': [
    "INSERT INTO files (id, user_id, name) VALUES (500, 1, 'a'), (501, 2, 'b'), (502, 3, 'c')",
  ],
  'a key written as digits is hashed as a text': [
    "INSERT INTO files (id, user_id) VALUES (510, '42'), (511, ' 7 '), (512, '2')",
    "UPDATE files SET name = 'found' WHERE user_id = '42' AND id = 510",
    'DELETE FROM files WHERE user_id = 7 AND id = 511',
  ],
  'INSERT … SELECT generate_series is repeated on every shard': [
    'INSERT INTO files (id, user_id) SELECT 600 + n, n FROM generate_series(1, 20) n',
  ],
  'an UPDATE in a WITH runs on one shard': [
    'WITH u AS (UPDATE files SET size = 49 WHERE id < 30 RETURNING id) SELECT count(*) FROM u',
    'WITH d AS (DELETE FROM files WHERE id BETWEEN 40 AND 60 RETURNING *) SELECT sum(size) FROM d',
  ],
};

describe.each([2, 3, 7])('over %i shards', (shards) => {
  let servers: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shards);
  });

  afterAll(() => servers.close());

  test.each(Object.entries(CASES))('not here: %s', async (_, statements) => {
    for (const sql of statements) {
      const { plain, proxy, engine } = await compare(servers, sql, { ordered: true });
      expect(plain.kind, sql).toBe('rows');
      expect(proxy, sql).toEqual(plain);
      expect(engine, sql).toEqual(plain);
    }
  });

  test.each(Object.entries(WRITES))('not here: %s', async (_, statements) => {
    for (const client of [servers.plain, servers.proxy]) await client.query('BEGIN');
    for (const sql of statements) {
      for (const client of [servers.plain, servers.proxy]) await client.query('SAVEPOINT s');
      const { plain, proxy, refused } = await compare(servers, sql, { ordered: false });
      if (refused) {
        for (const client of [servers.plain, servers.proxy]) await client.query('ROLLBACK TO s');
      } else {
        expect(proxy, sql).toEqual(plain);
      }
      const all = await compare(servers, 'SELECT * FROM files', { ordered: false });
      expect(all.proxy, sql).toEqual(all.plain);
    }
    for (const client of [servers.plain, servers.proxy]) await client.query('ROLLBACK');
  });

  test('not here: a plan made under one search_path serves another', async () => {
    for (const client of [servers.plain, ...servers.shards]) {
      await client.query('CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.files (id int)');
    }
    await servers.plain.query('INSERT INTO elsewhere.files VALUES (1)');
    await servers.shards[0]!.query('INSERT INTO elsewhere.files VALUES (1)');
    const sql = 'SELECT count(*) FROM files';
    for (const path of [
      'public',
      'elsewhere, public',
      'public',
      'elsewhere',
      'public, elsewhere',
    ]) {
      for (const client of [servers.plain, servers.proxy, servers.engine]) {
        await client.query(`SET search_path = ${path}`);
        // A table that is not known makes a proxy look at the schema again.
        await client.query('SELECT FROM elsewhere.files');
      }
      const { plain, proxy, engine } = await compare(servers, sql, { ordered: true });
      expect(proxy, path).toEqual(plain);
      expect(engine, path).toEqual(plain);
    }
    for (const client of [servers.plain, servers.proxy, servers.engine]) {
      await client.query('RESET search_path');
    }
  });
});

// Parity of aggregates of users' own that are called as PostgreSQL's are.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compare, type ParityServers, startParity } from './servers.ts';

const DEFINITIONS = [
  'CREATE TYPE box_of AS (n int4)',
  'CREATE DOMAIN score AS int4',
  'CREATE TABLE own (user_id int8, boxed box_of, score score, word text)',
  `CREATE FUNCTION add_box(int8, box_of) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 10 * $2.n'`,
  `CREATE FUNCTION times(int8, score) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 * $2'`,
  // Of a type that has no sum; of one that would be taken for its base; by the rows' product.
  "CREATE AGGREGATE avg (box_of) (SFUNC = add_box, STYPE = int8, INITCOND = '0')",
  "CREATE AGGREGATE avg (score) (SFUNC = times, STYPE = int8, INITCOND = '1')",
  "CREATE AGGREGATE sum (score) (SFUNC = times, STYPE = int8, INITCOND = '1')",
  "CREATE AGGREGATE max (score) (SFUNC = times, STYPE = int8, INITCOND = '1')",
  "CREATE AGGREGATE count (score) (SFUNC = times, STYPE = int8, INITCOND = '1')",
  `INSERT INTO own SELECT i, ('(' || i || ')')::box_of, i, 'w' || i FROM generate_series(1, 6) i`,
];

const STATEMENTS = [
  'SELECT avg(boxed) FROM own',
  'SELECT avg(boxed), avg(user_id) FROM own',
  'SELECT avg(score), count(*) FROM own',
  'SELECT sum(score) FROM own',
  'SELECT sum(user_id), sum(pg_catalog.int4larger(score, 0)) FROM own',
  'SELECT user_id % 2, max(score), min(word) FROM own GROUP BY 1',
  'SELECT count(score) FROM own HAVING sum(score) > 100',
  'SELECT pg_catalog.sum(score), pg_catalog.avg(score) FROM own',
  'SELECT public.sum(score) FROM own',
  'SELECT avg(word) FROM own',
];

describe.each([1, 3])('over %i shards', (shardCount) => {
  let servers: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shardCount);
    for (const sql of DEFINITIONS) {
      for (const client of [servers.plain, servers.proxy]) await client.query(sql);
    }
    // The other proxy looks at the schema again when it meets a table that it does not know.
    await servers.proxy.query('CREATE TABLE last ()');
    await servers.engine.query('SELECT FROM last');
  });

  afterAll(() => servers.close());

  test.each(STATEMENTS)('%s', async (sql) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });
});

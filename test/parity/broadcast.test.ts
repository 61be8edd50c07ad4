// Parity of broadcasts: small tables given to every shard, beside tables that are not small.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import fc from '../support/property.ts';
import { FOUND } from './found-statements.ts';
import { nestedStatement } from './nested-generator.ts';
import { compare, type ParityServers, startParity } from './servers.ts';
import { COMPUTED } from './statements.ts';

/** A shard has fewer members than this, and more files. */
const INLINE_ROWS_MAX = 14;
/** More for a longer search: PARITY_RUNS=100000 PARITY_SEED=$RANDOM. */
const RUNS = Number(process.env.PARITY_RUNS ?? 150);
const SEED = Number(process.env.PARITY_SEED ?? 20261129);

const BROADCAST: readonly string[] = [
  'SELECT f.id, m.name FROM files f JOIN members m ON m.user_id = f.size',
  'SELECT f.id, m.* FROM files f, members m WHERE m.user_id % 7 = f.size % 7 ORDER BY f.id, m.user_id LIMIT 20 OFFSET 3',
  'SELECT m.country, count(*), sum(f.price), avg(f.size) FROM files f JOIN members m ON f.size > m.user_id GROUP BY m.country HAVING count(*) > 3 ORDER BY 2 DESC, 1',
  'SELECT f.id, m.name FROM files f LEFT JOIN members m ON m.user_id = f.size AND m.name <> $$member 3$$',
  'SELECT f.id, f.user_id FROM files f WHERE f.size IN (SELECT user_id FROM members)',
  'SELECT f.id FROM files f WHERE NOT EXISTS (SELECT FROM members m WHERE m.user_id = f.size) ORDER BY f.id',
  'SELECT f.id, (SELECT max(m.name) FROM members m WHERE m.user_id < f.size) FROM files f',
  'WITH few AS (SELECT user_id AS u, name FROM members WHERE user_id > 0) SELECT f.id, few.name FROM files f JOIN few ON few.u = f.size ORDER BY f.id',
  'SELECT DISTINCT m.user_id FROM files f JOIN members m ON m.user_id = f.size + 1',
  'SELECT f.id, m.name, now() = now() FROM files f JOIN public.members m ON m.user_id = f.size WHERE f.user_id IN (1, 2, 42)',
  'SELECT f.id, m.name FROM files f, members m WHERE f.user_id = 42 AND m.user_id IN (1, 2, 3) AND m.user_id % 2 = f.size % 2',
  'SELECT f.id, m.name FROM files f, members m WHERE f.user_id = NULL AND m.user_id = f.size',
  'SELECT count(*) FROM files f, members m WHERE f.user_id IN (1, 42) AND m.user_id = NULL',
  'SELECT n.body, count(*), max(f.price) FROM files f JOIN notes n ON n.id = f.size % 4 GROUP BY n.body ORDER BY 1',
  'SELECT f.id, n.body FROM files f LEFT JOIN notes n ON n.id = f.size AND n.id > $$0$$ WHERE f.tag IS NOT NULL ORDER BY f.id LIMIT 30',
  'SELECT f.id, n.*, m.name FROM files f, public.notes n, members m WHERE n.id = f.size AND m.user_id > n.id',
  'SELECT f.id FROM files f WHERE f.size NOT IN (SELECT id FROM notes) AND f.user_id IN (42, 1)',
  'WITH n AS (SELECT id, upper(body) AS b FROM notes) SELECT f.tag, count(n.b) FROM files f JOIN n ON n.id < f.size GROUP BY f.tag',
  'SELECT f.id, m.name, c.name FROM files f JOIN members m ON m.user_id = f.size LEFT JOIN country c ON c.code = m.country',
  'SELECT f.id, n.mood, m.name FROM files f JOIN narrow n USING (user_id) JOIN members m ON m.user_id = f.size',
];

describe.each([2, 3])('over %i shards', (shardCount) => {
  let servers: ParityServers;
  /** No statement copies more to one server. */
  let bounded: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shardCount, { inlineRowsMax: INLINE_ROWS_MAX });
    const bounds = { inlineRowsMax: INLINE_ROWS_MAX, spillBytesMax: 1_200 };
    bounded = await startParity(shardCount, bounds);
  });

  afterAll(async () => {
    await servers.close();
    await bounded.close();
  });

  test.each(BROADCAST)('%s copies no large table', async (sql) => {
    const ordered = / ORDER BY /.test(sql);
    const { plain, proxy, engine } = await compare(bounded, sql, { ordered });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
    await bounded.proxy.query('BEGIN');
    const within = await compare(bounded, sql, { ordered });
    await bounded.proxy.query('ROLLBACK');
    expect(within.proxy).toEqual(plain);
  });

  test.each([
    'SELECT m FROM files f JOIN members m ON m.user_id = f.size',
    'SELECT f.id, n FROM files f, notes AS n WHERE n.id = f.size',
    'SELECT f, m.name FROM files f JOIN members m ON m.user_id = f.size',
  ])('a whole row is one of its table: %s', async (sql) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });

  test('two large tables are copied', async () => {
    const sql = 'SELECT count(*) FROM files a JOIN files b ON a.id = b.size';
    const { proxy } = await compare(bounded, sql, { ordered: false });
    expect(proxy).toMatchObject({ kind: 'error', code: '53400' });
  });

  test.each([...COMPUTED, ...FOUND])('%s', async (sql) => {
    const { plain, proxy } = await compare(servers, sql, { ordered: false });
    expect(proxy).toEqual(plain);
  });

  test(
    'nested statements are right',
    async () => {
      await fc.assert(
        fc.asyncProperty(nestedStatement, async ({ sql, ordered, parameters }) => {
          const given = parameters.length === 0 ? {} : { parameters };
          const { plain, proxy } = await compare(servers, sql, { ordered, ...given });
          expect(proxy).toEqual(plain);
        }),
        { numRuns: RUNS, seed: SEED },
      );
    },
    60_000 + RUNS * 250,
  );
});

// The support matrix: features with statements that show them, and what others document of each.

export interface Feature {
  readonly name: string;
  /** Asked over several shards; all must be answered as one PostgreSQL answers them. */
  readonly statements: readonly string[];
  /** What each of them is asked behind, in its transaction. */
  readonly before?: readonly string[];
  /** Its answer is the proxy's own: only its columns are compared. */
  readonly tellsOwn?: boolean;
  /** As documented: Citus, Vitess, ShardingSphere, PgDog. */
  readonly others: readonly [string, string, string, string];
}

const feature = (name: string, others: Feature['others'], ...statements: string[]): Feature => ({
  name,
  statements,
  others,
});

const UNKNOWN = ['unknown', 'unknown', 'unknown', 'unknown'] as const;
const ONLY_CITUS = ['yes', 'unknown', 'unknown', 'unknown'] as const;

export const FEATURES: readonly Feature[] = [
  feature(
    'ORDER BY, NULLS FIRST, by what is not selected',
    ['yes', 'most', 'yes', 'selected columns'],
    'SELECT id FROM files ORDER BY size NULLS FIRST, id',
    'SELECT name FROM files ORDER BY upper(tag) DESC, id, user_id',
  ),
  feature(
    "ORDER BY text in a language's collation",
    ONLY_CITUS,
    'SELECT tag, id FROM files ORDER BY tag COLLATE "de-x-icu", id, user_id',
  ),
  feature(
    'LIMIT, OFFSET',
    ['yes', 'most', 'yes', 'yes'],
    'SELECT id FROM files ORDER BY id, user_id LIMIT 5 OFFSET 3',
  ),
  feature(
    'FETCH … WITH TIES',
    UNKNOWN,
    'SELECT size FROM files ORDER BY size FETCH FIRST 3 ROWS WITH TIES',
  ),
  feature(
    'DISTINCT',
    ['yes', 'most', 'yes', 'selected columns'],
    'SELECT DISTINCT tag, flag FROM files',
  ),
  feature(
    'DISTINCT ON',
    ONLY_CITUS,
    'SELECT DISTINCT ON (tag) tag, id FROM files ORDER BY tag, id, user_id',
  ),
  feature(
    'count, sum, min, max, avg',
    ['yes', 'most', 'yes', 'yes'],
    'SELECT count(*), sum(price), min(made), max(tag), avg(size) FROM files',
    'SELECT tag, avg(price) FROM files GROUP BY tag',
  ),
  feature(
    'count(DISTINCT …)',
    ['yes', 'most', 'unknown', 'unknown'],
    'SELECT count(DISTINCT tag), sum(DISTINCT size) FROM files',
  ),
  feature(
    'DISTINCT and ORDER BY inside of aggregates',
    ONLY_CITUS,
    'SELECT array_agg(DISTINCT tag ORDER BY tag DESC), sum(DISTINCT price) FROM files',
    'SELECT tag, array_agg(id ORDER BY size DESC NULLS LAST, id, user_id) FROM files GROUP BY tag',
  ),
  feature(
    'string_agg, array_agg, aggregates of JSON',
    ONLY_CITUS,
    'SELECT array_agg(id ORDER BY id, user_id), string_agg(tag, $$,$$ ORDER BY id, user_id) FROM files',
    'SELECT jsonb_object_agg(id, tag), json_agg(name ORDER BY id, user_id) FROM files WHERE tag IS NOT NULL',
    'SELECT JSON_ARRAYAGG(size ORDER BY id, user_id) FROM files',
  ),
  feature(
    'statistics: stddev, corr, regr_…',
    ONLY_CITUS,
    'SELECT stddev(size), var_pop(size), round(corr(id, size)::numeric, 9), regr_count(id, size) FROM files',
  ),
  feature(
    'any other aggregate',
    ONLY_CITUS,
    'SELECT bit_xor(size), bool_or(flag), every(flag), min(tag COLLATE "de-x-icu") FROM files',
  ),
  feature(
    'FILTER, WITHIN GROUP',
    ONLY_CITUS,
    'SELECT count(*) FILTER (WHERE flag), percentile_disc(0.5) WITHIN GROUP (ORDER BY size) FROM files',
    'SELECT tag, mode() WITHIN GROUP (ORDER BY flag), rank(7) WITHIN GROUP (ORDER BY size) FROM files GROUP BY tag',
  ),
  feature(
    'GROUP BY expressions, HAVING',
    ['yes', 'most', 'unknown', 'partly'],
    'SELECT size % 4 AS m, count(*) FROM files GROUP BY m HAVING sum(size) > 20 ORDER BY m',
    'SELECT tag FROM files GROUP BY tag HAVING count(*) * 2 > max(size)',
  ),
  feature(
    'ROLLUP, CUBE, GROUPING SETS',
    ['no', 'unknown', 'unknown', 'unknown'],
    'SELECT tag, flag, count(*), grouping(tag) FROM files GROUP BY ROLLUP (tag, flag)',
    'SELECT tag, flag, sum(size) FROM files GROUP BY GROUPING SETS ((tag), (flag), ())',
  ),
  feature(
    'window functions over all rows',
    ['yes', 'no', 'unknown', 'no'],
    'SELECT id, rank() OVER (ORDER BY size), sum(size) OVER (ORDER BY id, user_id) FROM files',
    'SELECT id, lag(tag, 2) OVER w, count(*) OVER (w ROWS BETWEEN 3 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM files WINDOW w AS (ORDER BY id, user_id)',
  ),
  feature(
    'UNION, INTERSECT, EXCEPT, ALL',
    ['yes', 'UNION: most', 'unknown', 'unknown'],
    'SELECT user_id FROM files UNION SELECT user_id FROM members',
    'SELECT user_id FROM files INTERSECT ALL SELECT user_id FROM members',
    'SELECT size FROM files EXCEPT SELECT id FROM files',
  ),
  feature(
    'joins by the key',
    ['yes', 'most', 'yes', 'unknown'],
    'SELECT m.name, f.id FROM members m JOIN files f USING (user_id)',
    'SELECT m.name, count(f.id) FROM members m LEFT JOIN files f USING (user_id) GROUP BY 1',
  ),
  feature(
    'joins by other columns',
    ['by a setting', 'most', 'unknown', 'unknown'],
    'SELECT a.id, b.id FROM files a JOIN files b ON a.size = b.id',
    'SELECT count(*) FROM files a CROSS JOIN members b',
  ),
  feature(
    'outer joins by other columns',
    ['no', 'unknown', 'unknown', 'unknown'],
    'SELECT a.id, m.name FROM files a FULL JOIN members m ON a.id = m.user_id',
  ),
  feature(
    'LATERAL',
    UNKNOWN,
    'SELECT m.name, l.id FROM members m, LATERAL (SELECT id FROM files f WHERE f.size > m.user_id ORDER BY id, user_id LIMIT 2) l',
  ),
  feature(
    'sub-queries',
    ['yes', 'most', 'with the key', 'partly'],
    'SELECT id FROM files WHERE size = (SELECT max(size) FROM files)',
    'SELECT id FROM files WHERE user_id NOT IN (SELECT user_id FROM members)',
  ),
  feature(
    'sub-queries correlated by other columns',
    ['no', 'unknown', 'unknown', 'unknown'],
    'SELECT id FROM files f WHERE size > (SELECT avg(size) FROM files g WHERE g.tag = f.tag)',
  ),
  feature(
    'WITH',
    ['yes', 'yes', 'unknown', 'on one shard'],
    'WITH w AS MATERIALIZED (SELECT tag, count(*) n FROM files GROUP BY tag) SELECT * FROM w WHERE n > 3',
  ),
  feature(
    'WITH RECURSIVE',
    ['no', 'partly', 'unknown', 'unknown'],
    'WITH RECURSIVE r (n) AS (SELECT min(id) FROM files UNION SELECT f.id FROM files f, r WHERE f.id = r.n + 1 AND r.n < 9) SELECT n FROM r',
  ),
  feature(
    'set-returning functions, VALUES',
    ONLY_CITUS,
    'SELECT id, unnest(ARRAY[1, 2]) FROM files',
    'SELECT f.id, v.w FROM files f JOIN (VALUES (1, $$x$$), (2, $$y$$)) v (k, w) ON v.k = f.size',
  ),
  feature(
    'home and reference tables with sharded ones',
    ['yes', 'yes', 'yes', 'yes'],
    'SELECT c.name, count(*) FROM members m JOIN country c ON c.code = m.country GROUP BY 1',
    'SELECT f.id, n.body FROM files f JOIN notes n ON n.id = f.id',
  ),
  feature(
    'TABLESAMPLE',
    ['no', 'unknown', 'unknown', 'unknown'],
    'SELECT id FROM files TABLESAMPLE BERNOULLI (100)',
  ),
  feature(
    'FOR UPDATE, FOR SHARE',
    ['no', 'unknown', 'unknown', 'unknown'],
    'SELECT id FROM files WHERE size > 10 FOR UPDATE',
    'SELECT id FROM files ORDER BY id, user_id LIMIT 3 FOR UPDATE',
    'SELECT id FROM files ORDER BY id, user_id LIMIT 3 FOR NO KEY UPDATE SKIP LOCKED',
  ),
  feature(
    'volatile functions once, one now()',
    UNKNOWN,
    'SELECT count(DISTINCT now()), count(DISTINCT (SELECT random())) FROM files',
    'SELECT count(DISTINCT r) = count(*) FROM (SELECT gen_random_uuid() AS r FROM files) x',
  ),
  {
    ...feature(
      'views',
      ONLY_CITUS,
      'SELECT * FROM big WHERE owner = 42',
      'SELECT label, n FROM per_tag WHERE n > 3',
    ),
    before: [
      'CREATE VIEW big AS SELECT id, user_id AS owner, size FROM files WHERE size > 20',
      'CREATE VIEW per_tag (label, n) AS SELECT tag, count(*) FROM files GROUP BY tag',
    ],
  },
  {
    ...feature('cursors', UNKNOWN, 'FETCH 7 FROM ordered', 'FETCH ALL FROM grouped'),
    before: [
      'DECLARE ordered SCROLL CURSOR FOR SELECT id FROM files ORDER BY id, user_id',
      'DECLARE grouped CURSOR FOR SELECT tag, count(*) FROM files GROUP BY tag ORDER BY tag',
    ],
  },
  {
    ...feature(
      'EXPLAIN, ANALYZE, all formats',
      UNKNOWN,
      'EXPLAIN SELECT id FROM files ORDER BY id',
      'EXPLAIN (ANALYZE, FORMAT JSON) SELECT tag, count(*) FROM files GROUP BY tag',
      'EXPLAIN (FORMAT YAML, VERBOSE) SELECT a.id FROM files a JOIN files b ON a.size = b.id',
    ),
    tellsOwn: true,
  },
  feature(
    'UPDATE and DELETE over shards, RETURNING',
    ['yes', 'yes', 'yes', 'yes'],
    'UPDATE files SET size = size + 1 WHERE id % 2 = 0 RETURNING id, size',
    'DELETE FROM files WHERE id = 1 RETURNING *',
    'UPDATE files f SET size = 1 FROM notes n WHERE n.id = f.id RETURNING f.id, f.size, n.body || f.name',
  ),
  feature(
    'INSERT of rows for several shards, ON CONFLICT',
    ['yes', 'yes', 'yes', 'yes'],
    "INSERT INTO files (id, user_id, name) VALUES (900, 1, 'a'), (901, 2, 'b'), (0, 42, 'c') ON CONFLICT DO NOTHING RETURNING id",
  ),
  feature(
    'INSERT … SELECT',
    ['yes', 'unknown', 'unknown', 'partly'],
    'INSERT INTO files (id, user_id, size) SELECT id + 2000, user_id, size FROM files WHERE size > 40',
    'INSERT INTO files (id, user_id) SELECT 3000 + n, n FROM generate_series(1, 9) n',
  ),
  feature('UPDATE of the key', UNKNOWN, 'UPDATE files SET user_id = 77 WHERE user_id = 1'),
  feature(
    'MERGE',
    ['partly', 'unknown', 'unknown', 'unknown'],
    'MERGE INTO files f USING members m ON f.user_id = m.user_id AND f.id = 3 WHEN MATCHED THEN UPDATE SET name = m.name',
    "MERGE INTO members m USING files f ON m.name = f.name || f.id WHEN NOT MATCHED AND f.id < 3 THEN INSERT (user_id, name) VALUES (f.user_id * 1000 + f.id + 500, coalesce(f.name, 'none')) RETURNING m.*, f.id",
  ),
];

/** Where the columns of others come from. */
const SOURCES = [
  'Citus: docs.citusdata.com, "SQL Support and Workarounds" (what is not in its list of limitations is "yes")',
  'Vitess: vitess.io, "MySQL Compatibility" ("supports most of these"), vitessio/vitess#18103 and #16427',
  'ShardingSphere: shardingsphere.apache.org, "Limitations" of data sharding (stable support)',
  'PgDog: docs.pgdog.dev, "Cross-shard SELECT", release notes of 0.1.62 and 0.1.63',
];

/** What the tests found of a feature. */
export interface Verdict {
  readonly feature: Feature;
  /** Statements by what was said to each: a class of EXPLAIN, or refused. */
  readonly classes: readonly string[];
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

export function printMatrix(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ feature: { name, others }, classes }) => {
    const refused = classes.filter((each) => each === 'refused').length;
    const support = refused === 0 ? 'yes' : refused === classes.length ? 'refused' : 'partly';
    const ways = [...new Set(classes.filter((each) => each !== 'refused'))].sort().join(', ');
    return `| ${[cell(name), support, ways, ...others].join(' | ')} |`;
  });
  return [
    'Each line is what the tests found: its statements over three shards gave what one PostgreSQL gives',
    '(yes), or were refused. The class is that of EXPLAIN: 1 each shard by itself, 2 partial results',
    'merged, 3 computed by shard 0 over copies; "write" has none. "refused" there is over several shards:',
    'any of it works where the key restricts the statement to one shard. The columns of others say what',
    'their documentation says of queries over several shards; where it says nothing they say unknown.',
    '',
    '| over several shards | Drive Clone | class | Citus | Vitess | ShardingSphere | PgDog |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...SOURCES.map((source) => `* ${source}`),
  ].join('\n');
}

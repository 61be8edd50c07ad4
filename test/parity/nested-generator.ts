// Generator of nested SELECT statements: sub-queries, WITH, set operations, windows, joins.

import fc from '../support/property.ts';
import type { Generated } from './generator.ts';

const pick = (...choices: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...choices);

/** Tables and what they are called in FROM; every one has user_id and a small integer `n`. */
const relation = fc.letrec<{ relation: string; select: string }>((tie) => ({
  relation: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    pick(
      '(SELECT user_id, size AS n, tag AS s FROM files)',
      '(SELECT user_id, id AS n, name AS s FROM files)',
      '(SELECT user_id, 1 AS n, country AS s FROM members)',
    ),
    tie('select').map((text) => `(${text})`),
  ),
  select: fc
    .tuple(
      pick('', 'DISTINCT ', 'DISTINCT ON (user_id) '),
      pick(
        'user_id, n, s',
        'user_id, max(n) AS n, min(s) AS s',
        'user_id, count(*)::int AS n, max(s) AS s',
        'max(user_id) AS user_id, sum(n) AS n, min(s) AS s',
        'user_id, row_number() OVER (PARTITION BY user_id ORDER BY n, s) AS n, s',
        'user_id, sum(n) OVER (ORDER BY user_id, n, s) AS n, s',
        // No overflow: whether a plan computes what it does not need is not to be compared.
        'user_id / 2 AS user_id, n, s',
        'n AS user_id, user_id AS n, s',
        '42 AS user_id, n, s',
      ),
      tie('relation'),
      pick(
        '',
        ' WHERE user_id = 42',
        ' WHERE user_id IN (1, 2)',
        ' WHERE n > 3',
        ' WHERE n = 42',
        ' WHERE user_id = n',
        ' WHERE EXISTS (SELECT 1 FROM members m WHERE m.user_id = t.user_id)',
        ' WHERE user_id IN (SELECT user_id FROM members)',
        ' WHERE user_id NOT IN (SELECT user_id FROM members WHERE user_id = 42)',
        ' WHERE n = (SELECT max(size) FROM files f WHERE f.user_id = t.user_id)',
        ' WHERE n > (SELECT avg(size) FROM files)',
      ),
      pick('', ' GROUP BY user_id', ' GROUP BY user_id, n, s', ' ORDER BY user_id, n, s'),
      pick('', '', ' LIMIT 5'),
    )
    .map(([distinct, items, from, where, tail, limit]) => {
      // Without an order of all columns, DISTINCT ON and LIMIT may choose any rows.
      const isSorted = tail.includes('ORDER');
      const kind = distinct.includes('ON') && !isSorted ? '' : distinct;
      return `SELECT ${kind}${items} FROM ${from} t${where}${tail}${isSorted ? limit : ''}`;
    }),
}));

const joined = fc
  .tuple(
    relation.relation,
    pick('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'CROSS JOIN'),
    relation.relation,
    pick('a.user_id = b.user_id', 'a.user_id = b.user_id AND a.n = b.n', 'a.user_id = b.n', 'true'),
    pick('', ' WHERE a.user_id = 42', ' WHERE b.user_id = 1', ' WHERE a.user_id IN (1, 2)'),
    pick('a.user_id, b.n, a.s', 'count(*)', 'a.user_id, count(*)', 'sum(a.n), max(b.user_id)'),
  )
  .map(([left, join, right, on, where, items]) => {
    const condition = join === 'CROSS JOIN' ? '' : ` ON ${on}`;
    const group = items === 'a.user_id, count(*)' ? ' GROUP BY a.user_id' : '';
    return `SELECT ${items} FROM ${left} a ${join} ${right} b${condition}${where}${group}`;
  });

const setOperation = fc
  .tuple(relation.select, pick('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'), relation.select)
  .map(([left, operator, right]) => `(${left}) ${operator} (${right})`);

const withQuery = fc
  .tuple(
    relation.select,
    pick('', ' MATERIALIZED'),
    pick(
      'SELECT * FROM w',
      'SELECT count(*), max(n) FROM w',
      'SELECT a.user_id, b.n FROM w a JOIN w b ON a.user_id = b.user_id',
      'SELECT f.id FROM files f JOIN w ON w.user_id = f.user_id',
      'SELECT f.id FROM files f WHERE f.user_id IN (SELECT user_id FROM w)',
      'SELECT f.id FROM files f WHERE f.user_id = 42 AND EXISTS (SELECT 1 FROM w)',
      'SELECT (SELECT max(n) FROM w)',
      'SELECT c.name, w.n FROM country c JOIN w ON w.s = c.code',
    ),
  )
  .map(([select, materialized, body]) => `WITH w AS${materialized} (${select}) ${body}`);

const scalar = pick(
  'SELECT id, (SELECT max(name) FROM members m WHERE m.user_id = f.user_id) FROM files f',
  'SELECT id, (SELECT count(*) FROM members) FROM files f WHERE user_id = 42',
  'SELECT id, (SELECT count(*) FROM files g WHERE g.user_id = f.user_id) FROM files f',
  'SELECT id, (SELECT count(*) FROM files g WHERE g.size = f.size) FROM files f',
  'SELECT id FROM files f WHERE size = ALL (SELECT size FROM files g WHERE g.user_id = f.user_id)',
  'SELECT id, n.body FROM files f, notes n WHERE f.user_id = 42 AND n.id = f.id',
  'SELECT l.id FROM members m, LATERAL (SELECT id FROM files f WHERE f.user_id = m.user_id ORDER BY id LIMIT 2) l',
  'SELECT l.id FROM members m, LATERAL (SELECT id FROM files f WHERE f.size = 3) l',
  'SELECT tag, array_agg(id ORDER BY id) FROM files GROUP BY tag',
  'SELECT user_id, array_agg(id ORDER BY id) FROM files GROUP BY user_id',
  "SELECT user_id, string_agg(tag, ',' ORDER BY id) FROM files GROUP BY user_id HAVING max(size) > 3",
  'SELECT user_id, sum(size) + count(*) FROM files GROUP BY user_id',
  'SELECT sum(size) * 2, round(avg(size)) FROM files',
  'SELECT user_id, rank() OVER (ORDER BY count(*)) FROM files GROUP BY user_id',
  'SELECT DISTINCT ON (user_id) user_id, id FROM files ORDER BY user_id, id DESC',
);

/** What no stream of rows can be merged into; `t` has user_id, n and s. */
const analytic = fc
  .tuple(
    pick(
      'SELECT user_id, s, count(*), sum(n), grouping(user_id, s) FROM',
      'SELECT s, count(DISTINCT n), string_agg(s, $$,$$ ORDER BY n, user_id, s) FROM',
      'SELECT user_id, array_agg(n ORDER BY n DESC, user_id), max(s) FILTER (WHERE n > 3) FROM',
      'SELECT s, percentile_disc(0.5) WITHIN GROUP (ORDER BY n), rank(7) WITHIN GROUP (ORDER BY n) FROM',
      'SELECT s, stddev_pop(n), bit_xor(n), bool_or(n > 9), sum(n) / count(*) FROM',
    ),
    relation.relation,
    pick(
      '',
      ' WHERE n NOT IN (SELECT size FROM files)',
      ' WHERE n NOT IN (SELECT size FROM files WHERE size > 20)',
      ' WHERE (user_id, n) IN (SELECT user_id, size FROM files)',
      ' WHERE n IS DISTINCT FROM ALL (SELECT size FROM files WHERE id < 4)',
      ' WHERE user_id IN (SELECT size FROM files) OR s IS NULL',
    ),
    pick(
      ' GROUP BY ROLLUP (user_id, s)',
      ' GROUP BY CUBE (s, user_id)',
      ' GROUP BY GROUPING SETS ((user_id, s), (s), ())',
      ' GROUP BY user_id, s',
      ' GROUP BY s, user_id HAVING count(*) * 2 > 2',
    ),
  )
  .map(([head, from, where, group]) => `${head} ${from} t${where}${group}`);

const windowed = fc
  .tuple(
    pick(
      'sum(n) OVER (ORDER BY user_id, n, s ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)',
      'count(*) OVER (ORDER BY n RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)',
      'dense_rank() OVER (PARTITION BY s ORDER BY n)',
      'lag(n, 2, n) OVER (ORDER BY user_id, n, s)',
      'max(s) OVER (PARTITION BY n)',
      'first_value(s) OVER (ORDER BY user_id, n, s ROWS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE TIES)',
    ),
    relation.relation,
    pick('', ' WHERE user_id = 42', ' WHERE n < (SELECT avg(size) FROM files)'),
    pick(
      '',
      ' ORDER BY n FETCH FIRST 3 ROWS WITH TIES',
      ' ORDER BY s, n FETCH FIRST 1 ROW WITH TIES',
    ),
  )
  .map(
    ([over, from, where, tail]) => `SELECT user_id, n, s, ${over} FROM ${from} t${where}${tail}`,
  );

const lateral = fc
  .tuple(
    relation.relation,
    pick(', LATERAL', 'CROSS JOIN LATERAL', 'LEFT JOIN LATERAL'),
    pick(
      'SELECT count(*) AS c, max(id) AS i FROM files f WHERE f.size = t.n',
      'SELECT id AS c, size AS i FROM files f WHERE f.user_id = t.user_id ORDER BY id DESC LIMIT 2',
      'SELECT t.n + 1 AS c, m.name AS i FROM members m WHERE m.user_id < t.n',
    ),
  )
  .map(([from, join, inner]) => {
    const on = join.startsWith('LEFT') ? ' ON true' : '';
    return `SELECT t.user_id, t.s, l.c, l.i FROM ${from} t ${join} (${inner}) l${on}`;
  });

const recursive = fc
  .tuple(
    pick('SELECT min(id)', 'SELECT id', 'SELECT user_id % 5'),
    pick('', ' WHERE user_id = 42', ' WHERE size = 3'),
    pick('UNION', 'UNION ALL'),
    pick(
      'SELECT r.n + 1 FROM r WHERE r.n < 4',
      'SELECT f.id FROM files f JOIN r ON f.id = r.n + 30 WHERE r.n < 130',
      'SELECT m.user_id FROM members m, r WHERE m.user_id = r.n + 1 AND r.n < 12',
    ),
  )
  .map(
    ([first, where, union, next]) =>
      `WITH RECURSIVE r (n) AS (${first} FROM files${where} ${union} ${next}) SELECT n FROM r`,
  );

const select = relation.select;

export const nestedStatement: fc.Arbitrary<Generated> = fc
  .oneof(
    { weight: 4, arbitrary: select },
    { weight: 3, arbitrary: joined },
    { weight: 2, arbitrary: setOperation },
    { weight: 3, arbitrary: withQuery },
    { weight: 1, arbitrary: scalar },
    { weight: 3, arbitrary: analytic },
    { weight: 2, arbitrary: windowed },
    { weight: 2, arbitrary: lateral },
    { weight: 1, arbitrary: recursive },
  )
  .map((sql) => ({ sql, ordered: false, parameters: [] }));

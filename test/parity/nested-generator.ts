// Generator of nested SELECT statements: sub-queries, WITH, set operations, windows, joins.

import fc from 'fast-check';
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
        'user_id + 1 AS user_id, n, s',
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

const select = relation.select;

export const nestedStatement: fc.Arbitrary<Generated> = fc
  .oneof(
    { weight: 4, arbitrary: select },
    { weight: 3, arbitrary: joined },
    { weight: 2, arbitrary: setOperation },
    { weight: 3, arbitrary: withQuery },
    { weight: 1, arbitrary: scalar },
  )
  .map((sql) => ({ sql, ordered: false, parameters: [] }));

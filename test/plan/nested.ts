// Generator of nested SELECT statements: joins of joins, sub-queries, WITH, windows, set operations.

import fc from '../support/property.ts';

const pick = (...choices: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...choices);

/**
 * Relations whose columns are k (the sharding key or something like it), n (int4) and t (text). Few
 * rows of a key, or joins of joins would give millions.
 */
const BASES = [
  'SELECT user_id AS k, size AS n, tag AS t FROM files WHERE id < 12',
  'SELECT user_id AS k, id::int AS n, name AS t FROM files WHERE id < 12',
  'SELECT user_id AS k, length(name) AS n, country AS t FROM members',
  'SELECT id AS k, size AS n, tag AS t FROM files WHERE id < 12',
  'SELECT user_id + 0 AS k, size AS n, name AS t FROM files WHERE id < 12',
  'SELECT length(name)::int8 AS k, length(code) AS n, code AS t FROM country',
  "SELECT x::int8 AS k, x AS n, 'de' AS t FROM generate_series(1, 3) AS x",
  "SELECT * FROM (VALUES (42::int8, 1, 'de'), (1, NULL, 'red')) AS v (k, n, t)",
] as const;

const literalKey = pick('42', '1', '8', '-17', '100000', "'42'", 'NULL');

type Levels = {
  readonly relation: string;
  readonly from: string;
  readonly condition: string;
  readonly query: string;
};

/** All of a statement's levels count together, or statements would grow without end. */
const DEEP = { maxDepth: 2, depthIdentifier: 'nested' };

/** `choices[0]` is taken where a statement is deep enough. */
const oneOf = (...choices: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.oneof(DEEP, ...choices);

const grammar = fc.letrec<Levels>((tie) => ({
  relation: oneOf(
    pick(...BASES),
    pick(...BASES.slice(0, 3)),
    tie('query'),
    fc
      .tuple(tie('query'), tie('query'), pick('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'))
      .map(([a, b, how]): string => `(${a}) ${how} (${b})`),
    tie('query').map((query) => `${query} ORDER BY 1, 2, 3 LIMIT 2`),
  ),
  from: oneOf(
    pick(`(${BASES[0]}) AS a`),
    tie('relation').map((relation) => `(${relation}) AS a`),
    fc
      .tuple(
        tie('relation'),
        tie('relation'),
        pick('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'),
        pick(
          'a.k = b.k',
          'a.k = b.k AND a.n > 5',
          'a.k = b.k AND b.k = 42',
          'a.n = b.n',
          'b.k = 1 AND a.k = 1',
          'b.k = a.k AND a.t = b.t',
        ),
      )
      .map(
        ([left, right, join, on]) =>
          `(SELECT a.k, b.k AS k2, b.n, a.t FROM (${left}) AS a ${join} (${right}) AS b ON ${on}) AS a`,
      ),
    fc
      .tuple(tie('relation'), tie('relation'), pick('JOIN', 'LEFT JOIN', 'RIGHT JOIN'))
      .map(
        ([left, right, join]) =>
          `(SELECT k, b.n, a.t FROM (${left}) AS a ${join} (${right}) AS b USING (k)) AS a`,
      ),
    fc
      .tuple(tie('relation'), tie('relation'), pick('true', 'x.k = a.k', 'x.k = a.k AND x.n > 1'))
      .map(
        ([left, right, on]) =>
          `(SELECT a.k, s.n, a.t FROM (${left}) AS a, LATERAL (SELECT x.n FROM (${right}) AS x WHERE ${on}) AS s) AS a`,
      ),
  ),
  condition: oneOf(
    literalKey.map((key) => `a.k = ${key}`),
    fc
      .array(literalKey, { minLength: 1, maxLength: 3 })
      .map((keys) => `a.k IN (${keys.join(', ')})`),
    pick('a.n > 10', "a.t = 'red'", 'a.k IS NULL', 'a.n IS NOT NULL', 'true'),
    fc
      .tuple(tie('condition'), pick('AND', 'OR'), tie('condition'))
      .map((parts) => `(${parts.join(' ')})`),
    tie('condition').map((inner) => `NOT (${inner})`),
    fc
      .tuple(pick('IN', 'NOT IN'), tie('relation'))
      .map(([how, relation]) => `a.k ${how} (SELECT s.k FROM (${relation}) AS s)`),
    fc
      .tuple(
        pick('EXISTS', 'NOT EXISTS'),
        tie('relation'),
        pick('s.k = a.k', 's.n = a.n', 's.k = a.k AND a.k = 42', 's.k = a.k OR s.n = 1'),
      )
      .map(([how, relation, on]) => `${how} (SELECT 1 FROM (${relation}) AS s WHERE ${on})`),
    fc
      .tuple(tie('relation'), pick('s.k = a.k', 'true'))
      .map(([relation, on]) => `a.n > (SELECT count(*) FROM (${relation}) AS s WHERE ${on})`),
  ),
  query: fc
    .tuple(
      pick(
        'SELECT a.k, a.n, a.t FROM %',
        'SELECT a.k, a.n, a.t FROM %',
        'SELECT DISTINCT a.k, a.n, a.t FROM %',
        'SELECT DISTINCT a.k, 1 AS n, a.t FROM %',
        'SELECT DISTINCT 1::int8 AS k, a.n, a.t FROM %',
        'SELECT a.k, count(*)::int AS n, min(a.t) AS t FROM % GROUP BY a.k',
        'SELECT a.k, max(a.n) AS n, a.t FROM % GROUP BY a.k, a.t',
        'SELECT 1::int8 AS k, a.n, a.t FROM % GROUP BY a.n, a.t',
        'SELECT count(*) AS k, max(a.n) AS n, min(a.t) AS t FROM %',
        'SELECT sum(a.n) AS k, count(DISTINCT a.k)::int AS n, max(a.t) AS t FROM %',
        'SELECT a.k, (row_number() OVER (PARTITION BY a.k ORDER BY a.n, a.t))::int AS n, a.t FROM %',
        'SELECT a.k, (count(*) OVER (PARTITION BY a.t))::int AS n, a.t FROM %',
        'SELECT DISTINCT ON (a.k) a.k, a.n, a.t FROM %',
        'WITH w AS (SELECT * FROM %) SELECT a.k, a.n, a.t FROM w AS a',
        'WITH w AS (SELECT * FROM %) SELECT a.k, b.n, b.t FROM w AS a JOIN w AS b ON a.k = b.k',
        'WITH w AS (SELECT * FROM %) SELECT a.k, b.n, b.t FROM w AS a LEFT JOIN w AS b ON a.k = b.k AND a.k = 42',
      ),
      tie('from'),
      fc.option(tie('condition')),
    )
    .map(([template, from, condition]) => filled(template, from, condition)),
}));

function filled(template: string, from: string, condition: string | null): string {
  const where = condition === null ? '' : ` WHERE ${condition}`;
  if (template.startsWith('WITH')) {
    return template.replace('%', () => from) + where;
  }
  const [head, tail] = template.split('%') as [string, string];
  const order = template.includes('DISTINCT ON') ? ' ORDER BY a.k, a.n, a.t' : '';
  return `${head}${from}${where}${tail}${order}`;
}

const direct: fc.Arbitrary<string> = fc
  .tuple(
    pick(
      'SELECT m.user_id, count(*) FROM files f % members m ON ? GROUP BY m.user_id',
      'SELECT f.user_id, count(m.name) FROM files f % members m ON ? GROUP BY f.user_id',
      'SELECT DISTINCT m.user_id FROM files f % members m ON ?',
      'SELECT DISTINCT m.* FROM files f % members m ON ?',
      'SELECT count(DISTINCT m.user_id), count(DISTINCT f.user_id) FROM files f % members m ON ?',
      'SELECT f.id, m.name, rank() OVER (PARTITION BY m.user_id ORDER BY f.id) FROM files f % members m ON ?',
      'SELECT c.name, count(*) FROM members m % country c ON c.code = m.country GROUP BY c.name',
      'SELECT c.name, m.user_id FROM country c % members m ON c.code = m.country',
    ),
    pick('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'),
    pick('f.user_id = m.user_id', 'f.user_id = m.user_id AND m.user_id = 42', 'f.id = m.user_id'),
  )
  .map(([template, join, on]) => template.replace('%', join).replace('?', on));

/** A statement whose rows come in any order. */
export const nested: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: grammar.query, weight: 9 },
  { arbitrary: direct, weight: 1 },
);

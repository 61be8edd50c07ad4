// Generator of SELECT statements over the parity tables, for differential tests.

import fc from '../support/property.ts';

/** A statement and whether it decides the order of all its rows. */
export interface Generated {
  readonly sql: string;
  readonly ordered: boolean;
  readonly parameters: readonly unknown[];
}

const pick = (...choices: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...choices);

const NUMBERS = ['size', 'ratio', 'price', 'id', 'user_id'] as const;
const COLUMNS = [...NUMBERS, 'name', 'flag', 'made', 'day', 'tag'] as const;
const KEYS = ['42', '1', '2', '-17', '0', '100000', '9223372036854775807', '2147483648', '77'];

const key = pick(...KEYS, 'NULL', "'42'", "' 1 '", '42::int8', "'8'::bigint", '(1 + 1)', '-(-42)');

const keyCondition: fc.Arbitrary<string> = fc.oneof(
  key.map((value) => `user_id = ${value}`),
  key.map((value) => `${value} = user_id`),
  fc.array(key, { minLength: 1, maxLength: 4 }).map((keys) => `user_id IN (${keys.join(', ')})`),
  fc
    .array(pick(...KEYS), { minLength: 1, maxLength: 3 })
    .map((keys) => `user_id = ANY ('{${keys.join(',')}}')`),
  fc
    .array(key, { minLength: 1, maxLength: 3 })
    .map((keys) => `user_id = ANY (ARRAY[${keys.join(', ')}]::int8[])`),
  key.map((value) => `user_id <> ${value}`),
  key.map((value) => `user_id >= ${value}`),
  key.map((value) => `(user_id, id) = (${value}, 3)`),
  pick('user_id IS NULL', 'user_id = id', 'user_id % 2 = 0', 'user_id = size', 'user_id = 42.5'),
);

const otherCondition = pick(
  'size > 20',
  'size IS NULL',
  'flag',
  'NOT flag',
  'flag IS NOT TRUE',
  "tag = 'red'",
  "tag > 'm'",
  "name LIKE 'file 1%'",
  'ratio BETWEEN -1 AND 3',
  "day < '2026-02-03'",
  'true',
  'false',
  'id < 70',
  "made >= '2026-03-01'",
);

const condition: fc.Arbitrary<string> = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    keyCondition,
    otherCondition,
    fc.tuple(tie('tree'), pick('AND', 'OR'), tie('tree')).map((parts) => `(${parts.join(' ')})`),
    tie('tree').map((inner) => `NOT (${inner})`),
  ),
})).tree;

const where = fc.option(condition).map((text) => (text === null ? '' : ` WHERE ${text}`));

const bound = fc
  .tuple(pick('', ' LIMIT 5', ' LIMIT 0', ' LIMIT 40', ' LIMIT ALL'), pick('', ' OFFSET 3'))
  .map((parts) => parts.join(''));

const direction = pick('', ' ASC', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST');

const sortKeys = fc
  .array(fc.tuple(pick(...COLUMNS, 'size + 1', '-ratio', 'upper(tag)', 'day + 1'), direction), {
    maxLength: 2,
  })
  .map((keys) => [...keys.map((parts) => parts.join('')), 'id', 'user_id'].join(', '));

const items = fc
  .array(pick(...COLUMNS, 'size * 2 AS twice', "tag || 'x'", 'ratio::text', '*', 'files.id AS i'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((list) => list.join(', '));

const rows: fc.Arbitrary<Generated> = fc
  .tuple(items, where, fc.boolean(), sortKeys, bound)
  .map(([list, filter, ordered, keys, limit]) => ({
    sql: `SELECT ${list} FROM files${filter}${ordered ? ` ORDER BY ${keys}${limit}` : ''}`,
    ordered,
    parameters: [],
  }));

const distinct: fc.Arbitrary<Generated> = fc
  .tuple(fc.uniqueArray(pick(...COLUMNS), { minLength: 1, maxLength: 3 }), where, direction, bound)
  .map(([columns, filter, order, limit]) => ({
    sql:
      `SELECT DISTINCT ${columns.join(', ')} FROM files${filter} ` +
      `ORDER BY ${columns.map((column) => column + order).join(', ')}${limit}`,
    ordered: true,
    parameters: [],
  }));

const aggregate = fc.oneof(
  fc.constant('count(*)'),
  fc
    .tuple(pick('count', 'min', 'max', 'sum', 'avg'), pick(...NUMBERS))
    .map(([name, column]) => `${name}(${column})`),
  fc
    .tuple(pick('count', 'min', 'max'), pick('name', 'made', 'day', 'tag'))
    .map(([name, column]) => `${name}(${column})`),
  pick(
    'sum(size * 2)',
    'max(size + id)',
    'avg(ratio + 1)',
    'count(size > 3)',
    'sum(DISTINCT size)',
  ),
);

const groups = fc.uniqueArray(pick('user_id', 'tag', 'flag', 'day', 'size % 4', 'name'), {
  maxLength: 2,
});

const having = pick(
  '',
  ' HAVING count(*) > 3',
  ' HAVING sum(size) IS NOT NULL AND count(*) < 30',
  ' HAVING max(size) >= 40 OR min(size) = 0',
  " HAVING min(tag) > 'a'",
);

const grouped: fc.Arbitrary<Generated> = fc
  .tuple(groups, fc.array(aggregate, { minLength: 1, maxLength: 3 }), where, having, bound)
  .map(([keys, aggregates, filter, having, limit]) => {
    const list = [...keys, ...aggregates].join(', ');
    const by = keys.length === 0 ? '' : ` GROUP BY ${keys.join(', ')}`;
    const order = keys.length === 0 ? '' : ` ORDER BY ${keys.map((_, i) => i + 1).join(', ')}`;
    const text = `SELECT ${list} FROM files${filter}${by}${having}${order}${limit}`;
    return { sql: text, ordered: true, parameters: [] };
  });

const joined: fc.Arbitrary<Generated> = fc
  .tuple(
    pick('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'),
    pick(
      'm.user_id = f.user_id',
      'f.user_id = m.user_id AND f.size > 10',
      'm.user_id = f.user_id AND f.user_id = 42',
      'm.user_id = f.id',
      "m.country = 'de'",
    ),
    pick('', ' WHERE f.user_id = 42', ' WHERE m.user_id IN (1, 2)', ' WHERE m.country IS NULL'),
    fc.boolean(),
  )
  .map(([join, on, filter, counts]) => ({
    sql: counts
      ? `SELECT m.country, count(*), sum(f.size) FROM files f ${join} members m ON ${on}${filter} GROUP BY m.country ORDER BY 1`
      : `SELECT f.id, m.name FROM files f ${join} members m ON ${on}${filter} ORDER BY f.id, m.name`,
    ordered: true,
    parameters: [],
  }));

const byParameter: fc.Arbitrary<Generated> = fc
  .tuple(
    pick('user_id = $1', '$1 = user_id', 'user_id = $1::int8', 'user_id IN ($1, 1)'),
    pick(...KEYS),
    pick('', ' AND size > 5', ' OR size = 7'),
    pick('id, name, made, price', 'count(*), sum(size), avg(price)'),
  )
  .map(([match, value, rest, list]) => ({
    sql: `SELECT ${list} FROM files WHERE ${match}${rest}`,
    ordered: false,
    parameters: [value],
  }));

const byArray: fc.Arbitrary<Generated> = fc.array(pick(...KEYS), { maxLength: 4 }).map((keys) => ({
  sql: 'SELECT id, user_id FROM files WHERE user_id = ANY ($1) ORDER BY id, user_id',
  ordered: true,
  parameters: [keys],
}));

export const statement: fc.Arbitrary<Generated> = fc.oneof(
  { weight: 4, arbitrary: rows },
  { weight: 2, arbitrary: distinct },
  { weight: 4, arbitrary: grouped },
  { weight: 2, arbitrary: joined },
  { weight: 2, arbitrary: byParameter },
  { weight: 1, arbitrary: byArray },
);

// Parameterization: which literals become parameters, and with which types.

import { beforeAll, describe, expect, it } from 'vitest';
import { Planner } from '../../src/plan/planner.ts';
import { loadParser } from '../../src/sql/parser.ts';
import { testTopology } from './catalog.ts';

beforeAll(loadParser);

const topology = testTopology();

function parameterized(sql: string) {
  const { plan } = new Planner({ cacheBytesMax: 1 << 20 }).plan(sql, topology, null);
  return plan.op === 'routed' ? plan.parameterized : null;
}

describe('A literal becomes a parameter', () => {
  it.each([
    ['SELECT id FROM files WHERE user_id = 42', 'SELECT id FROM files WHERE user_id = $1 ', [23]],
    ["SELECT id FROM files WHERE user_id = '42'", 'SELECT id FROM files WHERE user_id = $1 ', [0]],
    [
      'SELECT id FROM files WHERE 9999999999 = user_id',
      'SELECT id FROM files WHERE $1  = user_id',
      [20],
    ],
    [
      'SELECT id FROM files WHERE user_id=1 and size>2.5 LIMIT 3',
      'SELECT id FROM files WHERE user_id=$1  and size>$2  LIMIT $3 ',
      [23, 1700, 23],
    ],
    [
      "SELECT id FROM files WHERE user_id = 1 AND (name IN ('a', 'b') OR size BETWEEN 1 AND 2)",
      'SELECT id FROM files WHERE user_id = $1  AND (name IN ($2 , $3 ) OR size BETWEEN $4  AND $5 )',
      [23, 0, 0, 23, 23],
    ],
    ['DELETE FROM files WHERE user_id = 42', 'DELETE FROM files WHERE user_id = $1 ', [23]],
    [
      "UPDATE files SET name = 'a', size = size + 5 WHERE user_id = 42",
      'UPDATE files SET name = $1 , size = size + $2  WHERE user_id = $3 ',
      [0, 23, 23],
    ],
    [
      "INSERT INTO files (user_id, name) VALUES (42, 'a')",
      'INSERT INTO files (user_id, name) VALUES ($1 , $2 )',
      [23, 0],
    ],
  ])('%s', (sql, text, types) => {
    expect(parameterized(sql)).toMatchObject({ sql: text, types });
  });
});

describe('The literals of one shape fit their parameters', () => {
  it.each([
    ['SELECT name FROM users WHERE user_id = 42', true],
    ["SELECT name FROM users WHERE user_id = 42 AND country = 'a'", true],
    ["SELECT name FROM users WHERE user_id = '42'", false],
    ["SELECT name FROM users AS u (user_id, country) WHERE user_id = 42 AND country = 'a'", false],
    [
      "SELECT u.name FROM users u JOIN users v USING (user_id) WHERE u.user_id = 42 AND u.name = 'a'",
      false,
    ],
    ['SELECT name FROM users WHERE user_id = 9999999999', false],
    ["UPDATE users SET name = 'a' WHERE user_id = 42", true],
    ["INSERT INTO users (user_id, name) VALUES (42, 'a')", true],
    ["INSERT INTO users VALUES (42, 'a')", true],
    ["INSERT INTO users (user_id) VALUES ('42')", false],
  ])('%s: %s', (sql, fits) => {
    expect(parameterized(sql)?.fits).toBe(fits);
  });
});

describe('Servers can keep a statement', () => {
  it.each([
    ['SELECT name FROM users WHERE user_id = 42', 'anywhere'],
    ['SELECT name FROM users WHERE user_id = 42 FOR UPDATE', 'anywhere'],
    ['SELECT * FROM users WHERE user_id = 42', 'retried'],
    ['SELECT name FROM users WHERE user_id = 9999999999', 'retried'],
    ['SELECT current_query() FROM users WHERE user_id = 42', 'never'],
    [`SELECT name AS ${'x'.repeat(64)} FROM users WHERE user_id = 42`, 'never'],
    ["UPDATE users SET name = 'a' WHERE user_id = 42", 'anywhere'],
    ["UPDATE users SET name = 'a' WHERE user_id = 42 RETURNING *", 'retried'],
    ["UPDATE loose SET note = 'a' WHERE user_id = 42", 'never'],
    ['DELETE FROM users WHERE user_id = 42', 'never'],
    ["WITH a AS (SELECT 1) UPDATE users SET name = 'a' WHERE user_id = 42", 'never'],
    ['EXPLAIN SELECT name FROM users WHERE user_id = 42', 'never'],
  ])('%s: %s', (sql, keeping) => {
    const { plan } = new Planner({ cacheBytesMax: 1 << 20 }).plan(sql, topology, null);
    expect(plan).toMatchObject({ keeping });
  });
});

describe('A literal stays where it is, and with it all others,', () => {
  it.each([
    ['in the select list', "SELECT 'a', id FROM files WHERE user_id = 42"],
    ['with a sign', 'SELECT id FROM files WHERE user_id = -42'],
    ['compared with an expression', 'SELECT id FROM files WHERE user_id = 42 AND size + 1 > 5'],
    ['with a cast', "SELECT id FROM files WHERE user_id = 42 AND name = 'a'::text"],
    ['with a type', "SELECT id FROM files WHERE user_id = 42 AND created < date '2024-01-01'"],
    ['as a pattern', "SELECT id FROM files WHERE user_id = 42 AND name LIKE 'a%'"],
    ['in a sub-query', 'SELECT id FROM files f WHERE user_id = 42 AND EXISTS (SELECT 1)'],
    ['with escapes', "UPDATE files SET name = E'a\\nb' WHERE user_id = 42"],
    ['beside parameters', 'SELECT id FROM files WHERE user_id = 42 AND size = $1'],
    ['in ORDER BY', 'SELECT id FROM files WHERE user_id = 42 ORDER BY 1'],
    ['beside a column that is given text', "UPDATE files SET size = size + '1' WHERE user_id = 42"],
    ['in another expression', 'UPDATE files SET size = abs(5) WHERE user_id = 42'],
    ['of a row', "UPDATE files SET (name, size) = ('a', 5) WHERE user_id = 42"],
    ['that is returned', 'DELETE FROM files WHERE user_id = 42 RETURNING 1'],
  ])('%s', (_, sql) => {
    expect(parameterized(sql)).toBeNull();
  });
});

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
  ])('%s', (sql, text, types) => {
    expect(parameterized(sql)).toEqual({ sql: text, types });
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
    ['beside parameters', 'SELECT id FROM files WHERE user_id = 42 AND size = $1'],
    ['in ORDER BY', 'SELECT id FROM files WHERE user_id = 42 ORDER BY 1'],
    ['of a write', 'DELETE FROM files WHERE user_id = 42'],
  ])('%s', (_, sql) => {
    expect(parameterized(sql)).toBeNull();
  });
});

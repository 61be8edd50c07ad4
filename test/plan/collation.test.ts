// Collation: text is merged by its bytes only where every shard sorts it so.

import { beforeAll, describe, expect, it } from 'vitest';
import { Planner } from '../../src/plan/planner.ts';
import { loadParser } from '../../src/sql/parser.ts';
import { testTopology } from './catalog.ts';

beforeAll(loadParser);

const byBytes = testTopology(4, true);
const byLanguage = testTopology(4, false);

const opOf = (sql: string, topology: typeof byBytes) =>
  new Planner({ cacheBytesMax: 1 << 20 }).planExact(sql, topology, null).op;

/** Whether shard 0 computes the statement by its own collation. */
function isByEngine(sql: string, topology: typeof byBytes): boolean {
  const plan = new Planner({ cacheBytesMax: 1 << 20 }).planExact(sql, topology, null);
  return plan.op === 'routed' && plan.merge?.how === 'engine';
}

describe('a default collation of a language', () => {
  it.each([
    'SELECT * FROM users ORDER BY name',
    'SELECT * FROM users ORDER BY user_id, lower(name)',
    'SELECT name AS n FROM users ORDER BY n',
    'SELECT * FROM users ORDER BY 2',
    'SELECT min(name) FROM users',
    'SELECT country, count(*) FROM users GROUP BY country ORDER BY country',
    'SELECT country, count(*) FROM users GROUP BY country ORDER BY max(name)',
    "SELECT * FROM users ORDER BY CASE WHEN user_id = 1 THEN 'a' ELSE name END",
    "SELECT * FROM users ORDER BY name || 'x'",
    'SELECT * FROM users ORDER BY (SELECT code FROM country LIMIT 1)',
    'SELECT * FROM users ORDER BY user_id::text',
    "SELECT country, count(*) FROM users GROUP BY country HAVING country > 'Z'",
    'SELECT country, count(*) FROM users GROUP BY country HAVING country BETWEEN $1 AND $2',
  ])('leaves %s to the engine', (sql) => {
    expect(isByEngine(sql, byLanguage)).toBe(true);
  });

  it.each([
    'SELECT * FROM users ORDER BY name COLLATE "C"',
    'SELECT * FROM users ORDER BY user_id',
    'SELECT * FROM users ORDER BY length(name), name IS NULL',
    'SELECT min(name COLLATE "C") FROM users',
    'SELECT country, count(*) FROM users GROUP BY country ORDER BY count(*)',
    'SELECT DISTINCT country FROM users',
    "SELECT country, count(*) FROM users GROUP BY country HAVING country IN ('DE', $1) OR count(*) > 3",
    "SELECT count(*) FROM users GROUP BY country HAVING max(user_id) > '7'",
  ])('merges %s', (sql) => {
    expect(isByEngine(sql, byLanguage)).toBe(false);
    expect(opOf(sql, byLanguage)).toBe('routed');
  });

  it('is no matter where the C collation is the default', () => {
    expect(isByEngine('SELECT * FROM users ORDER BY name', byBytes)).toBe(false);
    expect(isByEngine('SELECT min(name) FROM users', byBytes)).toBe(false);
  });
});

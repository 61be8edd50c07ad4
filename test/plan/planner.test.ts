// Planner: the plan cached for a shape leads every text of that shape where its own plan does.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { type Planned, Planner } from '../../src/plan/planner.ts';
import { targetsOf } from '../../src/plan/route.ts';
import { loadParser } from '../../src/sql/parser.ts';
import { shapeOf } from '../../src/sql/shape.ts';
import fc from '../support/property.ts';
import { readCases } from './case-file.ts';
import { testTopology } from './catalog.ts';
import { text, values } from './values.ts';

beforeAll(loadParser);

const topology = testTopology();
const newPlanner = () => new Planner({ cacheBytesMax: 1 << 24 });

const FOLDER = join(import.meta.dirname, 'cases');
const STATEMENTS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .flatMap((name) => readCases(join(FOLDER, name)).map(({ sql }) => sql));

const NUMBERS = ['0', '1', '2', '5', '42', '-7', '2147483647'];
const PARAMETERS = Array.from({ length: 9 }, (_, i) => text(String(i)));

/** Where a plan leads and what it does there, without what only matters on several shards. */
function outcome({ plan, literals }: Planned): unknown {
  if (plan.op !== 'routed') return plan;
  const { route, verb, effect, pins, action, copy } = plan;
  const shards = targetsOf(route, values(PARAMETERS, [...(literals ?? [])]), topology);
  const several = shards.length > 1;
  return { shards, verb, effect, pins, action, copy, several };
}

function attempt(run: () => Planned): unknown {
  try {
    return outcome(run());
  } catch (error) {
    if (error instanceof SqlError) return error.code;
    throw error;
  }
}

/** The text with its n-th integer literal replaced. */
function replaced(sql: string, n: number, literal: string): string {
  const starts: number[] = [];
  const shape = shapeOf(sql, starts);
  if (shape === null || shape.literals.length === 0) return sql;
  const i = n % shape.literals.length;
  const start = starts[i]!;
  const old = shape.literals[i]!;
  const value = old.startsWith("'") ? `'${literal}'` : literal.replace('-', '');
  return sql.slice(0, start) + value + sql.slice(start + old.length);
}

describe('Planner.plan', () => {
  it('sends every text of a cached shape where the plan of the text itself leads', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STATEMENTS),
        fc.array(fc.tuple(fc.nat(9), fc.constantFrom(...NUMBERS)), { maxLength: 4 }),
        (sql, changes) => {
          const planner = newPlanner();
          attempt(() => planner.plan(sql, topology, null));
          let text = sql;
          for (const [n, literal] of changes) text = replaced(text, n, literal);
          const cached = attempt(() => planner.plan(text, topology, null));
          const exact = attempt(() => ({
            plan: newPlanner().planExact(text, topology, null),
            literals: null,
          }));
          expect(cached, text).toEqual(exact);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('gives one plan for texts that differ in the key, and what is needed to route each', () => {
    const planner = newPlanner();
    const one = planner.plan('SELECT * FROM users WHERE user_id = 1', topology, null);
    const other = planner.plan('SELECT * FROM users WHERE user_id = 2', topology, null);
    expect(other.plan).toBe(one.plan);
    expect(outcome(one)).toMatchObject({ shards: [1] });
    expect(outcome(other)).toMatchObject({ shards: [2] });
    expect(one.plan).toMatchObject({ replan: true, merge: null, refusal: null });
  });

  it('counts the text that is run with what all shards tell, beside the one that was written', () => {
    const planner = newPlanner();
    const sql = `SELECT '${'x'.repeat(10_000)}' FROM pg_sequences`;
    planner.plan(sql, topology, null);
    expect(planner.cacheBytes).toBeGreaterThan(4 * sql.length);
  });

  it('plans the very text again when several shards come out', () => {
    const planner = newPlanner();
    const sql = 'SELECT count(*) FROM users WHERE user_id IN (1, 2)';
    const { plan } = planner.plan(sql, topology, null);
    expect(plan).toMatchObject({ replan: true });
    const exact = planner.planExact(sql, topology, null);
    expect(exact).toMatchObject({ replan: false, merge: { how: 'aggregate' } });
  });

  it('keeps a plan for its text alone where a literal names the sequence that is set', () => {
    const planner = newPlanner();
    const plan = (name: string) =>
      planner.plan(`SELECT setval('${name}', 5) + 1`, topology, null).plan;
    expect(plan('audit_id_seq')).toMatchObject({ op: 'routed' });
    expect(plan('tickets')).toMatchObject({ op: 'refused' });
  });

  it('gives every SELECT over several shards to the merge engine when that is forced', () => {
    const planner = new Planner({ cacheBytesMax: 1 << 24, forceEngine: true });
    const sql = 'SELECT name FROM users ORDER BY name LIMIT 3';
    expect(planner.plan(sql, topology, null).plan).toMatchObject({ merge: { how: 'engine' } });
    expect(newPlanner().plan(sql, topology, null).plan).toMatchObject({
      merge: { how: 'concat' },
    });
  });

  it('keeps plans of two search paths apart', () => {
    const planner = newPlanner();
    const sql = 'SELECT * FROM users WHERE user_id = 1';
    const other = Object.freeze(['other', 'public']);
    const routeOf = (plan: Plan) => (plan.op === 'routed' ? plan.route.kind : null);
    expect(routeOf(planner.plan(sql, topology, null).plan)).toBe('keys');
    expect(routeOf(planner.plan(sql, topology, other).plan)).toBe('home');
    expect(routeOf(planner.plan(sql, topology, null).plan)).toBe('keys');
    expect(routeOf(planner.planExact(sql, topology, other))).toBe('home');
  });

  it.each([
    ['ALTER TABLE scratch RENAME TO users', 'refused'],
    ['ALTER TABLE IF EXISTS pg_temp.scratch RENAME TO country', 'refused'],
    ['ALTER TABLE audit RENAME TO users', 'refused'],
    ['ALTER TABLE scratch RENAME TO audit', 'routed'],
    ['ALTER TABLE scratch RENAME TO other_scratch', 'routed'],
    ['ALTER VIEW scratch RENAME TO users', 'refused'],
    ['ALTER SEQUENCE pg_temp.scratch RENAME TO country', 'refused'],
    ['ALTER INDEX scratch RENAME TO users', 'refused'],
    ['ALTER VIEW scratch RENAME TO other_scratch', 'routed'],
  ])('with temporary tables in sight plans %s: %s', (sql, op) => {
    const path = Object.freeze(['pg_temp', 'public']);
    expect(newPlanner().plan(sql, topology, path).plan.op).toBe(op);
  });

  it('forgets its plans when the topology changes', () => {
    const planner = newPlanner();
    const sql = 'SELECT * FROM users WHERE user_id = 1';
    const before = planner.plan(sql, topology, null).plan;
    const after = planner.plan(sql, { ...topology, version: 2 }, null).plan;
    expect(after).not.toBe(before);
    expect(after).toEqual(before);
  });

  it('keeps a refusal to its statement of a text', () => {
    const { plan } = newPlanner().plan("SELECT 1; COMMIT PREPARED 'x'", topology, null);
    const ops = plan.op === 'sequence' ? plan.parts.map((part) => part.plan.op) : [];
    expect(ops).toEqual(['routed', 'refused']);
  });
});

describe('Planner.planByHand', () => {
  const byHand = (sql: string) => newPlanner().planByHand(sql, topology, null);

  it('refuses no row statement, DDL, COPY or EXPLAIN, whatever tables it is about', () => {
    const allowed = /PREPARED|^PREPARE|^EXECUTE|standard_conforming|array_nulls|drive\./i;
    for (const sql of STATEMENTS.filter((each) => !allowed.test(each))) {
      expect(byHand(sql).op, sql).not.toBe('refused');
    }
  });

  it('keeps effect, pins, action and COPY', () => {
    expect(byHand('SELECT * FROM users')).toMatchObject({ op: 'routed', effect: 'read' });
    expect(byHand('UPDATE users SET name = 1')).toMatchObject({ effect: 'write' });
    expect(byHand('SELECT * FROM users FOR UPDATE')).toMatchObject({ effect: 'write' });
    expect(byHand('TRUNCATE users')).toMatchObject({ effect: 'write' });
    expect(byHand('ALTER TABLE users ADD x int')).toMatchObject({ effect: 'ddl' });
    expect(byHand('COPY users FROM STDIN')).toMatchObject({ copy: 'in', effect: 'write' });
    expect(byHand('COPY users TO STDOUT')).toMatchObject({ copy: 'out', effect: 'read' });
    expect(byHand('CREATE TEMP TABLE users (id int)')).toMatchObject({ pins: ['temporary table'] });
    expect(byHand('SELECT 1 INTO TEMP x')).toMatchObject({ pins: ['temporary table'] });
    expect(byHand('SELECT pg_advisory_lock(1)')).toMatchObject({ pins: ['advisory lock'] });
    expect(byHand('EXPLAIN ANALYZE DELETE FROM users')).toMatchObject({ effect: 'write' });
    expect(byHand('BEGIN')).toMatchObject({ op: 'session', action: { action: 'transaction' } });
    expect(byHand('SET drive.shard = 2')).toMatchObject({ op: 'session' });
    expect(byHand(';SET TimeZone = 1;')).toMatchObject({
      action: { action: 'set', assignment: 'TimeZone = 1' },
    });
    expect(byHand('DECLARE c CURSOR FOR SELECT * FROM users')).toMatchObject({
      action: { action: 'cursor', verb: 'declare', name: 'c' },
    });
    expect(byHand('SELECT 1; TRUNCATE users')).toMatchObject({
      op: 'sequence',
      parts: [{ plan: { effect: 'read' } }, { plan: { effect: 'write' } }],
    });
    expect(byHand('-- nothing')).toMatchObject({ op: 'empty' });
    expect(byHand('nonsense')).toMatchObject({ op: 'routed' });
  });
});

// Golden plans: every statement of test/plan/cases gets the plan that is written under it.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { explainPlan } from '../../src/plan/explain.ts';
import { Planner } from '../../src/plan/planner.ts';
import { loadParser } from '../../src/sql/parser.ts';
import { readCases, writeCases } from './case-file.ts';
import { testTopology } from './catalog.ts';

const FOLDER = join(import.meta.dirname, 'cases');
const topology = testTopology();

beforeAll(loadParser);

/** A comment before a statement gives it another path than the server's. */
const pathOf = (sql: string): readonly string[] | null =>
  /^\/\* search_path = (.*?) \*\//.exec(sql)?.[1]?.split(', ') ?? null;

function planOf(sql: string): string {
  const planner = new Planner({ cacheBytesMax: 1 << 20 });
  try {
    return explainPlan(planner.planExact(sql, topology, pathOf(sql)));
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return `error: ${error.code} ${error.message}`;
  }
}

describe.each(readdirSync(FOLDER).filter((name) => name.endsWith('.txt')))('%s', (name) => {
  const path = join(FOLDER, name);
  const cases = readCases(path);

  // UPDATE_PLANS=1 writes the plans of now; the difference is then to be read before it is kept.
  if (process.env.UPDATE_PLANS === '1') {
    it('is written anew', () => {
      writeCases(
        path,
        cases.map((each) => ({ ...each, plan: planOf(each.sql) })),
      );
      expect(readCases(path)).toHaveLength(cases.length);
    });
    return;
  }

  it.each(cases.map((each) => [each.sql, each] as const))('%s', (_, each) => {
    expect(planOf(each.sql)).toBe(each.plan);
  });
});

// Explain: every plan prints as JSON that loses nothing but the kind of its big integers.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { planToJson } from '../../src/plan/explain.ts';
import { Planner } from '../../src/plan/planner.ts';
import { loadParser } from '../../src/sql/parser.ts';
import { readCases } from './case-file.ts';
import { testTopology } from './catalog.ts';

beforeAll(loadParser);

const FOLDER = join(import.meta.dirname, 'cases');
const topology = testTopology();

it('planToJson prints keys as digits, exactly', () => {
  const plan = new Planner({ cacheBytesMax: 1 << 20 }).planExact(
    'SELECT * FROM users WHERE user_id = 9007199254740993',
    topology,
    null,
  );
  expect(JSON.parse(planToJson(plan))).toMatchObject({
    op: 'routed',
    route: { kind: 'keys', keys: [{ from: 'constant', value: '9007199254740993' }] },
  });
});

it('planToJson prints every golden plan', () => {
  const planner = new Planner({ cacheBytesMax: 1 << 24 });
  for (const name of readdirSync(FOLDER).filter((each) => each.endsWith('.txt'))) {
    for (const { sql } of readCases(join(FOLDER, name))) {
      try {
        const plan = planner.planExact(sql, topology, null);
        expect(JSON.parse(planToJson(plan)), sql).toMatchObject({ op: plan.op });
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
      }
    }
  }
});

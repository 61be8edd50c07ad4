// Setting pin: a statement that may leave settings, or what its routines leave, on its server keeps the connection.

import type { Statement } from '../sql/statement.ts';
import { leavesSettings, type PathSet, setsPath, together } from '../topology/routine-settings.ts';
import { leftBy, type RunBy } from '../topology/routine-state.ts';
import type { PlanContext } from './context.ts';
import { isName, nameOf } from './engine-text.ts';
import type { Plan, RoutedPlan } from './plan.ts';

/**
 * set_config() in a statement is followed, but not SET and set_config() in the body of a routine: what it
 * sets must last for the session, as on one PostgreSQL, and reach nobody else.
 */
export function keptSettings(plan: Plan, statement: Statement, context: PlanContext): Plan {
  if (plan.op !== 'routed') return plan;
  const followed = withState(withPath(plan, statement, context), statement, context);
  if (plan.pins.includes('set_config')) return followed;
  if (!maySet(statement, plan.effect !== 'read', context)) return followed;
  return { ...followed, pins: [...followed.pins, 'set_config'] };
}

/** Whether anything is left behind the statement the server is asked. */
function withState(plan: RoutedPlan, statement: Statement, context: PlanContext): RoutedPlan {
  const { stateRoutines } = context.input.catalog;
  // A block, or what computes rows or defaults: EXPLAIN ANALYZE, CREATE TABLE AS, ALTER TABLE, …
  const runs = statement.kind === 'utility' && !RUNS_NOTHING.has(statement.node);
  const own = runs ? leftBy(context.input.sql) : [];
  if (stateRoutines.size === 0 && own.length === 0) return plan;
  const called = [...stateRoutines].flatMap(([state, by]) =>
    mayRun(by, statement, plan.effect !== 'read', context) ? [state] : [],
  );
  const left = [...new Set([...own, ...called])].filter((state) => !plan.pins.includes(state));
  if (left.length === 0) return plan;
  return { ...plan, pins: [...plan.pins, ...left], releases: [...plan.releases, ...left] };
}

/** By the search path later statements find their way: what a routine has made of it is asked for. */
function withPath(plan: RoutedPlan, statement: Statement, context: PlanContext): RoutedPlan {
  const lasts = pathSetBy(statement, context);
  if (lasts === null || plan.action !== null) return plan;
  const name = { from: 'constant', text: 'search_path' } as const;
  const local =
    lasts === 'either' ? null : ({ from: 'constant', text: String(lasts === 'local') } as const);
  return { ...plan, action: { action: 'setConfig', calls: [{ name, local }] } };
}

function pathSetBy(statement: Statement, { input }: PlanContext): PathSet | null {
  const isUtility = statement.kind === 'utility';
  if (isUtility && RUNS_NOTHING.has(statement.node)) return null;
  const block = isUtility && statement.node === 'DoStmt' ? statement.body : null;
  const own = block === null ? null : setsPath(block);
  const { session, local } = input.catalog.settingRoutines.paths;
  const called =
    session.size === 0 && local.size === 0
      ? []
      : block === null
        ? input.tokens.filter(isName).map((token) => nameOf(token).toLowerCase())
        : wordsOf(block);
  const found = new Set<PathSet>(own === null ? [] : [own]);
  if (called.some((name) => session.has(name))) found.add('session');
  if (called.some((name) => local.has(name))) found.add('local');
  return together(found);
}

const wordsOf = (body: string): readonly string[] =>
  body.toLowerCase().match(/[\w$\u0080-\uffff]+/g) ?? [];

/** They name routines, but do not run them. */
const RUNS_NOTHING = new Set([
  'CreateFunctionStmt',
  'AlterFunctionStmt',
  'CreateTrigStmt',
  'DropStmt',
  'GrantStmt',
  'CommentStmt',
]);

function maySet(statement: Statement, writes: boolean, context: PlanContext): boolean {
  const isBlock = statement.kind === 'utility' && statement.node === 'DoStmt';
  if (isBlock && statement.body !== null && leavesSettings(statement.body)) return true;
  return mayRun(context.input.catalog.settingRoutines, statement, writes, context);
}

function mayRun(
  { names, byTriggers, unseen }: RunBy,
  statement: Statement,
  writes: boolean,
  { input }: PlanContext,
): boolean {
  if (unseen || (byTriggers && writes)) return true;
  if (statement.kind === 'utility' && statement.body !== null && statement.node === 'DoStmt') {
    return wordsOf(statement.body).some((word) => names.has(word));
  }
  if (names.size === 0 || (statement.kind === 'utility' && RUNS_NOTHING.has(statement.node))) {
    return false;
  }
  return input.tokens.some((token) => isName(token) && names.has(nameOf(token).toLowerCase()));
}

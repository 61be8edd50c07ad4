// Setting pin: a statement that may leave settings on its server keeps the connection to its session.

import type { Statement } from '../sql/statement.ts';
import { leavesSettings } from '../topology/routine-settings.ts';
import type { PlanContext } from './context.ts';
import { isName, nameOf } from './engine-text.ts';
import type { Plan } from './plan.ts';

/**
 * set_config() in a statement is followed, but not SET and set_config() in the body of a routine: what it
 * sets must last for the session, as on one PostgreSQL, and reach nobody else.
 */
export function keptSettings(plan: Plan, statement: Statement, context: PlanContext): Plan {
  if (plan.op !== 'routed' || plan.pins.includes('set_config')) return plan;
  if (!maySet(statement, plan.effect !== 'read', context)) return plan;
  return { ...plan, pins: [...plan.pins, 'set_config'] };
}

/** They name routines, but do not run them. */
const RUNS_NOTHING = new Set([
  'CreateFunctionStmt',
  'AlterFunctionStmt',
  'CreateTrigStmt',
  'DropStmt',
  'GrantStmt',
  'CommentStmt',
]);

function maySet(statement: Statement, writes: boolean, { input }: PlanContext): boolean {
  const { names, byTriggers, unseen } = input.catalog.settingRoutines;
  if (unseen || (byTriggers && writes)) return true;
  if (statement.kind === 'utility' && statement.body !== null && statement.node === 'DoStmt') {
    const words = statement.body.toLowerCase().match(/[\w$\u0080-\uffff]+/g) ?? [];
    return leavesSettings(statement.body) || words.some((word) => names.has(word));
  }
  if (names.size === 0 || (statement.kind === 'utility' && RUNS_NOTHING.has(statement.node))) {
    return false;
  }
  return input.tokens.some((token) => isName(token) && names.has(nameOf(token).toLowerCase()));
}

// Query routing: finds the one shard that can simply be sent the text of a simple Query.

import { NO_PARAMETERS } from '../execute/parameters.ts';
import type { TransactionVerb } from '../plan/action.ts';
import type { RoutedPlan } from '../plan/plan.ts';
import type { Planned } from '../plan/planner.ts';
import { targetsOf } from '../plan/route.ts';
import { anyShard, isRelayable } from './batch-route.ts';
import { isLate } from './clock.ts';
import type { SessionContext } from './context.ts';
import { type KeptStatement, keptStatementOf, type QueryText } from './kept-statement.ts';
import { takesSnapshot } from './one-snapshot.ts';
import { type StatementNames, StatementValues } from './prepared.ts';
import type { Shipment } from './shipment.ts';
import type { SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

export type QueryRoute = Omit<Shipment, 'content'>;

/**
 * Where it goes, or the command that it is. null: there is more to it, or something wrong with it,
 * which the careful way reports.
 */
export function routeQuery(
  sql: string,
  state: SessionState,
  context: SessionContext,
): QueryRoute | TransactionVerb | null {
  if (context.hold.isOn) return null;
  const topology = context.topology();
  let planned: Planned;
  try {
    planned = context.planner.plan(sql, topology, state.searchPath);
    const { plan, literals } = planned;
    if (plan.op === 'session' && plan.action.action === 'transaction') return plan.action.command;
    if (!isRelayable(plan)) return null;
    let shard: number;
    if (plan.route.kind === 'any') shard = anyShard(state, context);
    else {
      const values = new StatementValues(literals, NO_PARAMETERS);
      const targets = targetsOf(plan.route, values, topology);
      if (targets.length !== 1 || isLate(plan, sql, targets[0]!, state)) return null;
      shard = targets[0]!;
    }
    const cost = context.costs.of(plan);
    const { version } = topology;
    const text = { sql, version, searchPath: state.searchPath };
    const kept = cost === null ? null : keptFor(cost, text, planned, context.statementNames);
    const given = kept === null ? null : (literals ?? NO_LITERALS);
    const { effect, takesIds, answers, keeping } = plan;
    const writes = effect !== 'read';
    const snapshot = { takesSnapshot: takesSnapshot(plan) };
    return {
      shard,
      version,
      writes,
      takesIds,
      ...snapshot,
      cost,
      literals: given,
      answers,
      keeping,
    };
  } catch {
    return null;
  }
}

const NO_LITERALS: readonly string[] = [];

/** What servers keep of the statement, once it has shown that it comes again and is quick. */
function keptFor(
  cost: StatementCost,
  text: QueryText,
  { plan, literals }: Planned,
  names: StatementNames,
): KeptStatement | null {
  if (!cost.isKeepable) return null;
  if (cost.kept !== null) return cost.kept;
  cost.kept = keptStatementOf(text, plan as RoutedPlan, literals, names);
  if (cost.kept === null) cost.neverKeep();
  return cost.kept;
}

// Query routing: finds the one shard that can simply be sent the text of a simple Query.

import { NO_PARAMETERS } from '../execute/parameters.ts';
import type { Planned } from '../plan/planner.ts';
import { targetsOf } from '../plan/route.ts';
import { anyShard, isRelayable } from './batch-route.ts';
import type { SessionContext } from './context.ts';
import { StatementValues } from './prepared.ts';
import type { SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

export interface QueryRoute {
  readonly shard: number;
  readonly writes: boolean;
  readonly cost: StatementCost | null;
}

/** null: there is more to it, or something wrong with it, which the careful way reports. */
export function routeQuery(
  sql: string,
  state: SessionState,
  context: SessionContext,
): QueryRoute | null {
  const topology = context.topology();
  let planned: Planned;
  try {
    planned = context.planner.plan(sql, topology, state.settings.searchPath);
    const { plan, literals } = planned;
    if (!isRelayable(plan)) return null;
    const writes = plan.effect !== 'read';
    const cost = context.costs.of(plan);
    if (plan.route.kind === 'any') return { shard: anyShard(state, context), writes, cost };
    const values = new StatementValues(literals, NO_PARAMETERS);
    const targets = targetsOf(plan.route, values, topology);
    return targets.length === 1 ? { shard: targets[0]!, writes, cost } : null;
  } catch {
    return null;
  }
}

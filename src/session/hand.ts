// Routing by hand: SET drive.shard, drive.key, a leading comment, or a shard's own database.

import type { HandRoute, Plan, Route } from '../plan/plan.ts';
import { handRouteOf } from '../sql/hand-route.ts';
import type { SessionContext } from './context.ts';
import { checkShard } from './session-actions.ts';
import type { SessionState } from './state.ts';

/** `plan` of one statement, or the one that sends it where the user wants it. Throws 22023. */
export function handPlan(
  sql: string,
  plan: Plan,
  state: SessionState,
  context: SessionContext,
): Plan {
  const hand = handOf(sql, state);
  if (hand === null) return plan;
  if (hand.by === 'shard') checkShard(hand.shard, context);
  const topology = context.topology();
  return toShard(context.planner.planByHand(sql, topology, state.searchPath), hand);
}

function handOf(sql: string, state: SessionState): HandRoute | null {
  if (state.fixedShard !== null) return { by: 'shard', shard: state.fixedShard };
  return handRouteOf(sql) ?? state.hand;
}

function toShard(plan: Plan, hand: HandRoute): Plan {
  if (plan.op !== 'routed') return plan;
  const route: Route =
    hand.by === 'shard'
      ? { kind: 'shard', shard: hand.shard }
      : { kind: 'keys', keys: [{ from: 'constant', value: hand.key }] };
  return { ...plan, route };
}

// DECLARE: a cursor of one shard, of each shard, or of the merge engine.

import type { CursorOptions } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import { engineOf, planInner } from './inner-statement.ts';
import type { ConcatMerge, CursorMerge, Plan, RoutedPlan } from './plan.ts';
import { forwarded } from './routed.ts';

/** `traits`: the plan of the same DECLARE where one server answers it as it is. */
export function planDeclare(
  options: CursorOptions,
  traits: RoutedPlan,
  context: PlanContext,
): Plan {
  const { sql, tokens } = context.input;
  const at = tokens.findIndex(({ kind, text }, i) => i > 1 && kind === 'word' && text === 'for');
  const start = tokens[at]?.end ?? 0;
  const plan = planInner({ start, end: sql.length }, context, true);
  if (plan?.op !== 'routed') return plan ?? traits;
  const { pins, effect, clock, route, asIsAtHome } = plan;
  const fields = { ...traits, pins: [...traits.pins, ...pins], effect, asIsAtHome };
  if (route.kind !== 'all' && route.kind !== 'keys') {
    return { ...fields, route: { kind: 'home' } };
  }
  const engine = engineOf(plan);
  const inner = options.hold ? null : streamedOf(plan);
  if (engine === null && inner === null) return forwarded(fields, plan, 'declare');
  const { action } = traits;
  const name = (action?.action === 'cursor' && action.name) || '';
  const before = sql.slice(0, start);
  const streamed = inner && declared(inner, withoutNoScroll(before, tokens.slice(0, at)));
  const nameAt = { start: tokens[1]!.start, end: tokens[1]!.end };
  const merge: CursorMerge = { how: 'cursor', name, options, before, nameAt, streamed, engine };
  return { ...fields, route, merge, clock };
}

/**
 * Rows that are passed on as each shard gives them, and locked by it as they are fetched; null: any
 * other. What DISTINCT has seen, and groups, would have to be kept as long as the cursor.
 */
function streamedOf({ merge }: RoutedPlan): ConcatMerge | null {
  if (merge?.how !== 'concat' || merge.distinct) return null;
  return merge.locks === null || merge.locks === 'byShard' ? merge : null;
}

function declared(merge: ConcatMerge, head: string): ConcatMerge {
  const { shardSql } = merge;
  return { ...merge, shardSql: { ...shardSql, before: head + shardSql.before } };
}

/** The proxy goes back on the shards where the client may not; places in the text stay the same. */
function withoutNoScroll(head: string, tokens: readonly Token[]): string {
  const no = tokens.findIndex(
    ({ kind, text }, i) =>
      i > 1 && kind === 'word' && text === 'no' && tokens[i + 1]?.text === 'scroll',
  );
  if (no < 0) return head;
  const { start } = tokens[no]!;
  const { end } = tokens[no + 1]!;
  return head.slice(0, start) + ' '.repeat(end - start) + head.slice(end);
}

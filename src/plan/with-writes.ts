// WITH that writes, or locks, over several shards: its parts as statements of their own, one after the other.

import type { CommonTable, RowStatement, WritingStatement } from '../sql/statement.ts';
import type { PlanContext } from './context.ts';
import type { Merge, Plan, RefusedPlan, RoutedPlan } from './plan.ts';
import { locksWithin, type Planned, queriesApart } from './queries-apart.ts';
import { returningApart } from './returning-apart.ts';
import { attempt, refusedPlan, routedPlan } from './routed.ts';
import type { MergeRowsMerge, ModifyRowsMerge, WithWritesMerge } from './staged.ts';
import { partsOf } from './with-parts.ts';

/**
 * `plan`, unless only its WITH, or sub-queries that may as well be run before, keep it from several shards and its
 * parts can run by themselves. `planned`: as such a part is.
 */
export function withWrites(
  statement: RowStatement,
  plan: Plan,
  context: PlanContext,
  planned: (part: Planned) => Plan,
): Plan {
  if ((plan.op !== 'refused' && plan.op !== 'routed') || !context.mergeable) return plan;
  if (plan.op === 'routed' && plan.merge === null && plan.refusal === null) return plan;
  // Each shard runs it whole.
  if (plan.op === 'routed' && plan.merge?.how === 'write') return plan;
  const verb = statement.kind.toUpperCase();
  if (writesInWith(statement)) {
    const made = attempt(() => partsOf(statement, context));
    if ('how' in made) return byParts(verb, plan, made);
    if (plan.op === 'refused') return refusedPlan(verb, made);
    return plan.merge === null ? { ...plan, refusal: made } : plan;
  }
  const locks = locksWithin(statement);
  const isSelect = statement.kind === 'select';
  const isAnswered = plan.op === 'routed' && plan.merge !== null;
  // A write whose rows are found by a query cannot have that lock rows within.
  if (isSelect ? !locks || isAnswered : !locks && isAnswered) {
    return isSelect ? plan : withBehind(statement, plan, context, planned);
  }
  const apart = queriesApart(statement, context, locks ? 'locking' : 'all');
  if (apart?.alone.every((part) => planned(part).op !== 'refused')) {
    const made = attempt(() => partsOf(apart.statement, apart.context));
    if ('how' in made) return byParts(verb, plan, made);
  }
  const returned = isSelect ? null : returnedBehind(statement, context, planned);
  return returned === null ? plan : byParts(verb, plan, returned);
}

/** Only the servers know whether a new row is surely what it is made. */
function withBehind(
  statement: WritingStatement,
  plan: Plan,
  context: PlanContext,
  planned: (part: Planned) => Plan,
): Plan {
  if (plan.op !== 'routed' || plan.merge === null || !asksNewRow(plan.merge)) return plan;
  return { ...plan, merge: { ...plan.merge, behind: returnedBehind(statement, context, planned) } };
}

function asksNewRow(merge: Merge): merge is ModifyRowsMerge | MergeRowsMerge {
  const isNew = (item: object) => 'of' in item && item.of !== 'found';
  if (merge.how === 'modifyRows') return merge.verb === 'UPDATE' && merge.returning.some(isNew);
  if (merge.how !== 'mergeRows') return false;
  return merge.found?.clauses.some(({ returned }) => returned.some(isNew)) ?? false;
}

/** The statement with what sub-queries of RETURNING give read behind it; null: it cannot be. */
function returnedBehind(
  statement: WritingStatement,
  context: PlanContext,
  planned: (part: Planned) => Plan,
): WithWritesMerge | null {
  const apart = returningApart(statement, context);
  if (apart === null) return null;
  const { write, select } = apart;
  const written = withWrites(write.statement, planned(write), write.context, planned);
  if (written.op === 'refused' || planned(select).op === 'refused') return null;
  const made = attempt(() => partsOf(apart.statement, apart.context, 'written'));
  return 'how' in made ? made : null;
}

function byParts(verb: string, plan: RoutedPlan | RefusedPlan, merge: WithWritesMerge): Plan {
  if (plan.op === 'routed') return { ...plan, merge, refusal: null };
  return routedPlan(verb, { kind: 'all' }, 'write', { merge });
}

const isWriting = ({ statement }: CommonTable): boolean => statement.kind !== 'select';

const writesInWith = ({ with: clause }: RowStatement): boolean =>
  clause?.tables.some(isWriting) ?? false;

// RoutedPlan made from what a survey found.

import type { SqlErrorFields } from '../base/errors.ts';
import type { PlanContext } from './context.ts';
import type { Effect, Merge, Plan, RefusedPlan, Route, RoutedPlan } from './plan.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { type RefusedReason, refused, severalShards } from './unsupported.ts';

export function routedPlan(
  verb: string,
  route: Route,
  effect: Effect,
  fields: Partial<RoutedPlan> = {},
): RoutedPlan {
  return {
    op: 'routed',
    verb,
    route,
    merge: null,
    refusal: null,
    effect,
    pins: [],
    action: null,
    copy: null,
    replan: false,
    unknownTable: false,
    ...fields,
  };
}

export function refusedPlan(verb: string, error: SqlErrorFields): RefusedPlan {
  return { op: 'refused', verb, error };
}

export function refusedFor(verb: string, reason: RefusedReason): RefusedPlan {
  return refusedPlan(verb, refused(reason));
}

/**
 * The plan of a statement on sharded tables: by the keys of all of them, or on all shards. `merge`
 * makes the merge, or throws NoMerge.
 */
export function shardedPlan(
  verb: string,
  survey: Survey,
  context: PlanContext,
  effect: Effect,
  merge: () => Merge,
): Plan {
  if (survey.readsHome) return refusedFor(verb, 'mixed');
  const { keys } = survey;
  const merged = context.mergeable ? mergeOrRefusal(survey, merge) : NOTHING_MERGED;
  const pins = [...context.pins];
  if (keys !== null) return routedPlan(verb, { kind: 'keys', keys }, effect, { ...merged, pins });
  if (merged.refusal !== null) return refusedPlan(verb, merged.refusal);
  return routedPlan(verb, { kind: 'all' }, effect, { ...merged, pins });
}

const NOTHING_MERGED = { merge: null, refusal: null } as const;

function mergeOrRefusal(
  survey: Survey,
  merge: () => Merge,
): { merge: Merge | null; refusal: SqlErrorFields | null } {
  const reason = survey.severalShardsReason ?? (survey.roots.length > 1 ? 'joinWithoutKey' : null);
  if (reason !== null) return { merge: null, refusal: severalShards(reason) };
  try {
    return { merge: merge(), refusal: null };
  } catch (error) {
    if (!(error instanceof NoMerge)) throw error;
    return { merge: null, refusal: severalShards(error.reason) };
  }
}

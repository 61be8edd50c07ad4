// RoutedPlan made from what a survey found.

import type { SqlErrorFields } from '../base/errors.ts';
import type { PlanContext } from './context.ts';
import { NOT_STREAMED } from './not-streamed.ts';
import type { Effect, EngineMerge, Merge, Plan, RefusedPlan, Route, RoutedPlan } from './plan.ts';
import { NoMerge } from './splice.ts';
import type { InsertRowsMerge, MergeRowsMerge, ModifyRowsMerge } from './staged.ts';
import type { Survey } from './survey.ts';
import {
  type RefusedReason,
  refused,
  type SeveralShardsReason,
  severalShards,
} from './unsupported.ts';

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
    fallback: null,
    clock: null,
    tellsTime: false,
    effect,
    pins: [],
    releases: [],
    action: null,
    copy: null,
    replan: false,
    unknownTables: [],
    asked: null,
    parameterized: null,
    keeping: 'never',
    answers: null,
    asIsAtHome: false,
    strays: null,
    alike: [],
    takesIds: null,
    groupable: false,
    ...fields,
  };
}

export function refusedPlan(verb: string, error: SqlErrorFields): RefusedPlan {
  return { op: 'refused', verb, error };
}

export function refusedFor(verb: string, reason: RefusedReason): RefusedPlan {
  return refusedPlan(verb, refused(reason));
}

/** How a statement may run on several shards; each throws NoMerge where it cannot. */
export interface MergePlans {
  readonly merge: () => Merge;
  /** The same answer by one server over copies of the rows; null: not for this kind of statement. */
  readonly engine: (() => EngineMerge) | null;
  /** The rows are computed first, then written; it may do so with home tables. */
  readonly staged?: () => InsertRowsMerge | ModifyRowsMerge | MergeRowsMerge;
}

/** The plan of a statement on sharded tables: by the keys of all of them, or on all shards. */
export function shardedPlan(
  verb: string,
  survey: Survey,
  context: PlanContext,
  effect: Effect,
  plans: MergePlans,
): Plan {
  const isMixed = survey.readsHome;
  const computes = plans.engine !== null || plans.staged !== undefined;
  if (isMixed && (!computes || !context.mergeable)) return refusedFor(verb, 'mixed');
  const merged = context.mergeable ? mergeOrRefusal(verb, survey, context, plans) : NOTHING_MERGED;
  const pins = [...context.pins];
  // With home tables one shard is enough only if it is the home shard, which is left to the engine.
  const keys = isMixed ? null : survey.keys;
  if (keys !== null) return routedPlan(verb, { kind: 'keys', keys }, effect, { ...merged, pins });
  if (merged.refusal !== null) return refusedPlan(verb, merged.refusal);
  return routedPlan(verb, { kind: 'all' }, effect, { ...merged, pins });
}

type Merged = Pick<RoutedPlan, 'merge' | 'refusal' | 'fallback'>;

const NOTHING_MERGED: Merged = { merge: null, refusal: null, fallback: null };

function mergeOrRefusal(
  verb: string,
  survey: Survey,
  context: PlanContext,
  plans: MergePlans,
): Merged {
  const streamed = survey.readsHome ? refused('mixed') : streamedMerge(survey, plans.merge);
  const engine = plans.engine === null ? null : attempt(plans.engine);
  if (!('how' in streamed)) {
    const only = engine ?? stagedOr(plans.staged, streamed, survey.readsHome || verb === 'INSERT');
    return 'how' in only
      ? { merge: only, refusal: null, fallback: null }
      : { merge: null, refusal: only, fallback: null };
  }
  if (engine === null || !('how' in engine)) {
    return { merge: streamed, refusal: null, fallback: null };
  }
  return context.forceEngine
    ? { merge: engine, refusal: null, fallback: null }
    : { merge: streamed, refusal: null, fallback: engine };
}

/** `isTold`: why its rows cannot be computed first says more than what keeps the shards from it. */
function stagedOr(
  staged: MergePlans['staged'],
  streamed: SqlErrorFields,
  isTold: boolean,
): Merge | SqlErrorFields {
  if (staged === undefined) return streamed;
  try {
    return staged();
  } catch (error) {
    const refusal = refusalOf(error);
    return isTold || isAboutForm(error) ? refusal : streamed;
  }
}

/** All else of the statement could be computed first. */
const FORMS: ReadonlySet<string> = new Set(['returning', 'mergeSource']);
const isAboutForm = (error: unknown) => error instanceof NoMerge && FORMS.has(error.reason);

function streamedMerge(survey: Survey, merge: () => Merge): Merge | SqlErrorFields {
  const reason = survey.severalShardsReason ?? (survey.isColocated ? null : 'joinWithoutKey');
  return reason === null ? attempt(merge) : severalShards(reason);
}

/** The merge, or why there is none. */
export function attempt<M extends Merge>(make: () => M): M | SqlErrorFields {
  try {
    return make();
  } catch (error) {
    return refusalOf(error);
  }
}

/** Throws what is no NoMerge. */
function refusalOf(error: unknown): SqlErrorFields {
  if (!(error instanceof NoMerge)) throw error;
  // Reasons not to stream are told to nobody: what the engine says instead is.
  return severalShards(
    error.reason in NOT_STREAMED ? 'text' : (error.reason as SeveralShardsReason),
  );
}

/** EXPLAIN, DECLARE, COPY of a query: where the query goes, when that is one shard. */
export function forwarded(
  fields: RoutedPlan,
  inner: RoutedPlan,
  reason: SeveralShardsReason,
): Plan {
  const refusal = severalShards(reason);
  if (inner.route.kind === 'all') return refusedPlan(fields.verb, refusal);
  if (inner.route.kind === 'keys') return { ...fields, route: inner.route, refusal };
  return { ...fields, route: { kind: 'home' } };
}

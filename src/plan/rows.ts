// Row statements: SELECT, INSERT, UPDATE, DELETE and MERGE to plans.

import type { SqlErrorFields } from '../base/errors.ts';
import type { RowStatement } from '../sql/statement.ts';
import { type Clocked, withClock } from './clock.ts';
import { clusterQuestion } from './cluster-question.ts';
import { type PlanContext, Refusal } from './context.ts';
import { copiesToMakeAlike } from './copies-alike.ts';
import { planInsert, surveyInsert } from './insert.ts';
import { planModify, surveyModify } from './modify.ts';
import { uncertainParameters } from './parameter-use.ts';
import type { Plan } from './plan.ts';
import type { Planned } from './queries-apart.ts';
import { planReferenceWrite } from './reference-write.ts';
import { refusedFor, refusedPlan, routedPlan } from './routed.ts';
import { Scope } from './scope.ts';
import { planSelect } from './select.ts';
import { planBackend, planComputedSetval, planSetval, planTableKind } from './select-command.ts';
import { NoMerge } from './splice.ts';
import { strayKeys } from './stray-keys.ts';
import { Survey, type SurveyWriting } from './survey.ts';
import { checkTriggerWrites } from './trigger-writes.ts';
import { type SeveralShardsReason, severalShards } from './unsupported.ts';
import { withViews } from './view.ts';
import { withWrites } from './with-writes.ts';
import { writtenRows } from './written-rows.ts';
import { targetTable } from './written-view.ts';

const surveyWriting: SurveyWriting = (statement, survey, tables) => {
  const table = targetTable(statement.relation, survey);
  checkTriggerWrites(statement, table, survey.context);
  survey.straysInWith ??= strayKeys(statement, table);
  if (statement.kind === 'insert') {
    // Rows that several shards make would not be of one time.
    const { leaf, tied } = surveyInsert(statement, survey, tables);
    const scope = new Scope(null);
    scope.leaves.push(leaf);
    return { rows: writtenRows(statement, scope), byShard: tied && !survey.tellsTime };
  }
  const { anchored, scope, insertsOwn } = surveyModify(statement, survey, tables);
  // The session knows on which shards a cursor is.
  const isByCursor = statement.kind !== 'merge' && statement.cursor !== null;
  return { rows: writtenRows(statement, scope), byShard: anchored && insertsOwn && !isByCursor };
};

export function planRows(statement: RowStatement, context: PlanContext): Plan {
  const planned = (part: Planned) => planWhole(part.statement, part.context);
  return withWrites(statement, planWhole(statement, context), context, planned);
}

function planWhole(statement: RowStatement, context: PlanContext): Plan {
  const survey = surveyFor(context);
  const plan = planSurveyed(statement, survey, context);
  try {
    context.asked = clusterQuestion(survey, context);
  } catch (error) {
    if (!(error instanceof NoMerge)) throw error;
    return refusedFor(plan.verb, 'clusterText');
  }
  return plan;
}

function planSurveyed(statement: RowStatement, survey: Survey, context: PlanContext): Plan {
  const { tokens, catalog } = context.input;
  if (tokens.some((token) => token.kind === 'parameter')) {
    context.uncertain = uncertainParameters(statement, catalog);
  }
  try {
    const kind =
      statement.kind === 'select'
        ? (planTableKind(statement) ??
          planSetval(statement) ??
          planComputedSetval(statement, context) ??
          planBackend(statement, context))
        : null;
    if (kind !== null && context.mergeable) return kind;
    if (statement.kind === 'select') {
      const plan = planSelect(statement, survey, context);
      // By the clock of the one server that computes a routine it must all go.
      const isTold = survey.tellsTime && !survey.asksRoutineTime;
      const told = isTold && !survey.writesInWith && survey.classes.length > 0;
      return inPlace(told ? withOneTime(plan, survey, context) : plan, survey);
    }
    const table = targetTable(statement.relation, survey);
    if (table?.view?.materialized === true) return unwritable(statement);
    checkTriggerWrites(statement, table, context);
    const reference = planReferenceWrite(statement, survey, context);
    if (reference !== null) {
      if (reference.op !== 'routed') return reference;
      return { ...reference, alike: copiesToMakeAlike(table, context) };
    }
    const plan =
      statement.kind === 'insert'
        ? planInsert(statement, survey, context)
        : planModify(statement, survey, context);
    return inPlace(plan, survey);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan(statement.kind.toUpperCase(), error.fields);
  }
}

/** PostgreSQL writes no materialized view, whatever the statement is, and says so. */
const unwritable = ({ kind }: RowStatement): Plan =>
  routedPlan(kind.toUpperCase(), { kind: 'home' }, 'write');

const inPlace = (plan: Plan, survey: Survey): Plan => notWhole(atHome(plan, survey), survey);

/** Rows that may stray are followed by their keys, which a query within WITH tells nobody: its parts run by themselves. */
function notWhole(plan: Plan, { straysInWith }: Survey): Plan {
  if (straysInWith === null || plan.op !== 'routed') return plan;
  const refusal = severalShards('writingWith');
  return { ...plan, strays: plan.strays ?? straysInWith, merge: null, fallback: null, refusal };
}

/**
 * All who lock a row of a reference table must meet at the same copy of it, and all who take an advisory lock on
 * the same server. A SELECT does so on the home shard; what is computed first does so by a SELECT of its own. There the
 * session's temporary functions and types are, too, and tables have the home shard's numbers.
 */
function atHome(plan: Plan, survey: Survey): Plan {
  const { onlyAtHome, homeOnly } = survey;
  if (survey.classes.length === 0) return plan;
  if (homeOnly.locksSession) return refusedFor(plan.verb, 'advisoryLock');
  if (plan.op !== 'routed') return plan;
  const how = plan.merge?.how;
  if (onlyAtHome === null) {
    return survey.readsTableoid && how === 'engine' ? { ...plan, asIsAtHome: true } : plan;
  }
  const isOwn = plan.verb === 'SELECT' || STAGED.has(how);
  if (isOwn) return { ...plan, asIsAtHome: true };
  return refusedFor(plan.verb, onlyAtHome);
}

const STAGED = new Set<string | undefined>(['insertRows', 'modifyRows', 'mergeRows']);

/** On several shards the current time is the same everywhere. */
function withOneTime(plan: Plan, survey: Survey, context: PlanContext): Plan {
  if (!context.mergeable || !context.tellsOneTime) return plan;
  if (survey.timeInFrom) return plan;
  let clocked: Clocked | null;
  try {
    clocked = clockedOf(survey, context);
  } catch (error) {
    if (!(error instanceof NoMerge)) throw error;
    return onOneShard(plan, severalShards(error.reason as SeveralShardsReason));
  }
  if (clocked === null) return plan;
  const { statement, clock } = clocked;
  const told = planSelect(statement, surveyFor(clocked.context), clocked.context);
  if (told.op !== 'routed') return plan;
  const { merge, refusal, fallback } = told;
  if (plan.op === 'routed') return { ...plan, merge, refusal, fallback, clock };
  context.dependsOnValue = true;
  return { ...told, clock };
}

function onOneShard(plan: Plan, refusal: SqlErrorFields): Plan {
  if (plan.op !== 'routed') return plan;
  if (plan.route.kind === 'all') return refusedPlan(plan.verb, refusal);
  return { ...plan, merge: null, fallback: null, refusal };
}

/** With the queries of views that tell the time in their places. Throws NoMerge. */
function clockedOf({ timedViews }: Survey, context: PlanContext): Clocked | null {
  const { sharedNames, input } = context;
  const { sql, tokens } = input;
  if (timedViews.length === 0) return withClock(context);
  // A view reads by the rights of its owner, whose rows may be others than the user's.
  if (timedViews.some((view) => view.secured)) throw new NoMerge('viewSecurity');
  if (!timedViews.every((view) => view.findsOperators)) throw new NoMerge('viewOperators');
  return withClock(context, withViews({ sql, tokens, sharedNames }, timedViews));
}

export function surveyFor(context: PlanContext): Survey {
  return new Survey(context, surveyWriting);
}

// SELECT: home, any shard, one shard, or several with a merge.

import { clausesOf } from '../sql/clause.ts';
import { parseSql } from '../sql/parser.ts';
import type { SelectStatement, SimpleSelect } from '../sql/statement.ts';
import { withoutSemicolons } from '../sql/token.ts';
import { planAggregate } from './aggregate.ts';
import { catalogWith, type StreamPlanner } from './broadcast.ts';
import { groupsByBytes } from './collation.ts';
import { CommonTables } from './common-tables.ts';
import { isPlainConcat, planConcat } from './concat.ts';
import { PlanContext } from './context.ts';
import { groupsByKey, hasAggregates, isDistributable, selectsKey } from './distributable.ts';
import { planEngine } from './engine.ts';
import { type EngineLocking, engineLocking, placeFinding, starsIn } from './engine-locks.ts';
import { surveySelect } from './level.ts';
import { planMakeTable, selectInto } from './make-table.ts';
import type { Effect, Merge, Plan, WriteMerge } from './plan.ts';
import { refusedFor, routedPlan, shardedPlan } from './routed.ts';
import type { Level } from './scope.ts';
import { hidesTable } from './shadow.ts';
import { NoMerge, type SplicedSelect, spliceSelect, tellsTimeAnywhere } from './splice.ts';
import { Survey } from './survey.ts';
import { surveyUnused } from './with.ts';

export function planSelect(select: SelectStatement, survey: Survey, context: PlanContext): Plan {
  const level = surveySelect(select, survey, null, new CommonTables(), 'top');
  surveyUnused(survey);
  if (findsPlacesOfCopies(select, context)) survey.locked.add('reference');
  const verb = 'SELECT';
  const into = select.body.kind === 'simple' ? select.body.into : null;
  if (into !== null) {
    if (hidesTable(into.relation, context)) return refusedFor(verb, 'shadow');
    if (into.temporary) context.pins.add('temporary table');
    const traits = routedPlan(verb, { kind: 'home' }, 'ddl', { pins: [...context.pins] });
    if (survey.classes.length === 0) return traits;
    return planMakeTable(selectInto(context), into.relation, into.temporary, traits);
  }
  const writes = survey.lockingLevels > 0 || survey.mayWrite || survey.writesInWith;
  const effect: Effect = writes ? 'write' : 'read';
  if (survey.classes.length === 0) {
    return planUnsharded(verb, survey, context, effect);
  }
  return shardedPlan(verb, survey, context, effect, {
    merge: () => {
      if (survey.onlyAtHome !== null) throw new NoMerge(survey.onlyAtHome);
      const merge = mergeOf(select, level, context);
      return survey.writesInWith ? writingMerge(merge, survey) : merge;
    },
    engine:
      context.streamsOnly || survey.writesInWith
        ? null
        : () => {
            const locking = lockingOf(select, level, survey, context);
            const stars = () => starsIn(select, level, context);
            return planEngine(survey, context, streamPlanner(survey, context), locking, stars);
          },
  });
}

/** What is found where it lies is locked there next: as all do who lock such rows, on the home shard. */
function findsPlacesOfCopies({ body }: SelectStatement, context: PlanContext): boolean {
  if (!context.input.findsPlaces || body.kind !== 'simple') return false;
  const [target] = body.from;
  return target?.kind === 'table' && context.table(target.relation)?.kind === 'reference';
}

function lockingOf(
  select: SelectStatement,
  level: Level,
  survey: Survey,
  context: PlanContext,
): EngineLocking | null {
  if (select.locks.length > 0) return engineLocking(select, level, survey);
  if (!context.input.findsPlaces) return null;
  if (survey.lockingLevels > 0) throw new NoMerge('lockLimit');
  return placeFinding(select, level, survey);
}

/** Each shard writes to the end, so that all of its rows are taken; the time of all is not known. */
function writingMerge(merge: Merge, { tellsTime, timeInFrom }: Survey): WriteMerge {
  if (!isPlainConcat(merge) || tellsTime || timeInFrom) throw new NoMerge('writingWith');
  return { how: 'write' };
}

const streamPlanner =
  ({ surveyWriting }: Survey, { input, uncertain }: PlanContext): StreamPlanner =>
  (sql, tables) => {
    const parsed = parseSql(sql);
    const [only] = parsed?.statements ?? [];
    if (parsed === null || only?.statement.kind !== 'select') return null;
    const tokens = withoutSemicolons(parsed.tokens);
    const catalog = catalogWith(input.catalog, tables);
    const own = new PlanContext({ ...input, sql, tokens, catalog, literalStarts: [] });
    own.uncertain = uncertain;
    own.streamsOnly = true;
    const plan = planSelect(only.statement, new Survey(own, surveyWriting), own);
    if (plan.op !== 'routed') return null;
    const { route, merge } = plan;
    return merge?.how === 'concat' || merge?.how === 'aggregate' ? { route, merge } : null;
  };

/** No sharded table: shard 0, or any where nothing belongs to one shard. */
export function planUnsharded(
  verb: string,
  survey: Survey,
  context: PlanContext,
  effect: Effect,
): Plan {
  const pins = [...context.pins];
  const isOfHome = survey.readsHome || survey.needsHome || survey.locksReference;
  const isAny = !isOfHome && pins.length === 0 && effect === 'read';
  return routedPlan(verb, { kind: isAny ? 'any' : 'home' }, effect, { pins });
}

function mergeOf(select: SelectStatement, level: Level, context: PlanContext): Merge {
  const { body } = select;
  if (body.kind !== 'simple') throw new NoMerge('setOperation');
  if (!level.anchored) throw new NoMerge('noFrom');
  const isSorted = select.order.length > 0 || hasAggregates(select, body) || body.distinct !== 'no';
  if (!isSorted && level.scope.ordered && level.scope.leaves.length === 1) {
    throw new NoMerge('derivedOrder');
  }
  const whole = wholeOf(select, body, level, context);
  if (whole !== null) return whole;
  const spliced = spliceSelect(select, body, level, context);
  const { scope } = level;
  if (hasAggregates(select, body) && !groupsByKey(body, scope, context)) {
    return planAggregate(spliced);
  }
  if (body.distinct !== 'all' || selectsKey(body, scope)) {
    const reason = isDistributable(select, body, scope, context);
    if (reason !== null) throw new NoMerge(reason);
    return planConcat(spliced, false);
  }
  return planDistinct(spliced, body);
}

/** TABLE t, or a SELECT in brackets, whose rows are passed on as they are; null: any other. */
function wholeOf(
  select: SelectStatement,
  body: SimpleSelect,
  { scope }: Level,
  context: PlanContext,
): Merge | null {
  const { sql, tokens } = context.input;
  const { order, limit, offset, locks } = select;
  if (clausesOf(tokens) !== null || order.length > 0 || locks.length > 0) return null;
  if (limit !== null || offset !== null) return null;
  if (isDistributable(select, body, scope, context) !== null) return null;
  return {
    how: 'concat',
    shardSql: { before: sql.slice(0, tokens.at(-1)!.end), after: '', pushLimit: false },
    hiddenColumns: 0,
    sort: [],
    distinct: false,
    limit,
    offset,
    locks: null,
  };
}

/** DISTINCT without the key: each shard's rows are distinct, the merge compares them again. */
function planDistinct(spliced: SplicedSelect, body: SimpleSelect): Merge {
  const { select, level, context } = spliced;
  const rest = { ...body, distinct: 'no' as const };
  const reason = isDistributable(select, rest, level.scope, context);
  if (reason !== null) throw new NoMerge(reason);
  for (const { expression } of body.targets) {
    const compared =
      expression.kind === 'star'
        ? starColumns(level, expression.path.at(-1)).map(
            (path) => ({ kind: 'column', path }) as const,
          )
        : [expression];
    if (tellsTimeAnywhere(expression)) throw new NoMerge('sortExpression');
    if (!compared.every((each) => groupsByBytes(each, level.scope, context))) {
      throw new NoMerge('collatedGroup');
    }
  }
  return planConcat(spliced, true);
}

function starColumns(level: Level, leafName: string | undefined): string[][] {
  return level.scope.leaves
    .filter((leaf) => leafName === undefined || leaf.name === leafName)
    .flatMap((leaf) => [...(leaf.columns?.keys() ?? ['?'])].map((name) => [leaf.name ?? '', name]));
}

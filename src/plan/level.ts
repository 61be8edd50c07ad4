// Query levels: surveys a SELECT, its FROM, its conditions and its sub-queries.

import { SqlError } from '../base/errors.ts';
import { QUERY_LEVELS_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Expression } from '../sql/expression.ts';
import type { FromItem, SelectStatement, SimpleSelect, With } from '../sql/statement.ts';
import type { CommonTables } from './common-tables.ts';
import { isDistributable } from './distributable.ts';
import { noteFilter } from './engine-filter.ts';
import { noteJoin } from './engine-join.ts';
import { addFrom, type Walk } from './from.ts';
import { noteOuterAggregates } from './outer-aggregate.ts';
import { outputColumns } from './output-columns.ts';
import { applyCondition, conjunctsOf, keyClassOf } from './restriction.ts';
import { lockedKinds } from './row-locks.ts';
import { type Leaf, type Level, type Role, Scope } from './scope.ts';
import { withSettingNamed } from './set-config.ts';
import type { Survey } from './survey.ts';
import { surveyWith } from './with.ts';

/** Surveys a query; `parent` is the scope its names may also refer to. */
export function surveySelect(
  select: SelectStatement,
  survey: Survey,
  parent: Scope | null,
  outerTables: CommonTables,
  role: Role,
): Level {
  survey.levels += 1;
  if (select.locks.length > 0) survey.lockingLevels += 1;
  if (survey.levels > QUERY_LEVELS_MAX) {
    throw new SqlError({
      code: SQLSTATE.statementTooComplex,
      message: 'the statement has too many query levels',
      hint: `At most ${QUERY_LEVELS_MAX} can be planned; each use of a WITH query counts.`,
    });
  }
  const before = survey.classes.length;
  const tables = withTables(select.with, survey, parent, outerTables);
  const level = surveyBody(select, survey, parent, tables);
  for (const what of lockedKinds(select, tables, survey.context)) survey.locked.add(what);
  const classes = survey.classes.slice(before);
  if (classes.length === 0 || role === 'top') return level;
  const isLocking = select.locks.length > 0;
  const bounded = select.limit !== null || select.offset !== null || isLocking;
  if (bounded) survey.onlyOneShard('derivedLimit', classes);
  if (role === 'expression') survey.onlyOneShard('subQuery', classes);
  if (bounded || !level.anchored) return withoutKeys(level);
  if (select.body.kind !== 'simple') return withoutKeys(level);
  const reason = isDistributable(select, select.body, level.scope, survey.context);
  if (reason === null) return level;
  survey.onlyOneShard(reason, classes);
  return withoutKeys(level);
}

/** The WITH queries in sight behind a WITH clause. */
export function withTables(
  clause: With | null,
  survey: Survey,
  parent: Scope | null,
  outer: CommonTables,
): CommonTables {
  const visit = (select: SelectStatement, scope: Scope | null, tables: CommonTables) =>
    surveySelect(select, survey, scope, tables, 'derived');
  return clause === null ? outer : surveyWith(clause, survey, parent, outer, visit);
}

function withoutKeys(level: Level): Level {
  const columns = level.columns?.map((column) => ({ ...column, key: null })) ?? null;
  return { ...level, columns };
}

function surveyBody(
  select: SelectStatement,
  survey: Survey,
  parent: Scope | null,
  tables: CommonTables,
): Level {
  const { body } = select;
  const scope = new Scope(parent);
  if (body.kind === 'set') {
    const before = survey.classes.length;
    const left = surveySelect(body.left, survey, parent, tables, 'derived');
    const right = surveySelect(body.right, survey, parent, tables, 'derived');
    const classes = survey.classes.slice(before);
    if (classes.length > 0) survey.onlyOneShard('setOperation', classes);
    const sharded = left.sharded || right.sharded;
    surveyExpressions(boundsOf(select), scope, survey, tables, false);
    return { scope, columns: withoutKeys(left).columns, anchored: false, sharded };
  }
  if (body.kind === 'values') {
    surveyExpressions(boundsOf(select), scope, survey, tables, false);
    surveyExpressions(body.rows.flat(), scope, survey, tables, false);
    return { scope, columns: null, anchored: false, sharded: false };
  }
  const walk = { scope, survey, tables, surveySelect };
  const from = surveyFrom(body.from, walk);
  if (body.where !== null) surveyCondition(body.where, walk, from.anchored);
  surveyExpressions(
    partsOfSelect(select, withSettingNamed(body)),
    scope,
    survey,
    tables,
    from.anchored,
  );
  return { scope, columns: outputColumns(body.targets, scope), ...from };
}

/** Everything but FROM and WHERE. */
function partsOfSelect(select: SelectStatement, body: SimpleSelect): Expression[] {
  const parts = [
    ...body.targets.map((target) => target.expression),
    ...body.distinctOn,
    ...body.group,
    ...body.windows.flatMap((window) => [
      ...window.partition,
      ...window.order.map((item) => item.expression),
      ...window.children,
    ]),
    ...boundsOf(select),
  ];
  if (body.having !== null) parts.push(body.having);
  return parts;
}

/** The expressions of ORDER BY, LIMIT and OFFSET. */
function boundsOf(select: SelectStatement): Expression[] {
  const bounds = [select.limit, select.offset].filter((bound) => bound !== null);
  return [...select.order.map((item) => item.expression), ...bounds];
}

/** The items of FROM joined by commas. */
export function surveyFrom(
  items: readonly FromItem[],
  walk: Walk,
): { anchored: boolean; sharded: boolean } {
  let anchored = false;
  let sharded = false;
  for (const item of items) {
    const added = addFrom(item, walk, false);
    anchored ||= added.anchored;
    sharded ||= added.sharded;
  }
  return { anchored, sharded };
}

/** A condition all rows of the level fulfil. */
export function surveyCondition(condition: Expression, walk: Walk, anchored: boolean): void {
  const { scope, survey, tables } = walk;
  applyCondition(condition, scope, survey.context);
  noteOuterAggregates(condition, scope, survey);
  for (const conjunct of conjunctsOf(condition)) {
    noteFilter(conjunct, scope, survey);
    noteJoin(conjunct, scope, survey, (leaf) => isAlwaysThere(leaf, walk));
    if (isSemiJoin(conjunct, scope)) {
      surveySemiJoin(conjunct, walk);
      continue;
    }
    survey.expression(conjunct, { inCondition: true, anchored, scope }, (query) => {
      surveySelect(query, survey, scope, tables, 'expression');
    });
  }
}

/** A table of the level, where no outer join puts NULLs in place of its rows. */
const isAlwaysThere = (leaf: Leaf, { scope, survey }: Walk): boolean =>
  scope.leaves.includes(leaf) && survey.uses.some((use) => use.leaf === leaf && !use.nullable);

type SemiJoin = Extract<Expression, { kind: 'query' }>;

function isSemiJoin(e: Expression, scope: Scope): e is SemiJoin {
  if (e.kind !== 'query' || e.link !== 'any' || e.test === null) return false;
  return e.operator.length === 1 && e.operator[0] === '=' && keyClassOf(e.test, scope) !== null;
}

/** `key IN (SELECT key …)`: only rows of the sub-query with the same key count. */
function surveySemiJoin(e: SemiJoin, walk: Walk): void {
  const { scope, survey, tables } = walk;
  const key = keyClassOf(e.test!, scope)!;
  const level = surveySelect(e.query, survey, scope, tables, 'derived');
  const [column] = level.columns ?? [];
  if (column?.key == null || level.columns?.length !== 1) return;
  if (!column.key.isTiedToOuter) key.unite(column.key);
}

export function surveyExpressions(
  expressions: readonly Expression[],
  scope: Scope,
  survey: Survey,
  tables: CommonTables,
  anchored: boolean,
  ofInserted = false,
): void {
  const place = { inCondition: false, anchored, scope, ofInserted };
  for (const expression of expressions) {
    noteOuterAggregates(expression, scope, survey);
    survey.expression(expression, place, (query) => {
      surveySelect(query, survey, scope, tables, 'expression');
    });
  }
}

// Writing a reference table: on every shard in one transaction, with the same effect on each.

import { quoteName } from '../base/quote.ts';
import type { InsertStatement, MergeStatement, WritingStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { CommonTables } from './common-tables.ts';
import { type PlanContext, Refusal } from './context.ts';
import { withoutSteadyDefaults } from './evaluated.ts';
import { givenRow } from './exact-row.ts';
import { surveyInsert } from './insert.ts';
import { insertRows } from './insert-select.ts';
import { mergeRows } from './merge.ts';
import { surveyModify } from './modify.ts';
import { modifyRows } from './modify-rows.ts';
import { overridesUser } from './overriding.ts';
import type { Plan, ReferenceMerge } from './plan.ts';
import { attempt, refusedPlan, routedPlan } from './routed.ts';
import type { Scope } from './scope.ts';
import type { InsertRowsMerge, MergeRowsMerge, ModifyRowsMerge } from './staged.ts';
import { checkSteady, isSteadyRelation, passes, showsSteadily } from './steady.ts';
import type { Survey } from './survey.ts';
import { refused } from './unsupported.ts';
import { surveyUnused } from './with.ts';
import { targetTable } from './written-view.ts';

/** null where the target is no reference table. Throws Refusal. */
export function planReferenceWrite(
  statement: WritingStatement,
  survey: Survey,
  context: PlanContext,
): Plan | null {
  if (context.table(statement.relation)?.kind !== 'reference') return null;
  const table = targetTable(statement.relation, survey)!;
  if (table.shown !== undefined && !showsSteadily(statement.relation, context)) {
    throw new Refusal(refused('referenceUnsteady'));
  }
  if (inserts(statement) && table.shown?.hidesDefaults === true) {
    throw new Refusal(refused('referenceUnsteady'));
  }
  survey.targetsReference = true;
  if (statement.kind === 'insert') {
    const { leaf } = surveyInsert(statement, survey, new CommonTables());
    surveyUnused(survey);
    const updates = (statement.conflict?.assignments.length ?? 0) > 0;
    const make = () => insertRows(statement, table, leaf, context, survey);
    if (survey.writesInWith) throw new Refusal(refused('referenceWrite'));
    if (!updates && survey.classes.length > 0) return computed('INSERT', make);
    if (updates && (survey.classes.length > 0 || !isRepeatable(statement, table, survey))) {
      // The rows are the same everywhere, and so must be what is done with them.
      const { returning } = statement;
      const { conflict } = withoutSteadyDefaults(statement, context) as InsertStatement;
      checkSteady({ conflict, returning }, context, context.input.isTimed ? 'no time' : 'its time');
      return computed('INSERT', make);
    }
  } else {
    const { scope } = surveyModify(statement, survey, new CommonTables());
    surveyUnused(survey);
    if (statement.kind === 'merge') {
      return planReferenceMerge(statement, table, scope, survey, context);
    }
    if (statement.cursor === null) {
      const isSteady = survey.classes.length === 0 && isRepeatable(statement, table, survey);
      const verb = statement.kind.toUpperCase();
      const make = () => modifyRows(statement, table, scope, survey, context);
      if (!isSteady) return computed(verb, make);
    }
  }
  if (survey.classes.length > 0 || survey.writesInWith)
    throw new Refusal(refused('referenceWrite'));
  if (statement.kind !== 'insert' && statement.cursor !== null) {
    throw new Refusal(refused('referenceWrite'));
  }
  checkPins(context);
  const byRows = statement.kind === 'insert' && (statement.conflict?.assignments.length ?? 0) === 0;
  if (!byRows) checkRepeatable(statement, table, survey);
  const merge: ReferenceMerge = {
    how: 'reference',
    rows: byRows ? rowsOf(statement, table, context) : null,
  };
  return routedPlan(statement.kind.toUpperCase(), { kind: 'all' }, 'write', { merge });
}

const inserts = (statement: WritingStatement): boolean =>
  statement.kind === 'insert' ||
  (statement.kind === 'merge' && statement.actions.some(({ command }) => command === 'insert'));

/** What it leaves behind on one connection would be missing on the others. */
function checkPins({ pins }: PlanContext): void {
  if ([...pins].some((pin) => pin !== 'session state')) {
    throw new Refusal(refused('referenceWrite'));
  }
}

/** On every shard as it is, or with the rows of its source, which are computed once. */
function planReferenceMerge(
  statement: MergeStatement,
  table: Table,
  scope: Scope,
  survey: Survey,
  context: PlanContext,
): Plan {
  if (survey.writesInWith) throw new Refusal(refused('referenceWrite'));
  checkPins(context);
  if (survey.classes.length === 0 && isRepeatable(statement, table, survey)) {
    const merge: ReferenceMerge = { how: 'reference', rows: null };
    return routedPlan('MERGE', { kind: 'all' }, 'write', { merge });
  }
  const {
    source: _,
    with: _clause,
    ...actions
  } = withoutSteadyDefaults(statement, context) as MergeStatement;
  const isSteady = passes(() => {
    checkFilled(statement, table, context);
    checkSteady(actions, context);
  });
  const decides = isSteady ? 'shard' : 'query';
  return computed('MERGE', () => mergeRows(statement, table, scope, survey, context, decides));
}

/** The rows are computed first, once, and the same ones written everywhere. */
function computed(
  verb: string,
  make: () => InsertRowsMerge | ModifyRowsMerge | MergeRowsMerge,
): Plan {
  const merge = attempt(make);
  if (!('how' in merge)) return refusedPlan(verb, merge);
  return routedPlan(verb, { kind: 'all' }, 'write', { merge });
}

const isRepeatable = (statement: WritingStatement, table: Table, survey: Survey): boolean =>
  passes(() => checkRepeatable(statement, table, survey));

/** The INSERT as the home shard is sent it: with the whole row behind what the client wants back. */
function rowsOf(
  statement: InsertStatement,
  table: Table,
  { input }: PlanContext,
): ReferenceMerge['rows'] {
  const { sql, tokens } = input;
  const own = quoteName(statement.alias ?? statement.relation.name);
  const clause = statement.returning.length > 0 ? ',' : ' RETURNING';
  const text = sql.slice(0, tokens.at(-1)!.end);
  const columns = table.columns.filter((column) => !column.generated);
  const name = `${quoteName(table.schema)}.${quoteName(table.name)}`;
  return {
    homeSql: `${text}${clause} ${givenRow(own, name, table.columns)}`,
    table: name,
    columns: columns.map((column) => quoteName(column.name)),
  };
}

/**
 * A statement that every shard runs by itself must do the same on each: constants, parameters,
 * reference tables and functions whose answer depends on nothing else.
 */
function checkRepeatable(statement: WritingStatement, table: Table, survey: Survey): void {
  const { context } = survey;
  if (survey.readsHome) throw new Refusal(refused('mixed'));
  checkFilled(statement, table, context);
  checkSteady(withoutSteadyDefaults(statement, context), context);
  // Of several rows that match, an UPDATE takes the one that is met first.
  const takesFirst = statement.kind === 'update' && statement.from.length > 0;
  if (takesFirst || !isSteadyRelation(statement.relation, context)) {
    throw new Refusal(refused('referenceUnsteady'));
  }
}

/** Every shard would evaluate a default by itself. */
function checkFilled(statement: WritingStatement, table: Table, context: PlanContext): void {
  const names = table.columns.map((column) => column.name);
  const lists: (readonly string[])[] = [];
  if (statement.kind === 'insert') lists.push(statement.columns ?? givenBy(statement, names));
  if (statement.kind === 'merge') {
    const inserts = statement.actions.filter(({ command }) => command === 'insert');
    lists.push(...inserts.map(({ columns, values }) => columns ?? names.slice(0, values.length)));
  }
  const isLeft = overridesUser(context);
  const isFilled = (given: readonly string[]) =>
    table.columns.every(({ name, hasDefault, generated, identity }) => {
      if (!hasDefault || generated) return true;
      return given.includes(name) && !(isLeft && identity === true);
    });
  if (!lists.every(isFilled)) throw new Refusal(refused('referenceUnsteady'));
}

/** Without a list, what a row has values for; of a query it is not known how many. */
function givenBy({ source }: InsertStatement, names: readonly string[]): readonly string[] {
  return source?.body.kind === 'values' ? names.slice(0, source.body.rows[0]!.length) : [];
}

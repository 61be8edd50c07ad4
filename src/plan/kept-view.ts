// Kept views: on which shards a materialized view is made and filled, by what its query reads.

import { quoteName } from '../base/quote.ts';
import type { RelationName, SelectStatement, UtilityStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { everywhere } from './ddl.ts';
import { hasBinaryForm, isUnsteady } from './engine-element.ts';
import { isName, nameOf } from './engine-text.ts';
import type { CompletedTable } from './keep-view-merge.ts';
import { surveySelect } from './level.ts';
import type { Plan, RoutedPlan } from './plan.ts';
import { relationsIn } from './query-relations.ts';
import { refusedFor, refusedPlan } from './routed.ts';
import { surveyFor } from './rows.ts';
import { hidesTable } from './shadow.ts';
import { SYSTEM_COLUMNS } from './system-columns.ts';
import { refused, severalShards } from './unsupported.ts';
import { queryOf, surveyInside } from './view.ts';

/**
 * CREATE and REFRESH of a materialized view with rows of sharded tables: on every shard that shard's own, or all on
 * the home shard; null: any other statement.
 */
export function planKeptView(
  { node, objectType, inner, relations }: UtilityStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan | null {
  const [view] = relations;
  if (view === undefined) return null;
  try {
    if (node === 'RefreshMatViewStmt') return planRefresh(context.table(view), traits, context);
    const isMade = objectType === 'OBJECT_MATVIEW' && inner?.kind === 'select';
    return isMade ? planMade(view, inner, traits, context) : null;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan(traits.verb, error.fields);
  }
}

function planMade(
  view: RelationName,
  query: SelectStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan | null {
  const { tokens } = context.input;
  if (hidesTable(view, context) || callsRoutine(tokens, context)) return null;
  const survey = surveyFor(context);
  const { isByShard, tellsTime } = surveyInside(query, { survey, surveySelect });
  const tellsNoTime = !tellsTime && !survey.asksRoutineTime;
  if (isByShard && tellsNoTime && survey.classes.length > 0) return everywhere(traits);
  return planAtHome(query, tokens, view, traits, context);
}

function planRefresh(table: Table | null, traits: RoutedPlan, context: PlanContext): Plan | null {
  if (table?.view?.materialized !== true) return null;
  const { query, tokens } = queryOf(table);
  if (table.kind === 'home') {
    // A function may have become another since the view was made.
    if (callsRoutine(tokens, context)) return refusedFor(traits.verb, 'routine');
    return planAtHome(query, tokens, null, traits, context);
  }
  return isFilledByTime(query, context)
    ? { ...traits, route: ALL, merge: null, refusal: severalShards('viewKeptTime') }
    : null;
}

const ALL = { kind: 'all' } as const;

const callsRoutine = (tokens: readonly Token[], { input }: PlanContext): boolean =>
  tokens.some((token) => isName(token) && input.catalog.routineTouchesSharded(nameOf(token)));

/** Each shard would fill it by its own time. */
function isFilledByTime(query: SelectStatement, context: PlanContext): boolean {
  const survey = surveyFor(context);
  return surveyInside(query, { survey, surveySelect }).tellsTime || survey.asksRoutineTime;
}

/** PostgreSQL fills it there, by whatever its query is. `made`: the view, where it is made. Throws Refusal. */
function planAtHome(
  query: SelectStatement,
  tokens: readonly Token[],
  made: RelationName | null,
  traits: RoutedPlan,
  context: PlanContext,
): Plan | null {
  const found = new Map<Table, CompletedTable>();
  collect(query, tokens, context, found);
  if (found.size === 0) return null;
  const tables = isWithNoData(context.input.tokens) ? [] : [...found.values()];
  return { ...traits, route: ALL, merge: { how: 'keepView', tables, made } };
}

const isWithNoData = (tokens: readonly Token[]): boolean =>
  tokens.at(-1)?.text === 'data' && tokens.at(-2)?.text === 'no';

/** The sharded tables that a query reads, itself or by views. Throws Refusal. */
function collect(
  query: SelectStatement,
  tokens: readonly Token[],
  context: PlanContext,
  found: Map<Table, CompletedTable>,
): void {
  let isSpread = false;
  for (const relation of relationsIn(query)) {
    const table = context.table(relation);
    if (table?.kind !== 'sharded' && table?.kind !== 'shardedView') continue;
    isSpread = true;
    if (table.kind === 'sharded') found.set(table, completed(table));
    else if (table.view!.materialized) throw new Refusal(refused('viewKept'));
    else {
      const view = queryOf(table);
      collect(view.query, view.tokens, context, found);
    }
  }
  if (isSpread && asksPlace(tokens)) throw new Refusal(refused('viewKept'));
}

/** What tells rows of a table apart by where they are: ONLY, system columns, drive.shard_id(). */
function asksPlace(tokens: readonly Token[]): boolean {
  return tokens.some((token, i) => {
    if (!isName(token)) return false;
    if (token.text === 'only') return !/^rows?$/.test(tokens[i - 1]?.text ?? '');
    const name = nameOf(token);
    return SYSTEM_COLUMNS.has(name) || name === 'shard_id';
  });
}

function completed({ schema, name, columns, partitioned, rowSecurity }: Table): CompletedTable {
  if (partitioned === true || rowSecurity === true) throw new Refusal(refused('viewKept'));
  const given = columns.filter(({ generated }) => !generated);
  const isPlain = given.every(hasBinaryForm);
  return {
    name: `${quoteName(schema)}.${quoteName(name)}`,
    columns: given.map((column) => ({
      name: quoteName(column.name),
      isUnsteady: !isPlain && isUnsteady(column),
    })),
    format: isPlain ? 'binary' : 'text',
  };
}

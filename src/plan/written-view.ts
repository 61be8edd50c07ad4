// Written views: a view that PostgreSQL itself writes through, as the sharded table that it shows.

import type { RelationName, SelectStatement } from '../sql/statement.ts';
import type { Column, ShownTable, Table } from '../topology/table.ts';
import { Refusal } from './context.ts';
import { hasAggregates } from './distributable.ts';
import { hasSteadyDefault } from './evaluated.ts';
import { surveySelect } from './level.ts';
import { Survey } from './survey.ts';
import { refused } from './unsupported.ts';
import { queryOf, surveyInside } from './view.ts';

/**
 * The table that a statement writes. A view over columns of one sharded table, whose rows each shard
 * gives by itself, counts as one: every shard writes through its own. Any other view stays what it is. Throws
 * Refusal for a view of home that would write one copy of a reference table.
 */
export function targetTable(relation: RelationName, survey: Survey): Table | null {
  const table = survey.context.table(relation);
  if (table?.view === undefined || table.view.materialized) return table;
  return (table.kind === 'shardedView' ? throughView : withShown)(table, survey) ?? table;
}

/** A view of home, or on every shard. */
function withShown(table: Table, survey: Survey): Table | null {
  const { query } = queryOf(table);
  const relation = shownTable(query);
  const own = new Survey(survey.context, survey.surveyWriting);
  const base = relation === null ? null : targetTable(relation, own);
  if (base === null) return null;
  if (base.kind !== table.kind) throw new Refusal(refused('view'));
  const { tellsTime } = surveyInside(query, { survey: own, surveySelect });
  const { touchesSharded = table.touchesSharded } = base;
  const names = namesOf(query, base);
  const shown = shownOf(table, base, names, tellsTime);
  // Of those that show the same column one takes its value.
  const columns = table.columns.map((column, i) => {
    const name = names[i] ?? null;
    return shownColumn(column, base, names.indexOf(name) === i ? name : null);
  });
  const isCopied = table.kind === 'reference';
  return { ...table, ...(isCopied && { columns }), touchesSharded, shown };
}

/** What the view does not give a column by itself it takes from the base's. */
function shownColumn(column: Column, base: Table, name: string | null): Column {
  const shown = base.columns.find((each) => each.name === name);
  if (shown === undefined) return { ...column, generated: true };
  const { generated, identity = false, hasDefault, constantDefault = false } = shown;
  if (column.hasDefault) return { ...column, generated };
  return { ...column, generated, identity, hasDefault, constantDefault };
}

function throughView(table: Table, survey: Survey): Table | null {
  const { query } = queryOf(table);
  const relation = shownTable(query);
  if (relation === null) return null;
  const own = new Survey(survey.context, survey.surveyWriting);
  const base = targetTable(relation, own);
  if (base?.kind !== 'sharded') return null;
  const { isByShard, tellsTime } = surveyInside(query, { survey: own, surveySelect });
  if (!isByShard) return null;
  const names = namesOf(query, base);
  if (names.length !== table.columns.length) return null;
  const columns = table.columns.map((column, i) => factsOf(column, base, names[i]!));
  const key = names.indexOf(base.keyColumn);
  const keyColumn = table.columns[key]?.name ?? null;
  return {
    ...table,
    kind: 'sharded',
    columns,
    keyColumn,
    keyGivenOn: base.keyGivenOn,
    shown: shownOf(table, base, names, tellsTime),
  };
}

/** The table at the bottom, where views show views. */
function shownOf(
  { columns }: Table,
  base: Table,
  names: readonly (string | null)[],
  tellsTime: boolean,
): ShownTable {
  const own = new Map<string, string>();
  names.forEach((name, i) => {
    if (name !== null && !own.has(name)) own.set(name, columns[i]!.name);
  });
  const isHidden = (column: Column) => !names.includes(column.name) && !hasSteadyDefault(column);
  const hidesDefaults = base.shown?.hidesDefaults === true || base.columns.some(isHidden);
  if (base.shown === undefined)
    return { schema: base.schema, name: base.name, columns: own, tellsTime, hidesDefaults };
  const through = [...base.shown.columns].flatMap(([name, shown]) => {
    const last = own.get(shown);
    return last === undefined ? [] : [[name, last] as const];
  });
  return {
    ...base.shown,
    columns: new Map(through),
    tellsTime: tellsTime || base.shown.tellsTime,
    hidesDefaults,
  };
}

/** The one table of a view that PostgreSQL may write through. Source: view_query_is_auto_updatable(). */
function shownTable(query: SelectStatement): RelationName | null {
  const { body, with: clause, limit, offset, locks } = query;
  if (body.kind !== 'simple' || clause !== null) return null;
  if (limit !== null || offset !== null || locks.length > 0) return null;
  const [item, ...others] = body.from;
  const isPlain = body.distinct === 'no' && !body.groupingSets && !hasAggregates(query, body);
  if (item?.kind !== 'table' || item.sampled || others.length > 0 || !isPlain) return null;
  return item.relation;
}

/** The base's column that each of the view's shows; null: an expression. */
function namesOf({ body }: SelectStatement, base: Table): readonly (string | null)[] {
  if (body.kind !== 'simple') return [];
  return body.targets.flatMap(({ expression }) => {
    if (expression.kind === 'star') return base.columns.map(({ name }) => name);
    return [expression.kind === 'column' ? expression.path.at(-1)! : null];
  });
}

/** What the base's column takes. Its default, which the servers give, is none that is known here. */
function factsOf(column: Column, base: Table, name: string | null): Column {
  const shown = base.columns.find((each) => each.name === name);
  const { notNull = false, hasDefault = false, generated = true } = shown ?? {};
  return { ...column, notNull: notNull && !hasDefault, generated };
}

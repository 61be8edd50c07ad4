// Views over sharded tables: surveyed as the queries they stand for.

import { parseSql } from '../sql/parser.ts';
import type { FromItem, SelectStatement } from '../sql/statement.ts';
import { type Token, withoutSemicolons } from '../sql/token.ts';
import type { Table } from '../topology/table.ts';
import { CommonTables } from './common-tables.ts';
import { Refusal } from './context.ts';
import type { TableUse } from './engine-place.ts';
import { engineText, type Stand, tableSpan, type Wording } from './engine-text.ts';
import type { Walk } from './from.ts';
import type { KeyClass } from './key-class.ts';
import { keepsOrder, type Leaf, type Level, mayTie, renamed } from './scope.ts';
import type { TimedView } from './survey.ts';
import { refused } from './unsupported.ts';
import { surveyUnused } from './with.ts';

type TableItem = Extract<FromItem, { kind: 'table' }>;

/**
 * What stands for the view in its scope. Where each shard computes its own part of the view's rows,
 * the use that is noted is one of a sharded table; else, and where it gives them an order, it has the
 * query to put in the view's place.
 */
export function surveyView(item: TableItem, table: Table, walk: Walk, nullable: boolean): Leaf {
  const { survey } = walk;
  const { query, sql, tokens } = queryOf(table);
  const inside = surveyInside(query, walk);
  const { level, classes, uses, isByShard, views } = inside;
  if (inside.tellsTime && !table.view!.materialized) {
    const secured = views.some((view) => view.secured) || uses.some(isSecured);
    const findsOperators =
      survey.context.findsOperators(table) && views.every((view) => view.findsOperators);
    survey.timedViews.push({ item, table, sql, tokens, views, secured, findsOperators });
    survey.tellsTime = true;
    survey.context.readsTimedView = true;
  }
  if (table.view!.materialized && !isByShard) throw new Refusal(refused('viewKept'));
  const leaf = leafOf(item, table, level, nullable);
  const isOrdered = keepsOrder(query, level);
  walk.scope.ordered ||= isOrdered;
  survey.uses.push({
    item,
    table,
    leaf,
    nullable,
    filters: [],
    joins: [],
    key: classes[0] ?? null,
    keyColumn: isByShard ? keyColumnOf(level, table) : null,
    // Each shard's own rows in order are in no order together.
    view: isByShard && !isOrdered ? null : { sql, tokens, uses },
  });
  return leaf;
}

const isSecured = ({ table, view }: TableUse): boolean =>
  table?.rowSecurity === true || (view?.uses.some(isSecured) ?? false);

/** The text with the queries of views in their places. Throws NoMerge where these are not clear. */
export function withViews(wording: Wording, views: readonly TimedView[]): string {
  // A WITH query is surveyed at each of its uses.
  const byPlace = new Map(views.map((view) => [view.item.at, view]));
  const stands = [...byPlace.values()].map((view): Stand => {
    const text = `(${withViews({ ...wording, ...view }, view.views)})`;
    const { item, table } = view;
    return { item, schema: table.schema, span: tableSpan(item, wording.tokens), text };
  });
  return engineText(wording, stands);
}

export function queryOf({ view }: Table): {
  query: SelectStatement;
  sql: string;
  tokens: readonly Token[];
} {
  const sql = view?.query ?? null;
  const parsed = sql === null ? null : parseSql(sql);
  const [only] = parsed?.statements ?? [];
  if (sql === null || parsed === null || only?.statement.kind !== 'select') {
    throw new Refusal(refused('view'));
  }
  return { query: only.statement, sql, tokens: withoutSemicolons(parsed.tokens) };
}

interface Inside {
  readonly level: Level;
  readonly classes: readonly KeyClass[];
  readonly uses: readonly TableUse[];
  /** Its rows are those that each shard gives by itself, together. */
  readonly isByShard: boolean;
  readonly tellsTime: boolean;
  readonly views: readonly TimedView[];
}

/** Surveys a query by itself, in a text of its own. */
export function surveyInside(
  query: SelectStatement,
  { survey, surveySelect }: Pick<Walk, 'survey' | 'surveySelect'>,
): Inside {
  const { uses: usesOutside, unused: unusedOutside, readsHome } = survey;
  const { tellsTime: told, timedViews: viewsOutside } = survey;
  const [classesBefore, reasonsBefore] = [survey.classes.length, survey.reasonCount];
  survey.uses = [];
  survey.unused = new Map();
  survey.readsHome = false;
  survey.tellsTime = false;
  survey.timedViews = [];
  const level = survey.context.inViewText(() => {
    const surveyed = surveySelect(query, survey, null, new CommonTables(), 'derived');
    surveyUnused(survey);
    return surveyed;
  });
  const { uses, tellsTime, timedViews: views } = survey;
  const classes = survey.classes.slice(classesBefore);
  const isOneClass = new Set(classes.map((each) => each.resolved)).size === 1;
  const isByShard =
    isOneClass && level.anchored && !survey.readsHome && survey.reasonSince(reasonsBefore) === null;
  survey.readsHome ||= readsHome;
  survey.tellsTime = told;
  survey.timedViews = viewsOutside;
  survey.uses = usesOutside;
  survey.unused = unusedOutside;
  return { level, classes, uses, isByShard, tellsTime, views };
}

function leafOf(item: TableItem, table: Table, level: Level, nullable: boolean): Leaf {
  const { alias, columnAliases } = item;
  const keys = new Map<string, KeyClass>();
  const nullableKeys = new Set<string>();
  const columns = renamed(table.columns, columnAliases);
  if (level.columns?.length === table.columns.length) {
    [...columns.keys()].forEach((name, i) => {
      const { key, nullable: filled } = level.columns![i]!;
      if (key !== null && mayTie(key, nullable)) keys.set(name, key);
      if (nullable || filled) nullableKeys.add(name);
    });
  }
  return {
    name: alias ?? table.name,
    schema: alias === null ? table.schema : null,
    columns,
    keys,
    anchored: level.anchored,
    sharded: level.sharded,
    nullableKeys,
  };
}

/** A column of the view that tells the shard of each row. */
function keyColumnOf({ columns }: Level, table: Table): string | null {
  if (columns?.length !== table.columns.length) return null;
  const index = columns.findIndex(({ key, nullable }) => key !== null && !nullable);
  return table.columns[index]?.name ?? null;
}

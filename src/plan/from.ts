// FROM: turns tables, joins, sub-queries and functions into the leaves of a scope.

import { childrenOf, type Expression } from '../sql/expression.ts';
import type { FromItem, SelectStatement } from '../sql/statement.ts';
import type { Column, Table } from '../topology/table.ts';
import type { CommonTables } from './common-tables.ts';
import { noteFilter } from './engine-filter.ts';
import { noteJoin, noteUsing } from './engine-join.ts';
import { KeyClass } from './key-class.ts';
import { noteOuterAggregates } from './outer-aggregate.ts';
import { applyCondition, conjunctsOf, keyClassOf, pairsOf } from './restriction.ts';
import {
  keepsOrder,
  type Leaf,
  type Level,
  mayTie,
  NO_NAMES,
  type Role,
  renamed,
  type Scope,
} from './scope.ts';
import { tellsTime } from './splice.ts';
import type { Survey } from './survey.ts';
import { surveyView } from './view.ts';
import { useRows } from './written-rows.ts';

/** What surveying a query level needs at hand. */
export interface Walk {
  readonly scope: Scope;
  readonly survey: Survey;
  readonly tables: CommonTables;
  readonly surveySelect: (
    select: SelectStatement,
    survey: Survey,
    parent: Scope | null,
    tables: CommonTables,
    role: Role,
  ) => Level;
}

interface Added {
  readonly anchored: boolean;
  readonly sharded: boolean;
}

type JoinItem = Extract<FromItem, { kind: 'join' }>;

/** `nullable`: an outer join may put NULLs in place of the item's rows. */
export function addFrom(item: FromItem, walk: Walk, nullable: boolean): Added {
  switch (item.kind) {
    case 'table':
      return addTable(item, walk, nullable);
    case 'query': {
      const { scope, survey, tables } = walk;
      const parent = item.lateral ? scope : scope.parent;
      const level = walk.surveySelect(item.query, survey, parent, tables, 'derived');
      scope.ordered ||= keepsOrder(item.query, level);
      return addLevel(level, item.alias, item.columnAliases, walk, nullable);
    }
    case 'function':
      for (const part of item.parts) surveyPart(part, walk);
      return addLeaf(walk, {
        name: item.alias,
        schema: null,
        columns: null,
        keys: new Map(),
        anchored: false,
        sharded: false,
        nullableKeys: NO_NAMES,
      });
    case 'join':
      return addJoin(item, walk, nullable);
  }
}

function surveyPart(part: Expression, walk: Walk): void {
  const { scope, survey, tables } = walk;
  survey.needsHome ||= part.kind === 'other' && part.node !== 'RangeFunction';
  if ([part, ...(part.kind === 'other' ? childrenOf(part) : [])].some(tellsTime)) {
    survey.timeInFrom = true;
    survey.onlyOneShard('timeInFrom');
  }
  noteOuterAggregates(part, scope, survey);
  survey.expression(part, { inCondition: false, anchored: false, scope }, (query) => {
    walk.surveySelect(query, survey, scope, tables, 'expression');
  });
}

function addLeaf({ scope, survey }: Walk, leaf: Leaf): Added {
  const isShared = ({ name, schema }: Leaf) =>
    name === leaf.name && schema !== null && schema !== leaf.schema;
  if (leaf.name !== null && leaf.schema !== null && scope.leaves.some(isShared))
    survey.context.sharedNames.add(leaf.name);
  scope.leaves.push(leaf);
  return leaf;
}

function addTable(
  item: Extract<FromItem, { kind: 'table' }>,
  walk: Walk,
  nullable: boolean,
): Added {
  const { scope, survey, tables } = walk;
  const { relation, alias, columnAliases, sampled, sampledRows } = item;
  const common = relation.schema === null ? tables.find(relation.name) : null;
  if (common !== null && common !== 'itself' && common.table.statement.kind === 'select') {
    const { table } = common;
    survey.unused.delete(common);
    const statement = table.statement as SelectStatement;
    const level = walk.surveySelect(statement, survey, common.scope, common.tables, 'derived');
    scope.ordered ||= keepsOrder(statement, level);
    const names = columnAliases.length > 0 ? columnAliases : table.columnAliases;
    return addLevel(level, alias ?? relation.name, names, walk, nullable);
  }
  if (common !== null && common !== 'itself' && common.written !== null) {
    const names = columnAliases.length > 0 ? columnAliases : common.table.columnAliases;
    const level = useRows(common.written, survey);
    return addLevel(level, alias ?? relation.name, names, walk, nullable);
  }
  if (common !== null) {
    const keys = new Map<string, KeyClass>();
    const name = alias ?? relation.name;
    const rest = { schema: null, columns: null, keys, anchored: false, sharded: false };
    return addLeaf(walk, { name, ...rest, nullableKeys: NO_NAMES });
  }
  const table = survey.context.table(relation);
  // Each shard would take another sample of the same rows.
  if (sampledRows || (sampled && table?.kind !== 'sharded')) survey.onlyOneShard('tableSample');
  if (table?.kind === 'shardedView') return addLeaf(walk, surveyView(item, table, walk, nullable));
  if (table?.kind !== 'sharded') {
    survey.relation(relation);
    const isHidden = table !== null && survey.context.mayBeHidden(relation, table);
    const found = isHidden ? null : table;
    const leaf = plainLeaf(item, found);
    const rest = { nullable, filters: [], joins: [], keyColumn: null, view: null };
    survey.uses.push({ item, table: found, key: null, leaf, ...rest });
    return addLeaf(walk, leaf);
  }
  const made = shardedLeaf(table, alias, columnAliases, survey);
  const leaf = nullable ? { ...made, nullableKeys: new Set(made.keys.keys()) } : made;
  const key = survey.classes.at(-1)!;
  const { keyColumn } = table;
  const conditions = { filters: [], joins: [] };
  survey.uses.push({ item, table, key, leaf, nullable, ...conditions, keyColumn, view: null });
  return addLeaf(walk, leaf);
}

function plainLeaf(item: Extract<FromItem, { kind: 'table' }>, table: Table | null): Leaf {
  return {
    name: item.alias ?? item.relation.name,
    schema: item.alias === null ? (table?.schema ?? item.relation.schema) : null,
    columns: table === null ? null : renamed(table.columns, item.columnAliases),
    keys: new Map(),
    anchored: false,
    sharded: false,
    nullableKeys: NO_NAMES,
  };
}

/** A use of a sharded table: a class of its own until a condition ties it to another. */
export function shardedLeaf(
  table: Table,
  alias: string | null,
  columnAliases: readonly string[],
  survey: Survey,
): Leaf {
  const key = new KeyClass();
  survey.classes.push(key);
  const columns = renamed(table.columns, columnAliases);
  const keys = new Map<string, KeyClass>();
  for (const [name, column] of columns) if (column.name === table.keyColumn) keys.set(name, key);
  return {
    name: alias ?? table.name,
    schema: alias === null ? table.schema : null,
    columns,
    keys,
    anchored: true,
    sharded: true,
    nullableKeys: NO_NAMES,
  };
}

/** A sub-query or WITH query as a relation. */
function addLevel(
  level: Level,
  name: string | null,
  names: readonly string[],
  walk: Walk,
  nullable: boolean,
): Added {
  const columns = new Map<string, Column | null>();
  const keys = new Map<string, KeyClass>();
  const nullableKeys = new Set<string>();
  let known = level.columns !== null;
  level.columns?.forEach((column, i) => {
    const columnName = names[i] ?? column.name;
    if (columnName === null) {
      known = false;
      return;
    }
    // Of two columns with one name neither can be meant.
    if (columns.has(columnName)) keys.delete(columnName);
    else if (column.key !== null && mayTie(column.key, nullable)) keys.set(columnName, column.key);
    if (nullable || column.nullable) nullableKeys.add(columnName);
    columns.set(columnName, column.column);
  });
  const { anchored, sharded } = level;
  const shown = known ? columns : null;
  const leaf = { name, schema: null, columns: shown, keys, anchored, sharded, nullableKeys };
  return addLeaf(walk, leaf);
}

function addJoin(join: JoinItem, walk: Walk, nullable: boolean): Added {
  const { scope, survey } = walk;
  const { type } = join;
  const first = scope.leaves.length;
  const left = addFrom(join.left, walk, nullable || type === 'right' || type === 'full');
  const middle = scope.leaves.length;
  const right = addFrom(join.right, walk, nullable || type === 'left' || type === 'full');
  const leftLeaves = scope.leaves.slice(first, middle);
  const rightLeaves = scope.leaves.slice(middle);
  applyUsing(join, walk, leftLeaves, rightLeaves);
  if (join.on !== null) applyOn(join.on, join, walk, nullable, leftLeaves, rightLeaves);
  // A join with an alias hides the names of its tables.
  if (join.alias !== null) {
    survey.namesJoin = true;
    scope.leaves.splice(first, Infinity, ...hidden(join.alias, first, scope));
  }
  const sharded = left.sharded || right.sharded;
  if (type === 'inner') return { anchored: left.anchored || right.anchored, sharded };
  const [kept, filled] = type === 'right' ? [right, left] : [left, right];
  if (sharded && (type === 'full' || (filled.sharded && !kept.anchored))) {
    survey.onlyOneShard('outerJoin');
  }
  return { anchored: type !== 'full' && kept.anchored, sharded };
}

function hidden(alias: string, first: number, scope: Scope): Leaf[] {
  const leaves = scope.leaves.slice(first);
  const anchored = leaves.some((leaf) => leaf.anchored);
  const sharded = leaves.some((leaf) => leaf.sharded);
  const rest = { columns: null, keys: new Map(), anchored, sharded, nullableKeys: NO_NAMES };
  return [{ name: alias, schema: null, ...rest }];
}

/** The tables of a join of which only rows count for which its condition holds. */
function narrowed(
  { type }: JoinItem,
  left: readonly Leaf[],
  right: readonly Leaf[],
): readonly Leaf[] {
  const both = type === 'inner' ? [...left, ...right] : [];
  return type === 'left' ? right : type === 'right' ? left : both;
}

function applyUsing(
  join: JoinItem,
  { scope, survey }: Walk,
  left: readonly Leaf[],
  right: readonly Leaf[],
): void {
  const names = join.natural ? commonNames(left, right) : join.using;
  for (const name of names) {
    const shown = scope.merged.get(name);
    const [a] = shown ? [shown] : left.filter((leaf) => leaf.columns?.has(name));
    const [b] = right.filter((leaf) => leaf.columns?.has(name));
    const keyA = a?.keys.get(name);
    const keyB = b?.keys.get(name);
    if (keyA !== undefined && keyB !== undefined && join.type !== 'full') keyA.unite(keyB);
    // What an earlier USING has made of several columns may be another than each.
    if (shown === undefined) {
      noteUsing(name, [a, b], survey, (leaf) => narrowed(join, left, right).includes(leaf));
    }
    const kept = join.type === 'right' ? b : a;
    scope.merged.set(name, join.type === 'full' ? null : (kept ?? null));
  }
}

function commonNames(left: readonly Leaf[], right: readonly Leaf[]): string[] {
  const ofRight = new Set(right.flatMap((leaf) => [...(leaf.columns?.keys() ?? [])]));
  return left.flatMap((leaf) => [...(leaf.columns?.keys() ?? [])]).filter((n) => ofRight.has(n));
}

function applyOn(
  on: Expression,
  join: JoinItem,
  walk: Walk,
  nullable: boolean,
  left: readonly Leaf[],
  right: readonly Leaf[],
): void {
  const { scope, survey } = walk;
  surveyOn(on, walk);
  if (join.type === 'full') return;
  const narrows = (leaf: Leaf) => narrowed(join, left, right).includes(leaf);
  for (const conjunct of conjunctsOf(on)) noteJoin(conjunct, scope, survey, narrows);
  if (join.type === 'inner' && !nullable) {
    applyCondition(on, scope, survey.context);
    for (const conjunct of conjunctsOf(on)) noteFilter(conjunct, scope, survey);
    return;
  }
  // Only equalities count: they bind the rows that an outer join adds to its kept rows.
  const filled = join.type === 'right' ? left : right;
  for (const conjunct of conjunctsOf(on)) {
    if (conjunct.kind !== 'operator' || conjunct.operator.join() !== '=') continue;
    for (const [a, b] of pairsOf(conjunct.left, conjunct.right)) {
      const [keyA, keyB] = [keyClassOf(a, scope), keyClassOf(b, scope)];
      if (keyA === null || keyB === null) continue;
      const leaves = [a, b].map((e) =>
        e.kind === 'column' ? scope.find(e.path)?.leaf : undefined,
      );
      const binds =
        join.type === 'inner' || leaves.some((x) => x !== undefined && filled.includes(x));
      if (binds) keyA.unite(keyB);
    }
  }
}

function surveyOn(on: Expression, walk: Walk): void {
  const { scope, survey, tables } = walk;
  noteOuterAggregates(on, scope, survey);
  survey.expression(on, { inCondition: true, anchored: true, scope }, (query) => {
    walk.surveySelect(query, survey, scope, tables, 'expression');
  });
}

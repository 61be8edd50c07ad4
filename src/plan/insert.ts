// INSERT: rows go to the shards of their keys.

import { valuesRows } from '../sql/clause.ts';
import type { InsertStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { CommonTables } from './common-tables.ts';
import { type PlanContext, Refusal } from './context.ts';
import { shardedLeaf } from './from.ts';
import { insertRows, isInsertSelect, tailParts, tieSource } from './insert-select.ts';
import { surveyExpressions, surveySelect, withTables } from './level.ts';
import { checkTarget } from './modify.ts';
import type { InsertMerge, KeySource, Plan, WriteMerge } from './plan.ts';
import { keySourceOf } from './restriction.ts';
import { shardedPlan } from './routed.ts';
import { type Leaf, NO_NAMES, Scope } from './scope.ts';
import { planUnsharded } from './select.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { refused } from './unsupported.ts';
import { surveyUnused } from './with.ts';

export function planInsert(statement: InsertStatement, survey: Survey, context: PlanContext): Plan {
  const found = surveyInsert(statement, survey, new CommonTables());
  surveyUnused(survey);
  if (survey.classes.length === 0) return planUnsharded('INSERT', survey, context, 'write');
  const { table, leaf, keys } = found;
  const merge = (): InsertMerge | WriteMerge => {
    if (found.tied) return { how: 'write' };
    if (keys === null || statement.with !== null) throw new NoMerge('insertWith');
    return mergeOf(keys, context);
  };
  const plans = { merge, engine: null };
  if (!isInsertSelect(statement.source))
    return shardedPlan('INSERT', survey, context, 'write', plans);
  const staged = () => insertRows(statement, table, leaf, context, survey);
  return shardedPlan('INSERT', survey, context, 'write', { ...plans, staged });
}

function mergeOf(keys: readonly KeySource[], context: PlanContext): InsertMerge {
  const text = valuesRows(context.input.sql, context.input.tokens);
  if (text === null || text.rows.length !== keys.length) throw new NoMerge('text');
  return { how: 'insert', ...text, keys };
}

/** What an INSERT writes to, and by which keys. */
export interface SurveyedInsert {
  readonly table: Table | null;
  /** The table in ON CONFLICT and RETURNING. */
  readonly leaf: Leaf;
  /** Of each row of VALUES into a sharded table; null for anything else. */
  readonly keys: readonly KeySource[] | null;
  /** Its query makes every row on the shard that it belongs to. */
  readonly tied: boolean;
}

/** Throws Refusal. */
export function surveyInsert(
  statement: InsertStatement,
  survey: Survey,
  outer: CommonTables,
): SurveyedInsert {
  const { context } = survey;
  const tables = withTables(statement.with, survey, null, outer);
  const table = context.table(statement.relation);
  checkTarget(statement, table, survey);
  const sharded = table?.kind === 'sharded' ? table : null;
  let leaf: Leaf;
  let keys: readonly KeySource[] | null = null;
  if (sharded !== null) {
    leaf = shardedLeaf(sharded, statement.alias, [], survey);
    if (!isInsertSelect(statement.source)) {
      keys = rowKeys(statement, sharded, context);
      leaf.keys.get(sharded.keyColumn!)!.restrict(keys);
    }
    checkConflict(statement, sharded, leaf);
  } else {
    survey.relation(statement.relation);
    leaf = unknownLeaf(statement);
  }
  let tied = false;
  if (statement.source !== null) {
    const level = surveySelect(statement.source, survey, null, tables, 'derived');
    if (sharded !== null && isInsertSelect(statement.source)) {
      const names = statement.columns ?? sharded.columns.map((column) => column.name);
      const key = leaf.keys.get(sharded.keyColumn!)!;
      const index = names.indexOf(sharded.keyColumn!);
      tied = tieSource(level, statement.source, index, key, context);
    }
  }
  const scope = new Scope(null);
  scope.leaves.push(leaf);
  surveyExpressions(tailParts(statement), scope, survey, tables, sharded !== null);
  return { table, leaf, keys, tied };
}

function unknownLeaf(statement: InsertStatement): Leaf {
  const name = statement.alias ?? statement.relation.name;
  const keys = new Map();
  return {
    name,
    schema: null,
    columns: null,
    keys,
    anchored: false,
    sharded: false,
    nullableKeys: NO_NAMES,
  };
}

function rowKeys(
  statement: InsertStatement,
  table: Table,
  context: PlanContext,
): readonly KeySource[] {
  const { source, columns } = statement;
  if (source === null) return [keyOfDefault(table)];
  if (source.body.kind !== 'values') return [];
  const names = columns ?? table.columns.map((column) => column.name);
  const index = names.indexOf(table.keyColumn!);
  return source.body.rows.map((row) => {
    const value = index < 0 ? undefined : row[index];
    if (value === undefined || value.kind === 'default') return keyOfDefault(table);
    const key = keySourceOf(value, context);
    if (key === null) {
      const uncertain = value.kind === 'parameter' && context.uncertain.has(value.index);
      throw new Refusal(refused(uncertain ? 'parameterType' : 'insertKey'));
    }
    if (key.from === 'constant' && key.value === null) checkNotNull(table);
    return key;
  });
}

const isRequired = (table: Table) =>
  table.columns.find((column) => column.name === table.keyColumn)?.notNull ?? false;

/** Without a value and a default the server refuses the row, on whichever shard. */
function keyOfDefault(table: Table): KeySource {
  const column = table.columns.find((each) => each.name === table.keyColumn);
  if (column === undefined || column.hasDefault || !column.notNull) {
    throw new Refusal(refused('insertDefault'));
  }
  return { from: 'constant', value: null };
}

/** A NULL key belongs to no shard; text that is no integer never gets that far. */
function checkNotNull(table: Table): void {
  if (!isRequired(table)) throw new Refusal(refused('insertDefault'));
}

/** ON CONFLICT DO UPDATE may set the key to the inserted row's own: that row is on this shard. */
function checkConflict(statement: InsertStatement, table: Table, leaf: Leaf): void {
  const own = [leaf.name, 'excluded'];
  for (const { column, value } of statement.conflict?.assignments ?? []) {
    if (column !== table.keyColumn) continue;
    const path = value?.kind === 'column' ? value.path : [];
    const names = path.length === 2 && path[1] === column && own.includes(path[0]!);
    if (!names) throw new Refusal(refused('updateKey'));
  }
}

// INSERT: rows go to the shards of their keys.

import type { InsertStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { CommonTables } from './common-tables.ts';
import { type PlanContext, Refusal } from './context.ts';
import { shardedLeaf } from './from.ts';
import { insertRows, isInsertSelect, surveyTail, tieSource } from './insert-select.ts';
import { insertValues, keyIndex, type RowKey, rowKeys, valuesBesideKeys } from './insert-values.ts';
import { takesIdsOf } from './last-ids.ts';
import { surveyExpressions, surveySelect, withTables } from './level.ts';
import { checkTarget } from './modify.ts';
import type { InsertMerge, Plan, WriteMerge } from './plan.ts';
import { shardedPlan } from './routed.ts';
import { type Leaf, NO_NAMES, Scope } from './scope.ts';
import { planUnsharded } from './select.ts';
import { NoMerge } from './splice.ts';
import { strayKeys } from './stray-keys.ts';
import type { Survey } from './survey.ts';
import { refused } from './unsupported.ts';
import { surveyUnused } from './with.ts';
import { targetTable } from './written-view.ts';

export function planInsert(statement: InsertStatement, survey: Survey, context: PlanContext): Plan {
  const found = surveyInsert(statement, survey, new CommonTables());
  surveyUnused(survey);
  const { table, leaf, keys } = found;
  const takesIds = takesIdsOf(statement, table, survey);
  if (survey.classes.length === 0) {
    const plan = planUnsharded('INSERT', survey, context, 'write');
    return plan.op === 'routed' ? { ...plan, takesIds } : plan;
  }
  const strays = strayKeys(statement, table);
  const merge = (): InsertMerge | WriteMerge => {
    // Its parts by themselves make all rows at one time.
    const isByParts = survey.writesInWith && survey.tellsTime;
    if (found.tied && !isByParts && strays === null) return { how: 'write' };
    if (keys === null || table === null || statement.with !== null) throw new NoMerge('insertWith');
    return insertValues(statement, table, keys, context);
  };
  const staged = () => insertRows(statement, table, leaf, context, survey);
  const plan = shardedPlan('INSERT', survey, context, 'write', { merge, engine: null, staged });
  return plan.op === 'routed' ? { ...plan, strays, takesIds } : plan;
}

/** What an INSERT writes to, and by which keys. */
export interface SurveyedInsert {
  readonly table: Table | null;
  /** The table in ON CONFLICT and RETURNING. */
  readonly leaf: Leaf;
  /** Of each row of VALUES into a sharded table; null for anything else. */
  readonly keys: readonly RowKey[] | null;
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
  const table = targetTable(statement.relation, survey);
  checkTarget(table, survey);
  // Rows through a view that does not show the key could be told apart by nothing.
  if (table?.kind === 'sharded' && table.keyColumn === null) {
    throw new Refusal(refused('insertDefault'));
  }
  const sharded = table?.kind === 'sharded' ? table : null;
  let leaf: Leaf;
  let keys: readonly RowKey[] | null = null;
  if (sharded !== null) {
    leaf = shardedLeaf(sharded, statement.alias, [], survey);
    if (!isInsertSelect(statement.source)) {
      keys = rowKeys(statement, sharded, context);
      const known = keys.flatMap((key) => (typeof key === 'string' ? [] : [key]));
      if (known.length === keys.length) leaf.keys.get(sharded.keyColumn!)!.restrict(known);
    }
  } else {
    survey.relation(statement.relation);
    leaf = unknownLeaf(statement);
  }
  const { source } = statement;
  let tied = false;
  if (source !== null && isInsertSelect(source)) {
    const level = surveySelect(source, survey, null, tables, 'derived');
    if (sharded !== null) {
      const key = leaf.keys.get(sharded.keyColumn!)!;
      const index = keyIndex(statement, sharded, context);
      tied = tieSource(level, source, index, key, context);
    }
  } else if (source?.body.kind === 'values') {
    const values =
      keys === null ? source.body.rows.flat() : valuesBesideKeys(statement, keys, table!, context);
    surveyExpressions(values, new Scope(null), survey, tables, sharded !== null);
  }
  const scope = new Scope(null);
  scope.leaves.push(leaf);
  surveyTail(statement, scope, survey, tables, sharded !== null);
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

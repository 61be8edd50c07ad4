// Steady: what gives the same on every shard, as every copy of a reference table needs it.

import type { Call, Expression } from '../sql/expression.ts';
import type { RelationName } from '../sql/statement.ts';
import { type PlanContext, Refusal } from './context.ts';
import { isScalar } from './functions.ts';
import { relationsIn } from './query-relations.ts';
import { tellsTime } from './splice.ts';
import { refused } from './unsupported.ts';
import { queryOf } from './view.ts';

/** Whether no part of the tree may have another value on another shard that has the same rows. */
export const isSteady = (tree: object, context: PlanContext): boolean =>
  passes(() => checkSteady(tree, context));

export function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/**
 * Throws Refusal. `time`: that of the transaction is written out before the statement is planned to be run,
 * for all shards; what still asks for it then would be told by each shard.
 */
export function checkSteady(
  tree: object,
  context: PlanContext,
  time: 'its time' | 'no time' = 'no time',
): void {
  const open: unknown[] = [tree];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression;
    const isTold = time === 'its time' && asksItsTime(node);
    if (takesByOrder(next) || !(isSteadyNode(node) || isTold)) {
      throw new Refusal(refused('referenceUnsteady'));
    }
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  if (!relationsIn(tree).every((relation) => isSteadyRelation(relation, context))) {
    throw new Refusal(refused('referenceUnsteady'));
  }
}

/** What is taken of rows depends on how they lie: LIMIT, DISTINCT ON, TABLESAMPLE, ARRAY(SELECT …). */
function takesByOrder(node: object): boolean {
  const { limit, offset, distinct, sampled, link } = node as { [field: string]: unknown };
  if ((limit ?? offset ?? null) !== null) return true;
  return distinct === 'on' || sampled === true || link === 'array';
}

/** A view gives what its query does; one that keeps its rows was steady when it was made. */
export function isSteadyRelation(relation: RelationName, context: PlanContext): boolean {
  const table = context.table(relation);
  if (table?.view === undefined || table.view.materialized) return true;
  return passes(() => checkSteady(queryOf(table).query, context));
}

/** Whether what is written through a view are the same rows on every shard. */
export function showsSteadily(relation: RelationName, context: PlanContext): boolean {
  const table = context.table(relation);
  if (table?.view === undefined || table.view.materialized) return true;
  const { body } = queryOf(table).query;
  if (body.kind !== 'simple' || (body.where !== null && !isSteady(body.where, context)))
    return false;
  return body.from.every((item) => item.kind !== 'table' || showsSteadily(item.relation, context));
}

/** Nodes of the tree whose value may differ from shard to shard are not. */
function isSteadyNode(node: Expression): boolean {
  switch (node.kind) {
    case 'call':
      return isSteadyCall(node);
    case 'constant':
      return node.type !== 'string' || !/^\s*(now|today|tomorrow|yesterday)\s*$/i.test(node.text);
    case 'other':
      return STEADY_NODES.has(node.node);
    case 'default':
      return false;
    default:
      return true;
  }
}

/** now() and its kin, but not what is of the statement. */
function asksItsTime(node: Expression): boolean {
  if (node.kind === 'other') return tellsTime(node);
  if (node.kind !== 'call' || (node.schema !== null && node.schema !== 'pg_catalog')) return false;
  return node.name === 'now' || node.name === 'transaction_timestamp';
}

const TIME = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
  'age',
  'current_setting',
]);
/** Not of sums: those of floats depend on the order of the rows. */
const STEADY_AGGREGATES = new Set(['count', 'min', 'max', 'bool_and', 'bool_or']);

function isSteadyCall(call: Call): boolean {
  if (call.schema !== null && call.schema !== 'pg_catalog') return false;
  if (TIME.has(call.name) || call.over !== null) return false;
  return isScalar(call) || STEADY_AGGREGATES.has(call.name);
}

const STEADY_NODES = new Set([
  'CaseExpr',
  'CaseWhen',
  'CoalesceExpr',
  'MinMaxExpr',
  'BooleanTest',
  'A_Indirection',
  'A_Indices',
  'AEXPR_NULLIF',
  'AEXPR_LIKE',
  'AEXPR_ILIKE',
  'AEXPR_SIMILAR',
  'MergeWhenClause',
  'MergeSupportFunc',
]);

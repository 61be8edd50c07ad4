// Steady: what gives the same on every shard, as every copy of a reference table needs it.

import type { Call, Expression } from '../sql/expression.ts';
import { Refusal } from './context.ts';
import { isScalar } from './functions.ts';
import { tellsTime } from './splice.ts';
import { refused } from './unsupported.ts';

/** Whether no part of the tree may have another value on another shard that has the same rows. */
export const isSteady = (tree: object): boolean => passes(() => checkSteadyNodes(tree));

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
 * Throws Refusal. `time`: that of the transaction is written out before the statement is planned to be run, for all shards;
 * what still asks for it then would be told by each shard.
 */
export function checkSteadyNodes(tree: object, time: 'its time' | 'no time' = 'no time'): void {
  const open: unknown[] = [tree];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression;
    if (!isSteadyNode(node) && !(time === 'its time' && asksItsTime(node)))
      throw new Refusal(refused('referenceUnsteady'));
    const { limit, offset } = next as { limit?: unknown; offset?: unknown };
    if ((limit ?? null) !== null || (offset ?? null) !== null) {
      throw new Refusal(refused('referenceUnsteady'));
    }
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
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
const STEADY_AGGREGATES = new Set(['count', 'sum', 'min', 'max', 'avg', 'bool_and', 'bool_or']);

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

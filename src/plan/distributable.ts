// Distributable: whether each shard can compute its part of a query level by itself.

import { type Expression, partsOf, type Window } from '../sql/expression.ts';
import type { SelectStatement, SimpleSelect } from '../sql/statement.ts';
import type { PlanContext } from './context.ts';
import { isAggregate } from './functions.ts';
import { keyClassOf } from './restriction.ts';
import type { Scope } from './scope.ts';
import type { SeveralShardsReason } from './unsupported.ts';

/** JSON aggregates of the grammar's own; they are no calls. */
const AGGREGATE_NODES = new Set(['JsonObjectAgg', 'JsonArrayAgg']);

/**
 * null when every output row depends on rows of one sharding key: what mixes rows (aggregates,
 * DISTINCT, windows) does it within groups that carry the key. The level's tables must be of one
 * class, which the caller sees to.
 */
export function isDistributable(
  select: SelectStatement,
  body: SimpleSelect,
  scope: Scope,
  context: PlanContext,
): SeveralShardsReason | null {
  if (body.groupingSets) return 'groupingSets';
  if (hasAggregates(select, body) && !groupsByKey(body, scope, context)) return 'derivedAggregate';
  if (body.distinct === 'all' && !selectsKey(body, scope)) return 'derivedAggregate';
  if (body.distinct === 'on' && !hasKey(resolved(body.distinctOn, body, context), scope)) {
    return 'distinctOn';
  }
  return windowsKeepKey(select, body, scope) ? null : 'window';
}

const hasKey = (expressions: readonly Expression[], scope: Scope) =>
  expressions.some((expression) => isOwnKey(expression, scope));

/** A sharding key of this level's own tables. */
function isOwnKey(expression: Expression, scope: Scope): boolean {
  if (keyClassOf(expression, scope) === null || expression.kind !== 'column') return false;
  const found = scope.find(expression.path);
  return found !== null && !found.outer && !found.leaf.nullableKeys.has(found.column);
}

/** What makes output rows: the select list and ORDER BY. */
const outputs = (select: SelectStatement, body: SimpleSelect): readonly Expression[] => [
  ...body.targets.map((target) => target.expression),
  ...select.order.map((item) => item.expression),
];

export function hasAggregates(select: SelectStatement, body: SimpleSelect): boolean {
  if (body.group.length > 0 || body.having !== null) return true;
  return outputs(select, body).some(containsAggregate);
}

function containsAggregate(expression: Expression): boolean {
  for (const part of partsOf(expression)) {
    if (part.kind === 'call' && isAggregate(part)) return true;
    if (part.kind === 'other' && AGGREGATE_NODES.has(part.node)) return true;
  }
  return false;
}

export function groupsByKey(body: SimpleSelect, scope: Scope, context: PlanContext): boolean {
  return !body.groupingSets && hasKey(resolved(body.group, body, context, scope), scope);
}

export function selectsKey(body: SimpleSelect, scope: Scope): boolean {
  return body.targets.some(({ expression }) => {
    if (expression.kind !== 'star') return isOwnKey(expression, scope);
    const name = expression.path.at(-1);
    return scope.leaves.some(
      (leaf) =>
        (name === undefined || leaf.name === name) &&
        [...leaf.keys.keys()].some((key) => !leaf.nullableKeys.has(key)),
    );
  });
}

/** Ordinals and output aliases replaced by the output expressions they mean. */
function resolved(
  expressions: readonly Expression[],
  body: SimpleSelect,
  context: PlanContext,
  scope?: Scope,
): readonly Expression[] {
  return expressions.map((e) => {
    if (e.kind === 'constant' && e.type === 'integer') {
      context.dependsOnValue = true;
      const before = body.targets.slice(0, Number(e.text));
      // A star before the ordinal shifts it.
      if (before.some((target) => target.expression.kind === 'star')) return e;
      return before[Number(e.text) - 1]?.expression ?? e;
    }
    // In GROUP BY a column of a table comes before an output alias.
    if (e.kind !== 'column' || e.path.length > 1) return e;
    if (scope !== undefined) {
      const found = scope.find(e.path);
      if ((found !== null && !found.outer) || !scope.knowsAllColumns) return e;
    }
    return body.targets.find(({ name }) => name === e.path[0])?.expression ?? e;
  });
}

function windowsKeepKey(select: SelectStatement, body: SimpleSelect, scope: Scope): boolean {
  const named = new Map(body.windows.map((window) => [window.name, window]));
  const partitionOf = (window: Window): readonly Expression[] => {
    const base = named.get(window.refersTo ?? window.name);
    if (base === undefined || base === window) return window.partition;
    return [...window.partition, ...partitionOf(base)];
  };
  return windowCalls(select, body).every((over) => hasKey(partitionOf(over), scope));
}

function windowCalls(select: SelectStatement, body: SimpleSelect): Window[] {
  const parts = outputs(select, body).flatMap((expression) => [...partsOf(expression)]);
  return parts.flatMap((part) => (part.kind === 'call' && part.over !== null ? [part.over] : []));
}

export function hasWindows(select: SelectStatement, body: SimpleSelect): boolean {
  return windowCalls(select, body).length > 0;
}

// Outer aggregates: calls in a sub-query that aggregate the rows of a query around it.

import { type Call, type Expression, partsOf } from '../sql/expression.ts';
import { isAggregate } from './functions.ts';
import type { Scope } from './scope.ts';
import type { Survey } from './survey.ts';

/**
 * An aggregate belongs to the innermost query that a column in its arguments is of (syntax.sgml,
 * "Aggregate Expressions"). One that is not of its own query makes a query around it aggregate all
 * rows, which no shard has.
 */
export function noteOuterAggregates(expression: Expression, scope: Scope, survey: Survey): void {
  if (scope.parent === null) return;
  for (const part of partsOf(expression)) {
    if (part.kind === 'call' && isAggregate(part) && mayBeOuter(part, scope)) {
      survey.onlyOneShard('derivedAggregate');
    }
  }
}

function mayBeOuter({ args, order, filter }: Call, scope: Scope): boolean {
  const given = [...args, ...order.map((item) => item.expression)];
  if (filter !== null) given.push(filter);
  const parts = given.flatMap((each) => [...partsOf(each)]);
  if (parts.some((part) => isOwn(part, scope))) return false;
  // What a sub-query among them refers to is not looked at.
  return parts.some(({ kind }) => kind === 'column' || kind === 'star' || kind === 'query');
}

function isOwn(part: Expression, scope: Scope): boolean {
  if (part.kind !== 'column' && part.kind !== 'star') return false;
  const found = part.kind === 'column' ? scope.find(part.path) : null;
  if (found !== null) return !found.outer;
  // A relation's name stands for its whole row, or for the one column of a function.
  return scope.leaves.some(({ name }) => name !== null && part.path.includes(name));
}

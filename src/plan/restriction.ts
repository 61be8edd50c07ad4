// Restrictions: the sharding keys that a condition leaves to a query level.

import type { Constant, Expression } from '../sql/expression.ts';
import { parseInt8 } from '../sql/integer.ts';
import type { PlanContext } from './context.ts';
import { isBuiltInType } from './functions.ts';
import { parseArrayText, roundToInt8 } from './key.ts';
import type { KeyClass } from './key-class.ts';
import type { KeySource } from './plan.ts';
import type { Scope } from './scope.ts';

/** The keys that remain possible, by class; a class that is not in it is not restricted. */
type Restrictions = ReadonlyMap<KeyClass, readonly KeySource[]>;

const NONE: Restrictions = new Map();

const isEquality = (operator: readonly string[]) => operator.length === 1 && operator[0] === '=';

/** `= NULL` as it is written: IS NULL, where the session has set transform_null_equals. */
export const isNullTest = ({ left, right }: Extract<Expression, { kind: 'operator' }>): boolean =>
  [left, right].some((side) => side?.kind === 'constant' && side.type === 'null');

/** Takes what a condition that must be true says about keys into the classes of the scope. */
export function applyCondition(condition: Expression, scope: Scope, context: PlanContext): void {
  for (const conjunct of conjunctsOf(condition)) {
    if (conjunct.kind === 'operator' && isEquality(conjunct.operator)) {
      for (const [left, right] of pairsOf(conjunct.left, conjunct.right)) {
        const [a, b] = [keyClassOf(left, scope), keyClassOf(right, scope)];
        if (a !== null && b !== null) a.unite(b);
      }
    }
    for (const [key, sources] of restrictionsOf(conjunct, scope, context)) key.restrict(sources);
  }
}

export function* conjunctsOf(condition: Expression): Generator<Expression> {
  if (condition.kind === 'and') for (const arg of condition.args) yield* conjunctsOf(arg);
  else yield condition;
}

/** The sides of an equality; of a row comparison, of each of its columns. */
export function pairsOf(
  left: Expression | null,
  right: Expression | null,
): readonly (readonly [Expression, Expression])[] {
  if (left === null || right === null) return [];
  if (left.kind === 'row' && right.kind === 'row') {
    if (left.items.length !== right.items.length) return [];
    return left.items.map((item, i) => [item, right.items[i]!] as const);
  }
  return [[left, right]];
}

/** The class of a bare sharding key column; null for anything else. */
export function keyClassOf(expression: Expression, scope: Scope): KeyClass | null {
  return expression.kind === 'column' ? (scope.find(expression.path)?.key ?? null) : null;
}

function restrictionsOf(condition: Expression, scope: Scope, context: PlanContext): Restrictions {
  switch (condition.kind) {
    case 'and':
      return all(condition.args.map((arg) => restrictionsOf(arg, scope, context)));
    case 'or':
      return any(condition.args.map((arg) => restrictionsOf(arg, scope, context)));
    case 'operator': {
      if (!isEquality(condition.operator) || isNullTest(condition)) return NONE;
      const pairs = pairsOf(condition.left, condition.right);
      return all(pairs.map(([left, right]) => equality(left, right, scope, context)));
    }
    case 'distinctFrom':
      if (!condition.negated) return NONE;
      return equality(condition.left, condition.right, scope, context, true);
    case 'in':
      if (condition.negated) return NONE;
      return any(
        condition.items.map((item) =>
          all(
            pairsOf(condition.left, item).map(([left, right]) =>
              equality(left, right, scope, context),
            ),
          ),
        ),
      );
    case 'quantified': {
      const key = keyClassOf(condition.left, scope);
      if (key === null || condition.quantifier !== 'any') return NONE;
      if (!isEquality(condition.operator)) return NONE;
      const sources = arrayKeys(condition.right, context);
      return sources === null ? NONE : new Map([[key, sources]]);
    }
    default:
      return NONE;
  }
}

function equality(
  left: Expression,
  right: Expression,
  scope: Scope,
  context: PlanContext,
  nullMatches = false,
): Restrictions {
  for (const [column, value] of [
    [left, right],
    [right, left],
  ] as const) {
    const key = keyClassOf(column, scope);
    if (key === null) continue;
    const source = keySourceOf(value, context);
    if (source === null) continue;
    // IS NOT DISTINCT FROM NULL, now or when the parameter is bound, is true for rows of no key.
    const mayBeNull =
      source.from === 'parameter' || (source.from === 'constant' && source.value === null);
    if (nullMatches && mayBeNull) continue;
    return new Map([[key, [source]]]);
  }
  return NONE;
}

/** All hold: the shorter list of each class. */
function all(parts: readonly Restrictions[]): Restrictions {
  const together = new Map<KeyClass, readonly KeySource[]>();
  for (const part of parts) {
    for (const [key, sources] of part) {
      const same = [...together.keys()].find((each) => each.isSame(key)) ?? key;
      const known = together.get(same);
      if (known === undefined || sources.length < known.length) together.set(same, sources);
    }
  }
  return together;
}

/** One of them holds: only a class restricted by each of them is. */
function any(parts: readonly Restrictions[]): Restrictions {
  const [first, ...others] = parts;
  if (first === undefined) return NONE;
  const together = new Map<KeyClass, readonly KeySource[]>();
  for (const [key, sources] of first) {
    const lists = others.map((part) => [...part].find(([each]) => each.isSame(key))?.[1]);
    if (lists.every((list) => list !== undefined)) together.set(key, [...sources, ...lists.flat()]);
  }
  return together;
}

const INTEGER_TYPES = new Set(['int2', 'int4', 'int8', 'smallint', 'int', 'integer', 'bigint']);

/** A constant or parameter as key; null where the value cannot be told when it is bound. */
export function keySourceOf(expression: Expression, context: PlanContext): KeySource | null {
  if (expression.kind === 'parameter') {
    if (context.uncertain.has(expression.index)) return null;
    return { from: 'parameter', index: expression.index, array: false };
  }
  if (expression.kind === 'constant') return constantSource(expression, context);
  if (expression.kind !== 'cast') return null;
  const { type, arg } = expression;
  if (type.isArray || type.hasModifier || !isBuiltInType(type.schema, type.name)) return null;
  const isInteger = INTEGER_TYPES.has(type.name);
  if (!isInteger && type.name !== 'numeric') return null;
  if (arg.kind === 'parameter') return isInteger ? keySourceOf(arg, context) : null;
  if (arg.kind === 'constant' && arg.type === 'string' && !isInteger) {
    // As a numeric '42.5' would be rounded, as an integer key it is an error.
    const source = context.constantKey(roundToInt8(arg.text), arg);
    context.dependsOnValue = true;
    return source;
  }
  return keySourceOf(arg, context);
}

function constantSource(constant: Constant, context: PlanContext): KeySource | null {
  switch (constant.type) {
    case 'integer':
      return context.constantKey(BigInt(constant.text), constant);
    case 'decimal':
      return context.constantKey(roundToInt8(constant.text), constant);
    case 'string':
      return context.constantKey(parseInt8(constant.text), constant);
    case 'null':
      return { from: 'constant', value: null };
    default:
      return null;
  }
}

/** The keys of `= ANY(…)`: ARRAY[…], '{…}' or a parameter, with or without a cast. */
function arrayKeys(array: Expression, context: PlanContext): readonly KeySource[] | null {
  if (array.kind === 'parameter') {
    if (context.uncertain.has(array.index)) return null;
    return [{ from: 'parameter', index: array.index, array: true }];
  }
  if (array.kind === 'cast') {
    const { type, arg } = array;
    const isIntegers = type.isArray && isBuiltInType(type.schema, type.name);
    if (!isIntegers || type.hasModifier || !INTEGER_TYPES.has(type.name)) return null;
    return arrayKeys(arg, context);
  }
  if (array.kind === 'array') {
    const lists = array.items.map((item) => {
      if (item.kind === 'array') return arrayKeys(item, context);
      const source = keySourceOf(item, context);
      return source === null ? null : [source];
    });
    return lists.every((list) => list !== null) ? lists.flat() : null;
  }
  if (array.kind !== 'constant' || array.type !== 'string') return null;
  context.dependsOnValue = true;
  return (parseArrayText(array.text) ?? []).flatMap((element): KeySource[] => {
    const value = element === null ? null : parseInt8(element);
    return value === null ? [] : [{ from: 'constant', value }];
  });
}

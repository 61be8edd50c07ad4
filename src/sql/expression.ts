// Expression: the project's own, compact form of a scalar expression. Data only.

import type { SelectStatement } from './statement.ts';

export type ConstantType = 'integer' | 'decimal' | 'string' | 'bits' | 'boolean' | 'null';

export interface TypeReference {
  /** pg_catalog for the types the grammar itself knows; null when unqualified. */
  readonly schema: string | null;
  readonly name: string;
  readonly isArray: boolean;
  readonly hasModifier: boolean;
  /** The unit that is the only modifier of an interval: `interval '1' month`. */
  readonly unit: string | null;
}

export interface OrderItem {
  readonly expression: Expression;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /** ORDER BY … USING an operator. */
  readonly using: boolean;
}

export interface Window {
  readonly name: string | null;
  readonly refersTo: string | null;
  readonly partition: readonly Expression[];
  readonly order: readonly OrderItem[];
  readonly children: readonly Expression[];
}

export interface Call {
  readonly kind: 'call';
  readonly schema: string | null;
  readonly name: string;
  readonly args: readonly Expression[];
  readonly star: boolean;
  readonly distinct: boolean;
  readonly order: readonly OrderItem[];
  readonly withinGroup: boolean;
  readonly filter: Expression | null;
  readonly over: Window | null;
  /** Index of the name's first character in the statement's text. */
  readonly at: number;
}

/** `at` is an index into the statement's text. */
export type Constant = {
  readonly kind: 'constant';
  readonly type: ConstantType;
  /** An integer or decimal with its sign, a string's value, true or false; '' for NULL. */
  readonly text: string;
  readonly at: number;
};

export type Column = {
  readonly kind: 'column';
  readonly path: readonly string[];
  /** Index of its first character in the statement's text; missing: it is not of that text. */
  readonly at?: number;
};

export type SubQuery = {
  readonly kind: 'query';
  readonly link: 'exists' | 'any' | 'all' | 'value' | 'array';
  /** The left side of IN, ANY and ALL. */
  readonly test: Expression | null;
  /** The operator of ANY and ALL as qualified name; IN is `=`. */
  readonly operator: readonly string[];
  readonly query: SelectStatement;
};

export type Expression =
  | Column
  | { readonly kind: 'star'; readonly path: readonly string[] }
  | Constant
  | { readonly kind: 'parameter'; readonly index: number }
  | { readonly kind: 'cast'; readonly arg: Expression; readonly type: TypeReference }
  | {
      readonly kind: 'operator';
      readonly operator: readonly string[];
      readonly left: Expression | null;
      readonly right: Expression | null;
    }
  | { readonly kind: 'and' | 'or'; readonly args: readonly Expression[] }
  | { readonly kind: 'not'; readonly arg: Expression }
  | { readonly kind: 'isNull'; readonly arg: Expression; readonly negated: boolean }
  | {
      readonly kind: 'in';
      readonly negated: boolean;
      readonly left: Expression;
      readonly items: readonly Expression[];
    }
  | {
      readonly kind: 'quantified';
      readonly quantifier: 'any' | 'all';
      readonly operator: readonly string[];
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'between';
      readonly negated: boolean;
      readonly symmetric: boolean;
      readonly left: Expression;
      readonly low: Expression;
      readonly high: Expression;
    }
  | {
      readonly kind: 'distinctFrom';
      readonly negated: boolean;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'row' | 'array'; readonly items: readonly Expression[] }
  | Call
  | SubQuery
  | { readonly kind: 'collate'; readonly arg: Expression; readonly collation: readonly string[] }
  | { readonly kind: 'default' }
  /** Anything else, by the parser's name for it. */
  | {
      readonly kind: 'other';
      readonly node: string;
      /** What tells two such nodes with equal children apart. */
      readonly detail: string;
      readonly children: readonly Expression[];
    };

/** The direct parts of an expression, sub-queries not included (see SubQuery.test). */
export function childrenOf(expression: Expression): readonly Expression[] {
  const e = expression;
  switch (e.kind) {
    case 'column':
    case 'star':
    case 'constant':
    case 'parameter':
    case 'default':
      return [];
    case 'cast':
    case 'not':
    case 'isNull':
    case 'collate':
      return [e.arg];
    case 'operator':
      return [e.left, e.right].filter((x) => x !== null);
    case 'and':
    case 'or':
      return e.args;
    case 'in':
      return [e.left, ...e.items];
    case 'quantified':
    case 'distinctFrom':
      return [e.left, e.right];
    case 'between':
      return [e.left, e.low, e.high];
    case 'row':
    case 'array':
      return e.items;
    case 'call':
      return callParts(e);
    case 'query':
      return e.test === null ? [] : [e.test];
    case 'other':
      return e.children;
  }
}

function callParts(call: Call): readonly Expression[] {
  const parts = [...call.args, ...call.order.map((item) => item.expression)];
  if (call.filter !== null) parts.push(call.filter);
  if (call.over !== null) parts.push(...windowParts(call.over));
  return parts;
}

function windowParts(window: Window): readonly Expression[] {
  const order = window.order.map((item) => item.expression);
  return [...window.partition, ...order, ...window.children];
}

/** Every part of an expression, itself first; sub-queries are visited but not entered. */
export function* partsOf(expression: Expression): Generator<Expression> {
  const open = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    open.push(...childrenOf(next));
  }
}

export function hasQuery(expression: Expression): boolean {
  for (const { kind } of partsOf(expression)) if (kind === 'query') return true;
  return false;
}

// Insertion test: `xmax = 0` in RETURNING tells of a row whether ON CONFLICT has inserted it, wherever it is.

import type { Expression } from '../sql/expression.ts';

/**
 * Of a row that an INSERT returns. What its xmax is otherwise, the number of the transaction that has locked the row
 * it has met, means something on its own server only.
 */
export function testsInsertion(expression: Expression): boolean {
  switch (expression.kind) {
    case 'operator': {
      const { operator, left, right } = expression;
      if (operator.length > 1 || left === null || right === null) return false;
      const mirrored = MIRRORED.get(operator[0]!);
      if (mirrored === undefined) return false;
      return isZeroTest(left, operator[0]!, right) || isZeroTest(right, mirrored, left);
    }
    case 'distinctFrom': {
      const { left, right } = expression;
      return isZeroTest(left, '=', right) || isZeroTest(right, '=', left);
    }
    default:
      return false;
  }
}

const MIRRORED: ReadonlyMap<string, string> = new Map([
  ['=', '='],
  ['<>', '<>'],
  ['>', '<'],
  ['<', '>'],
]);

const isZeroTest = (tested: Expression, operator: string, value: Expression): boolean =>
  operator !== '<' && isXmax(uncast(tested)) && isZero(uncast(value));

function isXmax(expression: Expression): boolean {
  if (expression.kind !== 'column') return false;
  const { path } = expression;
  if (path.at(-1) !== 'xmax' || path.length > 2) return false;
  // The row as it was, and as it has become, are asked for by these.
  return path.length === 1 || (path[0] !== 'old' && path[0] !== 'new');
}

const isZero = (expression: Expression): boolean =>
  expression.kind === 'constant' &&
  (expression.type === 'integer' || expression.type === 'string') &&
  expression.text === '0';

/** Through types that have a form for every number of a transaction, each its own. */
function uncast(expression: Expression): Expression {
  if (expression.kind !== 'cast') return expression;
  const { name, schema, isArray, hasModifier } = expression.type;
  const isBuiltIn = schema === null || schema === 'pg_catalog';
  if (!isBuiltIn || isArray || hasModifier || !NUMBERED.has(name)) return expression;
  return uncast(expression.arg);
}

const NUMBERED = new Set([
  'text',
  'varchar',
  'int4',
  'int8',
  'int',
  'integer',
  'bigint',
  'numeric',
  'xid',
]);

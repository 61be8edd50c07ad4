// HAVING: a condition over merged groups, where it is plain enough for the merge to decide.

import type { Expression } from '../sql/expression.ts';
import type { Condition, ConditionOperand, GroupValue } from './plan.ts';
import { NoMerge } from './splice.ts';

type Find = (expression: Expression) => GroupValue | null;
type Comparison = Extract<Condition, { op: '=' | '<>' | '<' | '<=' | '>' | '>=' }>;

const COMPARISONS: ReadonlySet<string> = new Set(['=', '<>', '<', '<=', '>', '>=']);

/** `find` gives the group or aggregate an expression is. Throws NoMerge for anything else. */
export function planHaving(expression: Expression, find: Find): Condition {
  const e = expression;
  switch (e.kind) {
    case 'and':
    case 'or':
      return { op: e.kind, args: e.args.map((arg) => planHaving(arg, find)) };
    case 'not':
      return { op: 'not', arg: planHaving(e.arg, find) };
    case 'isNull': {
      const value = find(e.arg);
      if (value === null) throw new NoMerge('having');
      const isNull: Condition = { op: 'isNull', value };
      return e.negated ? { op: 'not', arg: isNull } : isNull;
    }
    case 'operator': {
      const [op] = e.operator;
      if (e.operator.length !== 1 || !COMPARISONS.has(op!)) throw new NoMerge('having');
      return compare(op as Comparison['op'], e.left, e.right, find);
    }
    case 'between': {
      if (e.symmetric) throw new NoMerge('having');
      const within: Condition = {
        op: 'and',
        args: [compare('>=', e.left, e.low, find), compare('<=', e.left, e.high, find)],
      };
      return e.negated ? { op: 'not', arg: within } : within;
    }
    case 'in': {
      const args = e.items.map((item) => compare('=', e.left, item, find));
      const among: Condition = { op: 'or', args };
      return e.negated ? { op: 'not', arg: among } : among;
    }
    default:
      throw new NoMerge('having');
  }
}

function compare(
  op: Comparison['op'],
  left: Expression | null,
  right: Expression | null,
  find: Find,
): Condition {
  return { op, left: operand(left, find), right: operand(right, find) };
}

function operand(expression: Expression | null, find: Find): ConditionOperand {
  if (expression === null) throw new NoMerge('having');
  if (expression.kind === 'parameter') return { from: 'parameter', index: expression.index };
  if (expression.kind === 'constant' && expression.type !== 'bits') {
    // An integer past int4 is a decimal to the grammar, an int8 to the server.
    const isInteger = expression.type === 'decimal' && /^-?\d+$/.test(expression.text);
    return {
      from: 'literal',
      kind: isInteger ? 'integer' : expression.type,
      text: expression.text,
    };
  }
  const value = find(expression);
  if (value === null) throw new NoMerge('having');
  return value;
}

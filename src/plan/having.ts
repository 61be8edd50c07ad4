// HAVING: a condition over merged groups, where it is plain enough for the merge to decide.

import type { Expression } from '../sql/expression.ts';
import type { Condition, ConditionOperand, GroupValue } from './plan.ts';
import { isNullTest } from './restriction.ts';
import { NoMerge } from './splice.ts';

/** What a condition's operands are to the merge. */
export interface Operands {
  /** The group or aggregate an expression is; null: neither. */
  find(expression: Expression): GroupValue | null;
  /** Whether the server compares it by its bytes, as the merge does; `sorts`: by order, not for equality. */
  comparesByBytes(expression: Expression, sorts: boolean): boolean;
}

type Comparison = Extract<Condition, { op: '=' | '<>' | '<' | '<=' | '>' | '>=' }>;

const COMPARISONS: ReadonlySet<string> = new Set(['=', '<>', '<', '<=', '>', '>=']);

/** Throws NoMerge for anything but groups and aggregates, compared as the server would. */
export function planHaving(expression: Expression, operands: Operands): Condition {
  const e = expression;
  switch (e.kind) {
    case 'and':
    case 'or':
      return { op: e.kind, args: e.args.map((arg) => planHaving(arg, operands)) };
    case 'not':
      return { op: 'not', arg: planHaving(e.arg, operands) };
    case 'isNull': {
      const value = operands.find(e.arg);
      if (value === null) throw new NoMerge('having');
      const isNull: Condition = { op: 'isNull', value };
      return e.negated ? { op: 'not', arg: isNull } : isNull;
    }
    case 'operator': {
      const [op] = e.operator;
      if (e.operator.length !== 1 || !COMPARISONS.has(op!) || isNullTest(e))
        throw new NoMerge('having');
      return compare(op as Comparison['op'], e.left, e.right, operands);
    }
    case 'between': {
      if (e.symmetric) throw new NoMerge('having');
      const within: Condition = {
        op: 'and',
        args: [compare('>=', e.left, e.low, operands), compare('<=', e.left, e.high, operands)],
      };
      return e.negated ? { op: 'not', arg: within } : within;
    }
    case 'in': {
      const args = e.items.map((item) => compare('=', e.left, item, operands));
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
  operands: Operands,
): Condition {
  const sorts = op !== '=' && op !== '<>';
  return { op, left: operand(left, sorts, operands), right: operand(right, sorts, operands) };
}

function operand(
  expression: Expression | null,
  sorts: boolean,
  { find, comparesByBytes }: Operands,
): ConditionOperand {
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
  if (!comparesByBytes(expression, sorts)) throw new NoMerge('sortCollation');
  return value;
}

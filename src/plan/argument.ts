// Arguments whose values are known when a statement runs: constants and parameters, cast or not.

import type { Expression } from '../sql/expression.ts';
import type { ArgumentSource } from './action.ts';

/** null: it must be computed. */
export function argumentSource(expression: Expression): ArgumentSource | null {
  switch (expression.kind) {
    case 'cast':
      return argumentSource(expression.arg);
    case 'constant':
      return { from: 'constant', text: expression.text };
    case 'parameter':
      return { from: 'parameter', index: expression.index };
    default:
      return null;
  }
}

// Sameness: whether two expressions of one query level are the same to PostgreSQL.

import type { Expression } from '../sql/expression.ts';
import type { Scope } from './scope.ts';

/** Equal but for where they are written and how columns are qualified. */
export function sameExpression(a: Expression, b: Expression, scope: Scope): boolean {
  return print(a, scope) === print(b, scope);
}

function print(expression: Expression, scope: Scope): string {
  return JSON.stringify(expression, (key, value: unknown) => {
    if (key === 'at') return undefined;
    if (typeof value !== 'object' || value === null) return value;
    const part = value as Expression;
    if (part.kind === 'column') return columnName(part.path, scope);
    if (part.kind === 'call' && part.schema === 'pg_catalog') return { ...part, schema: null };
    return value;
  });
}

function columnName(path: readonly string[], scope: Scope): unknown {
  const found = scope.find(path);
  if (found === null || found.outer) return { path };
  return { leaf: scope.leaves.indexOf(found.leaf), column: found.column };
}

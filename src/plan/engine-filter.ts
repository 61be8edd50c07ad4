// Engine filters: conditions of WHERE that a shard can apply before its rows are copied.

import type { Expression } from '../sql/expression.ts';
import { FIRST_USER_TYPE_OID } from '../value/type-oid.ts';
import type { Leaf, Scope } from './scope.ts';
import type { Survey } from './survey.ts';

/** Built in for the types of the server's own, without errors of their own. */
const COMPARISONS = new Set(['=', '<>', '<', '<=', '>', '>=']);

/**
 * Notes a condition that all rows of the level fulfil, when it compares one column of one table with
 * constants. Not where an outer join may put NULLs in place of the table's rows.
 */
export function noteFilter(condition: Expression, scope: Scope, survey: Survey): void {
  const filter = filterOf(condition, scope);
  if (filter === null) return;
  const use = survey.uses.find(({ leaf }) => leaf === filter.leaf);
  if (use !== undefined && !use.nullable) use.filters.push(filter.sql);
}

interface Filter {
  readonly leaf: Leaf;
  readonly sql: string;
}

function filterOf(e: Expression, scope: Scope): Filter | null {
  switch (e.kind) {
    case 'operator': {
      const [operator] = e.operator;
      if (e.operator.length !== 1 || !COMPARISONS.has(operator!)) return null;
      if (e.left === null || e.right === null) return null;
      const isSwapped = e.left.kind === 'constant';
      const [column, value] = isSwapped ? [e.right, e.left] : [e.left, e.right];
      return made(column, [value], scope, (name, [constant]) =>
        isSwapped ? `${constant} ${operator} ${name}` : `${name} ${operator} ${constant}`,
      );
    }
    case 'in': {
      const not = e.negated ? ' NOT' : '';
      return made(
        e.left,
        e.items,
        scope,
        (name, constants) => `${name}${not} IN (${constants.join(', ')})`,
      );
    }
    case 'between': {
      if (e.negated || e.symmetric) return null;
      const bounds = [e.low, e.high];
      return made(
        e.left,
        bounds,
        scope,
        (name, [low, high]) => `${name} BETWEEN ${low} AND ${high}`,
      );
    }
    case 'isNull':
      return made(e.arg, [], scope, (name) => `${name} IS${e.negated ? ' NOT' : ''} NULL`);
    default:
      return null;
  }
}

function made(
  column: Expression,
  values: readonly Expression[],
  scope: Scope,
  text: (name: string, constants: readonly string[]) => string,
): Filter | null {
  if (column.kind !== 'column') return null;
  const found = scope.find(column.path);
  if (found === null || found.outer) return null;
  const known = found.leaf.columns?.get(found.column) ?? null;
  if (known === null || known.typeOid >= FIRST_USER_TYPE_OID) return null;
  const constants = values.map(constantText);
  if (!constants.every((constant) => constant !== null)) return null;
  return { leaf: found.leaf, sql: text(`"${known.name.replaceAll('"', '""')}"`, constants) };
}

function constantText(e: Expression): string | null {
  if (e.kind !== 'constant') return null;
  if (e.type === 'integer' || e.type === 'decimal') return e.text;
  if (e.type !== 'string' || e.text.includes('\\')) return null;
  return `'${e.text.replaceAll("'", "''")}'`;
}

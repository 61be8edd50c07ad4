// Engine filters: conditions of WHERE that a shard can apply before its rows are copied.

import { quoteName } from '../base/quote.ts';
import type { Expression } from '../sql/expression.ts';
import { FIRST_USER_TYPE_OID } from '../value/type-oid.ts';
import type { EngineFilter } from './engine-plan.ts';
import type { Leaf, Scope } from './scope.ts';
import type { Survey } from './survey.ts';

type Part = EngineFilter[number];

/** Built in for the types of the server's own, without errors of their own. */
const COMPARISONS = new Set(['=', '<>', '<', '<=', '>', '>=']);

/**
 * Notes a condition that all rows of the level fulfil, when it compares one column of one table with
 * constants and parameters. Not where an outer join may put NULLs in place of the table's rows.
 */
export function noteFilter(condition: Expression, scope: Scope, survey: Survey): void {
  const filter = filterOf(condition, scope);
  if (filter === null) return;
  const use = survey.uses.find(({ leaf }) => leaf === filter.leaf);
  if (use !== undefined && !use.nullable) use.filters.push(filter.parts);
}

interface Filter {
  readonly leaf: Leaf;
  readonly parts: EngineFilter;
}

/** As text, with its parameters as `$n`. */
export const filterText = (filter: EngineFilter): string =>
  filter.map((part) => (typeof part === 'number' ? `$${part + 1}` : part)).join('');

function filterOf(e: Expression, scope: Scope): Filter | null {
  switch (e.kind) {
    case 'operator': {
      const [operator] = e.operator;
      if (e.operator.length !== 1 || !COMPARISONS.has(operator!)) return null;
      if (e.left === null || e.right === null) return null;
      const isSwapped = e.left.kind === 'constant' || e.left.kind === 'parameter';
      const [column, value] = isSwapped ? [e.right, e.left] : [e.left, e.right];
      return made(column, [value], scope, (name, [part]) =>
        isSwapped ? [part!, ` ${operator} ${name}`] : [`${name} ${operator} `, part!],
      );
    }
    case 'in': {
      const not = e.negated ? ' NOT' : '';
      return made(e.left, e.items, scope, (name, items) => [
        `${name}${not} IN (`,
        ...items.flatMap((item, i) => (i === 0 ? [item] : [', ', item])),
        ')',
      ]);
    }
    case 'between': {
      if (e.negated || e.symmetric) return null;
      return made(e.left, [e.low, e.high], scope, (name, [low, high]) => [
        `${name} BETWEEN `,
        low!,
        ' AND ',
        high!,
      ]);
    }
    case 'isNull':
      return made(e.arg, [], scope, (name) => [`${name} IS${e.negated ? ' NOT' : ''} NULL`]);
    default:
      return null;
  }
}

function made(
  column: Expression,
  values: readonly Expression[],
  scope: Scope,
  write: (name: string, values: readonly Part[]) => readonly Part[],
): Filter | null {
  if (column.kind !== 'column') return null;
  const found = scope.find(column.path);
  if (found === null || found.outer) return null;
  const known = found.leaf.columns?.get(found.column) ?? null;
  if (known === null || known.typeOid >= FIRST_USER_TYPE_OID) return null;
  const parts = values.map(partOf);
  if (!parts.every((part) => part !== null)) return null;
  return { leaf: found.leaf, parts: joined(write(quoteName(known.name), parts)) };
}

/** Texts that meet are one. */
function joined(parts: readonly Part[]): EngineFilter {
  const all: Part[] = [];
  for (const part of parts) {
    const before = all.at(-1);
    if (typeof part === 'string' && typeof before === 'string') all[all.length - 1] = before + part;
    else all.push(part);
  }
  return all;
}

function partOf(e: Expression): Part | null {
  if (e.kind === 'parameter') return e.index;
  if (e.kind !== 'constant') return null;
  if (e.type === 'integer' || e.type === 'decimal') return e.text;
  if (e.type !== 'string' || e.text.includes('\\')) return null;
  return `'${e.text.replaceAll("'", "''")}'`;
}

// Engine filters: conditions of WHERE that a shard can apply before its rows are copied.

import { FIRST_USER_OID } from '../base/oid.ts';
import { quoteLiteral, quoteName } from '../base/quote.ts';
import type { Expression, TypeReference } from '../sql/expression.ts';
import type { EngineFilter } from './engine-plan.ts';
import type { Leaf, Scope } from './scope.ts';
import type { Survey } from './survey.ts';

type Part = EngineFilter[number];

/** Built in for the types of the server's own, without errors of their own. */
const COMPARISONS = new Set(['=', '<>', '<', '<=', '>', '>=']);

/** LIKE and NOT LIKE, whose errors are of patterns with escapes. */
const LIKES = new Set(['~~', '!~~']);

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

/** It names values, or how they begin: likely few rows have them. */
export const namesValues = (filter: EngineFilter): boolean =>
  / (=|IN|~~) /.test(filterText(filter));

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
    case 'other': {
      const [column, pattern] = e.children;
      if (!LIKES.has(e.detail) || pattern?.kind !== 'constant') return null;
      return made(column!, [pattern], scope, (name, [part]) => [`${name} ${e.detail} `, part!]);
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
  write: (name: string, values: readonly EngineFilter[]) => readonly (Part | EngineFilter)[],
): Filter | null {
  if (column.kind !== 'column') return null;
  const found = scope.find(column.path);
  if (found === null || found.outer) return null;
  const known = found.leaf.columns?.get(found.column) ?? null;
  if (known === null || known.typeOid >= FIRST_USER_OID) return null;
  const parts = values.map(valuePieces);
  if (!parts.every((part) => part !== null)) return null;
  return { leaf: found.leaf, parts: joined(write(quoteName(known.name), parts).flat()) };
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

/** A constant, a parameter, or a time that is so far from one. */
function valuePieces(e: Expression): EngineFilter | null {
  if (e.kind === 'parameter') return [e.index];
  if (e.kind === 'cast') return castValue(e.arg, e.type);
  if (e.kind === 'operator') return shiftedTime(e);
  if (e.kind !== 'constant') return null;
  if (e.type === 'integer' || e.type === 'decimal') return [e.text];
  if (e.type !== 'string' || e.text.includes('\\')) return null;
  return [quoteLiteral(e.text)];
}

const TIMES = new Set(['timestamptz', 'timestamp', 'date']);

const isBuiltIn = ({ schema, isArray }: TypeReference) =>
  (schema === null || schema === 'pg_catalog') && !isArray;

/** Words among them, as today, mean another time on each server. */
const isWord = (e: Expression): boolean => e.kind === 'constant' && !/^\d/.test(e.text);

function castValue(arg: Expression, type: TypeReference): EngineFilter | null {
  if (!isBuiltIn(type) || !TIMES.has(type.name) || type.hasModifier || isWord(arg)) return null;
  const value = valuePieces(arg);
  return value === null ? null : ['(', ...value, `)::pg_catalog.${type.name}`];
}

function shiftedTime({ operator, left, right }: Operation): EngineFilter | null {
  const [sign] = operator;
  if (operator.length !== 1 || (sign !== '+' && sign !== '-')) return null;
  if (left?.kind !== 'cast' && left?.kind !== 'operator') return null;
  const time = valuePieces(left);
  const by = right?.kind === 'cast' ? interval(right.arg, right.type) : null;
  if (time === null || by === null) return null;
  return ['(', ...time, ` ${sign} `, ...by, ')'];
}

/** A unit can stand behind the bare word only, by which the grammar means the type of its own. */
function interval(arg: Expression, type: TypeReference): EngineFilter | null {
  const { name, unit, hasModifier } = type;
  if (!isBuiltIn(type) || name !== 'interval' || hasModifier !== (unit !== null)) return null;
  const value = arg.kind === 'constant' ? valuePieces(arg) : null;
  if (value === null) return null;
  return ['(', ...value, unit === null ? ')::pg_catalog.interval' : `)::interval ${unit}`];
}

type Operation = Extract<Expression, { kind: 'operator' }>;

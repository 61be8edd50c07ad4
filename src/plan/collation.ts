// Collation: whether the proxy's byte order is the server's order of an expression.

import { FIRST_USER_OID } from '../base/oid.ts';
import { type Call, childrenOf, type Expression } from '../sql/expression.ts';
import type { Catalog } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { givesText, isBuiltInType, isCollatableType, isScalar } from './functions.ts';
import type { Scope } from './scope.ts';

/** Collations that order text by its bytes. `C.UTF-8` compares code points, which is the same. */
const BYTE_COLLATIONS = new Set(['C', 'POSIX', 'ucs_basic', 'C.UTF-8', 'C.utf8', 'pg_c_utf8']);

const TEXT_OIDS = new Set([18, 19, 25, 1042, 1043]);

/** True when the expression is no text, or is text that the server sorts by its bytes. */
export function sortsByBytes(expression: Expression, scope: Scope, context: PlanContext): boolean {
  const { catalog } = context.input;
  if (!mayBeText(expression, scope, catalog)) return true;
  const explicit = collationOf(expression);
  if (explicit !== null) return BYTE_COLLATIONS.has(explicit);
  return catalog.sortsTextByBytes && collations(expression, scope).every(isBytes);
}

/** True when equal text under the expression's collation is equal in its bytes. */
export function groupsByBytes(expression: Expression, scope: Scope, context: PlanContext): boolean {
  // Only a collation given to a column or by COLLATE can be a nondeterministic one.
  const isText = mayBeText(expression, scope, context.input.catalog);
  return !isText || collations(expression, scope).every(isBytes);
}

const isBytes = (collation: string) => BYTE_COLLATIONS.has(collation);

function collationOf(expression: Expression): string | null {
  return expression.kind === 'collate' ? (expression.collation.at(-1) ?? '') : null;
}

/** Every collation that is not the database's, of the columns and COLLATE clauses inside. */
function collations(expression: Expression, scope: Scope): string[] {
  const found: string[] = [];
  const open = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const explicit = collationOf(next);
    if (explicit !== null) {
      found.push(explicit);
      continue;
    }
    if (next.kind === 'column') found.push(...columnCollation(next.path, scope));
    // A domain has a collation of its own.
    if (next.kind === 'cast' && !isBuiltInType(next.type.schema, next.type.name))
      found.push('unknown');
    open.push(...childrenOf(next));
  }
  return found;
}

function columnCollation(path: readonly string[], scope: Scope): string[] {
  const column = columnOf(path, scope);
  if (column === null) return ['unknown'];
  return column.collation === null ? [] : [column.collation];
}

function columnOf(path: readonly string[], scope: Scope) {
  const found = scope.find(path);
  return found?.leaf.columns?.get(found.column) ?? null;
}

/** Operators of pg_catalog whose result is never text when their operands are none. */
const ARITHMETIC = new Set(['+', '-', '*', '/', '%', '^', '=', '<>', '<', '<=', '>', '>=']);

function mayBeText(expression: Expression, scope: Scope, catalog: Catalog): boolean {
  switch (expression.kind) {
    case 'column': {
      const column = columnOf(expression.path, scope);
      if (column === null) return !scope.isNowhere(expression.path);
      return TEXT_OIDS.has(column.typeOid) || column.typeOid >= FIRST_USER_OID;
    }
    case 'constant':
      return expression.type === 'string' || expression.type === 'null';
    case 'cast':
      return expression.type.isArray
        ? true
        : isCollatableType(expression.type.schema, expression.type.name);
    case 'operator': {
      if (!ARITHMETIC.has(expression.operator.at(-1)!)) return true;
      return childrenOf(expression).some((part) => mayBeText(part, scope, catalog));
    }
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
    case 'in':
    case 'between':
    case 'distinctFrom':
    case 'quantified':
      return false;
    case 'call':
      if (expression.name === 'min' || expression.name === 'max') {
        return expression.args.some((part) => mayBeText(part, scope, catalog));
      }
      return callMayBeText(expression, catalog);
    default:
      return true;
  }
}

function callMayBeText(call: Call, { scalarRoutines }: Catalog): boolean {
  const own = call.schema === 'pg_catalog' ? undefined : scalarRoutines.get(call.name);
  if (own === undefined) return givesText(call);
  return own.mayBeText || (isScalar(call) && givesText(call));
}

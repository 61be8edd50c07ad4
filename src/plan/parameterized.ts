// Parameterization: a statement with its literals as parameters, so that servers can keep its plan.

import { PARAMETERIZED_LITERALS_MAX } from '../base/limits.ts';
import { type Expression, partsOf } from '../sql/expression.ts';
import type { FromItem, InsertStatement, SelectStatement, Statement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { TYPE } from '../value/type-oid.ts';
import type { PlanInput } from './context.ts';
import type { ParameterizedSql } from './plan.ts';

const COMPARISONS = new Set(['=', '<>', '!=', '<', '>', '<=', '>=']);

/** What PostgreSQL takes for int4; a larger one is an int8 or, beyond that, a numeric. */
const INT4_MAX = 2_147_483_647;

/**
 * null where it is not certain that a parameter means what the literal does. It does when it is
 * compared with a column, limits the rows, or is the value of a column in an INSERT of one row: its
 * type is then found in the same way, because a parameter of no declared type is to the parser what a
 * string literal is.
 */
export function parameterizedSql(
  statement: Statement,
  { sql, tokens, literalStarts }: PlanInput,
): ParameterizedSql | null {
  if (literalStarts.length > PARAMETERIZED_LITERALS_MAX) return null;
  const safe = new Set(safeLiterals(statement));
  const types: number[] = [];
  let text = '';
  let copied = 0;
  for (const token of tokens) {
    if (token.kind === 'parameter') return null;
    if (!literalStarts.includes(token.start)) continue;
    if (!safe.has(token.start)) return null;
    types.push(typeOf(token));
    // The blank keeps a word that follows at once from becoming a part of the parameter.
    text += `${sql.slice(copied, token.start)}$${types.length} `;
    copied = token.end;
  }
  if (types.length !== literalStarts.length) return null;
  return { sql: text + sql.slice(copied), types };
}

function typeOf({ kind, text }: Token): number {
  if (kind === 'string') return 0;
  if (!/^\d+$/.test(text)) return TYPE.numeric;
  return Number(text) <= INT4_MAX ? TYPE.int4 : TYPE.int8;
}

/** Where literals stand that a parameter may take the place of; a signed one starts at its sign. */
function* safeLiterals(statement: Statement): Generator<number> {
  if (statement.kind === 'select') yield* literalsOfSelect(statement);
  else if (statement.kind === 'insert') yield* literalsOfInsert(statement);
}

function* literalsOfInsert({ source }: InsertStatement): Generator<number> {
  if (source?.body.kind !== 'values' || source.body.rows.length !== 1) return;
  for (const value of source.body.rows[0]!) if (value.kind === 'constant') yield value.at;
}

function* literalsOfSelect({ body, limit, offset }: SelectStatement): Generator<number> {
  if (body.kind !== 'simple') return;
  for (const bound of [limit, offset]) {
    if (bound?.kind === 'constant' && bound.type === 'integer') yield bound.at;
  }
  if (body.where !== null) yield* comparedLiterals(body.where);
  for (const item of body.from) yield* joinedLiterals(item);
}

function* joinedLiterals(item: FromItem): Generator<number> {
  if (item.kind !== 'join') return;
  if (item.on !== null) yield* comparedLiterals(item.on);
  yield* joinedLiterals(item.left);
  yield* joinedLiterals(item.right);
}

function* comparedLiterals(condition: Expression): Generator<number> {
  for (const part of partsOf(condition)) {
    const { column, others } = comparisonOf(part);
    if (column?.kind !== 'column') continue;
    for (const other of others) if (other?.kind === 'constant') yield other.at;
  }
}

const NO_COMPARISON = { column: null, others: [] } as const;

function comparisonOf(e: Expression): {
  readonly column: Expression | null;
  readonly others: readonly (Expression | null)[];
} {
  if (e.kind === 'in') return { column: e.left, others: e.items };
  if (e.kind === 'between') return { column: e.left, others: [e.low, e.high] };
  if (e.kind !== 'operator' || e.operator.length > 1) return NO_COMPARISON;
  if (!COMPARISONS.has(e.operator[0] ?? '')) return NO_COMPARISON;
  return e.left?.kind === 'column'
    ? { column: e.left, others: [e.right] }
    : { column: e.right, others: [e.left] };
}

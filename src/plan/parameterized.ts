// Parameterization: a statement with its literals as parameters, so that servers can keep its plan.

import { PARAMETERIZED_LITERALS_MAX } from '../base/limits.ts';
import { type Column, type Constant, type Expression, partsOf } from '../sql/expression.ts';
import type {
  Assignment,
  FromItem,
  InsertStatement,
  RelationName,
  SelectStatement,
  Statement,
} from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Column as TableColumn } from '../topology/table.ts';
import { TYPE } from '../value/type-oid.ts';
import type { PlanContext } from './context.ts';
import type { ParameterizedSql } from './plan.ts';

const COMPARISONS = new Set(['=', '<>', '!=', '<', '>', '<=', '>=']);
const ARITHMETIC = new Set(['+', '-', '*', '/', '%']);

/** What PostgreSQL takes for int4; a larger one is an int8 or, beyond that, a numeric. */
const INT4_MAX = 2_147_483_647;

/** Any text is a value of theirs. */
const TEXT_TYPES: ReadonlySet<number> = new Set([TYPE.text, TYPE.varchar, TYPE.bpchar]);

/** A literal is read as its column's typmod says, a parameter only cast to it. */
const READ_BY_TYPMOD: ReadonlySet<number> = new Set([TYPE.interval, 1187]);

interface SafeLiteral {
  readonly at: number;
  /** The name of the column that it is compared with or assigned to; null: one of several tables'. */
  readonly column: string | null;
  readonly assigned: boolean;
}

/**
 * null where it is not certain that a parameter means what the literal does. It does when it is
 * compared with a column, limits the rows, or is the value of a column in an INSERT of one row or an
 * UPDATE: its type is then found in the same way, because a parameter of no declared type is to the
 * parser what a string literal is.
 */
export function parameterizedSql(
  statement: Statement,
  context: PlanContext,
): ParameterizedSql | null {
  const { sql, tokens, literalStarts } = context.input;
  if (literalStarts.length > PARAMETERIZED_LITERALS_MAX) return null;
  const safe = new Map<number, SafeLiteral>();
  for (const literal of safeLiterals(statement, context)) safe.set(literal.at, literal);
  const columns = columnsOf(statement, context);
  const types: number[] = [];
  const starts: number[] = [];
  let fits = true;
  let text = '';
  let copied = 0;
  for (const token of tokens) {
    if (token.kind === 'parameter') return null;
    if (!literalStarts.includes(token.start)) continue;
    const literal = safe.get(token.start);
    if (literal === undefined || !saysItsValue(token)) return null;
    const type = typeOf(token);
    types.push(type);
    if (type === 0) {
      const columnType = columns.find(({ name }) => name === literal.column)?.typeOid ?? 0;
      if (literal.assigned && READ_BY_TYPMOD.has(columnType)) return null;
      if (!TEXT_TYPES.has(columnType)) fits = false;
    } else if (type !== TYPE.int4) fits = false;
    text += sql.slice(copied, token.start);
    starts.push(text.length);
    // The blank keeps a word that follows at once from becoming a part of the parameter.
    text += `$${types.length} `;
    copied = token.end;
  }
  if (types.length !== literalStarts.length) return null;
  return { sql: text + sql.slice(copied), types, starts, fits };
}

/** The value is what is written: nothing in it is escaped but quotes. */
const saysItsValue = ({ kind, text }: Token): boolean => kind !== 'string' || text.startsWith("'");

function typeOf({ kind, text }: Token): number {
  if (kind === 'string') return 0;
  if (!/^\d+$/.test(text)) return TYPE.numeric;
  return Number(text) <= INT4_MAX ? TYPE.int4 : TYPE.int8;
}

/** Of the one table that the statement is about; none where there are several. */
function columnsOf(statement: Statement, context: PlanContext): readonly TableColumn[] {
  const relation = relationOf(statement);
  return relation === null ? [] : (context.table(relation)?.columns ?? []);
}

function relationOf(statement: Statement): RelationName | null {
  if (statement.kind === 'insert') return statement.relation;
  if (statement.kind === 'update' || statement.kind === 'delete') {
    return statement.from.length === 0 ? statement.relation : null;
  }
  if (statement.kind !== 'select' || statement.body.kind !== 'simple') return null;
  const [item, ...others] = statement.body.from;
  if (item?.kind !== 'table' || others.length > 0 || item.columnAliases.length > 0) return null;
  return item.relation;
}

/** Where literals stand that a parameter may take the place of; a signed one starts at its sign. */
function* safeLiterals(statement: Statement, context: PlanContext): Generator<SafeLiteral> {
  switch (statement.kind) {
    case 'select':
      yield* literalsOfSelect(statement);
      break;
    case 'insert':
      yield* literalsOfInsert(statement, context);
      break;
    case 'update':
      for (const assignment of statement.assignments) yield* assignedLiterals(assignment);
      if (statement.where !== null) yield* comparedLiterals(statement.where);
      break;
    case 'delete':
      if (statement.where !== null) yield* comparedLiterals(statement.where);
  }
}

function* literalsOfInsert(
  { source, columns, relation }: InsertStatement,
  context: PlanContext,
): Generator<SafeLiteral> {
  if (source?.body.kind !== 'values' || source.body.rows.length !== 1) return;
  const names = columns ?? context.table(relation)?.columns.map(({ name }) => name) ?? [];
  for (const [i, value] of source.body.rows[0]!.entries()) {
    if (value.kind === 'constant') yield assigned(value, names[i] ?? null);
  }
}

function* assignedLiterals({ column, partial, value }: Assignment): Generator<SafeLiteral> {
  if (partial || value === null) return;
  if (value.kind === 'constant') {
    yield assigned(value, column);
    return;
  }
  // Beside a column a number stays what it is; text would be taken for the column's type.
  if (value.kind !== 'operator' || value.operator.length > 1) return;
  if (!ARITHMETIC.has(value.operator[0] ?? '') || value.left?.kind !== 'column') return;
  const { right } = value;
  if (right?.kind === 'constant' && isNumber(right)) yield assigned(right, column);
}

const assigned = ({ at }: Constant, column: string | null): SafeLiteral => {
  return { at, column, assigned: true };
};

const isNumber = ({ type }: Constant): boolean => type === 'integer' || type === 'decimal';

function* literalsOfSelect({ body, limit, offset }: SelectStatement): Generator<SafeLiteral> {
  if (body.kind !== 'simple') return;
  for (const bound of [limit, offset]) {
    if (bound?.kind === 'constant' && bound.type === 'integer') {
      yield { at: bound.at, column: null, assigned: false };
    }
  }
  if (body.where !== null) yield* comparedLiterals(body.where);
  for (const item of body.from) yield* joinedLiterals(item);
}

function* joinedLiterals(item: FromItem): Generator<SafeLiteral> {
  if (item.kind !== 'join') return;
  if (item.on !== null) yield* comparedLiterals(item.on);
  yield* joinedLiterals(item.left);
  yield* joinedLiterals(item.right);
}

function* comparedLiterals(condition: Expression): Generator<SafeLiteral> {
  for (const part of partsOf(condition)) {
    const { column, others } = comparisonOf(part);
    if (column?.kind !== 'column') continue;
    for (const other of others) {
      if (other?.kind !== 'constant') continue;
      yield { at: other.at, column: nameOf(column), assigned: false };
    }
  }
}

const nameOf = ({ path }: Column): string | null => path.at(-1) ?? null;

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

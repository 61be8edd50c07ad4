// Splice: what a merge needs to know of a SELECT's text and columns.

import { quoteName } from '../base/quote.ts';
import {
  clausesOf,
  type Range,
  type SelectClauses,
  sortExpressionOf,
  withoutAlias,
} from '../sql/clause.ts';
import { type Expression, partsOf } from '../sql/expression.ts';
import { parseInt8 } from '../sql/integer.ts';
import type { SelectStatement, SimpleSelect, Target } from '../sql/statement.ts';
import type { Catalog } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { isAggregate, isScalarOf } from './functions.ts';
import type { NotStreamedReason } from './not-streamed.ts';
import type { RowBound } from './plan.ts';
import type { Level } from './scope.ts';
import type { SeveralShardsReason } from './unsupported.ts';

/** Thrown while a merge is made: the statement cannot run on several shards. */
export class NoMerge extends Error {
  readonly reason: SeveralShardsReason | NotStreamedReason;
  constructor(reason: SeveralShardsReason | NotStreamedReason) {
    super(reason);
    this.reason = reason;
  }
}

/** An expression with its own text in the statement. */
export interface Written {
  readonly expression: Expression;
  readonly text: string;
}

export interface SplicedSelect {
  readonly select: SelectStatement;
  readonly body: SimpleSelect;
  readonly level: Level;
  readonly context: PlanContext;
  readonly clauses: SelectClauses;
  readonly sql: string;
}

export function spliceSelect(
  select: SelectStatement,
  body: SimpleSelect,
  level: Level,
  context: PlanContext,
): SplicedSelect {
  const { sql, tokens } = context.input;
  const clauses = clausesOf(tokens);
  if (clauses === null || clauses.items.length !== body.targets.length) throw new NoMerge('text');
  // An alias written U&"…" UESCAPE '…' is three tokens.
  if (tokens.some(({ kind, text }) => kind === 'word' && text === 'uescape'))
    throw new NoMerge('text');
  if (clauses.groupItems.length !== body.group.length) throw new NoMerge('text');
  if (clauses.orderItems.length !== select.order.length) throw new NoMerge('text');
  return { select, body, level, context, clauses, sql };
}

const slice = (sql: string, { start, end }: Range) => sql.slice(start, end);

export function targetText(spliced: SplicedSelect, index: number): string {
  const { clauses, context, sql, body } = spliced;
  const item = clauses.items[index]!;
  const named = body.targets[index]!.name !== null;
  return slice(sql, named ? withoutAlias(context.input.tokens, item) : item);
}

/** What an ORDER BY item means: an output column by number or name, or an expression. */
export function sortExpression(spliced: SplicedSelect, index: number): Written {
  const { select, body, clauses, context, sql } = spliced;
  const { expression } = select.order[index]!;
  if (expression.kind === 'constant' && expression.type === 'integer') {
    return outputColumn(spliced, Number(expression.text) - 1);
  }
  if (expression.kind === 'column' && expression.path.length === 1) {
    const name = expression.path[0]!;
    const named = body.targets.findIndex((target) => outputName(target) === name);
    if (named >= 0)
      return { expression: body.targets[named]!.expression, text: targetText(spliced, named) };
    const shown = starWith(spliced, name);
    if (shown !== null) return shown;
    if (body.targets.some((target) => outputName(target) === undefined)) {
      throw new NoMerge('sortExpression');
    }
  }
  const range = sortExpressionOf(context.input.tokens, clauses.orderItems[index]!);
  return { expression, text: slice(sql, range) };
}

/**
 * The name PostgreSQL gives an output column (parse_target.c, FigureColname); null for ?column?,
 * undefined where that takes more than the forms known here.
 */
export function outputName({ name, expression }: Target): string | null | undefined {
  if (name !== null) return name;
  const figured = figureName(expression);
  return figured === undefined ? undefined : figured.name;
}

/** `sure`: a cast around the expression keeps the name rather than gives its type's. */
function figureName(e: Expression): { name: string | null; sure: boolean } | undefined {
  switch (e.kind) {
    case 'column':
      return { name: e.path.at(-1)!, sure: true };
    case 'call':
      return { name: e.name, sure: true };
    case 'row':
    case 'array':
      return { name: e.kind, sure: true };
    case 'collate':
      return figureName(e.arg);
    case 'cast': {
      const inner = figureName(e.arg);
      return inner === undefined || inner.sure ? inner : { name: e.type.name, sure: false };
    }
    case 'other':
    case 'query':
    case 'default':
      return undefined;
    default:
      return { name: null, sure: false };
  }
}

/** `t.*` shows a column of that name: it is the output column, whatever other tables have. */
function starWith({ body, level }: SplicedSelect, name: string): Written | null {
  for (const { expression } of body.targets) {
    if (expression.kind !== 'star' || expression.path.length === 0) continue;
    const path = [...expression.path, name];
    if (level.scope.find(path) === null) continue;
    return { expression: { kind: 'column', path }, text: path.map(quoteName).join('.') };
  }
  return null;
}

/** The output column an ordinal means. */
export function outputColumn(spliced: SplicedSelect, index: number): Written {
  const { body, level } = spliced;
  spliced.context.dependsOnValue = true;
  const before = body.targets.slice(0, index + 1);
  if (before.every((target) => target.expression.kind !== 'star')) {
    const target = body.targets[index];
    if (target === undefined) throw new NoMerge('text');
    return { expression: target.expression, text: targetText(spliced, index) };
  }
  const name = level.columns?.[index]?.name;
  // USING changes the order of the columns that a star stands for.
  if (name == null || level.scope.leaves.length !== 1) throw new NoMerge('text');
  return { expression: { kind: 'column', path: [name] }, text: quoteName(name) };
}

const PLAIN_NODES = new Set([
  'CaseExpr',
  'CaseWhen',
  'CoalesceExpr',
  'MinMaxExpr',
  'BooleanTest',
  'SQLValueFunction',
  'AEXPR_NULLIF',
  'AEXPR_LIKE',
  'AEXPR_ILIKE',
]);

/** The time of a statement or transaction, which each shard has its own of. */
const TIMES = new Set(['now', 'transaction_timestamp', 'statement_timestamp', 'age']);
/** Input that becomes a time of the transaction when it is read as a date or timestamp. */
const TIME_CONSTANT = /^\s*(now|today|tomorrow|yesterday)\b/i;
const TIME_WORD = /SVFOP_(CURRENT_DATE|CURRENT_TIME|LOCALTIME)/;

export function tellsTime(part: Expression): boolean {
  if (part.kind === 'constant') return part.type === 'string' && TIME_CONSTANT.test(part.text);
  if (part.kind === 'other') return part.node === 'SQLValueFunction' && TIME_WORD.test(part.detail);
  if (part.kind !== 'call') return false;
  return TIMES.has(part.name) && (part.name !== 'age' || part.args.length === 1);
}

export function tellsTimeAnywhere(expression: Expression): boolean {
  for (const part of partsOf(expression)) if (tellsTime(part)) return true;
  return false;
}

/**
 * True when computing the expression twice for a row, or on two shards for equal rows, surely gives
 * the same value twice. `anyTime`: the shards' clocks may differ by what they take to start.
 */
export function isRepeatable(expression: Expression, catalog: Catalog, anyTime = false): boolean {
  for (const part of partsOf(expression)) {
    if (!anyTime && tellsTime(part)) return false;
    if (part.kind === 'query' || part.kind === 'star') return false;
    if (part.kind === 'other' && !PLAIN_NODES.has(part.node)) return false;
    if (part.kind !== 'call' || part.over !== null) continue;
    if (!isScalarOf(part, catalog) && !isAggregate(part)) return false;
  }
  return true;
}

/** LIMIT or OFFSET as the merge applies it. */
export function rowBound(bound: Expression | null): RowBound {
  if (bound === null) return null;
  if (bound.kind === 'cast') {
    const isInteger = ['int2', 'int4', 'int8'].includes(bound.type.name) && !bound.type.isArray;
    if (isInteger && (bound.arg.kind === 'parameter' || isInt(bound.arg)))
      return rowBound(bound.arg);
    throw new NoMerge('limitExpression');
  }
  if (bound.kind === 'parameter') return { from: 'parameter', index: bound.index };
  if (bound.kind === 'constant') {
    if (bound.type === 'null') return { from: 'constant', value: null };
    const value =
      bound.type === 'decimal' && !/^-?\d+$/.test(bound.text) ? null : parseInt8(bound.text);
    if (value !== null && bound.type !== 'boolean') return { from: 'constant', value };
  }
  throw new NoMerge('limitExpression');
}

const isInt = (e: Expression) => e.kind === 'constant' && e.type === 'integer';

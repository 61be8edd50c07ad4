// SELECT statements that are commands: create_reference_table('t') and its kin, setval(), pg_export_snapshot().

import type { Call, Expression } from '../sql/expression.ts';
import type { RowStatement, SelectStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { SessionAction } from './action.ts';
import { argumentSource } from './argument.ts';
import type { PlanContext } from './context.ts';
import { everywhere, everywhereMerge } from './ddl.ts';
import { exportsSnapshot } from './functions.ts';
import type { Plan } from './plan.ts';
import { routedPlan } from './routed.ts';

type Arguments = readonly [min: number, max: number];

/** How many arguments each takes. */
const FUNCTIONS: { readonly [name: string]: Arguments } = {
  create_reference_table: [1, 1],
  create_distributed_table: [1, 2],
  undistribute_table: [1, 1],
};

/** The one call that a SELECT consists of. */
function callOf(select: SelectStatement): Call | null {
  const { body } = select;
  if (body.kind !== 'simple' || body.from.length > 0 || body.where !== null) return null;
  const [target, ...others] = body.targets;
  if (target === undefined || others.length > 0 || select.with !== null) return null;
  return target.expression.kind === 'call' ? target.expression : null;
}

/**
 * SELECT setval('s', 42), as pg_dump writes it: on every shard, each then going on with a value of
 * its own, or on the home shard where the sequence is there only.
 */
export function planSetval(select: SelectStatement): Plan | null {
  const call = callOf(select);
  if (call === null || call.name !== 'setval') return null;
  if (call.schema !== null && call.schema !== 'pg_catalog') return null;
  if (!call.args.every(isLiteral)) return null;
  return everywhere(SETVAL, SETS);
}

const SETVAL = routedPlan('SELECT', { kind: 'all' }, 'write');
const SETS = { homeMayBeAlone: true, restarts: true };

/** The same of computed arguments, as what sets a sequence behind the rows that were loaded. */
export function planComputedSetval(select: SelectStatement, { input }: PlanContext): Plan | null {
  if (!isBare(select)) return null;
  const { tokens, sql } = input;
  const isQualified = tokens[1]?.text === 'pg_catalog' && tokens[2]?.text === '.';
  const name = isQualified ? 3 : 1;
  if (tokens[0]?.text !== 'select' || tokens[name]?.text !== 'setval') return null;
  const list = argumentsFrom(tokens, name + 1);
  if (list === null || list.ranges.length < 2 || list.ranges.length > 3) return null;
  const texts = list.ranges.map(
    ({ start, end }, i) => `(${sql.slice(start, end).trim()})::${TYPES[i]}`,
  );
  const query = `SELECT ${texts.join(', ')}${sql.slice(list.end)}`;
  return { ...SETVAL, merge: { how: 'setval', query, call: everywhereMerge(SETS) } };
}

/** A list of one call, FROM and WHERE at most. */
function isBare({ body, order, limit, offset, locks }: SelectStatement): boolean {
  if (body.kind !== 'simple' || body.distinct !== 'no') return false;
  const [target, ...others] = body.targets;
  if (target?.expression.kind !== 'call' || others.length > 0) return false;
  if (body.group.length > 0 || body.groupingSets || body.into !== null) return false;
  return order.length === 0 && limit === null && offset === null && locks.length === 0;
}

/** SELECT pg_export_snapshot() with nothing around it. */
export function planOwn(statement: RowStatement): Plan | null {
  const call = statement.kind === 'select' && isBare(statement) ? callOf(statement) : null;
  return call !== null && exportsSnapshot(call) ? EXPORTS : null;
}

const EXPORTS = routedPlan('SELECT', { kind: 'all' }, 'read', { merge: { how: 'exportSnapshot' } });

/** Of setval(). A regclass gives its name along the search path, which all shards share. */
const TYPES = ['pg_catalog.text', 'pg_catalog.int8', 'pg_catalog.bool'];

interface ArgumentList {
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  /** Behind the closing parenthesis. */
  readonly end: number;
}

/** Where the arguments of a call stand whose list begins with the token at `at`; null: it is no list. */
function argumentsFrom(tokens: readonly Token[], at: number): ArgumentList | null {
  const ranges: { start: number; end: number }[] = [];
  let depth = 0;
  let start = tokens[at]?.end ?? 0;
  for (const { text, start: from, end } of tokens.slice(at)) {
    if (OPENS.has(text)) depth += 1;
    else if (CLOSES.has(text)) depth -= 1;
    const isOver = depth === 0;
    if (isOver || (text === ',' && depth === 1)) {
      ranges.push({ start, end: from });
      start = end;
    }
    if (isOver) return text === ')' ? { ranges, end } : null;
  }
  return null;
}

const OPENS = new Set(['(', '[']);
const CLOSES = new Set([')', ']']);

/**
 * A call about the process ids that clients are given; the server's own are another matter. Among
 * other things in a statement the calls mean the server's.
 */
export function planBackend(select: SelectStatement, context: PlanContext): Plan | null {
  const call = callOf(select);
  if (call === null || (call.schema !== null && call.schema !== 'pg_catalog')) return null;
  const { name, args } = call;
  const [first] = args;
  if (name === 'pg_backend_pid') {
    return args.length === 0 ? backendPlan({ call: name, processId: null }) : null;
  }
  if (name !== 'pg_cancel_backend' && name !== 'pg_terminate_backend') return null;
  const processId = args.length === 1 ? argumentSource(first!) : null;
  if (processId === null) return null;
  context.dependsOnValue = true;
  return backendPlan({ call: name, processId });
}

function backendPlan(fields: Omit<Extract<SessionAction, { action: 'backend' }>, 'action'>): Plan {
  const action = { action: 'backend', ...fields } as const;
  return routedPlan('SELECT', { kind: 'home' }, 'read', { action });
}

function isLiteral(expression: Expression): boolean {
  if (expression.kind === 'cast') return isLiteral(expression.arg);
  return expression.kind === 'constant';
}

/** null: not such a statement by itself; the server then says that there is no such function. */
export function planTableKind(select: SelectStatement): Plan | null {
  const call = callOf(select);
  if (call === null) return null;
  const takes = FUNCTIONS[call.name];
  if (takes === undefined || (call.schema !== null && call.schema !== 'drive')) return null;
  const texts = call.args.map(textOf);
  if (texts.length < takes[0] || texts.length > takes[1] || texts.includes(null)) return null;
  return { op: 'session', verb: 'SELECT', action: actionOf(call.name, texts as string[]) };
}

function actionOf(name: string, [table = '', key = '']: readonly string[]): SessionAction {
  const base = { action: 'tableKind', call: name, table } as const;
  if (name === 'create_reference_table') return { ...base, kind: 'reference', key: null };
  if (name === 'undistribute_table') return { ...base, kind: 'home', key: null };
  return { ...base, kind: 'sharded', key };
}

/** The value of a string literal, cast or not; null for anything else. */
function textOf(expression: Expression): string | null {
  if (expression.kind === 'cast') return textOf(expression.arg);
  if (expression.kind !== 'constant' || expression.type !== 'string') return null;
  return expression.text;
}

// COPY: where the rows go to, and where they come from.

import type { SqlErrorFields } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { CopyOption, CopyStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { isAtHome, type Table } from '../topology/table.ts';
import { isPlainConcat } from './concat.ts';
import { type PlanContext, Refusal } from './context.ts';
import { copiesToMakeAlike } from './copies-alike.ts';
import type { CopyOutMerge } from './copy-merge.ts';
import { type CopyOptions, copyFormat, copyOptions, mistakesMarkers } from './copy-options.ts';
import { hasTimeDefault, timedCopy } from './copy-time.ts';
import type { EngineCopyMerge } from './engine-plan.ts';
import { engineOf, planInner } from './inner-statement.ts';
import type { Plan, RoutedPlan } from './plan.ts';
import { forwarded, refusedFor, refusedPlan } from './routed.ts';
import { copiedStrays } from './stray-keys.ts';
import { triggersRefuse } from './trigger-writes.ts';
import { severalShards } from './unsupported.ts';

const COPIED = { insert: true, update: false, delete: false, columns: [] };
const EVERYWHERE = { kind: 'all' } as const;

/** `traits`: the plan of the same statement on one shard. */
export function planCopy(statement: CopyStatement, traits: RoutedPlan, context: PlanContext): Plan {
  try {
    return planRows(statement, traits, context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan('COPY', error.fields);
  }
}

/** Throws Refusal. */
function planRows(statement: CopyStatement, traits: RoutedPlan, context: PlanContext): Plan {
  const { relation, query, from, onServer } = statement;
  if (relation === null) return query === null ? traits : planQuery(statement, traits, context);
  const table = context.table(relation);
  const reason = from ? triggersRefuse(COPIED, table, context) : null;
  if (reason !== null) return refusedFor('COPY', reason);
  switch (table?.kind) {
    case 'shardedView':
      // PostgreSQL copies no plain view, and nothing into one that keeps rows, and says so.
      if (table.view?.materialized !== true) return from ? refusedFor('COPY', 'view') : traits;
      return from || isAtHome(table) ? traits : planOut(statement, table, traits);
    case 'sharded':
      if (onServer) return refusedFor('COPY', 'copyFile');
      return from ? planIn(statement, table, traits, context) : planOut(statement, table, traits);
    case 'reference':
      if (!from) return traits;
      if (table.touchesSharded === true) return refusedFor('COPY', 'homeTrigger');
      return onServer ? refusedFor('COPY', 'copyFile') : planIn(statement, table, traits, context);
    default:
      return from && table?.touchesSharded === true ? refusedFor('COPY', 'homeTrigger') : traits;
  }
}

function planIn(
  statement: CopyStatement,
  table: Table,
  traits: RoutedPlan,
  context: PlanContext,
): Plan {
  const options = copyOptions(statement.options);
  const columns = columnsOf(statement, table);
  const wrong = faultIn(columns, table);
  if (wrong !== null) return refusedPlan('COPY', wrong);
  const { name, keyColumn } = table;
  if (keyColumn === null) {
    if (leavesValues(statement, table, columns, options)) {
      return refusedFor('COPY', 'copyDefault');
    }
    const format = copyFormat(options, null);
    const rows = format.format === 'binary' ? selectOf(table, columns) : null;
    const merge = { how: 'copyIn', table: name, format, columns, rows } as const;
    const alike = copiesToMakeAlike(table, context);
    return { ...everywhere(traits, { ...merge, key: null, timed: null }), alike };
  }
  if (mistakesMarkers(options)) return refusedFor('COPY', 'copyOption');
  const index = columns.indexOf(keyColumn);
  if (index < 0) return refusedFor('COPY', 'copyKey');
  const given = table.columns.filter((column) => columns.includes(column.name));
  if (options.default !== null && given.some(hasTimeDefault)) {
    return { ...everywhere(traits, null), refusal: severalShards('copyDefaultTime') };
  }
  const key = {
    index,
    column: keyColumn,
    notNull: table.columns.find((column) => column.name === keyColumn)?.notNull ?? false,
    skipsErrors: options.onError === 'ignore',
    rejectLimit: options.rejectLimit,
    isSilent: options.isSilent,
  };
  const format = copyFormat(options, keyColumn);
  const rows = format.format === 'binary' ? selectOf(table, columns) : null;
  const timed = timedCopy(statement, table, columns, options, context.input);
  const merge = { how: 'copyIn', table: name, format, columns, rows, key, timed } as const;
  return { ...everywhere(traits, merge), strays: copiedStrays(table) };
}

const columnsOf = ({ columns }: CopyStatement, table: Table): readonly string[] =>
  columns ?? table.columns.filter(({ generated }) => !generated).map(({ name }) => name);

/** What PostgreSQL says of the list before any data; null: nothing. Source: CopyGetAttnums. */
function faultIn(columns: readonly string[], table: Table): SqlErrorFields | null {
  for (const [i, name] of columns.entries()) {
    const found = table.columns.find((column) => column.name === name);
    const of = `column "${name}"`;
    if (found === undefined) {
      const message = `${of} of relation "${table.name}" does not exist`;
      return { code: SQLSTATE.undefinedColumn, message };
    }
    if (found.generated) {
      const detail = 'Generated columns cannot be used in COPY.';
      const message = `${of} is a generated column`;
      return { code: SQLSTATE.invalidColumnReference, message, detail };
    }
    if (columns.indexOf(name) < i) {
      return { code: SQLSTATE.duplicateColumn, message: `${of} specified more than once` };
    }
  }
  return null;
}

/** What gives the columns of the data. */
function selectOf({ schema, name }: Table, columns: readonly string[]): string {
  return `SELECT ${columns.map(quoteName).join(', ')} FROM ${quoteName(schema)}.${quoteName(name)}`;
}

/** A default that each server takes by itself would make its copy of the table another one. */
function leavesValues(
  statement: CopyStatement,
  table: Table,
  columns: readonly string[],
  options: CopyOptions,
): boolean {
  if (statement.filtered || options.default !== null) return true;
  return table.columns.some(
    ({ name, hasDefault, generated }) => hasDefault && !generated && !columns.includes(name),
  );
}

function planOut(statement: CopyStatement, table: Table, traits: RoutedPlan): Plan {
  const merge = outMerge(statement.options, selectOf(table, columnsOf(statement, table)));
  return everywhere(traits, merge);
}

function outMerge(written: readonly CopyOption[], rows: string): CopyOutMerge {
  const options = copyOptions(written);
  const { format } = copyFormat(options, null);
  const { header } = options;
  return { how: 'copyOut', format, header, rows: format === 'binary' ? rows : null };
}

const everywhere = (traits: RoutedPlan, merge: RoutedPlan['merge']): RoutedPlan => ({
  ...traits,
  route: EVERYWHERE,
  merge,
});

/** A query goes where it would go by itself; what must be merged is computed over copies. */
function planQuery(statement: CopyStatement, traits: RoutedPlan, context: PlanContext): Plan {
  const { onServer } = statement;
  const { sql, tokens } = context.input;
  const { start, end } = insideParentheses(tokens);
  const plan = planInner({ start, end }, context);
  if (plan?.op === 'refused') return { ...plan, verb: 'COPY' };
  if (plan?.op !== 'routed') return traits;
  const { effect, pins, asIsAtHome } = plan;
  const fields = { ...traits, effect, pins, asIsAtHome };
  if (plan.strays !== null) return refusedFor('COPY', 'triggerKey');
  const { kind } = plan.route;
  // Rows of a write that are computed first come from all shards, wherever they go.
  if (plan.merge !== null && kind !== 'all' && kind !== 'keys') {
    return refusedPlan('COPY', severalShards('copyQuery'));
  }
  if (context.readsTimedView) return forwarded(fields, plan, 'copyTime');
  if ((kind !== 'all' && kind !== 'keys') || onServer) return forwarded(fields, plan, 'copyQuery');
  const out = outMerge(statement.options, sql.slice(start, end));
  if (isPlainConcat(plan.merge)) return { ...fields, route: plan.route, merge: out };
  const engine = engineOf(plan);
  if (engine === null) return forwarded(fields, plan, 'copyQuery');
  const merge: EngineCopyMerge = {
    how: 'engineCopy',
    engine,
    before: sql.slice(0, start),
    after: sql.slice(end),
    out,
  };
  return { ...fields, route: plan.route, merge };
}

/** The text between the first parenthesis and the one that closes it. */
export function insideParentheses(tokens: readonly Token[]): { start: number; end: number } {
  const open = tokens.findIndex(({ text }) => text === '(');
  let depth = 0;
  const close = tokens.findIndex(({ kind, text }, i) => {
    if (i < open || kind === 'string' || kind === 'name') return false;
    if (text === '(') depth += 1;
    if (text === ')') depth -= 1;
    return depth === 0;
  });
  return { start: tokens[open]!.end, end: tokens[close]!.start };
}

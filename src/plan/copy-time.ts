// Copy time: what COPY FROM over several shards would have each server tell the time for.

import { quoteName } from '../base/quote.ts';
import type { CopyStatement } from '../sql/statement.ts';
import { tokenize } from '../sql/token.ts';
import type { Column, Table } from '../topology/table.ts';
import type { CopyFormat } from '../value/copy/copy-format.ts';
import type { PlanInput } from './context.ts';
import type { TimedCopy } from './copy-merge.ts';
import type { CopyOptions } from './copy-options.ts';
import { namesTime, timedText } from './time-text.ts';
import { timedDefault, valueOfTime } from './timed-statement.ts';

export const hasTimeDefault = ({ timeDefault }: Column): boolean => timeDefault != null;

/** `columns`: of the data. null: nothing in it tells the time. */
export function timedCopy(
  statement: CopyStatement,
  table: Table,
  columns: readonly string[],
  options: CopyOptions,
  { sql, tokens }: Pick<PlanInput, 'sql' | 'tokens'>,
): TimedCopy | null {
  const left = table.columns.filter(
    (column) => hasTimeDefault(column) && !columns.includes(column.name),
  );
  // The server refuses options for columns that the data does not have.
  const isNamed = ({ name }: Column) =>
    options.forceNull.has(name) || options.forceNotNull.has(name);
  if (left.length === 0 || left.some(isNamed)) {
    return statement.filtered && namesTime(tokens) ? { columns: [], sql } : null;
  }
  const from = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'from');
  const hasList = statement.columns !== null;
  const open = tokens.findIndex(({ text }) => text === '(');
  const at = tokens[hasList ? open : from - 1]!.end;
  const names = left.map(({ name }) => quoteName(name)).join(', ');
  const all = [names, ...columns.map(quoteName)].join(', ');
  const list = hasList ? `${names}, ` : ` (${all})`;
  return { columns: left, sql: sql.slice(0, at) + list + sql.slice(at) };
}

/** The statement at `time`, and a SELECT of what its columns get then; null: there are none. */
export function copyAt(
  { columns, sql }: TimedCopy,
  format: CopyFormat['format'],
  time: string,
): { readonly sql: string; readonly values: string | null } {
  const told = timedText(sql, tokenize(sql) ?? [], valueOfTime(time), 'inner') ?? sql;
  const values = columns.map((column) => {
    const value = `CAST(${timedDefault(column, time)} AS ${column.defaultType})`;
    if (format === 'binary') return value;
    return DATES.has(column.defaultType ?? '')
      ? `pg_catalog.to_jsonb(${value}) #>> '{}'`
      : `${value}::pg_catalog.text`;
  });
  return { sql: told, values: values.length === 0 ? null : `SELECT ${values.join(', ')}` };
}

/** As JSON they are in ISO form, which every DateStyle reads. */
const DATES = new Set(['date', 'timestamp without time zone', 'timestamp with time zone']);

// Timed statement: its text with the time of its transaction written out, wherever it is to run.

import { quoteLiteral, quoteName } from '../base/quote.ts';
import { clausesOf } from '../sql/clause.ts';
import { type InsertText, insertText, overridingOf, valuesText } from '../sql/insert-text.ts';
import { parseSql } from '../sql/parser.ts';
import type {
  CopyStatement,
  InsertStatement,
  RelationName,
  RowStatement,
  Statement,
} from '../sql/statement.ts';
import { type Token, tokenize, withoutSemicolons } from '../sql/token.ts';
import type { Catalog, Column, Table } from '../topology/table.ts';
import { TYPE } from '../value/type-oid.ts';
import type { PlanInput } from './context.ts';
import { isName, nameOf } from './engine-text.ts';
import { isInsertSelect } from './insert-select.ts';
import type { InsertMerge, TimeDefaults } from './plan.ts';
import { namesTime, timedText } from './time-text.ts';
import { leavesDefaults, withMergeDefaults } from './timed-merge.ts';

type SearchPath = PlanInput['searchPath'];

type TimedStatement = RowStatement | CopyStatement;

/** What a server computes at once: no definition, whose times are those of its use. */
function isTimed(statement: Statement): statement is TimedStatement {
  switch (statement.kind) {
    case 'copy':
      return statement.query !== null;
    case 'select':
    case 'insert':
    case 'update':
    case 'delete':
    case 'merge':
      return true;
    default:
      return false;
  }
}

/**
 * Whether what a statement does depends on when its transaction began, as far as its text and the
 * defaults of the table that it writes tell.
 */
export function tellsTimeOf(
  statement: Statement,
  { tokens, catalog, searchPath }: Pick<PlanInput, 'tokens' | 'catalog' | 'searchPath'>,
): boolean {
  if (!isTimed(statement)) return false;
  if (namesTime(tokens)) return true;
  const isWrite =
    statement.kind === 'insert' ||
    statement.kind === 'update' ||
    (statement.kind === 'merge' && leavesDefaults(statement));
  return isWrite && timeColumns(tableOf(statement.relation, catalog, searchPath)).length > 0;
}

/** Whether some name in the text is that of a routine that tells the time. */
export function namesTimeRoutine(sql: string, { timeRoutines }: Catalog): boolean {
  const { telling } = timeRoutines;
  if (telling.size === 0) return false;
  return (tokenize(sql) ?? []).some((token) => isName(token) && telling.has(nameOf(token)));
}

/**
 * The text in which `time`, as PostgreSQL writes a timestamptz, stands for now() and its kin, in
 * defaults too that an INSERT or MERGE leaves to its table. The text itself where it cannot be taken apart.
 */
export function timedStatement(
  sql: string,
  catalog: Catalog,
  searchPath: SearchPath,
  time: string,
): string {
  const parsed = parsedOf(sql);
  if (parsed === null) return sql;
  const told = timedText(sql, parsed.tokens, valueOfTime(time), 'all');
  const { statement } = parsed;
  if (statement.kind === 'select' || statement.kind === 'copy' || statement.kind === 'delete') {
    return told ?? sql;
  }
  const table = tableOf(statement.relation, catalog, searchPath);
  const columns = timeColumns(table);
  if (table === null || columns.length === 0) return told ?? sql;
  const defaults = new Map(columns.map((column) => [column.name, timedDefault(column, time)]));
  const set = withSetDefaults(told ?? sql, defaults);
  if (statement.kind === 'update') return set;
  const text = set === sql ? { ...parsed, sql } : { ...parsedOf(set)!, sql: set };
  if (statement.kind === 'merge') return withMergeDefaults(text, statement, table, defaults);
  return withDefaults(text, table, defaults);
}

/** The same for the rows of a merge that leaves columns to such defaults. */
export function timedInsert(
  merge: InsertMerge,
  { before, columns }: TimeDefaults,
  time: string,
): InsertMerge {
  const values = columns.map((column) => `, ${timedDefault(column, time)}`).join('');
  const rows = merge.rows.map((row) => `${row.slice(0, -1)}${values})`);
  return { ...merge, before, rows, timeDefaults: null };
}

/** As SQL. */
export const valueOfTime = (time: string): string =>
  `${quoteLiteral(time)}::pg_catalog.timestamptz`;

const IS_NOW = /^(now\(\)|CURRENT_TIMESTAMP)$/;

/** The default as SQL, as short as can be: there may be many rows. */
export function timedDefault({ timeDefault, typeOid }: Column, time: string): string {
  const expression = timeDefault!;
  if (typeOid === TYPE.timestamptz && IS_NOW.test(expression)) return quoteLiteral(time);
  const tokens = tokenize(expression) ?? [];
  return `(${timedText(expression, tokens, valueOfTime(time), 'inner') ?? expression})`;
}

const tableOf = ({ schema, name }: RelationName, catalog: Catalog, searchPath: SearchPath) =>
  catalog.table(schema, name, searchPath ?? undefined);

const timeColumns = (table: Table | null): readonly Column[] =>
  table?.columns.filter(({ timeDefault }) => timeDefault != null) ?? [];

interface Parsed {
  readonly statement: TimedStatement;
  readonly tokens: readonly Token[];
}

function parsedOf(sql: string): Parsed | null {
  const parsed = parseSql(sql);
  const [only, ...others] = parsed?.statements ?? [];
  if (parsed === null || only === undefined || others.length > 0) return null;
  const { statement } = only;
  if (!isTimed(statement)) return null;
  return { statement, tokens: withoutSemicolons(parsed.tokens) };
}

/** By the column's name, as SQL. */
type Defaults = ReadonlyMap<string, string>;

/** SET c = DEFAULT: the word is reserved and has no other meaning behind an equals sign. */
function withSetDefaults(sql: string, defaults: Defaults): string {
  const tokens = tokenize(sql) ?? [];
  let text = '';
  let from = 0;
  for (const [i, { kind, text: word, start, end }] of tokens.entries()) {
    const column = tokens[i - 2];
    if (kind !== 'word' || word !== 'default' || tokens[i - 1]?.text !== '=') continue;
    const value = column !== undefined && isName(column) ? defaults.get(nameOf(column)) : undefined;
    if (value === undefined) continue;
    text += sql.slice(from, start) + value;
    from = end;
  }
  return text + sql.slice(from);
}

function withDefaults(
  { sql, statement, tokens }: Parsed & { readonly sql: string },
  table: Table,
  defaults: Defaults,
): string {
  if (statement.kind !== 'insert') return sql;
  const text = insertText(sql, tokens, statement);
  if (text === null || text.hasParts) return sql;
  const made = rowsOf(statement, text, { sql, tokens }, table, defaults);
  if (made === null) return sql;
  const list = made.columns.map(quoteName).join(', ');
  return `${text.with}${text.target} (${list}) ${overridingOf(text)}${made.source}${text.tail}`;
}

interface TimedRows {
  readonly columns: readonly string[];
  readonly source: string;
}

/** The rows with the defaults that they leave out; null where they leave out none, or cannot be told. */
function rowsOf(
  { columns, source }: InsertStatement,
  text: InsertText,
  { sql, tokens }: { readonly sql: string; readonly tokens: readonly Token[] },
  table: Table,
  defaults: Defaults,
): TimedRows | null {
  const names = columns ?? table.columns.map(({ name }) => name);
  if (source === null)
    return { columns: [...defaults.keys()], source: valuesOf([[...defaults.values()]]) };
  const missing = (given: readonly string[]) =>
    [...defaults].filter(([name]) => !given.includes(name));
  const { body } = source;
  if (!isInsertSelect(source)) {
    const rows = valuesText(sql, tokens, text.first);
    if (rows === null || body.kind !== 'values') return null;
    const given = names.slice(0, rows[0]!.items.length);
    const isDefault = (row: number, item: number) => body.rows[row]?.[item]?.kind === 'default';
    const added = missing(given);
    const made = rows.map(({ items }, row) => [
      ...items.map((item, i) => (isDefault(row, i) && defaults.get(given[i]!)) || item),
      ...added.map(([, value]) => value),
    ]);
    return { columns: [...given, ...added.map(([name]) => name)], source: valuesOf(made) };
  }
  if (body.kind !== 'simple' || body.targets.length === 0) return null;
  const hasStar = body.targets.some(({ expression }) => expression.kind === 'star');
  if (hasStar && columns === null) return null;
  const given = hasStar ? names : names.slice(0, body.targets.length);
  const added = missing(given);
  const start = tokens[text.first]!.start;
  const end = start + text.source.length;
  const clauses = clausesOf(tokens.filter((token) => token.start >= start && token.end <= end));
  if (clauses === null || added.length === 0) return null;
  const { listEnd } = clauses;
  const list = [sql.slice(start, listEnd), ...added.map(([, value]) => value)].join(', ');
  return {
    columns: [...given, ...added.map(([name]) => name)],
    source: `${list}${sql.slice(listEnd, end)}`,
  };
}

const valuesOf = (rows: readonly (readonly string[])[]): string =>
  `VALUES ${rows.map((items) => `(${items.join(', ')})`).join(', ')}`;

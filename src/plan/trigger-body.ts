// Trigger body: what a trigger's function in PL/pgSQL does beside the row that it is given.

import { closing } from '../sql/clause.ts';
import type { Expression } from '../sql/expression.ts';
import { parseSql } from '../sql/parser.ts';
import type { InsertStatement, RelationName } from '../sql/statement.ts';
import { type Token, tokenize } from '../sql/token.ts';
import type { Catalog } from '../topology/table.ts';
import { isBuiltInType, isOwnComputation } from './functions.ts';

export interface TriggerBody {
  /** The columns that it may assign; null: any. */
  readonly assigns: ReadonlySet<string> | null;
  /** One row each, of which nothing is read. */
  readonly inserts: readonly InsertedRow[];
}

export interface InsertedRow {
  readonly relation: RelationName;
  /** null: those of the table, from the first on. */
  readonly columns: readonly string[] | null;
  /** For each column: those of the trigger's rows, as OLD or NEW has them, of which it gets one as it is; else none. */
  readonly values: readonly (readonly RowColumn[])[];
}

export interface RowColumn {
  readonly row: 'old' | 'new';
  readonly column: string;
}

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Of what reads or writes tables, runs a text, or gives a row another name. */
const REACHING = words(`
  alias alter call cluster copy create delete do drop execute fetch grant insert listen lock merge move
  notify open prepare refresh reindex revoke table truncate unlisten update vacuum
`);

/** Before a parenthesis these are no calls. */
const SYNTAX = words(`
  all and any array as assert between by case cast coalesce constant default distinct else elsif end
  exists from greatest if ilike in is least like loop not null nullif or over perform raise return
  row select some then using values when where while
`);

/** Functions with a FROM of their own. */
const FROM_WITHIN = words('extract overlay substring trim');

/**
 * null: it may read or write tables otherwise, or that cannot be told. Reads the text as it is written, so
 * what is told is too little rather than too much.
 */
export function triggerBody(body: string, catalog: Catalog): TriggerBody | null {
  const tokens = tokenize(body);
  if (tokens === null) return null;
  const inserts: InsertedRow[] = [];
  const others: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (!isField(tokens, i) && isWord(tokens[i], 'insert')) {
      const end = tokens.findIndex((token, at) => at > i && token.text === ';');
      const row = end < 0 ? null : insertedRow(textOf(body, tokens, i, end), catalog);
      if (row === null) return null;
      inserts.push(row);
      i = end - 1;
      continue;
    }
    if (!isField(tokens, i) && reaches(tokens, i, catalog)) return null;
    others.push(tokens[i]!);
  }
  return { assigns: assigned(others), inserts };
}

/** Behind these stands what is assigned, where a statement begins or within it. */
const BEFORE_ASSIGNED = words('; begin then else loop for foreach diagnostics');

const isRow = (token: Token): boolean => /^"?(?:new|old)"?$/.test(token.text);

/** Behind a dot: of a record, or of a schema. */
const isField = (tokens: readonly Token[], i: number): boolean => tokens[i - 1]?.text === '.';

function assigned(tokens: readonly Token[]): ReadonlySet<string> | null {
  const columns = new Set<string>();
  let into = false;
  for (const [i, token] of tokens.entries()) {
    const { text } = token;
    if (text === ';') into = false;
    if (isWord(token, 'into')) into = true;
    if (isWord(token, 'return') && !returnsRow(tokens, i)) return null;
    if (!isRow(token) || isWord(tokens[i - 1], 'return')) continue;
    if (isField(tokens, i)) {
      // Its function's name may stand before the row.
      if (tokens[i + 1]?.text === '.') return null;
      continue;
    }
    if (!into && !BEFORE_ASSIGNED.has(tokens[i - 1]?.text ?? ';')) continue;
    const [dot, column] = [tokens[i + 1], tokens[i + 2]];
    if (dot?.text !== '.' || column === undefined || isOdd(column)) return null;
    columns.add(column.kind === 'name' ? column.text.slice(1, -1) : column.text);
  }
  return columns;
}

/** It gives back OLD, NEW or NULL as it is: an operator may make another row of it. */
const returnsRow = (tokens: readonly Token[], at: number): boolean =>
  /^"?(?:new|old|null)"?$/.test(tokens[at + 1]?.text ?? '') && tokens[at + 2]?.text === ';';

/** A quoted name that is not what stands between its quotes. */
const isOdd = ({ kind, text }: Token): boolean => kind === 'name' && !/^"[^"]*"$/.test(text);

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

const textOf = (body: string, tokens: readonly Token[], from: number, to: number): string =>
  body.slice(tokens[from]!.start, tokens[to - 1]!.end);

function reaches(tokens: readonly Token[], i: number, catalog: Catalog): boolean {
  const { kind, text } = tokens[i]!;
  if (kind !== 'word' && kind !== 'name') return false;
  if (isOdd(tokens[i]!)) return true;
  if (kind === 'word' && text === 'from') return !isComparison(tokens, i) && !isWithin(tokens, i);
  if (kind === 'word' && REACHING.has(text)) return true;
  const at = callAt(tokens, i);
  if (at === null || (kind === 'word' && SYNTAX.has(text))) return false;
  const isOwn = at === i || isWord(tokens[i], 'pg_catalog');
  const name = tokens[at]!.text;
  if (at === i && (isBuiltInType(null, name) || FROM_WITHIN.has(name))) return false;
  return !isOwn || catalog.hasRoutine(name) || !isOwnComputation(name);
}

/** Where the name of a call stands whose own or schema's name stands at `i`; null: it is no call. */
function callAt(tokens: readonly Token[], i: number): number | null {
  let at = i;
  while (tokens[at + 1]?.text === '.') at += 2;
  return tokens[at + 1]?.text === '(' ? at : null;
}

/** IS [NOT] DISTINCT FROM */
const isComparison = (tokens: readonly Token[], i: number): boolean =>
  isWord(tokens[i - 1], 'distinct') && /^(?:is|not)$/.test(tokens[i - 2]?.text ?? '');

/** extract(epoch FROM …) and its like, without a query within. */
function isWithin(tokens: readonly Token[], i: number): boolean {
  let depth = 0;
  for (let at = i - 1; at >= 0; at--) {
    const { text } = tokens[at]!;
    if (text === ';' || text === 'select') return false;
    if (text === ')') depth += 1;
    if (text === '(' && depth === 0) return FROM_WITHIN.has(tokens[at - 1]?.text ?? '');
    if (text === '(') depth -= 1;
  }
  return false;
}

/** INSERT INTO t (…) VALUES (…), its values one by one, and nothing more; null: it is another, or reads a table. */
function insertedRow(sql: string, catalog: Catalog): InsertedRow | null {
  const tokens = tokenize(sql);
  const values = tokens?.findIndex((token) => isWord(token, 'values')) ?? -1;
  if (tokens === null || values < 0) return null;
  const own = tokens.slice(values);
  if (closing(own, 1) !== own.length - 1) return null;
  if (own.some((_, i) => !isField(own, i) && reaches(own, i, catalog))) return null;
  // Which columns the fields of a row are for, it does not say.
  if (own.some(({ text }, i) => text === '*' && isField(own, i))) return null;
  const statement = parseSql(sql)?.statements[0]?.statement;
  return statement?.kind === 'insert' ? rowOf(statement) : null;
}

function rowOf({ relation, columns, source, with: clause }: InsertStatement): InsertedRow | null {
  const rows = source?.body.kind === 'values' ? source.body.rows : [];
  if (rows.length !== 1 || clause !== null) return null;
  return { relation, columns, values: rows[0]!.map(rowColumns) };
}

function rowColumns(value: Expression): readonly RowColumn[] {
  if (value.kind === 'other' && value.node === 'CoalesceExpr') {
    const each = value.children.map(rowColumns);
    return each.every(({ length }) => length > 0) ? each.flat() : [];
  }
  if (value.kind !== 'column' || value.path.length !== 2) return [];
  const [row, column] = value.path as [string, string];
  return row === 'old' || row === 'new' ? [{ row, column }] : [];
}

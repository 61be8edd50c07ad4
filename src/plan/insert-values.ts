// INSERT … VALUES: each row by its key, which may have to be computed first.

import { quoteName } from '../base/quote.ts';
import type { Expression } from '../sql/expression.ts';
import {
  type InsertText,
  insertText,
  overridingOf,
  type RowText,
  valuesText,
} from '../sql/insert-text.ts';
import type { InsertStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { returnedKey, rowsKey, writtenTable } from './insert-select.ts';
import { checkIdentities, ignoresKey } from './overriding.ts';
import type { InsertMerge, KeySource, TimeDefaults } from './plan.ts';
import { keySourceOf } from './restriction.ts';
import { NoMerge } from './splice.ts';
import type { ComputedKeys } from './staged.ts';
import { namesTime } from './time-text.ts';
import { refused } from './unsupported.ts';

/** The key of a row: known with its parameters, an expression to be computed, or the default. */
export type RowKey = KeySource | 'computed' | 'default';

/** Where the key is among the items of a row; -1: it is left to its default. */
export function keyIndex({ columns }: InsertStatement, table: Table, context: PlanContext): number {
  if (ignoresKey(table, context)) return -1;
  const names = columns ?? table.columns.map((column) => column.name);
  return names.indexOf(table.keyColumn!);
}

/** Throws Refusal for a key that is surely NULL where the servers would take it. */
export function rowKeys(
  statement: InsertStatement,
  table: Table,
  context: PlanContext,
): readonly RowKey[] {
  const { source } = statement;
  if (source === null) return [keyOfDefault(table)];
  if (source.body.kind !== 'values') throw new Error('only VALUES have rows to be told apart');
  const index = keyIndex(statement, table, context);
  return source.body.rows.map((row) => {
    const value = index < 0 ? undefined : row[index];
    if (value === undefined || value.kind === 'default') return keyOfDefault(table);
    const key = keySourceOf(value, context);
    if (key === null) return 'computed';
    // What is no integer any server refuses with its own error.
    const isNull = value.kind !== 'constant' || value.type === 'null';
    if (key.from === 'constant' && key.value === null && isNull && !columnOfKey(table)?.notNull) {
      throw new Refusal(refused('insertDefault'));
    }
    return key;
  });
}

const columnOfKey = (table: Table) => table.columns.find(({ name }) => name === table.keyColumn);

/** Without a value and a default the server refuses the row, on whichever shard. */
function keyOfDefault(table: Table): RowKey {
  const column = columnOfKey(table);
  if (column?.hasDefault === true && !column.generated) return 'default';
  if (column?.notNull !== true || column.generated) throw new Refusal(refused('insertDefault'));
  return { from: 'constant', value: null };
}

/** What the servers compute of each row, without the keys that are computed before. */
export function valuesBesideKeys(
  statement: InsertStatement,
  keys: readonly RowKey[],
  table: Table,
  context: PlanContext,
): readonly Expression[] {
  const { source } = statement;
  if (source?.body.kind !== 'values') return [];
  const index = keyIndex(statement, table, context);
  return source.body.rows.flatMap((row, i) =>
    row.filter((_, j) => j !== index || keys[i] !== 'computed'),
  );
}

/** Throws NoMerge. */
export function insertValues(
  statement: InsertStatement,
  table: Table,
  keys: readonly RowKey[],
  context: PlanContext,
): InsertMerge {
  const { input } = context;
  const { sql, tokens } = input;
  const text = insertText(sql, tokens, statement);
  if (text === null) throw new NoMerge('text');
  const rows = rowsOf(statement, text, input);
  if (rows.length !== keys.length) throw new NoMerge('text');
  const known = keys.flatMap((key) => (typeof key === 'string' ? [] : [key]));
  if (known.length === keys.length && statement.source !== null) {
    return {
      how: 'insert',
      before: `${text.into}VALUES `,
      rows: rows.map((row) => row.text),
      keys: known,
      after: text.tail,
      keyReturned: returnedKey(statement, table),
      computed: null,
      timeDefaults: timeDefaultsOf(statement, table, text, input.tokens, rows[0]!.items.length),
    };
  }
  const index = keyIndex(statement, table, context);
  const width = rows[0]!.items.length;
  const isGiven = index >= 0 && index < width;
  const names = (statement.columns ?? table.columns.map(({ name }) => name)).slice(0, width);
  // What is given although it is ignored, or nothing.
  const ignored = isGiven ? -1 : names.indexOf(table.keyColumn!);
  const kept = names.filter((_, i) => i !== ignored);
  const into = isGiven
    ? text.into
    : `${text.target} (${[...kept, table.keyColumn!].map(quoteName).join(', ')}) `;
  if (!isGiven && text.hasParts) throw new NoMerge('text');
  // A default may be that of an identity, for which a value is to be given only so.
  const overriding = isGiven && text.overriding !== null ? '' : 'OVERRIDING SYSTEM VALUE ';
  if (keys.includes('default') && overriding !== '')
    checkIdentities(
      table,
      names,
      rows.map(({ items }) => items),
    );
  const at = isGiven ? index : kept.length;
  const computed: ComputedKeys = {
    table: writtenTable(statement, table).name,
    key: rowsKey(table, [table.keyColumn!]),
    rows: rows.map((row, i) => {
      const key = keys[i]!;
      const items = row.items.filter((_, item) => item !== ignored);
      const source = key === 'computed' ? { sql: items[at]! } : key;
      return { before: items.slice(0, at), key: source, after: items.slice(at + 1) };
    }),
  };
  const before = `${into}${keys.includes('default') ? overriding : ''}VALUES `;
  return {
    how: 'insert',
    before,
    rows: [],
    keys: [],
    after: text.tail,
    keyReturned: returnedKey(statement, table),
    computed,
    timeDefaults: null,
  };
}

function rowsOf(
  statement: InsertStatement,
  text: InsertText,
  { sql, tokens }: PlanContext['input'],
): readonly RowText[] {
  if (statement.source === null) return [{ text: '()', items: [] }];
  const rows = valuesText(sql, tokens, text.first);
  if (rows === null) throw new NoMerge('text');
  return rows;
}

/** null: there are none, or more than the columns that are left out tells the time. */
function timeDefaultsOf(
  { columns }: InsertStatement,
  table: Table,
  text: InsertText,
  tokens: readonly Token[],
  width: number,
): TimeDefaults | null {
  if (table.columns.every(({ timeDefault }) => timeDefault == null)) return null;
  const asksDefault = tokens.some(({ kind, text: word }) => kind === 'word' && word === 'default');
  if (text.hasParts || asksDefault || namesTime(tokens)) return null;
  const given = (columns ?? table.columns.map(({ name }) => name)).slice(0, width);
  const omitted = table.columns.filter(
    ({ name, timeDefault }) => timeDefault != null && !given.includes(name),
  );
  if (omitted.length === 0) return null;
  const list = [...given, ...omitted.map(({ name }) => name)].map(quoteName).join(', ');
  return { before: `${text.target} (${list}) ${overridingOf(text)}VALUES `, columns: omitted };
}

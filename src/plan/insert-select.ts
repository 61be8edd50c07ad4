// INSERT … SELECT: run on each shard as it is, or its rows computed first.

import { quoteName } from '../base/quote.ts';
import { type Expression, hasQuery } from '../sql/expression.ts';
import { type InsertText, insertText, overridingOf, valuesText } from '../sql/insert-text.ts';
import type { InsertStatement, SelectStatement, WritingStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { TYPE } from '../value/type-oid.ts';
import { CommonTables } from './common-tables.ts';
import { type PlanContext, Refusal } from './context.ts';
import type { KeyClass } from './key-class.ts';
import { surveyExpressions } from './level.ts';
import { checkIdentities, ignoresKey } from './overriding.ts';
import { keySourceOf } from './restriction.ts';
import { type Leaf, type Level, Scope } from './scope.ts';
import { checkShown } from './shown-columns.ts';
import { NoMerge } from './splice.ts';
import type { InsertRowsMerge, RowsKey, WrittenTable } from './staged.ts';
import { Survey } from './survey.ts';
import { refused } from './unsupported.ts';

/** Anything but VALUES by itself, whose rows are planned one by one. */
export function isInsertSelect(source: SelectStatement | null): boolean {
  if (source === null) return false;
  return (
    source.body.kind !== 'values' ||
    source.order.length > 0 ||
    source.limit !== null ||
    source.offset !== null ||
    source.with !== null
  );
}

/**
 * Ties the key of the rows to that of the query: true where every row is made on the shard that it
 * goes to, so that each shard may run the statement as it is.
 */
export function tieSource(
  level: Level,
  source: SelectStatement,
  index: number,
  key: KeyClass,
  context: PlanContext,
): boolean {
  const column = level.columns?.[index];
  if (column?.key != null && !column.nullable && level.anchored) {
    key.unite(column.key);
    return true;
  }
  const value = constantOutput(source, index);
  const constant = value === null ? null : keySourceOf(value, context);
  const isNull = constant?.from === 'constant' && constant.value === null;
  if (constant !== null && !isNull) key.restrict([constant]);
  return false;
}

/** What a plain SELECT gives as its index-th column, where that is an expression of its own. */
function constantOutput({ body }: SelectStatement, index: number): Expression | null {
  if (body.kind !== 'simple') return null;
  const before = body.targets.slice(0, index + 1);
  if (before.some(({ expression }) => expression.kind === 'star')) return null;
  return before[index]?.expression ?? null;
}

/** Throws NoMerge where the rows cannot be taken out of the statement. */
export function insertRows(
  statement: InsertStatement,
  table: Table | null,
  leaf: Leaf,
  context: PlanContext,
  survey: Survey,
): InsertRowsMerge {
  const { sql, tokens } = context.input;
  const text = insertText(sql, tokens, statement);
  if (text === null) throw new NoMerge('text');
  checkTail(statement, leaf, survey);
  const ignored = table !== null && ignoresKey(table, context) ? table.keyColumn : null;
  const rows = isInsertSelect(statement.source)
    ? queriedRows(statement, table, text, ignored)
    : valuesRows(statement, table, text, context, ignored);
  const updates = (statement.conflict?.assignments.length ?? 0) > 0;
  const isDefaulted = table?.kind === 'reference' && updates;
  if (isDefaulted) checkShown(table, rows.given ?? []);
  const key = table?.kind === 'sharded' ? rowsKey(table, rows.given ?? []) : null;
  const isByDefault = key !== null && key.index === null && key.hasDefault;
  if (isByDefault && table !== null) {
    const { source, given } = rows;
    checkIdentities(table, given ?? [], typeof source === 'string' ? [[]] : source.rows);
  }
  return {
    how: 'insertRows',
    ...rows,
    table: writtenTable(statement, table),
    target: text.target,
    after: text.tail,
    keyReturned: returnedKey(statement, table),
    defaulted: isDefaulted ? defaultedBy(table, rows, text) : null,
    key,
    whole: updates,
  };
}

function defaultedBy(
  { columns }: Table,
  { source, given }: Rows,
  text: InsertText,
): InsertRowsMerge['defaulted'] {
  const identities = columns.filter(({ identity }) => identity === true);
  // Each copy would give an identity a number of its own.
  if (text.overriding === 'user' && identities.length > 0) {
    throw new Refusal(refused('referenceUnsteady'));
  }
  const isGiven = (name: string) => {
    const at = given?.indexOf(name) ?? -1;
    return at >= 0 && (typeof source === 'string' || source.rows.some((row) => row[at] !== null));
  };
  const defaulted = columns.filter(({ hasDefault, generated }) => hasDefault && !generated);
  if (defaulted.length === 0) return null;
  // Whether a value may be given to an identity the server says, by what is written.
  const asWritten = identities.some(({ name }) => isGiven(name));
  return {
    columns: defaulted.map(({ name }) => name),
    overriding: asWritten ? overridingOf(text) : 'OVERRIDING SYSTEM VALUE ',
  };
}

type Rows = Pick<InsertRowsMerge, 'source' | 'before' | 'given' | 'ignored'>;

function queriedRows(
  { columns, source, with: clause }: InsertStatement,
  table: Table | null,
  text: InsertText,
  ignored: string | null,
): Rows {
  const given = columns ?? table?.columns.map(({ name }) => name) ?? null;
  if (text.hasParts) throw new NoMerge('text');
  // A query has one WITH clause.
  const isWithin = clause !== null && source?.with != null;
  const rows = isWithin ? `SELECT * FROM (${text.source}) AS "drive.rows"` : text.source;
  const at = ignored === null ? -1 : (given?.indexOf(ignored) ?? -1);
  if (at >= 0 && given!.length === 1) throw new NoMerge('insertWith');
  return {
    source: `${text.with}${rows}`,
    before: text.into,
    given: given?.filter((_, i) => i !== at) ?? null,
    ignored: at < 0 ? null : at,
  };
}

/** Without columns that are DEFAULT in every row. One by one, as one PostgreSQL casts them. */
function valuesRows(
  { columns, source }: InsertStatement,
  table: Table | null,
  text: InsertText,
  { input }: PlanContext,
  ignored: string | null,
): Rows {
  const names = columns ?? table?.columns.map(({ name }) => name) ?? null;
  const rows = valuesText(input.sql, input.tokens, text.first);
  if (rows === null || names === null || text.hasParts) throw new NoMerge('text');
  const values = source?.body.kind === 'values' ? source.body.rows : [];
  const isDefault = (row: number, item: number) => values[row]?.[item]?.kind === 'default';
  const all = [...rows[0]!.items.keys()];
  const some = all.filter((item) => rows.some((_, row) => !isDefault(row, item)));
  const kept = (some.length > 0 ? some : all).filter((item) => names[item] !== ignored);
  if (kept.length === 0) throw new NoMerge('insertWith');
  const given = kept.map((item) => names[item] ?? '');
  const keyItem = table === null ? -1 : names.indexOf(table.keyColumn ?? '');
  const isKeyDefault = kept.includes(keyItem) && rows.some((_, row) => isDefault(row, keyItem));
  if (isKeyDefault && table !== null) {
    checkIdentities(
      table,
      names,
      rows.map(({ items }) => items),
    );
  }
  // A default may be that of an identity, for which a value is to be given only so.
  const overriding = isKeyDefault ? 'OVERRIDING SYSTEM VALUE ' : overridingOf(text);
  return {
    source: {
      with: text.with,
      rows: rows.map(({ items }, row) =>
        kept.map((item) => (isDefault(row, item) ? null : items[item]!)),
      ),
      columns: given,
    },
    before: `${text.target} (${given.map(quoteName).join(', ')}) ${overriding}`,
    given,
    ignored: null,
  };
}

/** What tells, in RETURNING, which of the rows it is that ON CONFLICT has not passed over. */
export function returnedKey(
  { alias, relation, conflict, returning }: InsertStatement,
  table: Table | null,
): string | null {
  const key = table?.kind === 'sharded' ? table.keyColumn : null;
  if (key === null || conflict === null || returning.length === 0) return null;
  return `${quoteName(alias ?? relation.name)}.${quoteName(key)}`;
}

export function writtenTable(
  { relation, alias }: WritingStatement,
  table: Table | null,
): WrittenTable {
  const schema = table?.schema ?? relation.schema;
  const name = quoteName(table?.name ?? relation.name);
  const kind = table?.kind === 'sharded' || table?.kind === 'reference' ? table.kind : 'home';
  const columns = table?.columns.filter(({ generated }) => !generated) ?? [];
  const shown = table?.shown;
  return {
    name: schema === null ? name : `${quoteName(schema)}.${name}`,
    alias: quoteName(alias ?? relation.name),
    kind,
    columns: columns.map((column) => quoteName(column.name)),
    shown:
      shown === undefined
        ? null
        : {
            name: `${quoteName(shown.schema)}.${quoteName(shown.name)}`,
            columns: shown.columns,
          },
  };
}

/** Throws Refusal for a view whose rows are to be found first, but may be others when they are written. */
export function checkFindable(table: Table | null): void {
  if (table?.view === undefined) return;
  const isKeyless = table.kind === 'sharded' && table.keyColumn === null;
  if (table.shown === undefined || isKeyless || table.shown.tellsTime) {
    throw new Refusal(refused('view'));
  }
}

/** Some column that is read has a collation of its own. */
export const readsCollated = ({ uses }: Survey): boolean =>
  uses.some(({ table }) => table?.columns.some(({ collation }) => collation !== null));

const KEY_TYPES: ReadonlyMap<number, RowsKey['type']> = new Map([
  [TYPE.int2, 'int2'],
  [TYPE.int4, 'int4'],
  [TYPE.int8, 'int8'],
]);

/** Of a sharded table, among the columns that are given. Throws Refusal. */
export function rowsKey(table: Table, names: readonly string[]): RowsKey {
  const column = table.columns.find(({ name }) => name === table.keyColumn);
  const type = KEY_TYPES.get(column?.typeOid ?? 0);
  if (column === undefined || type === undefined) throw new NoMerge('text');
  const index = names.indexOf(column.name);
  const hasDefault = column.hasDefault && !column.generated;
  if (index < 0 && !hasDefault && (column.generated || !column.notNull)) {
    throw new Refusal(refused('insertDefault'));
  }
  const { name, notNull } = column;
  return { index: index < 0 ? null : index, column: name, type, notNull, hasDefault };
}

/** ON CONFLICT and RETURNING are computed where the row is: they may use nothing but it. */
function checkTail(statement: InsertStatement, leaf: Leaf, survey: Survey): void {
  const own = new Survey(survey.context, survey.surveyWriting);
  const scope = new Scope(null);
  scope.leaves.push(leaf);
  surveyTail(statement, scope, own, new CommonTables(), true);
  if (own.classes.length > 0 || own.readsHome) throw new NoMerge('subQuery');
  if (own.severalShardsReason !== null) throw new NoMerge(own.severalShardsReason);
  // A sub-query may name a query of the WITH clause, which the rows are computed by.
  const parts = [...returnedBy(statement), ...conflictParts(statement)];
  if (statement.with !== null && parts.some(hasQuery)) throw new NoMerge('insertWith');
}

/** RETURNING and ON CONFLICT. */
export function surveyTail(
  statement: InsertStatement,
  scope: Scope,
  survey: Survey,
  tables: CommonTables,
  anchored: boolean,
): void {
  surveyExpressions(returnedBy(statement), scope, survey, tables, anchored, true);
  surveyExpressions(conflictParts(statement), scope, survey, tables, anchored);
}

const returnedBy = ({ returning }: InsertStatement): readonly Expression[] =>
  returning.map(({ expression }) => expression);

const conflictParts = ({ conflict }: InsertStatement): readonly Expression[] => [
  ...(conflict?.assignments ?? []).flatMap(({ value }) => value ?? []),
  ...(conflict?.parts ?? []),
];

// MERGE: on each shard by itself, or with its source computed first.

import { quoteName } from '../base/quote.ts';
import type { Expression } from '../sql/expression.ts';
import { mergeText } from '../sql/merge-text.ts';
import type { MergeAction, MergeStatement, Target } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { CommonTables } from './common-tables.ts';
import type { PlanContext } from './context.ts';
import { asksChance } from './functions.ts';
import { readsCollated, rowsKey, writtenTable } from './insert-select.ts';
import { KeyClass } from './key-class.ts';
import { surveyExpressions } from './level.ts';
import { afterJoin, apartMerge } from './merge-apart.ts';
import { foundMerge } from './merge-found.ts';
import { mergeSource } from './merge-source.ts';
import { ignoresKey } from './overriding.ts';
import { conjunctsOf, keyClassOf, keySourceOf, pairsOf } from './restriction.ts';
import { type Leaf, Scope } from './scope.ts';
import { checkShown } from './shown-columns.ts';
import { NoMerge } from './splice.ts';
import { type MergeRowsMerge, SOURCE_END } from './staged.ts';
import { Survey } from './survey.ts';

/** The columns of ON that must be equal, as pairs. */
function equalities(on: Expression): (readonly [Expression, Expression])[] {
  return [...conjunctsOf(on)].flatMap((conjunct) => {
    const isEquality = conjunct.kind === 'operator' && conjunct.operator.join() === '=';
    return isEquality ? [...pairsOf(conjunct.left, conjunct.right)] : [];
  });
}

/**
 * Ties the keys that ON makes equal. True where every row stays on its shard, and what is inserted belongs
 * to that of the source's row.
 */
export function tieMerge(
  statement: MergeStatement,
  table: Table,
  scope: Scope,
  survey: Survey,
): boolean {
  const [target] = scope.leaves;
  const key = target!.keys.get(table.keyColumn!)!;
  for (const [left, right] of equalities(statement.on)) {
    const [a, b] = [keyClassOf(left, scope), keyClassOf(right, scope)];
    if (a !== null && b !== null) a.unite(b);
  }
  const isSame = (value: Expression | undefined) =>
    value !== undefined && keyClassOf(value, scope)?.isSame(key) === true;
  // Rows that the source lacks are on every shard, whatever keys the source is restricted to.
  if (statement.actions.some(({ when }) => when === 'notMatchedBySource')) {
    survey.classes.push(new KeyClass());
  }
  const given = inserts(statement).map((action) => insertedKey(action, table, survey.context));
  const others = [...given, ...assignedKeys(statement, table)].filter((value) => !isSame(value));
  for (const value of others) survey.classes.push(placedKey(value, table, survey.context));
  return others.length === 0;
}

/** What UPDATE sets the key to. */
function assignedKeys({ actions }: MergeStatement, table: Table): readonly Expression[] {
  return actions.flatMap(({ command, columns, values }) => {
    const at = command === 'update' ? (columns ?? []).indexOf(table.keyColumn!) : -1;
    return at < 0 ? [] : [values[at]!];
  });
}

/** The keys of rows that are inserted or moved, wherever the source's rows are. */
function placedKey(value: Expression | undefined, table: Table, context: PlanContext): KeyClass {
  const key = new KeyClass();
  const column = table.columns.find(({ name }) => name === table.keyColumn);
  const source = value === undefined ? null : keySourceOf(value, context);
  // A server that takes rows without a key would keep such a row wherever it is sent.
  if (source !== null && column?.notNull === true) key.restrict([source]);
  return key;
}

const inserts = ({ actions }: MergeStatement) =>
  actions.filter(({ command }) => command === 'insert');

/** undefined: its default, whatever is given. */
function insertedKey(
  { columns, values }: MergeAction,
  table: Table,
  context: PlanContext,
): Expression | undefined {
  if (ignoresKey(table, context)) return undefined;
  const names = columns ?? table.columns.map(({ name }) => name);
  return values[names.indexOf(table.keyColumn!)];
}

/**
 * `decides`: what tells what becomes of a row, where its shard could do so by itself. Throws NoMerge where the
 * source cannot be taken out of the statement.
 */
export function mergeRows(
  statement: MergeStatement,
  table: Table | null,
  scope: Scope,
  survey: Survey,
  context: PlanContext,
  decides: 'shard' | 'query' = 'shard',
): MergeRowsMerge {
  const { source, actions } = statement;
  const { sql, tokens } = context.input;
  const text = mergeText(sql, tokens);
  if (text === null || survey.writesInWith) throw new NoMerge('text');
  const { aliases, joined } = mergeSource(source);
  const isJoin = aliases.length > 1;
  // It would show what carries the rows, and a column of two relations once.
  if (joined !== null && statement.returning.some(isStar)) throw new NoMerge('mergeSource');
  const own = ownSurvey([statement.on, ...statement.parts], scope, survey);
  // RETURNING sees the new rows, but what other shards have is found with them.
  const apartItems = statement.returning
    .map(({ expression }) => expression)
    .filter((each) => !isOfItsRows(statement, ownSurvey([each], scope, survey)));
  const sharded = table?.kind === 'sharded' ? table : null;
  const splits = sharded !== null && inserts(statement).length > 0;
  const split = splits && !isJoin ? splitOf(statement, sharded, scope, context) : null;
  const isApart = splits && split === null;
  const isFound =
    decides === 'query' ||
    apartItems.length > 0 ||
    !isOfItsRows(statement, own) ||
    (sharded !== null && movesRows(statement, sharded, scope)) ||
    // The shards would be asked twice what matches.
    (isApart && asksChance(statement.on));
  if (isFound) {
    checkShown(
      table,
      actions.flatMap(({ columns }) => columns ?? []),
    );
  }
  const asked = ownSurvey([statement.on, ...statement.parts, ...apartItems], scope, survey);
  const found = isFound
    ? foundMerge(statement, table, {
        aliases,
        scope,
        own: asked,
        withText: text.with,
        returned: apartItems,
        context,
      })
    : null;
  const apart = isApart && !isFound ? apartMerge(statement, sharded, aliases, context) : null;
  return {
    how: 'mergeRows',
    source: `${text.with}SELECT ${shownBy(aliases)} FROM ${text.source}`,
    table: writtenTable(statement, table),
    before: text.before,
    aliases,
    joined,
    after: isJoin ? afterJoin(statement, aliases, context) : text.after,
    split: isFound ? null : split,
    bySource: actions.some(({ when }) => when === 'notMatchedBySource'),
    apart,
    found,
    behind: null,
    collated: readsCollated(survey),
  };
}

/** A star by itself. */
const isStar = ({ expression }: Target): boolean =>
  expression.kind === 'star' && expression.path.length === 0;

function shownBy(aliases: readonly string[]): string {
  if (aliases.length === 1) return '*';
  return aliases
    .map((alias) => `${alias}.*, ${alias}.* IS DISTINCT FROM NULL AS ${quoteName(SOURCE_END)}`)
    .join(', ');
}

/** By the source's column that ON holds equal to the key and every INSERT gives as the key; null: none is. */
function splitOf(
  statement: MergeStatement,
  table: Table,
  scope: Scope,
  context: PlanContext,
): MergeRowsMerge['split'] {
  const [target, source] = scope.leaves;
  const columnOf = (e: Expression | undefined, leaf: Leaf | undefined) => {
    const found = e?.kind === 'column' ? scope.find(e.path) : null;
    return found !== null && found.leaf === leaf ? found.column : null;
  };
  const columns = equalities(statement.on).flatMap(([a, b]) => {
    if (columnOf(a, target) === table.keyColumn) return columnOf(b, source) ?? [];
    return columnOf(b, target) === table.keyColumn ? (columnOf(a, source) ?? []) : [];
  });
  const column = columns.find((name) =>
    inserts(statement).every(
      (each) => columnOf(insertedKey(each, table, context), source) === name,
    ),
  );
  if (column === undefined) return null;
  return { column, key: rowsKey(table, [table.keyColumn!]) };
}

/** Some UPDATE may set the key to another. */
function movesRows(statement: MergeStatement, table: Table, scope: Scope): boolean {
  const key = scope.leaves[0]!.keys.get(table.keyColumn!)!;
  return assignedKeys(statement, table).some((value) => !keyClassOf(value, scope)?.isSame(key));
}

/** Of what is computed beside the source. */
function ownSurvey(parts: readonly Expression[], scope: Scope, survey: Survey): Survey {
  const own = new Survey(survey.context, survey.surveyWriting);
  const inner = new Scope(null);
  inner.leaves.push(...scope.leaves);
  surveyExpressions(parts, inner, own, new CommonTables(), true);
  return own;
}

/** A shard can compute it by its own rows and those of the source. */
function isOfItsRows(statement: MergeStatement, own: Survey): boolean {
  const usesWith = statement.with !== null && own.levels > 0;
  return (
    own.classes.length === 0 && !own.readsHome && !usesWith && own.severalShardsReason === null
  );
}

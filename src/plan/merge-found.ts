// MERGE for which queries of their own find which rows match, and what becomes of them.

import type { WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction, MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { asksChance } from './functions.ts';
import { checkFindable, rowsKey } from './insert-select.ts';
import { clausesOf } from './merge-apart.ts';
import { type MergeInsert, mergeInsert } from './merge-insert.ts';
import { movedReturning, returningOf } from './merge-returning.ts';
import { NoMerge } from './splice.ts';
import type { AssignedColumn, FoundClause, FoundMerge } from './staged.ts';
import type { Survey } from './survey.ts';
import { refused } from './unsupported.ts';

/** What means something on one server only, or cannot be asked twice. */
const NEVER = ['systemColumn', 'tableSample', 'sequenceFunction', 'statementTime'] as const;

/**
 * `aliases`: the source's, quoted; `own`: the survey of all but the source and RETURNING; `withText`: the
 * WITH clause, as text. Throws NoMerge, and Refusal for a row that can have no key.
 */
export function foundMerge(
  statement: MergeStatement,
  table: Table | null,
  aliases: readonly string[],
  own: Survey,
  withText: string,
  context: PlanContext,
): FoundMerge {
  const { actions, on } = statement;
  const text = clausesOf(statement, context);
  checkFindable(table);
  for (const reason of NEVER) if (own.hasReason(reason)) throw new NoMerge(reason);
  // Rows of WITH are asked for by several queries.
  const usesWith = own.levels > 0 && statement.with !== null;
  if (own.mayWrite || (usesWith && asksChance(statement.with)))
    throw new NoMerge('unknownFunction');
  const sharded = table?.kind === 'sharded' ? table : null;
  const key = sharded === null ? null : rowsKey(sharded, [sharded.keyColumn!]);
  const clauses = actions.map((action, i) => foundClause(action, text.whens[i]!, table, context));
  const movesRows = clauses.some(
    ({ command, values }) =>
      command === 'update' && values.some(({ column }) => column === key?.column),
  );
  const once = asksChance(on);
  if (once && !isAskedOnce(statement, table, movesRows)) throw new NoMerge('unknownFunction');
  return {
    with: usesWith ? withText : '',
    target: text.target,
    on: text.on,
    clauses,
    chance: asksChance(statement.parts),
    once,
    returning: returningOf(text, statement, aliases, context),
    returningMoved: movesRows ? movedReturning(text, statement, aliases, table, context) : [],
    key,
  };
}

/**
 * Rows are found by their places then: a copy, and a view, has none; nothing tells which would swap keys; and what
 * the source lacks is asked by itself.
 */
function isAskedOnce(
  { actions }: MergeStatement,
  table: Table | null,
  movesRows: boolean,
): boolean {
  const asksApart = actions.some(({ when }) => when === 'notMatchedBySource');
  return table?.kind !== 'reference' && table?.view === undefined && !movesRows && !asksApart;
}

function foundClause(
  action: MergeAction,
  text: WhenText,
  table: Table | null,
  context: PlanContext,
): FoundClause {
  const { when, command } = action;
  const { condition } = text;
  const written =
    command === 'insert' ? mergeInsert(action, text, table, context) : assigned(action, text);
  const { columns, items, before, after } = written;
  const isEvaluated = (column: string) =>
    table?.kind === 'reference' || (table?.kind === 'sharded' && column === table.keyColumn);
  const evaluated: string[] = [];
  const values = items.map((sql, i): AssignedColumn => {
    const column = columns[i]!;
    if (sql !== null && sql.toLowerCase() !== 'default') return { column, sql };
    if (!isEvaluated(column)) return { column, sql: null };
    evaluated.push(column);
    return { column, sql: 'NULL' };
  });
  if (command === 'update') checkUpdated(table, evaluated);
  return { when, command, condition, values, evaluated, before, after };
}

/** An identity may be set to nothing but DEFAULT itself. */
function checkUpdated(table: Table | null, evaluated: readonly string[]): void {
  const isIdentity = (column: string) =>
    table?.columns.some(({ name, identity }) => name === column && identity === true);
  if (!evaluated.some(isIdentity)) return;
  throw new Refusal(refused(table?.kind === 'reference' ? 'referenceUnsteady' : 'insertDefault'));
}

type Written = Pick<MergeInsert, 'columns' | 'items' | 'before' | 'after'>;

/** What UPDATE sets; nothing of any other command. */
function assigned({ columns, values, partial }: MergeAction, text: WhenText): Written {
  const items = text.assigned;
  if (partial || items.length !== values.length) throw new NoMerge('text');
  return { columns: columns ?? [], items, before: text.action, after: '' };
}

// MERGE for which queries of their own find which rows match, and what becomes of them.

import type { Expression } from '../sql/expression.ts';
import type { MergeClauses, WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction, MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { checkEvaluated, isEvaluated } from './evaluated.ts';
import { asksChance } from './functions.ts';
import { checkFindable, rowsKey } from './insert-select.ts';
import { clausesOf } from './merge-apart.ts';
import { type MergeInsert, mergeInsert } from './merge-insert.ts';
import { type FoundItem, foundReturning, itemText, movedReturning } from './merge-returning.ts';
import { rowVersion, versionsIn } from './returned.ts';
import type { Scope } from './scope.ts';
import { NoMerge } from './splice.ts';
import type { AssignedColumn, FoundClause, FoundMerge } from './staged.ts';
import type { Survey } from './survey.ts';

/** What means something on one server only, or cannot be asked twice. */
const NEVER = ['systemColumn', 'tableSample', 'sequenceFunction', 'statementTime'] as const;

/** What is known of the statement beside its clauses. */
interface Known {
  /** The source's, quoted. */
  readonly aliases: readonly string[];
  readonly scope: Scope;
  /** The survey of all but the source and what RETURNING shows of its rows. */
  readonly own: Survey;
  /** The WITH clause, as text. */
  readonly withText: string;
  /** The items of RETURNING that no shard can compute. */
  readonly returned: readonly Expression[];
  readonly context: PlanContext;
}

/** Throws NoMerge, and Refusal for a row that can have no key. */
export function foundMerge(
  statement: MergeStatement,
  table: Table | null,
  { aliases, scope, own, withText, returned, context }: Known,
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
  const items = foundItems(statement, text, returned);
  const clauses = actions.map((action, i): FoundClause => {
    const clause = foundClause(action, text.whens[i]!, table, context);
    const row = rowState(action, clause, table);
    const cut = { scope, target: scope.leaves[0]!, versions: versionsIn(context.input.tokens) };
    return {
      ...clause,
      returned: items.map((item) => ({
        sql: itemText(item, clause.command, context),
        of: clause.command === 'nothing' ? 'found' : rowVersion(item.expression, cut, row),
      })),
    };
  });
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
    returning: foundReturning(text, statement, aliases, items, context),
    returningMoved: movesRows
      ? movedReturning(text, statement, aliases, table, items, context)
      : [],
    key,
  };
}

/**
 * Rows are found by their places then: a view has none; nothing tells which would swap keys; and what
 * the source lacks is asked by itself.
 */
function isAskedOnce(
  { actions }: MergeStatement,
  table: Table | null,
  movesRows: boolean,
): boolean {
  const asksApart = actions.some(({ when }) => when === 'notMatchedBySource');
  return table?.view === undefined && !movesRows && !asksApart;
}

function foundClause(
  action: MergeAction,
  text: WhenText,
  table: Table | null,
  context: PlanContext,
): Omit<FoundClause, 'returned'> {
  const { when, command } = action;
  const { condition } = text;
  const written =
    command === 'insert' ? mergeInsert(action, text, table, context) : assigned(action, text);
  const { columns, items, before, after } = written;
  const evaluated: string[] = [];
  const values = items.map((sql, i): AssignedColumn => {
    const column = columns[i]!;
    if (sql !== null && sql.toLowerCase() !== 'default') return { column, sql };
    if (!isEvaluated(table, column)) return { column, sql: null };
    evaluated.push(column);
    return { column, sql: 'NULL' };
  });
  if (command === 'update') checkEvaluated(table, evaluated);
  return { when, command, condition, values, evaluated, before, after };
}

/** Those items that are to be found with the rows, with their places in the text. */
function foundItems(
  { returning }: MergeStatement,
  { items }: MergeClauses,
  returned: readonly Expression[],
): readonly FoundItem[] {
  if (returned.length > 0 && items.length !== returning.length) throw new NoMerge('text');
  return returning.flatMap(({ expression }, i) =>
    returned.includes(expression) ? [{ ...items[i]!, expression }] : [],
  );
}

/** Whether it is known before what the row becomes. */
function rowState(
  { command, values }: MergeAction,
  clause: Omit<FoundClause, 'returned'>,
  table: Table | null,
): 'deleted' | 'known' | 'unknown' {
  if (command === 'delete') return 'deleted';
  const isGiven = clause.values.every(({ sql }) => sql !== null) && clause.evaluated.length === 0;
  if (!isGiven || asksChance(values)) return 'unknown';
  if (command !== 'insert') return 'known';
  const given = new Set(clause.values.map(({ column }) => column));
  const isLeft = table?.columns.some((each) => each.hasDefault && !given.has(each.name)) ?? true;
  // A trigger BEFORE INSERT may make another row of it.
  return isLeft || table?.runsCode !== false ? 'unknown' : 'known';
}

type Written = Pick<MergeInsert, 'columns' | 'items' | 'before' | 'after'>;

/** What UPDATE sets; nothing of any other command. */
function assigned({ columns, values, partial }: MergeAction, text: WhenText): Written {
  const items = text.assigned;
  if (partial || items.length !== values.length) throw new NoMerge('text');
  return { columns: columns ?? [], items, before: text.action, after: '' };
}

// UPDATE and DELETE whose rows are computed first, because no shard knows them by itself.

import type { Expression } from '../sql/expression.ts';
import { modifyText } from '../sql/modify-text.ts';
import type { DeleteStatement, UpdateStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { checkEvaluated, isEvaluated } from './evaluated.ts';
import { asksChance } from './functions.ts';
import { checkFindable, readsCollated, rowsKey, writtenTable } from './insert-select.ts';
import { returnedItems } from './returned.ts';
import type { Scope } from './scope.ts';
import { checkShown } from './shown-columns.ts';
import { NoMerge } from './splice.ts';
import type { AssignedColumn, ModifyRowsMerge } from './staged.ts';
import type { Survey } from './survey.ts';

/** What means something on one server only, or cannot be asked twice. */
const NEVER = ['systemColumn', 'tableSample', 'sequenceFunction'] as const;

/** Throws NoMerge where its rows cannot be computed apart from it. */
export function modifyRows(
  statement: UpdateStatement | DeleteStatement,
  table: Table | null,
  scope: Scope,
  survey: Survey,
  { input }: PlanContext,
): ModifyRowsMerge {
  if (statement.cursor !== null) throw new NoMerge('noFrom');
  checkFindable(table);
  if (survey.writesInWith) throw new NoMerge('writingWith');
  for (const reason of NEVER) if (survey.hasReason(reason)) throw new NoMerge(reason);
  // The rows are asked for twice, before and after they are locked.
  const { returning: _, ...rest } = statement;
  const once = asksChance({ ...rest, assignments: null });
  // Once they are where the copies are locked before. Of a view nothing tells where its rows lie.
  const isLocked = table?.kind === 'reference' && table.view === undefined;
  if (survey.mayChange || (once && !isLocked)) throw new NoMerge('unknownFunction');
  const text = modifyText(input.sql, input.tokens, statement.kind);
  if (text === null) throw new NoMerge('text');
  const assignments = statement.kind === 'update' ? assigned(statement, text.assignments) : [];
  checkShown(
    table,
    assignments.map(({ column }) => column),
  );
  const key = table?.kind === 'sharded' ? rowsKey(table, [table.keyColumn!]) : null;
  if (statement.kind === 'update' && statement.rowSources.some(picksRows))
    throw new NoMerge('derivedLimit');
  const isMoved = assignments.some(({ column }) => column === key?.column);
  const { sql, tokens } = input;
  const cut = { sql, tokens, scope, stays: !isMoved };
  const returning = returnedItems(statement, text.returning, cut);
  const isOpen = ({ column, sql }: AssignedColumn) => sql === null && isEvaluated(table, column);
  const evaluated = assignments.filter(isOpen).map(({ column }) => column);
  checkEvaluated(table, evaluated);
  return {
    how: 'modifyRows',
    verb: statement.kind === 'update' ? 'UPDATE' : 'DELETE',
    table: writtenTable(statement, table),
    with: text.with,
    target: text.target,
    from: text.from,
    where: text.where,
    assignments: assignments.map((each) => (isOpen(each) ? { ...each, sql: 'NULL' } : each)),
    evaluated,
    returning,
    collated: readsCollated(survey),
    once,
    behind: null,
    key,
  };
}

function assigned(
  { assignments }: UpdateStatement,
  texts: readonly { readonly values: readonly string[] }[],
): AssignedColumn[] {
  const values = texts.flatMap((each) => each.values);
  if (values.length !== assignments.length) throw new NoMerge('text');
  return assignments.map(({ column, partial }, i) => {
    if (partial) throw new NoMerge('text');
    const sql = values[i]!;
    return { column, sql: sql.toLowerCase() === 'default' ? null : sql };
  });
}

/** A sub-query is asked for each of its columns: it might pick another row for each. */
function picksRows(source: Expression): boolean {
  const open: unknown[] = [source];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const { limit, offset, distinctOn } = next as { readonly [part: string]: unknown };
    if ((limit ?? offset ?? null) !== null) return true;
    if (Array.isArray(distinctOn) && distinctOn.length > 0) return true;
    open.push(...Object.values(next));
  }
  return false;
}

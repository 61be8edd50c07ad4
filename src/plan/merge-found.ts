// MERGE for which queries of their own find which rows match, and what becomes of them.

import type { WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction, MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { asksChance } from './functions.ts';
import { checkFindable, rowsKey } from './insert-select.ts';
import { clausesOf, returningOf } from './merge-apart.ts';
import { NoMerge } from './splice.ts';
import type { AssignedColumn, FoundClause, FoundMerge } from './staged.ts';
import type { Survey } from './survey.ts';
import { refused } from './unsupported.ts';

/** What means something on one server only, or cannot be asked twice. */
const NEVER = ['systemColumn', 'tableSample', 'sequenceFunction', 'statementTime'] as const;

/**
 * `aliases`: the source's, quoted; `own`: the survey of all but the source and RETURNING; `withText`: the
 * WITH clause, as text. Throws NoMerge, and Refusal for a row without a key.
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
  const clauses = actions.map((action, i) => foundClause(action, text.whens[i]!, table));
  const movesRows = clauses.some(
    ({ command, values }) =>
      command === 'update' && values.some(({ column }) => column === key?.column),
  );
  if (movesRows && showsOld(statement, context)) throw new NoMerge('returning');
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
    returningMoved: returningOf(text, statement, aliases, context, 'moved'),
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
  { when, command, columns, values, partial }: MergeAction,
  text: WhenText,
  table: Table | null,
): FoundClause {
  if (partial) throw new NoMerge('text');
  const { condition } = text;
  const texts = command === 'insert' ? (text.values?.items ?? []) : text.assigned;
  if (texts.length !== values.length) throw new NoMerge('text');
  const names = columns ?? table?.columns.map(({ name }) => name) ?? null;
  if (names === null || names.length < texts.length) throw new NoMerge('text');
  const given = texts.map((sql, i): AssignedColumn => {
    const isDefault = sql.toLowerCase() === 'default';
    return { column: names[i]!, sql: isDefault ? null : sql };
  });
  checkDefaults(command, given, table);
  const { before = text.action, after = '' } = command === 'insert' ? (text.values ?? {}) : {};
  return { when, command, condition, values: given, before, after };
}

/** Throws where a default would be the key, or be evaluated by each copy of a reference table. */
function checkDefaults(
  command: MergeAction['command'],
  given: readonly AssignedColumn[],
  table: Table | null,
): void {
  const value = (name: string) => given.find(({ column }) => column === name);
  if (table?.kind === 'sharded') {
    const key = value(table.keyColumn!);
    if (command === 'insert' && key === undefined) throw new Refusal(refused('insertDefault'));
    if (key?.sql === null) throw new Refusal(refused('insertDefault'));
  }
  if (table?.kind === 'reference' && given.some(({ sql }) => sql === null)) {
    throw new Refusal(refused('referenceUnsteady'));
  }
}

/** A row that moves is inserted on its new shard, which knows nothing of the old one. */
function showsOld({ returning }: MergeStatement, { input: { tokens } }: PlanContext): boolean {
  const start = tokens.findLastIndex(({ text }) => text === 'returning');
  const names = tokens.slice(start + 1).map(({ text }) => text);
  return returning.length > 0 && (names[0] === 'with' || names.some((name) => OLD.has(name)));
}

const OLD: ReadonlySet<string> = new Set(['old', '"old"']);

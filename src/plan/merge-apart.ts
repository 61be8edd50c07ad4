// MERGE whose inserted rows belong to other shards than the rows that they were compared with.

import { type MergeClauses, mergeClauses, type WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction, MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { checkFindable, rowsKey } from './insert-select.ts';
import { mergeInsert } from './merge-insert.ts';
import { returningOf } from './merge-returning.ts';
import { NoMerge } from './splice.ts';
import type { ApartMerge, UnmatchedClause } from './staged.ts';

/** `aliases`: the source's, quoted. Throws NoMerge, and Refusal for a row that can have no key. */
export function apartMerge(
  statement: MergeStatement,
  table: Table,
  aliases: readonly string[],
  context: PlanContext,
): ApartMerge {
  const { actions } = statement;
  const text = clausesOf(statement, context);
  checkFindable(table);
  const isUnmatched = (i: number) => actions[i]!.when === 'notMatched';
  return {
    target: text.target,
    on: text.on,
    matched: text.whens
      .filter((_, i) => !isUnmatched(i))
      .map((when) => when.text)
      .join(' '),
    changes: actions.some(({ when, command }) => when === 'matched' && command !== 'nothing'),
    unmatched: actions.flatMap((action, i) =>
      isUnmatched(i) ? [unmatchedClause(action, text.whens[i]!, table, context)] : [],
    ),
    returning: returningOf(text, statement, aliases, context),
    key: rowsKey(table, [table.keyColumn!]),
  };
}

function unmatchedClause(
  action: MergeAction,
  when: WhenText,
  table: Table,
  context: PlanContext,
): UnmatchedClause {
  const { condition } = when;
  if (action.command === 'nothing') return { condition, insert: null };
  const { before, columns, items, after } = mergeInsert(action, when, table, context);
  const keyAt = columns.indexOf(table.keyColumn!);
  const list = (some: readonly (string | null)[], text: (item: string) => string) =>
    some.map((item) => text(item!)).join('');
  return {
    condition,
    insert: {
      before: `${before}${list(items.slice(0, keyAt), (item) => `${item}, `)}`,
      key: items[keyAt]!,
      after: `${list(items.slice(keyAt + 1), (item) => `, ${item}`)}${after}`,
    },
  };
}

/** ON and all behind it, where the source's rows come as several relations. Throws NoMerge. */
export function afterJoin(
  statement: MergeStatement,
  aliases: readonly string[],
  context: PlanContext,
): string {
  const text = clausesOf(statement, context);
  const returning = returningOf(text, statement, aliases, context);
  return [` ON (${text.on})`, ...text.whens.map((when) => when.text), returning].join(' ');
}

/** Throws NoMerge where they are not certain. */
export function clausesOf({ actions }: MergeStatement, { input }: PlanContext): MergeClauses {
  const text = mergeClauses(input.sql, input.tokens);
  if (text === null || text.whens.length !== actions.length) throw new NoMerge('text');
  return text;
}

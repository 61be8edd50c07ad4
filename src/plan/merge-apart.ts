// MERGE whose inserted rows belong to other shards than the rows that they were compared with.

import { quoteName } from '../base/quote.ts';
import { type MergeClauses, mergeClauses, type WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction, MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { checkFindable, rowsKey } from './insert-select.ts';
import { NoMerge } from './splice.ts';
import type { ApartMerge, UnmatchedClause } from './staged.ts';
import { refused } from './unsupported.ts';

/** `aliases`: the source's, quoted. Throws NoMerge, and Refusal for a row without a key. */
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
      isUnmatched(i) ? [unmatchedClause(action, text.whens[i]!, table)] : [],
    ),
    returning: returningOf(text, statement, aliases, context),
    key: rowsKey(table, [table.keyColumn!]),
  };
}

function unmatchedClause(
  { command, columns, values }: MergeAction,
  { condition, values: text }: WhenText,
  table: Table,
): UnmatchedClause {
  if (command === 'nothing') return { condition, insert: null };
  const names = columns ?? table.columns.map(({ name }) => name);
  const at = names.indexOf(table.keyColumn!);
  const key = values[at];
  if (key === undefined || key.kind === 'default') throw new Refusal(refused('insertDefault'));
  if (text === null || text.items.length !== values.length) throw new NoMerge('text');
  const { before, items, after } = text;
  return {
    condition,
    insert: {
      before: `${before}${items
        .slice(0, at)
        .map((item) => `${item}, `)
        .join('')}`,
      key: items[at]!,
      after: `${items
        .slice(at + 1)
        .map((item) => `, ${item}`)
        .join('')}${after}`,
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

/**
 * A star by itself would show what carries the rows, too. `moved`: of a row that is updated, but inserted on
 * another shard.
 */
export function returningOf(
  { returning, stars, returningStart }: MergeClauses,
  { alias, relation }: MergeStatement,
  aliases: readonly string[],
  { input: { sql, tokens } }: PlanContext,
  moved: 'moved' | null = null,
): string {
  const all = [...aliases, quoteName(alias ?? relation.name)].map((name) => `${name}.*`).join(', ');
  const stands = stars.map((star) => ({ ...star, text: all }));
  if (moved !== null) {
    tokens.forEach(({ text, start }, i) => {
      if (start < returningStart || text !== 'merge_action' || tokens[i + 1]?.text !== '(') return;
      stands.push({ start, end: tokens[i + 2]!.end, text: "'UPDATE'::pg_catalog.text" });
    });
  }
  let text = '';
  let at = returningStart;
  for (const stand of stands.sort((a, b) => a.start - b.start)) {
    text += sql.slice(at, stand.start) + stand.text;
    at = stand.end;
  }
  return text + sql.slice(at, returningStart + returning.length);
}

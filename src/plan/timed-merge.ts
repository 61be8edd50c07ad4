// Timed merge: what the INSERTs of a MERGE leave to the table's defaults, written out.

import { quoteName } from '../base/quote.ts';
import { closing } from '../sql/clause.ts';
import { mergeClauses, type WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction, MergeStatement } from '../sql/statement.ts';
import { type Token, tokenize } from '../sql/token.ts';
import type { Table } from '../topology/table.ts';

/** Some of its clauses may leave a column to the table. */
export const leavesDefaults = ({ actions }: MergeStatement): boolean =>
  actions.some(
    ({ command, values }) => command === 'insert' || values.some(({ kind }) => kind === 'default'),
  );

/** `defaults`: as SQL, by the column's name. The text itself where it cannot be taken apart. */
export function withMergeDefaults(
  { sql, tokens }: { readonly sql: string; readonly tokens: readonly Token[] },
  { actions }: MergeStatement,
  table: Table,
  defaults: ReadonlyMap<string, string>,
): string {
  const text = mergeClauses(sql, tokens);
  if (text === null || text.whens.length !== actions.length) return sql;
  const whens = text.whens.map((when, i) => {
    if (actions[i]!.command !== 'insert') return when.text;
    const action = timedAction(when, actions[i]!, table, defaults);
    return `${when.text.slice(0, when.text.length - when.action.length)}${action}`;
  });
  return [sql.slice(0, text.whensStart).trimEnd(), ...whens, text.returning].join(' ').trimEnd();
}

function timedAction(
  { values }: WhenText,
  { columns }: MergeAction,
  table: Table,
  defaults: ReadonlyMap<string, string>,
): string {
  if (values === null) {
    const list = [...defaults.keys()].map(quoteName).join(', ');
    return `INSERT (${list}) VALUES (${[...defaults.values()].join(', ')})`;
  }
  const { before, items, after } = values;
  const names = columns ?? table.columns.slice(0, items.length).map(({ name }) => name);
  const left = [...defaults].filter(([name]) => !names.includes(name));
  const given = items.map((item, i) =>
    item.toLowerCase() === 'default' ? (defaults.get(names[i]!) ?? item) : item,
  );
  const added = left.map(([name]) => quoteName(name));
  const open =
    columns === null
      ? withList(before, [...names.map(quoteName), ...added])
      : withColumns(before, added);
  return `${open}${[...given, ...left.map(([, value]) => value)].join(', ')}${after}`;
}

const INSERT_LENGTH = 'INSERT'.length;

/** INSERT … VALUES ( without a list. */
const withList = (before: string, names: readonly string[]): string =>
  `${before.slice(0, INSERT_LENGTH)} (${names.join(', ')})${before.slice(INSERT_LENGTH)}`;

/** INSERT (…) … VALUES ( with more columns behind those of the list. */
function withColumns(before: string, names: readonly string[]): string {
  const tokens = tokenize(before) ?? [];
  const close = closing(
    tokens,
    tokens.findIndex(({ text }) => text === '('),
  );
  const at = tokens[close ?? 0]!.start;
  return [before.slice(0, at), ...names].join(', ') + before.slice(at);
}

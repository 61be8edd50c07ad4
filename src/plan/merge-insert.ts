// Merge insert: INSERT of a MERGE cut at its items, with an item for the sharding key where it gives none.

import { quoteName } from '../base/quote.ts';
import type { WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { checkIdentities, ignoresKey } from './overriding.ts';
import { NoMerge } from './splice.ts';
import { refused } from './unsupported.ts';

export interface MergeInsert {
  /** On both sides of the items. */
  readonly before: string;
  readonly after: string;
  /** The columns, unquoted, and what they are given; of the key null: its default, evaluated before. */
  readonly columns: readonly string[];
  readonly items: readonly (string | null)[];
  /** Where the key is among them; -1: the table has none. */
  readonly keyAt: number;
}

/** Throws NoMerge, and Refusal for a row that can have no key. */
export function mergeInsert(
  { columns, values, partial }: MergeAction,
  { values: text, action }: WhenText,
  table: Table | null,
  context: PlanContext,
): MergeInsert {
  const items = text?.items ?? [];
  if (partial || items.length !== values.length) throw new NoMerge('text');
  const all = columns ?? table?.columns.map(({ name }) => name) ?? null;
  if (all === null || all.length < items.length) throw new NoMerge('text');
  const names = all.slice(0, items.length);
  const { before = action, after = '' } = text ?? {};
  const key = table?.kind === 'sharded' ? table.keyColumn! : null;
  const at = key === null ? -1 : names.indexOf(key);
  const given = { before, after, columns: names, items, keyAt: at };
  if (table === null || key === null) return given;
  const value = values[at];
  if (value !== undefined && value.kind !== 'default' && !ignoresKey(table, context)) return given;
  checkIdentities(table, names, [items]);
  return { ...keyGiven(table, names, items), after: ')' };
}

/** With the key as the last item. */
function keyGiven(
  table: Table,
  names: readonly string[],
  items: readonly string[],
): Omit<MergeInsert, 'after'> {
  const key = table.columns.find(({ name }) => name === table.keyColumn)!;
  if (key.generated || (!key.hasDefault && !key.notNull))
    throw new Refusal(refused('insertDefault'));
  const own = names
    .map((name, i) => ({ name, item: items[i]! }))
    .filter(({ name }) => name !== key.name);
  const columns = [...own.map(({ name }) => name), key.name];
  return {
    before: `INSERT (${columns.map(quoteName).join(', ')}) OVERRIDING SYSTEM VALUE VALUES (`,
    columns,
    items: [...own.map(({ item }) => item), null],
    keyAt: own.length,
  };
}

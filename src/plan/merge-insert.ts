// Merge insert: INSERT of a MERGE cut at its items, with items for defaults that are evaluated before.

import { quoteName } from '../base/quote.ts';
import type { WhenText } from '../sql/merge-clauses.ts';
import type { MergeAction } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { checkIdentities, ignoresKey, overridesUser } from './overriding.ts';
import { NoMerge } from './splice.ts';
import { refused } from './unsupported.ts';

export interface MergeInsert {
  /** On both sides of the items. */
  readonly before: string;
  readonly after: string;
  /** The columns, unquoted, and what they are given; null: the column's default, evaluated before. */
  readonly columns: readonly string[];
  readonly items: readonly (string | null)[];
}

/**
 * Evaluated before are the default of a sharding key, by which its row is placed, and all of a reference table,
 * of which each copy would evaluate its own. Throws NoMerge, and Refusal for a row that can have no key.
 */
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
  const written = { before, after, columns: names, items };
  if (table?.kind === 'reference') return filled(table, written, context);
  if (table?.kind !== 'sharded') return written;
  const value = values[names.indexOf(table.keyColumn!)];
  if (value !== undefined && value.kind !== 'default' && !ignoresKey(table, context)) {
    return written;
  }
  const key = table.columns.find(({ name }) => name === table.keyColumn)!;
  if (key.generated || (!key.hasDefault && !key.notNull)) {
    throw new Refusal(refused('insertDefault'));
  }
  checkIdentities(table, names, [items]);
  return withDefaults(written, [key.name], 'OVERRIDING SYSTEM VALUE ');
}

type Written = MergeInsert & { readonly items: readonly string[] };

/** With all that is left to defaults of a reference table. */
function filled({ columns }: Table, written: Written, context: PlanContext): MergeInsert {
  const isGiven = (name: string) => {
    const item = written.items[written.columns.indexOf(name)];
    return item !== undefined && item.toLowerCase() !== 'default';
  };
  const left = columns.filter(
    ({ name, generated, hasDefault }) =>
      !generated && !isGiven(name) && (hasDefault || written.columns.includes(name)),
  );
  const identities = columns.filter(({ identity }) => identity === true);
  if (identities.length > 0 && overridesUser(context)) {
    throw new Refusal(refused('referenceUnsteady'));
  }
  if (left.length === 0) return written;
  // Whether a value may be given to an identity the server says, by what is written.
  const asWritten = identities.some(({ name }) => isGiven(name));
  const overrides = !asWritten || /\boverriding\s+system\b/i.test(written.before);
  const names = left.map(({ name }) => name);
  return withDefaults(written, names, overrides ? 'OVERRIDING SYSTEM VALUE ' : '');
}

/** With these as the last items. */
function withDefaults(
  { columns, items }: Written,
  names: readonly string[],
  overriding: string,
): MergeInsert {
  const own = columns.map((name, i) => ({ name, item: items[i]! }));
  const kept = own.filter(({ name }) => !names.includes(name));
  const all = [...kept.map(({ name }) => name), ...names];
  return {
    before: `INSERT (${all.map(quoteName).join(', ')}) ${overriding}VALUES (`,
    after: ')',
    columns: all,
    items: [...kept.map(({ item }) => item), ...names.map(() => null)],
  };
}

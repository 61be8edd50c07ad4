// Overriding: what OVERRIDING USER VALUE and OVERRIDING SYSTEM VALUE do to the identities of a table.

import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { NoMerge } from './splice.ts';

export const overridesUser = ({ input: { tokens } }: PlanContext): boolean =>
  tokens.some(
    ({ kind, text }, i) =>
      kind === 'word' && text === 'overriding' && tokens[i + 1]?.text === 'user',
  );

/** OVERRIDING USER VALUE: an identity gets its default, whatever key is given. */
export const ignoresKey = ({ columns, keyColumn }: Table, context: PlanContext): boolean =>
  columns.some(({ name, identity }) => name === keyColumn && identity === true) &&
  overridesUser(context);

/**
 * Throws NoMerge where OVERRIDING SYSTEM VALUE, with which a key is given that is left to its default, would let a
 * value into another identity.
 */
export function checkIdentities(
  { columns, keyColumn }: Table,
  names: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): void {
  const others = columns.filter(({ name, identity }) => identity === true && name !== keyColumn);
  const isDefault = (item: string | null | undefined) =>
    item === null || item?.toLowerCase() === 'default';
  const places = others.map(({ name }) => names.indexOf(name)).filter((at) => at >= 0);
  if (places.some((at) => !rows.every((items) => isDefault(items[at])))) {
    throw new NoMerge('insertWith');
  }
}

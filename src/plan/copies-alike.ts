// Copies alike: reference tables whose copies may differ behind a write, as each shard has fired its own triggers.

import { quoteName } from '../base/quote.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';

export interface CopiedTable {
  /** Qualified and quoted. */
  readonly sql: string;
  /** Quoted: those that can be given a value. */
  readonly columns: readonly string[];
}

/**
 * Of a write of the reference table `table`, or of a view of it: the table itself where a trigger may change its
 * rows, what functions of triggers name, and what foreign keys have changed along.
 */
export function copiesToMakeAlike(
  table: Table | null,
  { input: { catalog } }: PlanContext,
): readonly CopiedTable[] {
  if (table?.kind !== 'reference') return [];
  const { schema, name } = table.shown ?? table;
  const written = catalog.table(schema, name) ?? table;
  const fires = written.copyTriggers?.fires === true;
  const cascades = written.updatesCascade === true || written.deletesCascade === true;
  if (!fires && !cascades) return [];
  return [...catalog.tables()]
    .filter((each) => {
      if (each.kind !== 'reference' || each.view !== undefined) return false;
      const { changesRows = false, named = false } = each.copyTriggers ?? {};
      return (fires && named) || (changesRows && (cascades || each === written));
    })
    .map(copied);
}

const copied = ({ schema, name, columns }: Table): CopiedTable => ({
  sql: `${quoteName(schema)}.${quoteName(name)}`,
  columns: columns.filter(({ generated }) => !generated).map((column) => quoteName(column.name)),
});

// Shown columns: what a view may be written by where its rows are found or completed first.

import type { Column, Table } from '../topology/table.ts';
import { Refusal } from './context.ts';
import { refused } from './unsupported.ts';

/** Throws Refusal where an expression, or a column that the view shows by another name before, would be written. */
export function checkShown(table: Table | null, written: readonly string[]): void {
  if (table?.shown === undefined) return;
  const shown = [...table.shown.columns.values()];
  const isOther = ({ name }: Column) => written.includes(name) && !shown.includes(name);
  if (table.columns.some(isOther)) throw new Refusal(refused('view'));
}

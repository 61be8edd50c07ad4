// Filled rows: rows to be written with the defaults of their table, which each copy would evaluate by itself.

import type { InsertRowsMerge } from '../plan/staged.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import type { CarriedColumn } from './carried.ts';
import { defaultValues } from './default-values.ts';

export interface FilledRows {
  /** DataRow bodies; behind the given columns those that were left out. */
  readonly rows: readonly Buffer[];
  /** Of the columns that were left out. */
  readonly added: readonly CarriedColumn[];
  /** All columns, unquoted. */
  readonly names: readonly string[];
}

/** `width`: of the rows; `defaults`: the columns of each that are DEFAULT, 0-based; null: none. */
export async function filledRows(
  home: ServerConnection,
  { table, given, defaulted }: Pick<InsertRowsMerge, 'table' | 'given' | 'defaulted'>,
  rows: readonly Buffer[],
  width: number,
  defaults: readonly ReadonlySet<number>[] | null,
): Promise<FilledRows> {
  const own = (given ?? []).slice(0, width);
  const left = (defaulted?.columns ?? []).filter((name) => !own.includes(name));
  const counts = new Map(left.map((name) => [name, rows.length]));
  for (const [i, name] of own.entries()) {
    const count = (defaults ?? []).filter((each) => each.has(i)).length;
    if (count > 0) counts.set(name, count);
  }
  const values = await defaultValues(home, table, counts);
  const open = new Map([...values].map(([name, each]) => [name, each.values.values()]));
  const next = (name: string) => open.get(name)!.next().value!;
  return {
    rows: rows.map((row, at) => {
      const isDefault = (i: number) => defaults?.[at]?.has(i) === true;
      const cells = decodeDataRow(row).map((cell, i) => (isDefault(i) ? next(own[i]!) : cell));
      return encodeDataRowBody([...cells, ...left.map(next)]);
    }),
    added: left.map((name) => values.get(name)!.column),
    names: [...own, ...left],
  };
}

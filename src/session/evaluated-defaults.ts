// Evaluated defaults: what columns get that a statement sets to their DEFAULT, before its rows are written.

import { defaultValues } from '../execute/default-values.ts';
import { integerBytes } from '../execute/row-set.ts';
import type { RowsKey, WrittenTable } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { defaultKeys } from './computed-keys.ts';
import { withConnectionOf } from './everywhere.ts';
import type { RunnerDependencies } from './execution.ts';

interface Evaluated {
  readonly table: WrittenTable;
  readonly key: RowsKey | null;
  /** How many values of each column: of the sharding key alone, of any where there is none. */
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * By a view, INSERT takes the default of its table where it has none itself, and UPDATE does not. Source:
 * rewriteTargetListIU (rewriteHandler.c).
 */
export async function evaluatedDefaults(
  d: RunnerDependencies,
  command: 'insert' | 'update',
  { table, key, counts }: Evaluated,
): Promise<ReadonlyMap<string, (Buffer | null)[]>> {
  if (counts.size === 0) return new Map();
  if (key !== null) {
    const keys = await defaultKeys(d, table.name, key, counts.get(key.column)!);
    return new Map([[key.column, keys.map((value) => integerBytes(value, key.type))]]);
  }
  const from = command === 'insert' ? table : { ...table, shown: null };
  const made = await withConnectionOf(d.state)(HOME_SHARD, (home) =>
    defaultValues(home, from, counts),
  );
  return new Map([...made].map(([name, { values }]) => [name, [...values]]));
}

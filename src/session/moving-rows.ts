// Moving rows: whether rows that a statement has found move to other shards, and by what way.

import { checkExact } from '../execute/carried.ts';
import type { ModifiedTable } from '../execute/modified-table.ts';
import {
  type MovingTables,
  mayChangeKey,
  movingTables,
  type ToldKeys,
} from '../execute/moving-tables.ts';
import type { AssignedColumn, RowsKey } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { withConnectionOf } from './everywhere.ts';
import type { StagedRun } from './row-source.ts';

/** A table by its name as SQL, and its sharding key; null: it is not sharded. */
export interface MovedFrom {
  readonly name: string;
  readonly key: RowsKey | null;
  readonly table: ModifiedTable;
}

/** Rows whose assigned keys are of their own shards may get others by triggers. */
export async function triggersMove(
  { d }: StagedRun,
  { name, key, table }: MovedFrom,
  assignments: readonly AssignedColumn[],
): Promise<boolean> {
  if (key === null || table.movable || !table.changesBeside) return false;
  if (!assignments.some(({ column }) => column === key.column)) return false;
  const { catalog } = d.context.topology();
  return withConnectionOf(d.state)(HOME_SHARD, (home) =>
    mayChangeKey(home, name, key.column, catalog),
  );
}

/**
 * What is written along, where rows are updated before they move; null: they are deleted and inserted. Throws 0A000
 * where they cannot be moved.
 */
export function movingAlong(
  { d }: StagedRun,
  { name, table }: MovedFrom,
  told: ToldKeys,
): Promise<MovingTables | null> {
  const { catalog } = d.context.topology();
  return withConnectionOf(d.state)(HOME_SHARD, async (home) => {
    if (!table.movable) return movingTables(home, name, catalog, told);
    const oids = table.columns.map(({ typeOid }) => typeOid);
    await checkExact(home, oids);
    return null;
  });
}

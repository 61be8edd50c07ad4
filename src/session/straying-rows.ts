// Straying rows: what a session asks about triggers that may give rows keys of other shards.

import { SqlError } from '../base/errors.ts';
import { checkInsertTriggers, movingTables } from '../execute/moving-tables.ts';
import type { Straying } from '../execute/straying.ts';
import type { Plan } from '../plan/plan.ts';
import { refused } from '../plan/unsupported.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { withConnectionOf } from './everywhere.ts';
import type { RunnerDependencies } from './execution.ts';

/** null: no trigger may. `columnCount`: of what the client is given. */
export function strayingOf(
  { context, state }: RunnerDependencies,
  plan: Plan,
  columnCount: number,
): Straying | null {
  const strays = plan.op === 'routed' ? plan.strays : null;
  if (strays === null) return null;
  const { catalog, placement } = context.topology();
  const { table, onUpdate } = strays;
  return {
    strays,
    placement,
    columnCount,
    checkInsert() {
      // Whether a row was inserted or updated, and so whose key it is, the server does not tell.
      if (onUpdate) throw new SqlError(refused('triggerKey'));
      return withConnectionOf(state)(HOME_SHARD, (home) =>
        checkInsertTriggers(home, table, catalog),
      );
    },
    moving: () =>
      withConnectionOf(state)(HOME_SHARD, (home) => movingTables(home, table, catalog, 'final')),
  };
}

// Cursor run: DECLARE of a cursor over several shards, which the merge engine has.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Description } from '../execute/describe.ts';
import type { CursorMerge } from '../plan/engine-plan.ts';
import { severalShards } from '../plan/unsupported.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { declareOnEngine } from './engine-run.ts';
import type { Execution, RunnerDependencies } from './execution.ts';

/**
 * Answers with everything but ReadyForQuery. Its rows are those of now, all copied; FETCH, MOVE and
 * CLOSE are sent to the connection beside the transaction, which has them.
 */
export async function declareCursor(
  merge: CursorMerge,
  execution: Execution,
  description: Description,
  { state, context, client, owner }: RunnerDependencies,
): Promise<void> {
  const { name, holdable } = merge;
  if (state.transaction === null && !holdable) {
    throw new SqlError({
      code: SQLSTATE.noActiveSqlTransaction,
      message: 'DECLARE CURSOR can only be used in transaction blocks',
    });
  }
  if (state.shardOfCursor(name) !== undefined) {
    throw new SqlError({
      code: SQLSTATE.duplicateCursor,
      message: `cursor "${name}" already exists`,
    });
  }
  const pinned = state.pins.connection(HOME_SHARD);
  if (holdable && pinned !== null && pinned !== state.transaction?.apart) {
    throw new SqlError(severalShards('cursorHold'));
  }
  await state.inTransaction(async () => {
    await state.settlePlan();
    const apart = await declareOnEngine(merge, execution, description, state, context);
    if (holdable) state.pins.add(apart, ['cursor with hold'], owner);
    state.cursorDeclared(name, { shard: HOME_SHARD, hold: holdable, apart: true });
  });
  client.write(encodeCommandComplete('DECLARE CURSOR'));
}

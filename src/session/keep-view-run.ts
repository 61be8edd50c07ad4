// Keep view run: CREATE and REFRESH of a materialized view that the home shard fills from all shards.

import { SQLSTATE } from '../base/sqlstate.ts';
import { withAllRows } from '../execute/completed-tables.ts';
import { rememberKind } from '../execute/everywhere.ts';
import type { WriteResult } from '../execute/write.ts';
import type { KeepViewMerge } from '../plan/keep-view-merge.ts';
import { query } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { StagedRun } from './row-source.ts';

/** Rejects with SqlError or ServerError. */
export function runKeepView(
  { d, execution }: StagedRun,
  { tables, made }: KeepViewMerge,
): Promise<WriteResult> {
  const { state, context } = d;
  return state.inTransaction(async () => {
    const home = await state.transaction!.enlistWriter(HOME_SHARD);
    const others = [];
    for (const { id } of tables.length === 0 ? [] : context.topology().shards) {
      if (id !== HOME_SHARD) others.push(await state.transaction!.enlist(id));
    }
    let exists = false;
    const completion = { tables, home, others, bytesMax: context.spillBytesMax };
    const { tag } = await withAllRows(completion, () =>
      query(home, execution.sql, (notice) => {
        exists ||= notice.code === SQLSTATE.duplicateTable;
        return home.onNotice?.(notice) ?? null;
      }),
    );
    if (made !== null && !exists) {
      await rememberKind(home, { relation: made, kind: 'home', keyColumn: null });
    }
    return { rows: [], tag };
  });
}

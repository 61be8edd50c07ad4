// Make table run: CREATE TABLE AS and SELECT INTO whose rows come from other shards.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { WriteResult } from '../execute/write.ts';
import type { MakeTableMerge } from '../plan/staged.ts';
import { refused } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { type ReadRows, readRows, type StagedRun, sourceOf } from './row-source.ts';
import { writeRows } from './staged-run.ts';

/** Rejects with SqlError or ServerError. What only reads is read before a transaction begins. */
export async function runMakeTable(run: StagedRun, merge: MakeTableMerge): Promise<WriteResult> {
  const { state } = run.d;
  if (run.execution.parameters.values.length > 0) throw new SqlError(refused('createAs'));
  const source = await sourceOf(run, merge.rows.source as string);
  const early =
    state.transaction === null && source.plan.effect === 'read'
      ? await readRows(run, source)
      : null;
  return state.inTransaction(async () => make(run, merge, early ?? (await readRows(run, source))));
}

async function make(
  run: StagedRun,
  { create, temporary, rows }: MakeTableMerge,
  read: ReadRows,
): Promise<WriteResult> {
  const { state, owner } = run.d;
  const home = await state.transaction!.enlistWriter(HOME_SHARD);
  if (temporary) state.pins.add(home, ['temporary table'], owner);
  let exists = false;
  await query(home, create, (notice) => {
    exists ||= notice.code === SQLSTATE.duplicateTable;
    return home.onNotice?.(notice) ?? null;
  });
  if (exists) return { rows: [], tag: 'CREATE TABLE AS' };
  await writeRows(run, rows, read);
  return { rows: [], tag: `SELECT ${read.set.rows.length}` };
}

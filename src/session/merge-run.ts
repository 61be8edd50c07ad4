// Merge run: computes the source of a MERGE, then runs it on the shards of the source's rows.

import { SqlError } from '../base/errors.ts';
import { carriedColumns, collationsOf } from '../execute/carried.ts';
import { mergeApart } from '../execute/merge-apart.ts';
import { mergeRows } from '../execute/merge-rows.ts';
import { placesOfRows } from '../execute/row-set.ts';
import type { WriteResult } from '../execute/write.ts';
import type { MergeRowsMerge } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { defaultKeys } from './computed-keys.ts';
import { withConnectionOf } from './everywhere.ts';
import { runFound } from './merge-found-run.ts';
import { type ReadRows, readRows, type StagedRun, sourceOf } from './row-source.ts';

/** Rejects with SqlError or ServerError. What only reads is read before a transaction begins. */
export async function runMerge(run: StagedRun, merge: MergeRowsMerge): Promise<WriteResult> {
  const { state } = run.d;
  const source = await sourceOf(run, merge.source);
  if (state.transaction === null && source.plan.effect === 'read') {
    const read = await readRows(run, source);
    return state.inTransaction(() => write(run, merge, read));
  }
  return state.inTransaction(async () => write(run, merge, await readRows(run, source)));
}

async function write(run: StagedRun, merge: MergeRowsMerge, read: ReadRows): Promise<WriteResult> {
  const { d, execution, description } = run;
  const { context, state } = d;
  const { placement, shards } = context.topology();
  const fields = read.description.fields ?? [];
  const names = fields.map(({ name }) => name);
  const { rows } = read.set;
  const { split } = merge;
  if (split !== null && names.filter((name) => name === split.column).length !== 1) {
    throw new SqlError(severalShards('joinWithoutKey'));
  }
  const { rowShards, ...carriage } = await withConnectionOf(state)(HOME_SHARD, async (home) => {
    const columns = await carriedColumns(home, fields);
    const collations = merge.collated ? await collationsOf(home, fields) : [];
    if (split === null) return { columns, collations, rowShards: null };
    const key = { ...split.key, index: names.indexOf(split.column) };
    const places = await placesOfRows(home, rows, columns, key, placement);
    return { columns, collations, rowShards: places.rowShards };
  });
  const written = {
    transaction: state.transaction!,
    merge,
    ...carriage,
    names,
    rows,
    shards: shards.map(({ id }) => id),
    parameters: { ...execution.parameters, types: description.parameterTypes },
    resultFormats: execution.resultFormats,
    bytesMax: context.mergeBytesMax,
  };
  const { apart, found } = merge;
  if (found !== null) return runFound(run, { ...written, merge: { ...merge, found } });
  if (apart !== null) {
    const ofDefault = (count: number) => defaultKeys(run.d, merge.table.name, apart.key, count);
    return mergeApart({
      ...written,
      merge: { ...merge, apart },
      placement,
      defaultKeys: ofDefault,
    });
  }
  return mergeRows({ ...written, rowShards });
}

// Write run: a statement that writes several shards, in the session's transaction or its own.

import { SqlError } from '../base/errors.ts';
import { makeCopiesAlike } from '../execute/copies-alike.ts';
import type { Description } from '../execute/describe.ts';
import { modifiedTable } from '../execute/modified-table.ts';
import { writeReference } from '../execute/reference-write.ts';
import { refuseStrays } from '../execute/straying.ts';
import { type WriteResult, writeShards } from '../execute/write.ts';
import type { KeepViewMerge } from '../plan/keep-view-merge.ts';
import type {
  InsertMerge,
  KeySource,
  Merge,
  ReferenceMerge,
  RoutedPlan,
  WriteMerge,
} from '../plan/plan.ts';
import { keysOf, targetsOf } from '../plan/route.ts';
import type {
  InsertRowsMerge,
  MakeTableMerge,
  MergeRowsMerge,
  ModifyRowsMerge,
  WithWritesMerge,
} from '../plan/staged.ts';
import { askingKey } from '../plan/stray-keys.ts';
import { namesTimeRoutine, timedInsert } from '../plan/timed-statement.ts';
import { severalShards } from '../plan/unsupported.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { startOf, timedExecution } from './clock.ts';
import { withComputedKeys } from './computed-keys.ts';
import { withConnectionOf } from './everywhere.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { runKeepView } from './keep-view-run.ts';
import { runMakeTable } from './make-table-run.ts';
import { runMerge } from './merge-run.ts';
import { runModify } from './modify-run.ts';
import { keepsByDefault } from './one-snapshot.ts';
import { answerGathered } from './portal-rows.ts';
import { refuseReadOnly } from './read-only.ts';
import type { StagedRun } from './row-source.ts';
import type { Runner } from './runner.ts';
import { runStaged } from './staged-run.ts';
import { strayingOf } from './straying-rows.ts';
import { runWithWrites, type WriteSeveral } from './with-run.ts';

type WritingMerge =
  | WriteMerge
  | InsertMerge
  | ReferenceMerge
  | InsertRowsMerge
  | ModifyRowsMerge
  | MergeRowsMerge
  | MakeTableMerge
  | KeepViewMerge
  | WithWritesMerge;

const WRITING = new Set<Merge['how']>([
  'write',
  'insert',
  'reference',
  'insertRows',
  'modifyRows',
  'mergeRows',
  'makeTable',
  'keepView',
  'withWrites',
]);

export const isWriting = (merge: Merge): merge is WritingMerge => WRITING.has(merge.how);

export interface WriteRun {
  readonly d: RunnerDependencies;
  readonly runner: Pick<Runner, 'description' | 'connections' | 'targets'>;
  readonly execution: Execution & { readonly plan: RoutedPlan };
  readonly merge: WritingMerge;
  readonly targets: readonly number[];
}

/** Answers with everything but ReadyForQuery, when all shards have committed. */
export async function runWrite(run: WriteRun): Promise<void> {
  const { d, execution } = run;
  const { description, rows, tag } = await write(run);
  const { fields } = description;
  if (fields !== null) return answerGathered({ fields, rows, tag }, execution, d);
  d.client.write(encodeCommandComplete(tag));
}

/** In the session's transaction, or in one of its own. Rejects with SqlError or ServerError. */
export async function write(
  run: WriteRun,
): Promise<WriteResult & { readonly description: Description }> {
  const { d, runner, execution } = run;
  const { sql, plan, parameters } = execution;
  const description = await runner.description(plan, sql, parameters.types);
  const result = async () => {
    const own = plan.tellsTime ? await timed(run) : run;
    return resultOf({ d, runner, execution: own.execution, description }, own);
  };
  // The time of the transaction is then what the routine tells on the home shard, which began it.
  const { catalog } = d.context.topology();
  const isRoutines = plan.tellsTime && namesTimeRoutine(sql, catalog);
  // What is read before the rows are written belongs to them.
  const isWhole = isRoutines || keepsByDefault(d.state, d.context);
  return { ...(isWhole ? await d.state.inTransaction(result) : await result()), description };
}

/** With one time for all shards, whichever of them computes it. */
async function timed(run: WriteRun): Promise<WriteRun> {
  const { state, context } = run.d;
  if (run.merge.how === 'insert' && run.merge.timeDefaults !== null) {
    const time = await startOf(state);
    return { ...run, merge: timedInsert(run.merge, run.merge.timeDefaults, time) };
  }
  const execution = await timedExecution(run.execution, state, context);
  const { merge } = execution.plan;
  if (merge === null || !isWriting(merge)) throw new SqlError(severalShards('text'));
  return { ...run, execution, merge };
}

async function resultOf(staged: StagedRun, run: WriteRun): Promise<WriteResult> {
  const { merge } = run;
  const { d } = staged;
  if (computesFirst(merge)) await refuseReadOnly(staged, tableOf(merge));
  const { strays, alike } = run.execution.plan;
  if (alike.length > 0) {
    return d.state.inTransaction(async () => {
      const result = await resultBy(staged, run);
      await makeCopiesAlike(d.state.transaction!, alike, d.context.mergeBytesMax);
      return result;
    });
  }
  if (strays !== null && strays.returned === null) {
    return d.state.inTransaction(async () => {
      const result = await resultBy(staged, run);
      const { placement, shards } = d.context.topology();
      await refuseStrays(
        d.state.transaction!,
        shards.map(({ id }) => id),
        strays,
        placement,
      );
      return result;
    });
  }
  return resultBy(staged, run);
}

async function resultBy(staged: StagedRun, run: WriteRun): Promise<WriteResult> {
  const { merge } = run;
  const { d, description } = staged;
  if (merge.how === 'insertRows') return runStaged(staged, merge);
  if (merge.how === 'modifyRows' || merge.how === 'mergeRows') {
    const { behind } = merge;
    if (behind !== null && (await changesBeside(staged, merge))) {
      return runWithWrites(staged, behind, writeSeveral);
    }
    return merge.how === 'modifyRows' ? runModify(staged, merge) : runMerge(staged, merge);
  }
  if (merge.how === 'makeTable') return runMakeTable(staged, merge);
  if (merge.how === 'keepView') return runKeepView(staged, merge);
  if (merge.how === 'withWrites') return runWithWrites(staged, merge, writeSeveral);
  const isComputed = merge.how === 'insert' && merge.computed !== null;
  const known = isComputed ? await withComputedKeys(staged, merge, merge.computed) : merge;
  return d.state.inTransaction(() => writeNow(run, known, description));
}

/** A row that it writes may become something else than it is made. */
async function changesBeside(
  { d }: StagedRun,
  { table }: ModifyRowsMerge | MergeRowsMerge,
): Promise<boolean> {
  const known = await withConnectionOf(d.state)(HOME_SHARD, (home) =>
    modifiedTable(home, table, null),
  );
  return known.changesBeside;
}

/** What it writes, as SQL, where rows are computed first; null: several tables, or a new one. */
function tableOf(merge: WritingMerge): string | null {
  if (merge.how === 'insert') return merge.computed!.table;
  return 'table' in merge && typeof merge.table === 'object' ? merge.table.name : null;
}

/** Any other is sent to the shards, which refuse what they may not write themselves. */
const computesFirst = (merge: WritingMerge): boolean =>
  merge.how === 'insert'
    ? merge.computed !== null
    : merge.how !== 'write' && merge.how !== 'reference';

/** Throws what it is refused with. */
const writeSeveral: WriteSeveral = (staged, execution, targets) => {
  const { merge, refusal } = execution.plan;
  if (merge === null || !isWriting(merge)) throw new SqlError(refusal ?? severalShards('text'));
  const { d, runner } = staged;
  return resultOf({ ...staged, execution }, { d, runner, execution, merge, targets });
};

function writeNow(
  { d, execution, targets }: WriteRun,
  merge: WriteMerge | InsertMerge | ReferenceMerge,
  description: Description,
): Promise<WriteResult> {
  const { state, context } = d;
  const { sql, parameters, resultFormats, values } = execution;
  const columnCount = description.fields?.length ?? 0;
  const request = {
    transaction: state.transaction!,
    sql,
    parameters: { ...parameters, types: description.parameterTypes },
    resultFormats,
    bytesMax: context.mergeBytesMax,
    straying: strayingOf(d, execution.plan, columnCount),
  };
  if (merge.how === 'reference') {
    return writeReference({ ...request, merge, shards: targets, columnCount });
  }
  const shardOf = (key: KeySource) =>
    targetsOf({ kind: 'keys', keys: [key] }, values, context.topology())[0]!;
  if (merge.how === 'write') {
    const { straying } = request;
    const isAsked = straying !== null && straying.strays.returned !== null;
    const asked = isAsked ? askingKey(sql, straying.strays.returned) : sql;
    return writeShards({ ...request, sql: asked, merge, targets, rowShards: [], rowKeys: [] });
  }
  const rowShards = merge.keys.map(shardOf);
  const own = [...new Set(rowShards)].sort((a, b) => a - b);
  const rowKeys = merge.keys.map((key) => {
    const [value] = keysOf([key], values);
    return value === undefined ? null : BigInt(value);
  });
  return writeShards({ ...request, merge, targets: own, rowShards, rowKeys });
}

// Explain run: asks the servers of a statement for their plans and answers with all of them.

import { SqlError } from '../base/errors.ts';
import type { Description } from '../execute/describe.ts';
import {
  type ExplainedPart,
  type Explanation,
  explainOn,
  writeExplanation,
} from '../execute/explain.ts';
import { shardTextOf } from '../execute/gather.ts';
import { insertText } from '../execute/write.ts';
import { explainPlan } from '../plan/explain.ts';
import type { ExplainMerge, RoutedPlan } from '../plan/plan.ts';
import { targetsOf } from '../plan/route.ts';
import type { InsertRowsMerge, MergeRowsMerge, ModifyRowsMerge } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { encodeDataRow, encodeRowDescription } from '../wire/row.ts';
import type { SessionContext } from './context.ts';
import { explainEngine } from './engine-run.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { modifyQuery } from './modify-run.ts';
import { type StagedRun, sourceOf } from './row-source.ts';
import { queryText } from './staged-run.ts';

export interface ExplainRun {
  readonly execution: Execution;
  readonly merge: ExplainMerge;
  /** Of the EXPLAIN itself. */
  readonly description: Description;
  readonly targets: readonly number[];
  readonly described: boolean;
  readonly runner: StagedRun['runner'];
}

/** Answers with everything but ReadyForQuery. What ANALYZE changes is changed on all or none. */
export async function runExplain(d: RunnerDependencies, run: ExplainRun): Promise<void> {
  const { state, client } = d;
  const { merge, targets, description, described } = run;
  const { inner, analyzes } = merge;
  const writes = analyzes && inner.effect !== 'read';
  const own = writes && state.transaction === null ? state.begin('BEGIN', true) : null;
  if (writes) {
    await state.settlePlan();
    for (const shard of targets) state.transaction!.writers.add(shard);
  }
  const explained = await explain(d, run);
  if (own !== null) await state.endTransaction('commit');
  await state.settlePlan();
  const planClass = targets.length === 1 ? 0 : classOf(inner);
  const lines = writeExplanation({ planClass, shards: targets, ...explained }, merge.format);
  if (described) client.write(encodeRowDescription([...(description.fields ?? [])]));
  for (const line of lines) client.write(encodeDataRow([Buffer.from(line)]));
  client.write(encodeCommandComplete('EXPLAIN'));
}

type Explained = Pick<Explanation, 'steps' | 'parts'>;

async function explain(d: RunnerDependencies, run: ExplainRun): Promise<Explained> {
  const { merge, targets, execution, description } = run;
  const { inner } = merge;
  const all = explainPlan(inner).split('\n');
  // One shard gets the statement as it is, whatever several would have been asked.
  if (targets.length === 1) return { steps: all.slice(0, 1), parts: await explainShards(d, run) };
  switch (inner.merge?.how) {
    case 'engine': {
      const { state, context } = d;
      const engine = inner.merge;
      const parts = await explainEngine(engine, merge, execution, description, state, context);
      return { steps: all, parts };
    }
    case 'insertRows':
    case 'modifyRows':
    case 'mergeRows': {
      const rows = await explainRows(d, run, inner.merge);
      return { steps: [...all, ...rows.steps.map((step) => `  ${step}`)], parts: rows.parts };
    }
    default:
      return { steps: all, parts: await explainShards(d, run) };
  }
}

/** The query of the rows that are written: a statement of its own. */
async function explainRows(
  d: RunnerDependencies,
  run: ExplainRun,
  merge: InsertRowsMerge | ModifyRowsMerge | MergeRowsMerge,
): Promise<Explained> {
  const { runner, execution, description } = run;
  const staged = { d, runner, execution, description };
  const text = await rowsText(staged, merge);
  const source = await sourceOf(staged, text);
  const { plan, sql } = source;
  return explain(d, {
    ...run,
    execution: source,
    merge: { ...run.merge, inner: plan, sql },
    description: await runner.description(plan, sql, source.parameters.types),
    targets: runner.targets(source, plan),
  });
}

function rowsText(
  run: StagedRun,
  merge: InsertRowsMerge | ModifyRowsMerge | MergeRowsMerge,
): Promise<string> {
  if (merge.how === 'insertRows') return queryText(run, merge);
  return merge.how === 'modifyRows' ? modifyQuery(run, merge) : Promise.resolve(merge.source);
}

function classOf({ merge }: RoutedPlan): number | null {
  if (merge?.how === 'engine') return 3;
  if (merge?.how === 'aggregate') return 2;
  return merge?.how === 'concat' ? (merge.distinct ? 2 : 1) : null;
}

/** One shard after the other, so that none slows another down while it is measured. */
async function explainShards(
  { context }: RunnerDependencies,
  run: ExplainRun,
): Promise<readonly ExplainedPart[]> {
  const { execution, merge, description, runner, targets } = run;
  // Which shards get the rows is not known before their keys are computed.
  if (merge.inner.merge?.how === 'insert' && merge.inner.merge.computed !== null) return [];
  const parameters = { ...execution.parameters, types: description.parameterTypes };
  const { connections, release } = await runner.connections(targets);
  try {
    const parts: ExplainedPart[] = [];
    for (const connection of connections) {
      const shard = connection.shard.id;
      const sql = merge.prefix + textFor(shard, run, context);
      const lines = await explainOn(connection, sql, parameters);
      parts.push({ title: 'Statement', shard, lines });
    }
    return parts;
  } finally {
    release();
  }
}

/** What the shard is sent when the statement is run. */
function textFor(
  shard: number,
  { merge: { inner, sql }, targets, execution, description }: ExplainRun,
  context: SessionContext,
): string {
  if (targets.length === 1) return sql;
  switch (inner.merge?.how) {
    case 'concat':
    case 'aggregate': {
      const parameters = { ...execution.parameters, types: description.parameterTypes };
      return shardTextOf(inner.merge, parameters);
    }
    case 'write':
    case 'reference':
      return sql;
    case 'insert': {
      const { keys } = inner.merge;
      const shards = keys.map((key) => {
        const route = { kind: 'keys', keys: [key] } as const;
        return targetsOf(route, execution.values, context.topology())[0]!;
      });
      return insertText(inner.merge, shards, shard);
    }
    default:
      throw new SqlError(inner.refusal ?? severalShards('text'));
  }
}

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
import type {
  InsertRowsMerge,
  MergeRowsMerge,
  ModifyRowsMerge,
  WithWritesMerge,
} from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import { encodeDataRowBody } from '../wire/row.ts';
import type { SessionContext } from './context.ts';
import { explainEngine } from './engine-run.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { modifySource } from './modify-run.ts';
import { answerGathered } from './portal-rows.ts';
import { type Source, type StagedRun, sourceOf } from './row-source.ts';
import { queryText } from './staged-run.ts';
import { partsWithoutRows } from './with-run.ts';
import { isWriting, write } from './write-run.ts';

export interface ExplainRun {
  readonly execution: Execution;
  readonly merge: ExplainMerge;
  /** Of the EXPLAIN itself. */
  readonly description: Description;
  readonly targets: readonly number[];
  readonly runner: StagedRun['runner'];
}

/** Answers with everything but ReadyForQuery. What ANALYZE changes is changed on all or none. */
export async function runExplain(d: RunnerDependencies, run: ExplainRun): Promise<void> {
  const { merge, targets, description, execution } = run;
  const { inner, analyzes } = merge;
  const isComputed = inner.strays !== null || (targets.length > 1 && isComputedFirst(inner));
  const explained =
    isComputed && analyzes
      ? await explainAndWrite(d, run, inner)
      : await explainAtOnce(d, run, analyzes && inner.effect !== 'read');
  const planClass = targets.length === 1 ? 0 : classOf(inner);
  const lines = writeExplanation({ planClass, shards: targets, ...explained }, merge.format);
  const fields = description.fields ?? [];
  const rows = lines.map((line) => encodeDataRowBody([Buffer.from(line)]));
  await answerGathered({ fields, rows, tag: 'EXPLAIN' }, execution, d);
}

type Explained = Pick<Explanation, 'steps' | 'parts'>;

/** The servers run what they explain. */
async function explainAtOnce(
  d: RunnerDependencies,
  run: ExplainRun,
  writes: boolean,
): Promise<Explained> {
  const { state } = d;
  const own = writes && state.transaction === null ? state.beginOwn() : null;
  if (writes) {
    state.settlePlan();
    for (const shard of run.targets) state.transaction!.writers.add(shard);
  }
  const explained = await explain(d, run);
  if (own !== null) await state.endTransaction('commit');
  await state.settleRead();
  return explained;
}

const STAGED = new Set<string | undefined>(['insertRows', 'modifyRows', 'mergeRows', 'withWrites']);

/** What the servers are sent depends on rows that are computed before. */
const isComputedFirst = ({ merge }: RoutedPlan): boolean =>
  STAGED.has(merge?.how) || (merge?.how === 'insert' && merge.computed !== null);

/** A query that only reads is run by itself, to be measured; then the statement is run as ever. */
async function explainAndWrite(
  d: RunnerDependencies,
  run: ExplainRun,
  inner: RoutedPlan,
): Promise<Explained> {
  const { execution, merge, runner, targets } = run;
  const { planPrefix: prefix } = merge;
  const planned = { ...run, merge: { ...merge, prefix, analyzes: false } };
  const { steps, parts } = await explain(d, inner.strays === null ? run : planned);
  if (inner.merge === null || !isWriting(inner.merge)) throw new Error('no write is analyzed');
  const statement = {
    ...execution,
    sql: merge.sql,
    plan: inner,
    resultFormats: [],
    extended: null,
  };
  const begin = performance.now();
  const { tag } = await write({ d, runner, execution: statement, merge: inner.merge, targets });
  const took = (performance.now() - begin).toFixed(3);
  return { steps: [...steps, `run: ${tag} in ${took} ms`], parts };
}

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
    case 'withWrites':
      return explainParts(d, run, inner.merge, all);
    default:
      return { steps: all, parts: await explainShards(d, run) };
  }
}

/** Each part as a statement of its own, over no rows of others. */
async function explainParts(
  d: RunnerDependencies,
  run: ExplainRun,
  merge: WithWritesMerge,
  all: readonly string[],
): Promise<Explained> {
  const steps = [...all];
  const parts: ExplainedPart[] = [];
  const { runner, execution, description } = run;
  const staged = { d, runner, execution, description };
  for await (const part of partsWithoutRows(staged, merge)) {
    const own = await explain(d, planOnly(run, part.source, part.description));
    steps.push(...own.steps.map((step) => `  ${step}`));
    parts.push(...own.parts);
  }
  return { steps, parts };
}

/** A statement that the explained one consists of; nothing of it is run. */
function planOnly(run: ExplainRun, source: Source, description: Description): ExplainRun {
  const { plan: inner, sql } = source;
  const { planPrefix: prefix } = run.merge;
  return {
    ...run,
    execution: source,
    merge: { ...run.merge, prefix, analyzes: false, inner, sql },
    description,
    targets: run.runner.targets(source, inner),
  };
}

/** The query of the rows that are written: a statement of its own. */
async function explainRows(
  d: RunnerDependencies,
  run: ExplainRun,
  merge: InsertRowsMerge | ModifyRowsMerge | MergeRowsMerge,
): Promise<Explained> {
  const { runner, execution, description } = run;
  const staged = { d, runner, execution, description };
  const source = await rowsSource(staged, merge);
  const { plan, sql, parameters } = source;
  const own = planOnly(run, source, await runner.description(plan, sql, parameters.types));
  if (plan.effect !== 'read') return explain(d, own);
  const { prefix, analyzes } = run.merge;
  return explain(d, { ...own, merge: { ...own.merge, prefix, analyzes } });
}

async function rowsSource(
  run: StagedRun,
  merge: InsertRowsMerge | ModifyRowsMerge | MergeRowsMerge,
): Promise<Source> {
  if (merge.how === 'modifyRows') return modifySource(run, merge);
  return sourceOf(run, merge.how === 'insertRows' ? await queryText(run, merge) : merge.source);
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

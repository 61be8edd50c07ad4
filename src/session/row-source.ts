// Row source: a query of the proxy's own for a statement that writes, and all of its rows.

import { SqlError } from '../base/errors.ts';
import { MERGE_BATCH_ROWS } from '../base/limits.ts';
import { isUserType, typeNames } from '../execute/carried.ts';
import type { Description } from '../execute/describe.ts';
import { openPortalStream } from '../execute/portal-stream.ts';
import { carriedFormats, RowSet, type RowSetOptions } from '../execute/row-set.ts';
import { openShardStream } from '../execute/shard-stream.ts';
import type { RoutedPlan } from '../plan/plan.ts';
import { onlyTarget } from '../plan/route.ts';
import { severalShards } from '../plan/unsupported.ts';
import { castParameters } from '../sql/cast-parameters.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { FieldDescription } from '../wire/row.ts';
import { withConnectionOf } from './everywhere.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { openGatherRun } from './gather-run.ts';
import { StatementValues } from './prepared.ts';
import type { Runner } from './runner.ts';
import { closeRunning, type RunningGather } from './running-gather.ts';

export interface StagedRun {
  readonly d: RunnerDependencies;
  readonly runner: Pick<Runner, 'description' | 'connections' | 'targets'>;
  readonly execution: Execution;
  /** Of the client's statement. */
  readonly description: Description;
}

export type Source = Execution & { readonly plan: RoutedPlan };

/** The query with its own plan; `findsPlaces`: as of PlanInput. Throws what it is refused with. */
export async function sourceOf(
  { d, execution, description }: StagedRun,
  text: string,
  findsPlaces = false,
): Promise<Source> {
  const { context, state } = d;
  const { sql, types } = await portable(text, description.parameterTypes, d);
  const parameters = { ...execution.parameters, types };
  const plan = context.planner.planExact(sql, context.topology(), state.searchPath, findsPlaces);
  if (plan.op === 'refused') throw new SqlError(plan.error);
  if (plan.op !== 'routed') throw new Error('a query of a write has become something else');
  return {
    sql,
    plan,
    values: new StatementValues(null, parameters),
    parameters,
    resultFormats: [],
    extended: null,
  };
}

/** Types made by users have other oids on every server, but one name. */
async function portable(
  sql: string,
  types: readonly number[],
  d: RunnerDependencies,
): Promise<{ sql: string; types: readonly number[] }> {
  const own = types.filter(isUserType);
  if (own.length === 0) return { sql, types };
  const names = await withConnectionOf(d.state)(HOME_SHARD, (home) => typeNames(home, own));
  const cast = castParameters(
    sql,
    types.map((oid) => names.get(oid) ?? null),
  );
  return { sql: cast, types };
}

export interface ReadRows {
  readonly set: RowSet;
  readonly description: Description;
  /** The command tag. */
  readonly tag: string;
}

export interface ReadOptions extends RowSetOptions {
  /** Those in which rows are carried unless others are given. */
  readonly formats?: (fields: readonly FieldDescription[]) => readonly number[];
}

async function targetsOf({ d, runner }: StagedRun, source: Source): Promise<readonly number[]> {
  const targets = runner.targets(source, source.plan);
  return (await d.state.lastIds.placed(source, targets)) ?? targets;
}

/** All rows of the query, as the options have it. */
export async function readRows(
  run: StagedRun,
  source: Source,
  { formats = carriedFormats, ...options }: ReadOptions = {},
): Promise<ReadRows> {
  const { d, runner } = run;
  const { plan, sql, parameters } = source;
  const description = await runner.description(plan, sql, parameters.types);
  const set = new RowSet(d.context.mergeBytesMax, options);
  const execution = {
    ...source,
    resultFormats: formats(description.fields ?? []),
  };
  const targets = await targetsOf(run, execution);
  // The types as they are to be sent, by which no server's own number for a type gets elsewhere.
  const sent = { ...description, parameterTypes: parameters.types };
  const only = onlyTarget(plan, targets);
  if (only !== null) {
    const tag = await readOne(run, execution, only, set);
    return { set, description, tag };
  }
  await readSeveral(run, execution, targets, sent, set);
  return { set, description, tag: `SELECT ${set.rows.length}` };
}

async function readOne(
  { d }: StagedRun,
  { plan, sql, parameters, resultFormats }: Source,
  shard: number,
  set: RowSet,
): Promise<string> {
  const { state, owner } = d;
  return withConnectionOf(state)(shard, async (connection) => {
    if (plan.effect !== 'read') {
      state.settlePlan();
      state.transaction?.writers.add(shard);
    }
    if (plan.pins.length > 0) state.pins.add(connection, plan.pins, owner);
    const stream = await openShardStream(connection, { sql, parameters, resultFormats });
    try {
      for (let rows = await stream.next(); rows !== null; rows = await stream.next()) {
        set.add(rows);
        if (set.isFull) break;
      }
    } finally {
      await stream.discard();
    }
    return stream.tag;
  });
}

/**
 * The same rows batch by batch, read by portals of the session's transaction, which other statements of
 * it do not disturb and whose snapshot is of now: what these write is not among the rows.
 */
export async function* rowBatches(
  run: StagedRun,
  source: Source,
): AsyncGenerator<readonly Buffer[]> {
  const { d, runner } = run;
  const { plan, sql, parameters } = source;
  const description = await runner.description(plan, sql, parameters.types);
  const resultFormats = carriedFormats(description.fields ?? []);
  const execution = { ...source, resultFormats, isBatched: true };
  const targets = await targetsOf(run, execution);
  const only = onlyTarget(plan, targets);
  if (only !== null) {
    const connection = await d.state.transaction!.enlist(only);
    const stream = await openPortalStream(
      connection,
      { sql, parameters, resultFormats },
      MERGE_BATCH_ROWS,
    );
    try {
      for (let rows = await stream.next(); rows !== null; rows = await stream.next()) yield rows;
    } finally {
      await stream.discard();
    }
    return;
  }
  const sent = { ...description, parameterTypes: parameters.types };
  const running = await openSeveral(run, execution, targets, sent);
  try {
    yield running.rest;
    yield* running.gather.batches;
  } finally {
    await closeRunning(running);
  }
}

async function readSeveral(
  run: StagedRun,
  execution: Source,
  targets: readonly number[],
  description: Description,
  set: RowSet,
): Promise<void> {
  const running = await openSeveral(run, execution, targets, description);
  try {
    set.add(running.rest);
    for await (const rows of running.gather.batches) {
      set.add(rows);
      if (set.isFull) break;
    }
  } finally {
    await closeRunning(running);
  }
}

function openSeveral(
  { d, runner }: StagedRun,
  execution: Source,
  targets: readonly number[],
  description: Description,
): Promise<RunningGather> {
  const { context, state } = d;
  const { merge, refusal } = execution.plan;
  if (merge?.how !== 'concat' && merge?.how !== 'aggregate' && merge?.how !== 'engine') {
    throw new SqlError(refusal ?? severalShards('text'));
  }
  const connections = () => runner.connections(targets);
  return openGatherRun({ execution, merge, description, state, context, connections });
}

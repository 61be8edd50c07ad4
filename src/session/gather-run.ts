// Gather run: starts the merge of a SELECT over several shards, streamed or by the merge engine.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Description } from '../execute/describe.ts';
import { type KeepStatement, openGather } from '../execute/gather.ts';
import type { AggregateMerge, ConcatMerge, EngineMerge, RoutedPlan } from '../plan/plan.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { withClock } from './clock.ts';
import type { SessionContext } from './context.ts';
import { openEngineRun } from './engine-run.ts';
import { batchRowsOf, type Execution } from './execution.ts';
import { openLockedEngine } from './locked-engine.ts';
import { nameUnder } from './prepared.ts';
import { closeRunning, type RunningGather } from './running-gather.ts';
import type { SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

export interface GatherRun {
  /** `plan` is good for several shards. */
  readonly execution: Execution & { readonly plan: RoutedPlan };
  readonly merge: ConcatMerge | AggregateMerge | EngineMerge;
  readonly description: Description;
  readonly state: SessionState;
  readonly context: SessionContext;
  connections(): Promise<Lent>;
}

interface Lent {
  /** One a target, owing nothing. */
  readonly connections: ServerConnection[];
  release(): void;
}

/** Rejects with SqlError or ServerError; what was borrowed has then been given back. */
export async function openGatherRun(asked: GatherRun): Promise<RunningGather> {
  const { merge, state, context } = asked;
  const { clock } = asked.execution.plan;
  const timed = await withClock(clock, asked.execution.parameters, asked.description, state);
  const execution = { ...asked.execution, parameters: timed.parameters };
  const { description } = timed;
  const run = { ...asked, execution, description };
  const byEngine = (engine: EngineMerge) =>
    engine.locks === null
      ? openEngineRun(engine, execution, description, state, context)
      : openLockedEngine(engine, engine.locks, run);
  if (merge.how === 'engine') return byEngine(merge);
  const { fallback } = execution.plan;
  const lent = await asked.connections();
  try {
    return await openStreamed(run, merge, lent);
  } catch (error) {
    const cannot = error instanceof SqlError && error.code === SQLSTATE.featureNotSupported;
    if (!cannot || fallback === null) throw error;
    return byEngine(fallback);
  }
}

/** With its first rows, so that types that cannot be merged are met before the client is told. */
async function openStreamed(
  { execution, description, state, context }: GatherRun,
  merge: ConcatMerge | AggregateMerge,
  { connections, release }: Lent,
): Promise<RunningGather> {
  const cost = state.transaction === null ? context.costs.of(execution.plan) : null;
  const keep = cost?.isKeepable === true ? keepBy(cost, state, context) : null;
  const beganMs = performance.now();
  let running: RunningGather | null = null;
  let begun = false;
  try {
    const setsDigits = state.transaction?.recorded.some((sql) => /extra_float_digits/i.test(sql));
    const gather = await openGather({
      connections,
      setsDigits: setsDigits ?? false,
      merge,
      description,
      parameters: execution.parameters,
      resultFormats: execution.resultFormats,
      keep,
      batchRows: state.transaction === null ? null : batchRowsOf(execution),
      rowsMax: context.mergeRowsMax,
      bytesMax: context.mergeBytesMax,
    });
    running = { gather, rest: [], release };
    const { value, done } = await gather.batches.next();
    if (!done) running.rest = value;
    begun = true;
    cost?.observe(performance.now() - beganMs, 0, keep !== null);
    return running;
  } finally {
    if (running === null) release();
    else if (!begun) await closeRunning(running);
  }
}

/** Under one name for all clients, as what they send to one shard is kept. */
function keepBy(
  cost: StatementCost,
  state: SessionState,
  { statementNames, topology }: SessionContext,
): KeepStatement {
  const { searchPath, reading } = state;
  const { version } = topology();
  return {
    nameOf: (sql, parameterTypes) =>
      nameUnder(reading, statementNames.nameOf({ sql, parameterTypes, version, searchPath })),
    refused: () => cost.refuse(),
  };
}

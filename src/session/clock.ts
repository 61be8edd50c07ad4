// Clock: the time at which a session's transaction began, which all of its shards go by.

import { SqlError } from '../base/errors.ts';
import type { Description } from '../execute/describe.ts';
import { type BoundParameters, NO_PARAMETERS } from '../execute/parameters.ts';
import { boundWithTime } from '../execute/time-parameter.ts';
import type { ExplainMerge, RoutedPlan } from '../plan/plan.ts';
import { mayHaveTimeWords } from '../plan/time-words.ts';
import { timedStatement } from '../plan/timed-statement.ts';
import { query } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import type { SessionState } from './state.ts';
import { withTimeWords } from './time-words.ts';

/** In ISO form, which every DateStyle reads. */
const NOW =
  "SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'";

/**
 * now() of the transaction's first server: the others have joined later. Outside of a transaction,
 * of the home shard at this moment.
 */
export async function startOf(state: SessionState): Promise<string> {
  const { transaction } = state;
  if (transaction !== null) {
    if (transaction.time !== null) return transaction.time;
    const [first = await transaction.enlist(HOME_SHARD)] = transaction.participants.values();
    const { rows } = await query(first, NOW);
    transaction.time = rows[0]![0]!;
    return transaction.time;
  }
  const home = await state.borrow(HOME_SHARD, state.settings.current);
  try {
    const { rows } = await query(home, NOW);
    return rows[0]![0]!;
  } finally {
    state.giveBack(home);
  }
}

/** Bound and described with the time as parameter `clock`; null: as they are. */
export async function withClock(
  clock: number | null,
  parameters: BoundParameters,
  description: Description,
  state: SessionState,
): Promise<{ parameters: BoundParameters; description: Description }> {
  if (clock === null) return { parameters, description };
  return boundWithTime(clock, await startOf(state), parameters, description);
}

/** The shard has joined the transaction later, or is about to, and the statement asks for its time. */
export function isLate(
  { tellsTime }: RoutedPlan,
  sql: string,
  shard: number,
  state: SessionState,
): boolean {
  if (state.transaction === null) return false;
  const [first] = state.transaction.participants.keys();
  if (first === undefined || first === shard) return false;
  return tellsTime || mayHaveTimeWords(sql);
}

/** The statement with the time of the transaction written out; planned anew, for several shards. */
export async function timedExecution(
  execution: Execution,
  state: SessionState,
  context: SessionContext,
): Promise<RoutedExecution> {
  const sql = await withTime(execution.sql, state, context);
  return plannedAnew({ ...execution, sql }, state, context, true);
}

export type RoutedExecution = Execution & { readonly plan: RoutedPlan };

/**
 * By the plan of its text, which is another than the client's and means the same. `isTimed`: the time of the
 * transaction is written out in it.
 */
export function plannedAnew(
  execution: Execution,
  state: SessionState,
  context: SessionContext,
  isTimed = false,
): RoutedExecution {
  const topology = context.topology();
  const plan = context.planner.planOnce(execution.sql, topology, state.searchPath, isTimed);
  if (plan.op === 'refused') throw new SqlError(plan.error);
  if (plan.op !== 'routed') throw new Error('a statement changed its kind with the time in it');
  return { ...execution, plan };
}

/** Its text. */
async function withTime(
  sql: string,
  state: SessionState,
  context: SessionContext,
): Promise<string> {
  return timedStatement(sql, context.topology().catalog, state.searchPath, await startOf(state));
}

/** The text for a shard that has joined the transaction later. */
export async function lateText(
  execution: Execution,
  { tellsTime }: RoutedPlan,
  state: SessionState,
  context: SessionContext,
): Promise<string> {
  // The values of its parameters go to the shard as they came.
  const parameters = { ...NO_PARAMETERS, types: execution.parameters.types };
  const { sql } = await withTimeWords({ sql: execution.sql, parameters }, false, state, context);
  return tellsTime || sql !== execution.sql ? withTime(sql, state, context) : sql;
}

/** EXPLAIN ANALYZE of a write, which runs it, with the time of the transaction written out. */
export async function timedExplain(
  execution: RoutedExecution,
  { sql, analyzes, inner }: ExplainMerge,
  state: SessionState,
  context: SessionContext,
): Promise<RoutedExecution> {
  if (!analyzes || inner.effect === 'read') return execution;
  const { parameters } = execution;
  const told = await withTimeWords({ sql, parameters }, true, state, context);
  const timed = await withTime(told.sql, state, context);
  if (timed === sql) return execution;
  const before = execution.sql.slice(0, execution.sql.lastIndexOf(sql));
  return plannedAnew({ ...execution, ...told, sql: before + timed }, state, context);
}

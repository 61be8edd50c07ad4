// Clock: the time at which a session's transaction began, which all of its shards go by.

import { SqlError } from '../base/errors.ts';
import type { Description } from '../execute/describe.ts';
import type { BoundParameters } from '../execute/parameters.ts';
import { boundWithTime } from '../execute/time-parameter.ts';
import type { RoutedPlan } from '../plan/plan.ts';
import { timedStatement } from '../plan/timed-statement.ts';
import { query } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import type { SessionState } from './state.ts';

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
export function isLate({ tellsTime }: RoutedPlan, shard: number, state: SessionState): boolean {
  if (!tellsTime || state.transaction === null) return false;
  const [first] = state.transaction.participants.keys();
  return first !== undefined && first !== shard;
}

/** The statement with the time of the transaction written out; planned anew, for several shards. */
export async function timedExecution(
  execution: Execution,
  state: SessionState,
  context: SessionContext,
): Promise<Execution & { readonly plan: RoutedPlan }> {
  const sql = await withTime(execution.sql, state, context);
  const plan = context.planner.planOnce(sql, context.topology(), state.searchPath);
  if (plan.op === 'refused') throw new SqlError(plan.error);
  if (plan.op !== 'routed') throw new Error('a statement changed its kind with the time in it');
  return { ...execution, sql, plan };
}

/** Its text. */
export async function withTime(
  sql: string,
  state: SessionState,
  context: SessionContext,
): Promise<string> {
  return timedStatement(sql, context.topology().catalog, state.searchPath, await startOf(state));
}

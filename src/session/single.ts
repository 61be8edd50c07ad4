// Single: a statement for one server, whose answer is relayed to the client.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { SessionAction } from '../plan/action.ts';
import type { RoutedPlan } from '../plan/plan.ts';
import { severalShards } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeQuery } from '../wire/query.ts';
import { STATUS } from '../wire/status.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import type { AfterCopy, RelayOutcome } from './relay.ts';
import { configChanges, noteConfig } from './set-config.ts';
import type { SessionState } from './state.ts';

/** The error has already been passed on to the client as the server sent it. */
export class ErrorPassedOn extends Error {}

/** What one server is sent: it ends in one message that is answered by ReadyForQuery. */
interface Sent {
  readonly bytes: Buffer;
  /** As in ServerRequest. */
  readonly steps: readonly Step[] | null;
  readonly afterCopy: AfterCopy;
}

type RelayDependencies = Pick<RunnerDependencies, 'state' | 'relay' | 'copiesIn'>;

/** Throws ErrorPassedOn for an error that the client has been told, SqlError for a lost server. */
export async function relayOn(
  { state, relay, copiesIn }: RelayDependencies,
  connection: ServerConnection,
  { bytes, steps, afterCopy }: Sent,
): Promise<void> {
  check(state, await relay.run(connection, bytes, steps, afterCopy, copiesIn), connection);
}

function check(state: SessionState, outcome: RelayOutcome, connection: ServerConnection): void {
  const { transaction } = state;
  if (outcome.lost !== null) {
    transaction?.participantLost(connection, outcome.lost);
    if (!outcome.failed) throw outcome.lost;
  }
  if (transaction === null && outcome.status !== STATUS.idle) connection.tainted = true;
  if (outcome.failed) throw new ErrorPassedOn();
}

/** The same for a statement, in the protocol it came by. */
export function relayExecution(
  d: RelayDependencies,
  { sql, extended }: Execution,
  connection: ServerConnection,
): Promise<void> {
  const afterCopy = extended?.afterCopy ?? 'none';
  const sent = extended?.encode(connection, sql) ?? { bytes: encodeQuery(sql), steps: null };
  return relayOn(d, connection, { ...sent, afterCopy });
}

/** Runs it on the shard and keeps what the session must know of it. Throws like relayOn. */
export async function runSingle(
  execution: Execution,
  plan: RoutedPlan,
  shard: number,
  d: RunnerDependencies,
): Promise<void> {
  const { state } = d;
  const { transaction } = state;
  const { action } = plan;
  const changes =
    action?.action === 'setConfig' ? configChanges(action.calls, execution.parameters) : [];
  if (action?.action === 'cursor') checkCursor(action, shard, state);
  const apart = apartOf(plan, state);
  const connection =
    transaction === null
      ? await state.borrow(shard, state.settings.current)
      : (apart ?? (await transaction.enlist(shard)));
  try {
    state.settlePlan();
    if (plan.effect !== 'read') transaction?.writers.add(shard);
    if (plan.pins.length > 0) state.pins.add(connection, plan.pins, d.owner);
    await relayExecution(d, execution, connection);
    await noteConfig(changes, connection, state);
    if (action?.action === 'cursor') await noteCursor(action, plan, connection, execution, state);
  } finally {
    if (transaction === null) state.giveBack(connection);
  }
  const open = execution.extended?.open;
  if (open === undefined) return;
  if (apart === null) open.shard = shard;
  else open.isApart = true;
}

/** The connection beside the transaction where the statement's cursor is there; else null. */
export function apartOf({ action }: RoutedPlan, state: SessionState): ServerConnection | null {
  if (action?.action !== 'cursor' || action.verb === 'declare' || action.name === null) return null;
  const isPortal = state.portals.get(action.name)?.isApart === true;
  const isApart = isPortal || state.transaction?.cursors.get(action.name)?.on === 'engine';
  if (!isApart || state.transaction === null) return null;
  // It would write the copy.
  if (action.verb === 'current') throw new SqlError(severalShards('currentOf'));
  return state.transaction.apart;
}

type CursorAction = Extract<SessionAction, { action: 'cursor' }>;

/** Two shards would each take a cursor of that name. Throws 42P03. */
function checkCursor({ verb, name }: CursorAction, shard: number, state: SessionState): void {
  if (verb !== 'declare' || name === null) return;
  const other = state.cursor(name);
  if (other === undefined || (other.on === 'shard' && other.shard === shard)) return;
  throw cursorExists(name);
}

/** 42P03. */
export function cursorExists(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.duplicateCursor,
    message: `cursor "${name}" already exists`,
  });
}

async function noteCursor(
  { verb, name }: CursorAction,
  plan: RoutedPlan,
  connection: ServerConnection,
  { sql }: Execution,
  state: SessionState,
): Promise<void> {
  if (verb === 'declare') {
    if (name === null) return;
    const hold = plan.pins.includes('cursor with hold');
    state.cursorDeclared(name, { on: 'shard', shard: connection.shard.id, hold });
  } else if (verb === 'close') {
    state.cursorClosed(name);
    if (name !== null) state.portals.delete(name);
    if (name === null) for (const each of state.keptConnections(connection)) await query(each, sql);
  }
}

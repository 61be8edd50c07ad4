// Session actions: SET, RESET, DISCARD and routing by hand, which change the session itself.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { applySettings } from '../execute/cluster.ts';
import { NO_CHANGE, type SettingChange, tellsReadOnly } from '../execute/transaction-script.ts';
import type { SessionAction } from '../plan/action.ts';
import type { Plan } from '../plan/plan.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { readWith } from '../pool/settings.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import { isKnownEncoding, refusedEncoding } from './encoding.ts';
import type { LocalResult } from './local-result.ts';
import { takeOwedSnapshot } from './one-snapshot.ts';
import { pathOf, roleOf } from './search-path.ts';
import { afterServerReset } from './settings.ts';
import { show } from './show.ts';
import type { SessionState } from './state.ts';
import { changeTableKind } from './table-kind.ts';

/** What the proxy answers by itself. */
export interface LocalAnswer {
  readonly result: LocalResult | null;
  readonly tag: string;
}

/** Of statements for which it takes a snapshot. */
const QUERIES: ReadonlySet<SessionAction['action']> = new Set([
  ...(['prepare', 'execute', 'deallocate', 'discard', 'tableKind'] as const),
]);

/** Whether one PostgreSQL runs a statement within a transaction, if need be one of its own. */
export const isInBlock = (plan: Plan): boolean =>
  plan.op === 'routed' || (plan.op === 'session' && QUERIES.has(plan.action.action));

/**
 * Of the first statement of a pipeline: whether it looks if it is alone. PostgreSQL begins the transaction of a
 * pipeline behind its first statement; behind DISCARD ALL it does not even then.
 */
export const looksAlone = (plan: Plan): boolean =>
  discardsAll(plan) ||
  (plan.op === 'routed' &&
    plan.merge?.how === 'everywhere' &&
    (plan.merge.mode === 'each' || plan.merge.mode === 'block'));

export const discardsAll = (plan: Plan): boolean =>
  plan.op === 'session' && plan.action.action === 'discard' && plan.action.target === 'all';

/** The actions that need no server, and DISCARD. Throws SqlError. */
export async function runSessionAction(
  action: SessionAction,
  state: SessionState,
  context: SessionContext,
): Promise<LocalAnswer> {
  switch (action.action) {
    case 'routeByHand':
      if (action.hand?.by === 'shard') checkShard(action.hand.shard, context);
      state.hand = action.hand;
      return { result: null, tag: action.hand === null ? 'RESET' : 'SET' };
    case 'showRoute':
      return { result: await show(action.name, state, context), tag: 'SHOW' };
    case 'tableKind':
      return changeTableKind(action, state, context);
    case 'discard':
      state.lastIds.forget();
      await discard(action.target, state);
      return { result: null, tag: `DISCARD ${action.target.toUpperCase()}` };
    default:
      throw new Error(`${action.action} is not an action of the session alone`);
  }
}

/** 22023 when there is no such shard. */
export function checkShard(shard: number, context: SessionContext): void {
  const { length } = context.cluster.pools;
  if (shard < length) return;
  throw new SqlError({
    code: SQLSTATE.invalidParameterValue,
    message: `there is no shard ${shard}`,
    hint: `The shards are 0 to ${length - 1}.`,
  });
}

async function discard(
  target: 'all' | 'plans' | 'sequences' | 'temp',
  state: SessionState,
): Promise<void> {
  if (target !== 'all') {
    const sql = `DISCARD ${target}`;
    if (state.transaction !== null) {
      // What it is about may be on a connection that the transaction has not used yet.
      for (const { shard } of state.pins.connections()) await state.transaction.enlist(shard.id);
      await state.transaction.onEveryParticipant(sql);
    } else for (const connection of state.pins.connections()) await query(connection, sql);
    return;
  }
  if (state.transaction !== null) {
    throw new SqlError({
      code: SQLSTATE.activeSqlTransaction,
      message: 'DISCARD ALL cannot run inside a transaction block',
    });
  }
  await state.pins.discardAll();
  await state.closePortals();
  state.statements.clear();
  state.hand = null;
  const before = state.settings.current;
  state.settings.discard();
  if (before.signature === state.settings.current.signature) return;
  const connection = await state.borrow(HOME_SHARD, before);
  try {
    await applyAloud(connection, state);
  } finally {
    state.giveBack(connection);
  }
}

/** Brings the connection to the session's settings; the client is told of those that are reported. */
async function applyAloud(connection: ServerConnection, state: SessionState): Promise<void> {
  connection.onParameterStatus = (name, value) => state.reports.set(name, value);
  try {
    await applySettings(connection, state.settings.current);
  } finally {
    connection.onParameterStatus = null;
  }
}

type SettingAction = Extract<SessionAction, { action: 'set' | 'characteristics' | 'reset' }>;

export function isSettingAction(action: SessionAction | null): action is SettingAction {
  const name = action?.action;
  return name === 'set' || name === 'characteristics' || name === 'reset';
}

const isLocal = (action: SettingAction): boolean =>
  action.action !== 'characteristics' && action.local;

/**
 * SET and RESET are run by a server, which checks them and reports new values; in a transaction by
 * every participant, and by those that join later. `relayOn` runs the statement on a connection and
 * passes the answer on; it throws when the server refuses.
 */
export async function runSettingAction(
  action: SettingAction,
  sql: string,
  state: SessionState,
  relayOn: (connection: ServerConnection) => Promise<void>,
): Promise<void> {
  checkEncoding(action);
  if (state.transaction !== null) return setInTransaction(action, sql, state, relayOn);
  const [pinned] = state.pins.connections();
  const shard = pinned?.shard.id ?? HOME_SHARD;
  const connection = await state.borrow(shard, state.settings.current);
  try {
    await relayOn(connection);
    if (isLocal(action)) return;
    applyToSession(action, state);
    connection.settings =
      action.action === 'reset'
        ? afterServerReset(connection.settings, action.name)
        : state.settings.current;
    await applyAloud(connection, state);
  } finally {
    state.giveBack(connection);
  }
}

/** Throws 0A000 for SET client_encoding and SET NAMES to one the proxy cannot read. */
function checkEncoding(action: SettingAction): void {
  if (action.action !== 'set' || action.name !== 'client_encoding') return;
  const value = /(?:=|\bTO\b|\bNAMES\b)\s*(['"]?)([^'"]*)\1/i.exec(action.assignment)?.[2] ?? '';
  if (!isKnownEncoding(value)) throw refusedEncoding(value, 'ERROR');
}

const setsModes = (action: SettingAction): boolean =>
  action.action === 'set' && action.local && action.name.startsWith('transaction');

async function setInTransaction(
  action: SettingAction,
  sql: string,
  state: SessionState,
  relayOn: (connection: ServerConnection) => Promise<void>,
): Promise<void> {
  const transaction = state.transaction!;
  if (setsModes(action)) await takeOwedSnapshot(transaction);
  if (transaction.participants.size === 0) await transaction.enlist(HOME_SHARD);
  const [first, ...others] = transaction.participants.values();
  // The copies are made there, also where the transaction only reads from here on.
  const { apart } = transaction;
  if (apart !== null && !(setsModes(action) && tellsReadOnly(sql))) others.push(apart);
  // Before the client is answered: SET CONSTRAINTS … IMMEDIATE may fail on any of them.
  for (const connection of others) await query(connection, sql);
  await relayOn(first!);
  if (setsModes(action)) transaction.recordModes(sql);
  else transaction.record(sql, changeOf(action, state));
  if (isLocal(action)) return;
  applyToSession(action, state);
  if (action.action !== 'reset') return;
  // RESET on a server gives the server's default; the session's may be another.
  const names =
    action.name === null ? [...state.settings.current.assignments.keys()] : [action.name];
  for (const name of names) {
    const assignment = state.settings.current.assignments.get(name);
    if (assignment === undefined) continue;
    await transaction.onEveryParticipant(`SET ${assignment}`);
    transaction.record(`SET ${assignment}`, { ...NO_CHANGE, reads: readWith(name) });
  }
}

function changeOf(action: SettingAction, { settings }: SessionState): SettingChange {
  if (action.action === 'characteristics') return NO_CHANGE;
  const { name, local } = action;
  const change = { ...NO_CHANGE, reads: readWith(name) };
  if (name === 'role' || name === 'session_authorization') {
    if (!local) return { ...change, role: 'session' };
    const role = action.action === 'set' ? roleOf(action.assignment) : settings.defaultRole;
    return { ...change, role: { role } };
  }
  if (name !== 'search_path' && name !== null) return change;
  if (!local) return { ...change, searchPath: 'session' };
  const path = action.action === 'set' ? pathOf(action.assignment) : settings.defaultSearchPath;
  return { ...change, searchPath: { path } };
}

function applyToSession(action: SettingAction, state: SessionState): void {
  if (action.action === 'reset') state.settings.reset(action.name);
  else if (action.action === 'set') state.settings.set(action.name, action.assignment);
  else for (const { name, assignment } of action.modes) state.settings.set(name, assignment);
}

// One snapshot: what a transaction that keeps its first snapshot sees of all shards is of one moment.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { onEach } from '../execute/hold.ts';
import { askTakingTicket, awaitTickets, lockTickets } from '../execute/ticket.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { Plan } from '../plan/plan.ts';
import { type QueryResult, query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';
import { plainWords } from '../sql/plain-words.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { SessionState } from './state.ts';

/**
 * Which transactions have their first snapshot taken on all shards at once: those that keep it, which
 * READ COMMITTED does not; and those that may write only when they begin with several shards, as the
 * others mostly stay on one.
 */
type Begins = 'anywhere' | 'onSeveral' | 'never';

/** Each names the last of its kind. */
const LEVEL = /repeatable[\s_]+read|serializable|read[\s_]+(?:un)?committed/gi;
const KEPT = /^(?:repeatable|serializable)/i;
const SERIALIZABLE = /^serializable/i;
const ACCESS = /read[\s_]+(?:only|write)/gi;
const READ_ONLY = /only$/i;

const lastIn = (texts: readonly string[], pattern: RegExp): string =>
  texts.flatMap((text) => plainWords(text).match(pattern) ?? []).at(-1) ?? '';

/** `modes`: its BEGIN and what has set modes after it; `settings`: the session's, before it. */
function oneSnapshotOf(
  modes: readonly string[],
  settings: Settings,
  context: SessionContext,
): Begins {
  if (!isKept(modes, settings, context)) return 'never';
  const access = lastIn(modes, ACCESS);
  const { mayBeReadOnly } = context.topology().catalog.transactionDefaults;
  const assigned = settings.assignments.get('default_transaction_read_only');
  const byDefault = assigned === undefined ? mayBeReadOnly : ON.test(plainWords(assigned));
  const isReadOnly = access === '' ? byDefault : READ_ONLY.test(access);
  return isReadOnly ? 'anywhere' : 'onSeveral';
}

const isKept = (modes: readonly string[], settings: Settings, context: SessionContext): boolean =>
  KEPT.test(levelOf(modes, settings, context));

/** The last word that names its isolation level. */
function levelOf(
  modes: readonly string[],
  { assignments }: Settings,
  context: SessionContext,
): string {
  const { isolation } = context.topology().catalog.transactionDefaults;
  const level = assignments.get('default_transaction_isolation') ?? isolation;
  return lastIn([level, ...modes], LEVEL);
}

/** Its level is REPEATABLE READ or SERIALIZABLE: all of it is answered by its first snapshot. */
export const keepsSnapshot = (
  { modes, settingsBefore }: Transaction,
  context: SessionContext,
): boolean => isKept(modes, settingsBefore, context);

/** Of default_transaction_read_only. Source: parse_bool_with_len (bool.c), which takes them shortened. */
const ON = /(?:\bto\b|=)\s*'?\s*(?:on|t(?:r|ru|rue)?|y(?:e|es)?|1)\s*'?\s*$/i;

/** Statements that take no snapshot. Source: PlannedStmtRequiresSnapshot (pquery.c). */
const WITHOUT_SNAPSHOT: ReadonlySet<string> = new Set([
  ...['LOCK', 'SET', 'RESET', 'SHOW', 'FETCH', 'MOVE'],
  ...['LISTEN', 'UNLISTEN', 'NOTIFY', 'CHECKPOINT'],
]);

/** Whether one PostgreSQL takes a snapshot to run it. */
export const takesSnapshot = (plan: Plan): boolean =>
  !(plan.op === 'routed' && WITHOUT_SNAPSHOT.has(plan.verb));

/** As far as can be told without the values of its parameters. */
export const mayNeedSeveral = (plan: Plan): boolean =>
  plan.op === 'routed' &&
  (plan.route.kind === 'all' ||
    (plan.route.kind === 'keys' &&
      (plan.route.keys.length > 1 ||
        plan.route.keys.some((key) => key.from === 'parameter' && key.array))));

const isOver = ({ fixedShard }: SessionState, { cluster }: SessionContext): boolean =>
  cluster.pools.length > 1 && fixedShard === null;

/** The open transaction is SERIALIZABLE, and may come to several shards. */
export function isSerializable(state: SessionState, context: SessionContext): boolean {
  const { modes, settingsBefore } = state.transaction!;
  return isOver(state, context) && SERIALIZABLE.test(levelOf(modes, settingsBefore, context));
}

/** The next statement may be the one that takes the snapshot on all shards, wherever it goes itself. */
export function awaitsSnapshot(state: SessionState, context: SessionContext): boolean {
  const { transaction } = state;
  if (transaction?.snapshot !== 'none' || !isOver(state, context)) return false;
  if (isOnSeveral(transaction)) return true;
  return oneSnapshotOf(transaction.modes, transaction.settingsBefore, context) === 'anywhere';
}

/** The same of the first statement behind the BEGIN `sql`, which is yet to be run. */
export function beginsSnapshot(sql: string, state: SessionState, context: SessionContext): boolean {
  if (!isOver(state, context)) return false;
  return oneSnapshotOf([sql], state.settings.current, context) === 'anywhere';
}

/** One shard could describe `plan`, but all are to take their snapshots with that. */
export function isSeenByAll(plan: Plan, state: SessionState, context: SessionContext): boolean {
  const { transaction } = state;
  if (transaction?.snapshot !== 'none' || !mayNeedSeveral(plan) || !isOver(state, context)) {
    return false;
  }
  return oneSnapshotOf(transaction.modes, transaction.settingsBefore, context) !== 'never';
}

/** The same of what stands behind the BEGIN `sql`, which is yet to be run. */
export function isSeenByAllBehind(
  sql: string,
  plans: readonly Plan[],
  state: SessionState,
  context: SessionContext,
): boolean {
  if (!plans.some(mayNeedSeveral) || !isOver(state, context)) return false;
  return oneSnapshotOf([sql], state.settings.current, context) !== 'never';
}

/**
 * Before a server is asked for `plan`, or what it describes: the moment at which one PostgreSQL would
 * take the transaction's snapshot. `plan` null: a function call. `several`: it may need several shards.
 */
export async function takeSnapshot(
  plan: Plan | null,
  several: boolean,
  state: SessionState,
  context: SessionContext,
): Promise<void> {
  if (state.transaction === null && several && isKeptRead(plan, state, context)) {
    state.begin('BEGIN', true);
  }
  const { transaction } = state;
  if (transaction?.snapshot !== 'none') return;
  if (plan !== null && !takesSnapshot(plan)) return;
  const begins = oneSnapshotOf(transaction.modes, transaction.settingsBefore, context);
  const isSeveral = several || isOnSeveral(transaction);
  if (begins === 'never' || (begins === 'onSeveral' && !isSeveral) || !isOver(state, context)) {
    transaction.snapshot = 'perShard';
    return;
  }
  await askAllAtOnce('SELECT 1', state, context);
  transaction.snapshot = 'ofAllShards';
}

/** Several shards may have been asked for what takes no snapshot. */
const isOnSeveral = (transaction: Transaction): boolean =>
  transaction.participants.size > 1 && transaction.isSerializable();

/** It reads rows by itself, in a transaction that would keep its snapshot. */
function isKeptRead(plan: Plan | null, state: SessionState, context: SessionContext): boolean {
  if (plan?.op !== 'routed' || plan.effect !== 'read') return false;
  return READS.has(plan.merge?.how ?? '') && keepsByDefault(state, context);
}

/** A statement of its own over several shards is a transaction that keeps its snapshot. */
export const keepsByDefault = (state: SessionState, context: SessionContext): boolean =>
  isOver(state, context) && isKept([], state.settings.current, context);

/** Merges by which several shards are read within one statement. */
const READS: ReadonlySet<string> = new Set([
  'concat',
  'aggregate',
  'engine',
  'engineCopy',
  'copyOut',
]);

/** Before modes are set: servers take some only from a transaction that has no snapshot yet. */
export async function takeOwedSnapshot(transaction: Transaction): Promise<void> {
  if (!transaction.owesSnapshot) return;
  const [joined] = transaction.participants.values();
  await query(joined ?? (await transaction.enlist(HOME_SHARD)), 'SELECT 1');
}

/**
 * What each shard answers to `sql`, in their order, by snapshots of one moment. Rejects with 40001 where
 * these cannot be had now, with 57014 where its client has cancelled it; the transaction is then over.
 */
export async function askAllAtOnce(
  sql: string,
  state: SessionState,
  context: SessionContext,
): Promise<readonly QueryResult[]> {
  const transaction = state.transaction!;
  const isOrdered = transaction.isSerializable();
  if (isOrdered) transaction.tickets.spare();
  // Before the hold, for the pools may be waited for; BEGIN takes no snapshot.
  const participants: ServerConnection[] = [];
  for (const { shard } of context.cluster.pools) {
    participants.push(await transaction.enlist(shard.id));
  }
  const onlyReads = isOrdered && (await areReadOnly(participants));
  const takesTickets = isOrdered && !onlyReads;
  if (takesTickets) await lockTickets(participants);
  else if (onlyReads) await awaitTickets(participants);
  const { decisions, tickets } = context.twoPhase;
  const askOne = (one: ServerConnection) =>
    takesTickets ? askTakingTicket(one, sql) : query(one, sql);
  const ask = () => decisions.held(() => onEach(participants, askOne));
  try {
    // Who only reads has its place in the order by its snapshot, and holds nobody up behind that.
    const answers = await (onlyReads ? tickets.held(ask) : ask());
    if (takesTickets) transaction.tickets.taken();
    return answers;
  } catch (error) {
    if (error instanceof SqlError && error.code === SQLSTATE.featureNotSupported) throw error;
    const told = notTaken(error);
    // Some have a snapshot by now, which is not that of others.
    transaction.giveUp(told);
    throw isCanceled(error) ? error : told;
  }
}

/** They may have been told so, or it is their default. Takes no snapshot. */
export async function areReadOnly(participants: readonly ServerConnection[]): Promise<boolean> {
  const told = await onEach(participants, (each) => query(each, 'SHOW transaction_read_only'));
  return told.every(({ rows }) => rows[0]?.[0] === 'on');
}

const isCanceled = (error: unknown): boolean =>
  error instanceof ServerError && error.fields.code === SQLSTATE.queryCanceled;

function notTaken(cause: unknown): SqlError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SqlError(
    {
      code: SQLSTATE.serializationFailure,
      message: `one snapshot of all shards could not be taken: ${reason}`,
      hint: 'Try the transaction again.',
    },
    { cause },
  );
}

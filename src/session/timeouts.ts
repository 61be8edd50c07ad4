// Timeouts: ends statements and sessions that take longer than the operator allows.

import { SqlError } from '../base/errors.ts';
import { KEEP_AWAKE_MS, SESSION_WATCH_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { keepAwake } from '../pool/idle-check.ts';
import type { Settings } from '../pool/settings.ts';
import type { Session } from './session.ts';
import type { SessionState } from './state.ts';

/** In milliseconds; 0: never. */
export interface Timeouts {
  /** One request, from its arrival to ReadyForQuery. */
  readonly statementTimeoutMs: number;
  /** A client that says nothing while its transaction is open. */
  readonly idleInTransactionTimeoutMs: number;
  /** A client that says nothing outside of a transaction. */
  readonly idleTimeoutMs: number;
}

/** To be called for every session every SESSION_WATCH_MS; `nowMs` as the session's clock. */
export function enforceTimeouts(session: Session, timeouts: Timeouts, nowMs: number): void {
  const { statementTimeoutMs, idleInTransactionTimeoutMs, idleTimeoutMs } = timeouts;
  const { phase } = session;
  const tookMs = nowMs - session.sinceMs;
  if (phase === 'closed') return;
  if (phase !== 'ready') {
    awaken(session.state, KEEP_AWAKE_MS);
    if (exceeds(tookMs, statementTimeoutMs)) session.cancelLate(statementTimedOut());
  } else if (session.state.transaction !== null) {
    if (exceeds(tookMs, idleInTransactionTimeoutMs)) session.terminate(idleInTransaction());
    else awaken(session.state, tookMs + SESSION_WATCH_MS);
  } else {
    const ownMs = ownIdleTimeoutMs(session.state.settings.current);
    if (exceeds(tookMs, idleTimeoutMs) || exceeds(tookMs, ownMs)) session.terminate(idleSession());
  }
}

/** What the session has SET for itself, in ms; a server would end its own connection by it, which others have, too. */
function ownIdleTimeoutMs({ assignments }: Settings): number {
  const [, number, unit] = TIME.exec(assignments.get('idle_session_timeout') ?? '') ?? [];
  return Number(number ?? 0) * UNIT_MS[unit?.toLowerCase() ?? 'ms']!;
}

const TIME = /(?:\bto\b|=)\s*'?\s*(\d+(?:\.\d*)?)\s*(us|ms|s|min|h|d)?\s*'?\s*$/i;
const UNIT_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Servers that have nothing to do while another runs the client's statement, or that have had nothing to do for
 * longer than the client, must not take it for idle.
 */
function awaken({ transaction }: SessionState, idleMs: number): void {
  if (transaction === null || transaction.state !== 'open') return;
  for (const each of transaction.participants.values()) keepAwake(each, idleMs);
  if (transaction.apart !== null) keepAwake(transaction.apart, idleMs);
}

function exceeds(tookMs: number, timeoutMs: number): boolean {
  return timeoutMs > 0 && tookMs > timeoutMs;
}

function statementTimedOut(): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: 'canceling statement due to statement timeout',
  });
}

function idleInTransaction(): SqlError {
  return new SqlError({
    code: SQLSTATE.idleInTransactionSessionTimeout,
    message: 'terminating connection due to idle-in-transaction timeout',
    severity: 'FATAL',
  });
}

function idleSession(): SqlError {
  return new SqlError({
    code: SQLSTATE.idleSessionTimeout,
    message: 'terminating connection due to idle-session timeout',
    severity: 'FATAL',
  });
}

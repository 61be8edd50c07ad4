// Timeouts: ends statements and sessions that take longer than the operator allows.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Session } from './session.ts';

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
    if (exceeds(tookMs, statementTimeoutMs)) session.cancelLate(statementTimedOut());
  } else if (session.state.transaction !== null) {
    if (exceeds(tookMs, idleInTransactionTimeoutMs)) session.terminate(idleInTransaction());
  } else if (exceeds(tookMs, idleTimeoutMs)) session.terminate(idleSession());
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

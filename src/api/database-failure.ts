// What a failure of the database means to a client of the API: 503, 504, or 500 without internals.

import { DatabaseError } from '../base/pg.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { ApiFailure } from './failure.ts';

/** Error codes of Node's sockets and resolver: the proxy was not reached, or was lost. */
const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** What pg says of a connection that ended or never came; it gives these errors no code. */
const CONNECTION_LOST =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Client was closed)/;

/** pg's own `query_timeout`. */
const QUERY_TIMEOUT = 'Query read timeout';

/** Serialization failures and deadlocks: the transaction is rolled back, another try may pass. */
const TRANSACTION_ROLLBACK = '40';
const CONNECTION_EXCEPTION = '08';
const INSUFFICIENT_RESOURCES = '53';
const OPERATOR_INTERVENTION = '57';
const INVALID_AUTHORIZATION = '28';

const UNAVAILABLE = 'The proxy or a shard is not available. Try again later.';
const RETRY = { 'retry-after': '1' } as const;

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function unavailable(detail: string, cause: unknown): ApiFailure {
  return new ApiFailure(503, detail, { cause, headers: RETRY });
}

function ofSqlState(code: string, cause: unknown): ApiFailure {
  if (code === SQLSTATE.queryCanceled) {
    return new ApiFailure(504, 'The database did not answer in time.', { cause });
  }
  switch (code.slice(0, 2)) {
    case CONNECTION_EXCEPTION:
    case OPERATOR_INTERVENTION:
      return unavailable(UNAVAILABLE, cause);
    case INSUFFICIENT_RESOURCES:
      return unavailable('The database has no room for more just now. Try again later.', cause);
    case TRANSACTION_ROLLBACK:
      return unavailable('The transaction met another one and was rolled back. Try again.', cause);
    case INVALID_AUTHORIZATION:
      return unavailable('The proxy does not let the API in: see its log.', cause);
    default:
      return new ApiFailure(500, 'Internal Server Error', { cause });
  }
}

/**
 * The failure to answer with: 503 when the proxy or a shard is away or full, 504 when a statement
 * took too long, 500 otherwise. The database's own words go to the log only (`cause`).
 */
export function databaseFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  if (error instanceof DatabaseError) return ofSqlState(error.code ?? '', error);
  const message = error instanceof Error ? error.message : '';
  if (message === QUERY_TIMEOUT) {
    return new ApiFailure(504, 'The database did not answer in time.', { cause: error });
  }
  const code = codeOf(error);
  // Node gives no errno to a host whose every address refused: an AggregateError with a code.
  if ((code !== undefined && SOCKET_CODES.has(code)) || CONNECTION_LOST.test(message)) {
    return unavailable(UNAVAILABLE, error);
  }
  return new ApiFailure(500, 'Internal Server Error', { cause: error });
}

/** The SQLSTATE of the database's error, or of the one behind `error`; '' when there is none. */
export function sqlState(error: unknown): string {
  const cause = error instanceof ApiFailure ? error.cause : error;
  return cause instanceof DatabaseError ? (cause.code ?? '') : '';
}

/** Whether a COMMIT that failed with `error` has rolled back for certain. */
export function isRolledBack(error: unknown): boolean {
  if (!(error instanceof DatabaseError) || error.severity === 'FATAL') return false;
  return error.code !== SQLSTATE.transactionResolutionUnknown;
}

// SqlError: the only thing in the project that becomes an ErrorResponse on the wire.

import { SQLSTATE, type SqlState } from './sqlstate.ts';

export interface SqlErrorFields {
  readonly code: SqlState;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** 1-based, in characters (code points) of the statement text, as PostgreSQL counts. */
  readonly position?: number | undefined;
  /** FATAL ends the session after the message is sent. Default: ERROR. */
  readonly severity?: 'ERROR' | 'FATAL' | undefined;
  /** The function of PostgreSQL's source that gives the same error: drivers tell by it what to do. */
  readonly routine?: string | undefined;
}

/** An error with PostgreSQL's fields. Thrown by any room; the session encodes it. */
export class SqlError extends Error {
  readonly code: SqlState;
  readonly severity: 'ERROR' | 'FATAL';
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly position: number | undefined;
  readonly routine: string | undefined;

  constructor(fields: SqlErrorFields, options?: ErrorOptions) {
    super(fields.message, options);
    this.name = 'SqlError';
    this.code = fields.code;
    this.severity = fields.severity ?? 'ERROR';
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.position = fields.position;
    this.routine = fields.routine;
  }
}

/** What a client is told when our own code failed: the cause goes to the log, never to the wire. */
export function asSqlError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  return new SqlError(
    {
      code: SQLSTATE.internalError,
      message: 'internal error in the proxy',
      hint: 'The log of the proxy has the details.',
    },
    { cause: error },
  );
}

/** 08P01: what the peer sent breaks the protocol. */
export function protocolViolation(message: string): SqlError {
  return new SqlError({ code: SQLSTATE.protocolViolation, message });
}

/** 0A000: the statement is understood and refused; `hint` says what to do instead. */
export function notSupported(message: string, hint: string, position?: number): SqlError {
  return new SqlError({ code: SQLSTATE.featureNotSupported, message, hint, position });
}

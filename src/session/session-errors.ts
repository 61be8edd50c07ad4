// Session errors: what a client is told by its session itself.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { ServerError } from '../pool/query.ts';
import { charactersOf, movedBehind } from '../wire/error-response.ts';

export function canceled(): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: 'canceling statement due to user request',
  });
}

export function clientGone(): SqlError {
  return new SqlError({ code: SQLSTATE.connectionFailure, message: 'the client has gone' });
}

/** The error of a part in terms of the whole string, in which `before` stands before it. */
export function movedError(error: unknown, before: string): unknown {
  if (error instanceof ServerError) return new ServerError(movedBehind(error.fields, before));
  if (!(error instanceof SqlError) || error.position === undefined) return error;
  const { code, message, detail, hint, severity } = error;
  const position = error.position + charactersOf(before);
  return new SqlError({ code, message, detail, hint, severity, position });
}

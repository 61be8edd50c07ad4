// Session errors: what a client is told by its session itself.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

export function canceled(): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: 'canceling statement due to user request',
  });
}

export function clientGone(): SqlError {
  return new SqlError({ code: SQLSTATE.connectionFailure, message: 'the client has gone' });
}

// Place tries: rows that are found by their places are looked for until they are locked there.

import { SqlError } from '../base/errors.ts';
import { PLACE_TRIES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/**
 * What the first of the tries gives that has locked all it has found; null: others have changed some of it. A row is
 * locked where it has come to while it was waited for, so that the next try finds it as it is; only rows that
 * are changed anew between looking and locking, each time, can keep this from ending. Throws 40001 then: one
 * PostgreSQL, which follows a row to where it goes, would wait.
 */
export async function untilLocked<T>(look: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < PLACE_TRIES_MAX; tries++) {
    const locked = await look();
    if (locked !== null) return locked;
  }
  throw new SqlError({
    code: SQLSTATE.serializationFailure,
    message:
      'could not lock rows of a table without a primary key, which others change all the time',
    hint: 'Try again, or give the table a primary key.',
  });
}

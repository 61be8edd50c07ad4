// Lock waiters: statements that wait for tables whose kind changes, and were planned by the old one.

import { setTimeout as sleep } from 'node:timers/promises';
import { SqlError } from '../base/errors.ts';
import { KIND_QUIET_LOOKS, KIND_QUIET_MS, KIND_WAITERS_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

/** How many there were. The list of sessions is otherwise that of the transaction's first look. */
const CANCEL_SQL = `
SELECT pg_catalog.pg_stat_clear_snapshot();
SELECT count(pg_catalog.pg_cancel_backend(w.pid))
FROM pg_catalog.pg_locks own
JOIN pg_catalog.pg_locks w ON w.locktype = own.locktype AND w.database = own.database
  AND w.relation = own.relation AND NOT w.granted
JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
WHERE own.locktype = 'relation' AND own.pid = pg_catalog.pg_backend_pid()
  AND own.mode = 'AccessExclusiveLock' AND own.granted
  AND pg_catalog.pg_has_role(a.usesysid, 'MEMBER')`;

/**
 * Cancels what waits on any of the shards for tables that this transaction has locked exclusively,
 * until nothing does for some moments. To be called when nobody plans. Rejects with 55006 when it goes on.
 */
export async function cancelLockWaiters(connections: Iterable<ServerConnection>): Promise<void> {
  const all = [...connections];
  const deadlineMs = performance.now() + KIND_WAITERS_MS;
  for (let quiet = 0; quiet < KIND_QUIET_LOOKS; ) {
    const counts = await Promise.all(
      all.map(async (connection) => Number((await query(connection, CANCEL_SQL)).rows.at(-1)![0])),
    );
    quiet = counts.every((count) => count === 0) ? quiet + 1 : 0;
    if (performance.now() > deadlineMs) {
      throw new SqlError({
        code: SQLSTATE.objectInUse,
        message: 'the kind of the table cannot be changed: statements that wait for it do not end',
        hint: 'Repeat it when the table is used less.',
      });
    }
    await sleep(KIND_QUIET_MS);
  }
}

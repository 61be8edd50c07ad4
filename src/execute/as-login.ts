// As the login: statements of the proxy's own, whoever the session has become by SET ROLE.

import { type QueryResult, query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';

/** Until the end of the transaction. */
export const BECOME_LOGIN = 'SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE';

const settingSql = (pairs: readonly (readonly [name: string, value: string])[]): string => {
  const calls = pairs.map(([name, value]) => `pg_catalog.set_config('${name}', ${value}, true)`);
  return `DO $$BEGIN PERFORM ${calls.join(', ')}; END$$`;
};

const current = (name: string): string => `pg_catalog.current_setting('${name}')`;

// The role is the second to come back: who may take it on depends on the session's user.
const REMEMBER = settingSql([
  ['drive.authorization', current('session_authorization')],
  ['drive.role', current('role')],
]);
const RETURN = [
  settingSql([['session_authorization', current('drive.authorization')]]),
  settingSql([['role', current('drive.role')]]),
].join(';');

/**
 * Runs `sql`, one statement or more, with the rights of the connection's login, in its transaction or
 * in one of its own, whose modes `modes` then set; then the session is again whoever it was. The answer's
 * tag is not that of `sql`.
 */
export function queryAsLogin(
  connection: ServerConnection,
  sql: string,
  modes: readonly string[] = [],
): Promise<QueryResult> {
  return query(connection, [...modes, REMEMBER, BECOME_LOGIN, sql, RETURN].join(';'));
}

const IDENTITY = /role|authorization/i;

/** Whether SET ROLE or its like is among a session's settings, or what a transaction has SET since. */
export function mayBeSomebodyElse({ assignments }: Settings, since: readonly string[]): boolean {
  const isSet = assignments.has('role') || assignments.has('session_authorization');
  return isSet || since.some((sql) => IDENTITY.test(sql));
}

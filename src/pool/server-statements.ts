// Server statements: the prepared statements that a server keeps for everybody who uses it.

import { SERVER_STATEMENTS_MAX } from '../base/limits.ts';
import { encodeClose } from '../wire/extended.ts';
import type { ServerConnection } from './server-connection.ts';

/** Whether the server has the statement, or will when it reads what is sent now; it was used last. */
export function hasStatement(
  { statements, parsing }: Pick<ServerConnection, 'statements' | 'parsing'>,
  name: string,
): boolean {
  if (!statements.delete(name)) return parsing.has(name);
  // Last in the set is last in the order of use.
  statements.add(name);
  return true;
}

/**
 * Close messages that leave room for `count` more statements on the connection. They must be sent
 * first: behind a message that fails they would be skipped.
 */
export function makeRoom({ statements, parsing }: ServerConnection, count: number): Buffer[] {
  const closes: Buffer[] = [];
  for (const name of statements) {
    if (statements.size + parsing.size + count <= SERVER_STATEMENTS_MAX) break;
    // From here on everything that is sent to the server is read after the Close.
    statements.delete(name);
    closes.push(encodeClose({ target: 'statement', name }));
  }
  return closes;
}

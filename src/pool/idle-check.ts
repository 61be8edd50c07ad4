// Idle check: asks a server that has not been heard of for long whether it is there, and tells one that it is wanted.

import { IDLE_CHECKS_MAX } from '../base/limits.ts';
import { SYNC } from '../wire/extended.ts';
import { NOBODY, ServerRequest } from './request.ts';
import type { ServerConnection } from './server-connection.ts';

/**
 * Those of `idle` that were not heard of for `checkAfterMs`, but only a few of them: the others are
 * there for borrowers meanwhile.
 */
export function dueForCheck(
  idle: readonly ServerConnection[],
  nowMs: number,
  checkAfterMs: number,
): readonly ServerConnection[] {
  if (checkAfterMs === 0) return [];
  return idle.filter((each) => nowMs - each.heardAtMs > checkAfterMs).slice(0, IDLE_CHECKS_MAX);
}

/**
 * Sends a Sync, which costs the server next to nothing. Resolves with true once it is answered, with
 * false when the connection breaks or is closed because no answer has come within `timeoutMs`.
 */
export function answers(
  connection: ServerConnection,
  timeoutMs: number,
  terminate: Buffer,
): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => connection.close(terminate), timeoutMs);
    const settle = (alive: boolean): void => {
      clearTimeout(timer);
      resolve(alive);
    };
    const receiver = {
      relay: () => true,
      copyInStarted: () => undefined,
      frame: () => undefined,
      finished: () => settle(true),
      lost: () => settle(false),
    };
    connection.send(SYNC, new ServerRequest(receiver, false));
  });
}

/** The server takes a connection that has nothing to do for one whose client is silent, and may end it. */
export function keepAwake(connection: ServerConnection, idleMs: number): void {
  if (connection.closed || connection.owedCount > 0) return;
  if (performance.now() - connection.headSinceMs < idleMs) return;
  connection.send(SYNC, new ServerRequest(NOBODY, false));
}

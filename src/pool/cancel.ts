// Cancel: asks a shard to stop what one of its backends is doing.

import { connect } from 'node:net';
import { CANCEL_TIMEOUT_MS } from '../base/limits.ts';
import { encodeCancelRequest } from '../wire/startup.ts';
import type { ServerConnection } from './server-connection.ts';

/**
 * Sends a CancelRequest for the statement under way on `connection`. Resolves when the server has
 * taken it (it closes the connection without a word) or when it cannot be reached: a cancel is a
 * wish, and the statement's own answer says what came of it. Source: PROTOCOL-FLOW-CANCELING-REQUESTS.
 */
export function cancelStatement(connection: ServerConnection): Promise<void> {
  const { host, port } = connection.shard;
  const { processId, secret } = connection.identity;
  connection.cancelsUnderWay += 1;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(CANCEL_TIMEOUT_MS, () => socket.destroy());
    socket.once('connect', () => socket.end(encodeCancelRequest(processId, secret)));
    // The error is told by 'close', which always follows.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      connection.cancelsUnderWay -= 1;
      if (connection.cancelsUnderWay === 0) {
        const arrived = connection.onCancelsArrived;
        connection.onCancelsArrived = null;
        arrived?.();
      }
      resolve();
    });
    socket.resume();
  });
}

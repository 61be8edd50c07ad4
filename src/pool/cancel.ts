// Cancel: asks a shard to stop what one of its backends is doing.

import { connect } from 'node:net';
import { CANCEL_TIMEOUT_MS } from '../base/limits.ts';
import { encodeCancelRequest } from '../wire/startup.ts';
import type { ServerConnection } from './server-connection.ts';
import { encrypt } from './shard-tls.ts';

/**
 * Sends a CancelRequest for the statement under way on `connection`, as encrypted as that is.
 * Resolves when the server has taken it (it closes the connection without a word) or when it cannot
 * be reached: a cancel is a wish, and the statement's own answer says what came of it.
 * Source: PROTOCOL-FLOW-CANCELING-REQUESTS.
 */
export function cancelStatement(connection: ServerConnection): Promise<void> {
  const { shard, identity } = connection;
  connection.cancelsUnderWay += 1;
  return new Promise((resolve) => {
    const plain = connect({ host: shard.host, port: shard.port });
    const timer = setTimeout(() => plain.destroy(), CANCEL_TIMEOUT_MS);
    plain.once('connect', () => {
      encrypt(shard, plain).then(
        (socket) => {
          socket.on('error', () => plain.destroy());
          socket.end(encodeCancelRequest(identity.processId, identity.secret));
          socket.resume();
        },
        () => plain.destroy(),
      );
    });
    // The error is told by 'close', which always follows.
    plain.on('error', () => undefined);
    plain.once('close', () => {
      clearTimeout(timer);
      connection.cancelsUnderWay -= 1;
      if (connection.cancelsUnderWay === 0) {
        const arrived = connection.onCancelsArrived;
        connection.onCancelsArrived = null;
        arrived?.();
      }
      resolve();
    });
  });
}

// Client: who is connected and how, as an operator sees it.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Session } from './session.ts';

/** What is known of a client from its login on. */
export interface ClientIdentity {
  /** The process id it was told: what KILL takes and a CancelRequest names. */
  readonly id: number;
  readonly user: string;
  /** The database it asked for: the cluster's, or one shard's. */
  readonly database: string;
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly connectedAt: Date;
  /** `TLSv1.3/TLS_AES_256_GCM_SHA384`; empty without TLS. */
  readonly tls: string;
}

/** A client that has been let in, and its session. */
export interface Client {
  readonly identity: ClientIdentity;
  readonly session: Session;
}

export function identify(
  id: number,
  request: { readonly user: string; readonly database: string },
  socket: Socket,
): ClientIdentity {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return {
    id,
    user: request.user,
    database: request.database,
    address: plainAddress(remoteAddress),
    port: remotePort,
    localAddress: plainAddress(localAddress),
    localPort,
    connectedAt: new Date(),
    tls: socket instanceof TLSSocket ? `${socket.getProtocol()}/${socket.getCipher().name}` : '',
  };
}

/** A listener on all IPv6 addresses sees IPv4 ones in their mapped form. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}

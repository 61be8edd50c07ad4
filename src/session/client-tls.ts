// Client TLS: the proxy's certificate, whose certificates it takes, and the step from plain to TLS.

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { ALPN_POSTGRESQL } from '../wire/startup.ts';

/** Paths of PEM files. */
export interface ClientTlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; without it clients are not asked for one. */
  readonly clientCa?: string | undefined;
}

type Settle = (outcome: TLSSocket | Error) => void;

/**
 * Never listens: it is given connections that have asked for TLS. That is a tls.Server because only
 * its sockets say whether a client's certificate is valid.
 */
export class ClientTls {
  #server: Server;
  #asksForCertificate: boolean;
  /** Handshakes under way, by the client's and our end of the connection. */
  #underWay = new Map<string, Settle>();

  /** Throws the system's error when a file cannot be read, OpenSSL's when it is none of its kind. */
  constructor({ cert, key, clientCa }: ClientTlsFiles) {
    this.#asksForCertificate = clientCa !== undefined;
    this.#server = createServer({
      cert: readFileSync(cert),
      key: readFileSync(key),
      ca: clientCa === undefined ? undefined : readFileSync(clientCa),
      requestCert: this.#asksForCertificate,
      // Who comes without one is refused later, by name; an invalid one is refused below.
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN_POSTGRESQL],
    });
    this.#server.on('secureConnection', (socket) => {
      // Until its next owner listens; 'close', which follows, tells that one as well.
      socket.on('error', () => socket.destroy());
      this.#settle(socket, socket);
    });
    this.#server.on('tlsClientError', (error, socket) => this.#settle(socket, error));
  }

  /**
   * The same client behind TLS; a certificate it has shown is valid. Rejects with SqlError 08006
   * when they do not agree. A client with an invalid certificate is secured, and refused by
   * `certificateFault`.
   */
  async secure(plain: Socket): Promise<TLSSocket> {
    const key = endsOf(plain);
    const closed = (): void =>
      this.#underWay.get(key)?.(new Error('the client closed the connection'));
    const outcome = await new Promise<TLSSocket | Error>((resolve) => {
      this.#underWay.set(key, resolve);
      plain.once('close', closed);
      this.#server.emit('connection', plain);
    });
    this.#underWay.delete(key);
    plain.off('close', closed);
    if (outcome instanceof Error) throw tlsFailed(outcome);
    return outcome;
  }

  #settle(socket: Socket, outcome: TLSSocket | Error): void {
    this.#underWay.get(endsOf(socket))?.(outcome);
  }

  /** 28000 for a client whose certificate is not valid; null: it is, or there is none. */
  certificateFault(socket: TLSSocket): SqlError | null {
    if (!this.#asksForCertificate || socket.authorized) return null;
    if (socket.getPeerX509Certificate() === undefined) return null;
    return new SqlError({
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: 'the client certificate is not valid',
      detail: String(socket.authorizationError),
      severity: 'FATAL',
    });
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** 08006. */
export function tlsFailed(cause: Error): SqlError {
  return new SqlError(
    { code: SQLSTATE.connectionFailure, message: `TLS was not agreed on: ${cause.message}` },
    { cause },
  );
}

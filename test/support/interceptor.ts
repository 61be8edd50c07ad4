// Somebody between proxy and server: takes TLS with a certificate of its own and passes on what it likes.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import type { Shard } from '../../src/topology/shard.ts';
import { encodeSslRequest } from '../../src/wire/startup.ts';
import type { Certificate } from './certificate.ts';

export interface Interception {
  /** What the answer to the SSL request is; the default is S, and TLS. */
  readonly answer?: string;
  readonly certificate?: Certificate;
  /** Changes what the server says. */
  readonly rewrite?: (bytes: Buffer) => Buffer;
}

/** Listens at a port of its own for `target`, which must take TLS. */
export class Interceptor {
  /** What came of clients before any encryption ended here. */
  readonly heard: Buffer[] = [];
  #target: Shard;
  #how: Interception;
  #server: Server;
  #sockets = new Set<Socket>();

  constructor(target: Shard, how: Interception) {
    this.#target = target;
    this.#how = how;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Resolves with the target as it looks from here. */
  async start(): Promise<Shard> {
    await new Promise<void>((resolve) => {
      this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    return { ...this.#target, port: (this.#server.address() as AddressInfo).port };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #keep<T extends Socket>(socket: T): T {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A side that breaks off shows at the other end, which tests look at.
    socket.on('error', () => socket.destroy());
    return socket;
  }

  #accept(client: Socket): void {
    this.#keep(client);
    const { answer = 'S', certificate } = this.#how;
    client.once('data', (bytes: Buffer) => {
      this.heard.push(bytes);
      client.write(answer);
      if (answer !== 'S' || certificate === undefined) {
        client.on('data', (more: Buffer) => this.heard.push(more));
        return;
      }
      const secureContext = createSecureContext(certificate);
      const secure = this.#keep(new TLSSocket(client, { isServer: true, secureContext }));
      this.#relay(secure);
    });
  }

  #relay(client: TLSSocket): void {
    const { host, port } = this.#target;
    const plain = this.#keep(connect({ host, port }));
    plain.write(encodeSslRequest());
    plain.once('data', () => {
      const server = this.#keep(connectTls({ socket: plain, rejectUnauthorized: false }));
      const { rewrite = (bytes: Buffer) => bytes } = this.#how;
      client.on('data', (bytes) => server.write(bytes));
      server.on('data', (bytes: Buffer) => client.write(rewrite(bytes)));
      server.on('close', () => client.destroy());
      // A client that says its last word and leaves is still heard: a cancel request does so.
      client.on('close', () => server.end());
    });
  }
}

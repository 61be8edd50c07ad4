// A server that has logged a proxy in and answers every message with what the test says.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { SERVER_MESSAGE_BYTES_MAX } from '../../src/base/limits.ts';
import { ServerConnection } from '../../src/pool/server-connection.ts';
import { FrameReader } from '../../src/wire/frame.ts';

/** Nobody logs in: both sides behave as if that had been done. */
const LOGIN = { database: '', user: '', password: '', tls: null };

/** `answer` is told what each connection has been sent. */
export class ScriptedServer {
  #server: Server;
  #listening: Promise<void> | null = null;

  constructor(answer: (message: Buffer, socket: Socket) => void) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      socket.on('data', (message: Buffer) => answer(message, socket));
    });
  }

  /** A new connection of the proxy to it, which is shard `id`. */
  async connect(id = 0): Promise<ServerConnection> {
    this.#listening ??= new Promise((resolve) => {
      this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    await this.#listening;
    const { port } = this.#server.address() as AddressInfo;
    const shard = { ...LOGIN, id, host: '127.0.0.1', port };
    const socket = connect({ host: shard.host, port, noDelay: true });
    const identity = { processId: 1, secret: Buffer.alloc(4), parameters: new Map() };
    const reader = new FrameReader(SERVER_MESSAGE_BYTES_MAX);
    return new ServerConnection(shard, socket, reader, identity, 0);
  }

  /** Resolves when its connections are closed, too. */
  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

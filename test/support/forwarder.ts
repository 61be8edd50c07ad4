// A TCP forwarder between proxy and server that a test can cut, stall and make refuse.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Shard } from '../../src/topology/shard.ts';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Listens at a port of its own for `target`. */
export class Forwarder {
  readonly target: Shard;
  #server: Server;
  #pairs = new Set<Pair>();
  #stalled = false;
  #port = 0;
  #accepted: (() => void)[] = [];

  constructor(target: Shard) {
    this.target = target;
    // A side that has no more to say may still wait for the other, as whoever cancels does.
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Resolves with the place to connect to. */
  async start(): Promise<Shard> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: '127.0.0.1', port: this.#port }, resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
    return { ...this.target, host: '127.0.0.1', port: this.#port };
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Resolves at the next connection. */
  accepted(): Promise<void> {
    return new Promise((resolve) => this.#accepted.push(resolve));
  }

  /** Breaks every connection off; new ones are taken. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Takes no bytes any more in either direction, and answers no new connection. */
  stall(): void {
    this.#stalled = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /** Answers no new connection; those that are open flow on. */
  stallNew(): void {
    this.#stalled = true;
  }

  flow(): void {
    this.#stalled = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** Breaks every connection off and refuses new ones until `start`. */
  async refuse(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    const { host, port } = this.target;
    const server = connect({ host, port, allowHalfOpen: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      // Broken connections are what this is for; 'close' follows.
      socket.on('error', end);
      socket.on('close', end);
    }
    client.pipe(server);
    server.pipe(client);
    if (this.#stalled) {
      client.pause();
      server.pause();
    }
    for (const resolve of this.#accepted.splice(0)) resolve();
  }
}

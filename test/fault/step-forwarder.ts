// A forwarder between proxy and shard that knows the steps of a commit and strikes at one of them.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { SERVER_MESSAGE_BYTES_MAX } from '../../src/base/limits.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { FrameReader } from '../../src/wire/frame.ts';
import { FRONTEND } from '../../src/wire/message-type.ts';

/**
 * unsent: the statement never reaches the shard. unanswered: the shard has run it, the proxy never
 * hears. answered: the proxy has the answer, and what comes next does not happen.
 */
export const MOMENTS = ['unsent', 'unanswered', 'answered'] as const;
export type Moment = (typeof MOMENTS)[number];

/**
 * Strikes once, at a statement that begins so, also behind others of one string, on whatever shard it comes
 * first.
 */
export interface Fault {
  readonly statement: string;
  /** How it ends, where others begin so too. */
  readonly ending?: string;
  /** What stands before it in its string, somewhere. */
  readonly behind?: string;
  readonly moment: Moment;
  /** Resolves when the damage is done; the connection is cut right after that. */
  readonly strike: (shard: number, proxy: number) => Promise<void>;
}

/** The faults to come, one after the other; all forwarders of a cluster share one. */
export class FaultPlan {
  #faults: Fault[] = [];
  #met = Promise.withResolvers<void>();
  /** Strikes come one after the other: a second one may be due while the first does its damage. */
  #striking: Promise<void> = Promise.resolve();

  /** Resolves when all have struck, rejects with what a strike throws. One plan at a time. */
  meet(...faults: readonly Fault[]): Promise<void> {
    this.#faults = [...faults];
    this.#met = Promise.withResolvers<void>();
    return this.#met.promise;
  }

  /** The fault that is due at this statement: from here on it is taken. */
  take(sql: string): Fault | null {
    const [next] = this.#faults;
    if (next === undefined) return null;
    const { statement, ending = '', behind = '' } = next;
    // COMMIT PREPARED is a statement of its own.
    if (statement === 'COMMIT' && sql !== 'COMMIT') return null;
    const isIt = ({ index, text }: Part) =>
      `${text} `.startsWith(`${statement} `) &&
      text.endsWith(ending) &&
      sql.slice(0, index).includes(behind);
    if (!partsOf(sql).some(isIt)) return null;
    this.#faults.shift();
    return next;
  }

  /** A fault whose connection was lost before its moment is due at the next such statement. */
  giveBack(fault: Fault): void {
    this.#faults.unshift(fault);
  }

  /** Resolves when the damage is done; a failed strike is told by `meet`. */
  async strike(fault: Fault, shard: number, proxy: number): Promise<void> {
    const isLast = this.#faults.length === 0;
    this.#striking = this.#striking.then(() => fault.strike(shard, proxy));
    await this.#striking.catch(this.#met.reject);
    if (isLast) this.#met.resolve();
  }
}

interface Part {
  readonly index: number;
  readonly text: string;
}

/** The whole string, and what its semicolons divide it into. */
function partsOf(sql: string): Part[] {
  const parts = [...sql.matchAll(/[^;\s][^;]*/g)].map(({ index, 0: text }) => ({ index, text }));
  return [{ index: 0, text: sql }, ...parts];
}

const SSL_REQUEST = 80877103;

/** Listens at a port of its own for `target`, for one of several proxies. */
export class StepForwarder {
  readonly target: Shard;
  #proxy: number;
  #plan: FaultPlan;
  #server: Server;
  #sockets = new Set<Socket>();

  constructor(target: Shard, proxy: number, plan: FaultPlan) {
    this.target = target;
    this.#proxy = proxy;
    this.#plan = plan;
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  /** Resolves with the port to connect to. */
  async start(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    const { host, port, id } = this.target;
    const server = connect({ host, port, noDelay: true });
    const strike = (fault: Fault) => this.#plan.strike(fault, id, this.#proxy);
    const link = new Link(client, server, strike, this.#plan);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      // Broken connections are what this is for; 'close' follows.
      socket.on('error', () => link.cut());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        link.cut();
      });
    }
  }
}

/** One connection of the proxy to the shard. */
class Link {
  #client: Socket;
  #server: Socket;
  #strikeNow: (fault: Fault) => Promise<void>;
  #plan: FaultPlan;
  #reader = new FrameReader(SERVER_MESSAGE_BYTES_MAX, true);
  /** The fault whose statement has been passed on. */
  #due: Fault | null = null;
  /** Nothing is passed on any more. */
  #over = false;

  constructor(
    client: Socket,
    server: Socket,
    strike: (fault: Fault) => Promise<void>,
    plan: FaultPlan,
  ) {
    this.#client = client;
    this.#server = server;
    this.#strikeNow = strike;
    this.#plan = plan;
    client.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      while (!this.#over && this.#reader.next()) this.#toServer();
    });
    server.on('data', (chunk: Buffer) => this.#toClient(chunk));
  }

  cut(): void {
    if (!this.#over && this.#due !== null) this.#plan.giveBack(this.#due);
    this.#over = true;
    this.#client.destroy();
    this.#server.destroy();
  }

  #toServer(): void {
    const reader = this.#reader;
    const { type, buffer, start, bodyStart, end } = reader;
    if (type === 0) {
      reader.startup = buffer.readInt32BE(bodyStart) === SSL_REQUEST;
    } else if (type === FRONTEND.query || type === FRONTEND.parse) {
      const sqlStart = type === FRONTEND.query ? bodyStart : buffer.indexOf(0, bodyStart) + 1;
      const fault = this.#plan.take(buffer.toString('utf8', sqlStart, buffer.indexOf(0, sqlStart)));
      if (fault?.moment === 'unsent') {
        void this.#strike(fault);
        return;
      }
      this.#due = fault ?? this.#due;
    }
    this.#server.write(buffer.subarray(start, end));
  }

  #toClient(chunk: Buffer): void {
    if (this.#over) return;
    const fault = this.#due;
    if (fault?.moment === 'unanswered') {
      void this.#strike(fault);
      return;
    }
    this.#client.write(chunk);
    // The answer is whole with ReadyForQuery, which is 6 bytes long.
    if (fault !== null && chunk.at(-6) === 0x5a) void this.#strike(fault);
  }

  async #strike(fault: Fault): Promise<void> {
    this.#over = true;
    await this.#strikeNow(fault);
    this.cut();
  }
}

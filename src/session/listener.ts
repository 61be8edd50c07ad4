// Listener: the port clients connect to, and the register of their sessions.

import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { asSqlError, SqlError } from '../base/errors.ts';
import { CANCEL_KEY_BYTES, PROCESS_ID_MAX, SHUTDOWN_GRACE_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { encodeErrorResponse } from '../wire/error-response.ts';
import { PROTOCOL_3_2 } from '../wire/startup.ts';
import type { BackendKey } from '../wire/status.ts';
import type { Authenticator } from './authenticator.ts';
import { ClientStream } from './client-stream.ts';
import type { SessionContext } from './context.ts';
import type { Conversation } from './conversation.ts';
import { Greeter } from './greeting.ts';
import { shakeHands, type TlsRules } from './handshake.ts';
import { Session } from './session.ts';
import { type StartupRequest, shardOfDatabase } from './startup.ts';
import { SessionState } from './state.ts';

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: TlsRules | null;
  /** Clients at most, authenticated or not. */
  readonly clientsMax: number;
  /** From the connection to ReadyForQuery. */
  readonly authTimeoutMs: number;
}

interface Registered {
  readonly session: Session;
  readonly secret: Buffer;
}

export class Listener {
  #context: SessionContext;
  #authenticator: Authenticator;
  #greeter: Greeter;
  #options: ListenerOptions;
  #server: Server;
  /** Sockets of clients that are not let in yet. */
  #strangers = new Set<Socket>();
  /** By the process id its client was given. */
  #sessions = new Map<number, Registered>();
  #closing: SqlError | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(context: SessionContext, authenticator: Authenticator, options: ListenerOptions) {
    this.#context = context;
    this.#authenticator = authenticator;
    this.#greeter = new Greeter(context);
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      void this.#welcome(socket);
    });
  }

  /** Resolves with the port once clients are served. Rejects with the system's error. */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => {
          this.#context.log.error({ err: error }, 'the listening socket failed');
        });
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /**
   * Takes no more clients, ends idle sessions with 57P01 and the others when their transaction is
   * over or SHUTDOWN_GRACE_MS have passed. Resolves when all are gone.
   */
  async close(): Promise<void> {
    this.#closing = shuttingDown();
    this.#server.close();
    for (const { session } of this.#sessions.values()) session.shutdown(this.#closing);
    // Who is not let in yet has nothing to lose.
    for (const socket of this.#strangers) socket.destroy();
    if (this.#sessions.size === 0) return;
    const grace = setTimeout(() => {
      for (const { session } of this.#sessions.values()) session.terminate(this.#closing!);
    }, SHUTDOWN_GRACE_MS);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    clearTimeout(grace);
  }

  async #welcome(socket: Socket): Promise<void> {
    this.#strangers.add(socket);
    socket.once('close', () => this.#strangers.delete(socket));
    let client: Conversation | null = null;
    const timer = setTimeout(() => {
      client?.giveUp(tooSlow(this.#options.authTimeoutMs));
      // A client that waits in the handshake is told first; any other is cut off.
      setImmediate(() => socket.destroySoon());
    }, this.#options.authTimeoutMs);
    try {
      const handshake = await shakeHands(socket, this.#options.tls, (current) => {
        client = current;
      });
      ({ client } = handshake);
      if (handshake.kind === 'cancel') {
        this.#cancel(handshake.key);
        socket.end();
        client.detach();
        socket.resume();
      } else {
        await this.#admit(handshake.client, handshake.request, handshake.version, socket);
      }
    } catch (error) {
      this.#turnAway(socket, client, asSqlError(error), error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #admit(
    client: Conversation,
    request: StartupRequest,
    version: number,
    socket: Socket,
  ): Promise<void> {
    const { clientsMax } = this.#options;
    if (this.#closing !== null) throw this.#closing;
    if (this.#strangers.size + this.#sessions.size > clientsMax) throw tooManyClients(clientsMax);
    await this.#authenticator.authenticate(request.user, socket.remoteAddress ?? '', client);
    const { database } = this.#context;
    const { shards } = this.#context.topology();
    const fixedShard = shardOfDatabase(request.database, database, shards);
    const secretBytes = version >= PROTOCOL_3_2 ? CANCEL_KEY_BYTES : 4;
    const key: BackendKey = {
      processId: this.#freeProcessId(),
      secret: randomBytes(secretBytes),
    };
    const greeting = await this.#greeter.greet(request.settings, fixedShard, key);
    if (client.gone) return;
    if (this.#closing !== null) throw this.#closing;
    client.write(greeting);
    client.detach();
    this.#strangers.delete(socket);
    this.#begin(client, new SessionState(this.#context, request.settings, fixedShard), key);
  }

  #begin(client: Conversation, state: SessionState, key: BackendKey): void {
    const { processId, secret } = key;
    const { socket, reader } = client;
    const session = new Session(this.#context, socket, new ClientStream(socket), reader, state);
    this.#sessions.set(processId, { session, secret });
    session.onClosed = () => {
      this.#sessions.delete(processId);
      if (this.#sessions.size === 0) this.#onEmpty?.();
    };
    session.start();
  }

  /** A request with a wrong key is dropped without a word, as PostgreSQL does. */
  #cancel({ processId, secret }: BackendKey): void {
    const found = this.#sessions.get(processId);
    if (found === undefined || found.secret.length !== secret.length) return;
    if (timingSafeEqual(found.secret, secret)) found.session.cancel();
  }

  #freeProcessId(): number {
    for (;;) {
      const processId = randomInt(1, PROCESS_ID_MAX);
      if (!this.#sessions.has(processId)) return processId;
    }
  }

  #turnAway(socket: Socket, client: Conversation | null, error: SqlError, cause: unknown): void {
    const { log } = this.#context;
    const from = socket.remoteAddress;
    // Health checks and port scans come and go without a word.
    const level = client?.gone === true ? 'debug' : 'info';
    if (cause instanceof SqlError) log[level]({ from, code: error.code }, error.message);
    else log.error({ from, err: cause }, 'a login met a defect');
    const { code, message, detail, hint } = error;
    const fatal = new SqlError({ code, message, detail, hint, severity: 'FATAL' });
    const current = client?.socket ?? socket;
    client?.detach();
    current.on('error', () => current.destroy());
    if (current.destroyed) return;
    current.end(encodeErrorResponse(fatal));
    // What the client still sends is of no interest, but must not keep the socket open.
    current.resume();
    current.destroySoon();
  }
}

function shuttingDown(): SqlError {
  return new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'terminating connection due to administrator command',
    detail: 'The proxy is shutting down.',
    severity: 'FATAL',
  });
}

function tooManyClients(clientsMax: number): SqlError {
  return new SqlError({
    code: SQLSTATE.tooManyConnections,
    message: 'sorry, too many clients already',
    hint: `The proxy takes ${clientsMax} clients: make proxy.clientsMax larger.`,
    severity: 'FATAL',
  });
}

function tooSlow(timeoutMs: number): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: `the client was not authenticated within ${timeoutMs} ms`,
    severity: 'FATAL',
  });
}

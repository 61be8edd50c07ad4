// Listener: the port clients connect to, and the register of their sessions.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { asSqlError, SqlError } from '../base/errors.ts';
import { CANCEL_KEY_BYTES, LISTEN_BACKLOG, SHUTDOWN_GRACE_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { encodeErrorResponse, encodeNoticeFields } from '../wire/error-response.ts';
import { PROTOCOL_3_2 } from '../wire/startup.ts';
import type { BackendKey } from '../wire/status.ts';
import type { Authenticator } from './authenticator.ts';
import { type Client, type ClientIdentity, identify } from './client.ts';
import { ClientStream } from './client-stream.ts';
import type { ConsoleDoor } from './console-door.ts';
import type { SessionContext } from './context.ts';
import type { Conversation } from './conversation.ts';
import { Greeter } from './greeting.ts';
import { shakeHands, type TlsRules } from './handshake.ts';
import type { Seat } from './seats.ts';
import { Session } from './session.ts';
import { drawProcessId, type Siblings, type Signal, workerOf } from './siblings.ts';
import { type StartupRequest, shardOfDatabase } from './startup.ts';
import { SessionState } from './state.ts';
import { enforceTimeouts, type Timeouts } from './timeouts.ts';

/** Where to listen. */
export type ListenerPlace =
  | {
      readonly host: string;
      /** 0: any free one. */
      readonly port: number;
    }
  | {
      /** A bound socket that other processes may have, too. */
      readonly fd: number;
    };

export interface ListenerOptions {
  readonly place: ListenerPlace;
  readonly console: ConsoleDoor;
  readonly siblings: Siblings;
}

/** What may change while clients are served. */
export interface ListenerRules {
  readonly authenticator: Authenticator;
  readonly tls: TlsRules | null;
  /** From the connection to ReadyForQuery. */
  readonly authTimeoutMs: number;
  readonly timeouts: Timeouts;
  /** Whether clients of the user on the database keep the connections they have used. */
  poolsBySession(user: string, database: string): boolean;
}

interface Registered extends Client {
  readonly secret: Buffer;
}

export class Listener {
  #context: SessionContext;
  #greeter: Greeter;
  #options: ListenerOptions;
  #rules: ListenerRules;
  #server: Server;
  /** Sockets of clients that are not let in yet. */
  #strangers = new Set<Socket>();
  /** By the process id its client was given. */
  #sessions = new Map<number, Registered>();
  #operators = new Set<Socket>();
  #closing: SqlError | null = null;
  #drained: PromiseWithResolvers<void> | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(context: SessionContext, rules: ListenerRules, options: ListenerOptions) {
    this.#context = context;
    this.#rules = rules;
    this.#greeter = new Greeter(context);
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      void this.#welcome(socket);
    });
  }

  /** Resolves with the port once clients are served. Rejects with the system's error. */
  listen(): Promise<number> {
    const { place } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...place, backlog: LISTEN_BACKLOG }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => {
          this.#context.log.error({ err: error }, 'the listening socket failed');
        });
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** The clients that are let in, in the order of their coming. */
  clients(): Iterable<Client> {
    return this.#sessions.values();
  }

  /** Clients in their handshake. */
  get strangerCount(): number {
    return this.#strangers.size;
  }

  /** Rules for clients to come; the timeouts hold for those that are here, too. */
  reconfigure(rules: ListenerRules): void {
    this.#rules = rules;
  }

  /** To be called every SESSION_WATCH_MS. */
  watch(): void {
    const { timeouts } = this.#rules;
    const { nowMs } = this.#context.clock;
    for (const { session } of this.#sessions.values()) enforceTimeouts(session, timeouts, nowMs);
  }

  /** It takes no more clients. */
  get isDraining(): boolean {
    return this.#drained !== null || this.#closing !== null;
  }

  /**
   * Takes no more clients and serves those that are here, however long they stay. Resolves when the
   * last has gone.
   */
  drain(): Promise<void> {
    this.#drained ??= Promise.withResolvers<void>();
    if (this.#server.listening) this.#server.close();
    this.#checkDrained();
    return this.#drained.promise;
  }

  #checkDrained(): void {
    const left = this.#strangers.size + this.#sessions.size + this.#operators.size;
    if (left === 0) this.#drained?.resolve();
  }

  /**
   * Takes no more clients, ends idle sessions with 57P01 and the others when their transaction is
   * over or SHUTDOWN_GRACE_MS have passed. Resolves when all are gone.
   */
  async close(): Promise<void> {
    this.#closing = shuttingDown();
    if (this.#server.listening) this.#server.close();
    for (const { session } of this.#sessions.values()) session.shutdown(this.#closing);
    // Who is not let in yet has nothing to lose.
    for (const socket of this.#strangers) socket.destroy();
    this.#options.console.close(this.#closing);
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
    socket.once('close', () => {
      this.#strangers.delete(socket);
      this.#checkDrained();
    });
    let client: Conversation | null = null;
    const { authTimeoutMs, tls } = this.#rules;
    const timer = setTimeout(() => {
      client?.giveUp(tooSlow(authTimeoutMs));
      // A client that waits in the handshake is told first; any other is cut off.
      setImmediate(() => socket.destroySoon());
    }, authTimeoutMs);
    try {
      const handshake = await shakeHands(socket, tls, (current) => {
        client = current;
      });
      ({ client } = handshake);
      if (handshake.kind === 'cancel') {
        // The end of the connection tells the client that the cancel has arrived, as in PostgreSQL:
        // what it sends next must not be hit. Until then nothing of it is read.
        client.socket.pause();
        await this.cancel(handshake.key);
        dismiss(client.socket, client, NOTHING);
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
    if (this.#closing !== null) throw this.#closing;
    const isConsole = request.database === this.#options.console.database;
    const seat = await this.#options.siblings.take(isConsole);
    let isSeated = false;
    try {
      await this.#rules.authenticator.authenticate(
        request.user,
        socket.remoteAddress ?? '',
        client,
      );
      await seat.claim(request.user);
      isSeated = isConsole
        ? await this.#openConsole(client, request, socket, seat)
        : await this.#openSession(client, request, version, socket, seat);
    } finally {
      if (!isSeated) seat.leave();
    }
  }

  /** False when the client has gone meanwhile. */
  async #openSession(
    client: Conversation,
    request: StartupRequest,
    version: number,
    socket: Socket,
    seat: Seat,
  ): Promise<boolean> {
    const { database } = this.#context;
    const { shards } = this.#context.topology();
    const fixedShard = shardOfDatabase(request.database, database, shards);
    const secretBytes = version >= PROTOCOL_3_2 ? CANCEL_KEY_BYTES : 4;
    const processId = this.#freeProcessId();
    const key: BackendKey = { processId, secret: randomBytes(secretBytes) };
    const { bytes, values } = await this.#greeter.greet(request.settings, fixedShard, key);
    if (client.gone) return false;
    if (this.#closing !== null) throw this.#closing;
    client.write(bytes);
    client.detach();
    this.#strangers.delete(socket);
    const state = new SessionState(this.#context, request.settings, fixedShard);
    state.reports.greeted(values);
    this.#begin(client, state, key, identify(processId, request, client.socket), seat);
    return true;
  }

  async #openConsole(
    client: Conversation,
    request: StartupRequest,
    socket: Socket,
    seat: Seat,
  ): Promise<boolean> {
    const { console } = this.#options;
    console.admit(request.user);
    const key = { processId: this.#freeProcessId(), secret: randomBytes(4) };
    // Drivers send settings of all kinds, which mean nothing here.
    const { bytes } = await this.#greeter.greet(new Map(), null, key);
    if (client.gone) return false;
    client.write(bytes);
    client.detach();
    this.#strangers.delete(socket);
    this.#operators.add(socket);
    socket.once('close', () => {
      this.#operators.delete(socket);
      seat.leave();
      this.#checkDrained();
    });
    console.open(client.socket, client.reader, request.user);
    return true;
  }

  #begin(
    client: Conversation,
    state: SessionState,
    key: BackendKey,
    identity: ClientIdentity,
    seat: Seat,
  ): void {
    const { processId, secret } = key;
    const { socket, reader } = client;
    const stream = new ClientStream(socket);
    state.reports.onNotice = (notice) =>
      stream.write(encodeNoticeFields(notice)) ? null : stream.drained();
    const session = new Session(this.#context, socket, stream, reader, state);
    const { counters } = this.#context;
    counters.logins += 1;
    this.#sessions.set(processId, { session, secret, identity });
    if (this.#rules.poolsBySession(identity.user, identity.database)) state.poolsFor = session;
    state.backends = {
      processId,
      signal: (other, how) => this.signal({ processId: other, how, user: identity.user }),
    };
    session.onClosed = () => {
      this.#sessions.delete(processId);
      counters.goneBytesReceived += session.traffic.bytesRead;
      counters.goneBytesSent += session.traffic.bytesWritten;
      seat.leave();
      this.#checkDrained();
      if (this.#sessions.size === 0) this.#onEmpty?.();
    };
    session.start();
  }

  /**
   * A cancel request. Resolves when the servers have been told. One with a wrong key is dropped
   * without a word, as PostgreSQL does.
   */
  async cancel(key: BackendKey): Promise<void> {
    const { processId, secret } = key;
    const { siblings } = this.#options;
    if (workerOf(processId) !== siblings.number) return siblings.cancel(key);
    const found = this.#sessions.get(processId);
    if (found === undefined || found.secret.length !== secret.length) return;
    if (timingSafeEqual(found.secret, secret)) await found.session.cancel();
  }

  /** Signals a client; null: there is none. Rejects with SqlError 42501. */
  async signal(signal: Signal): Promise<true | null> {
    const { processId, how, user } = signal;
    const { siblings } = this.#options;
    if (workerOf(processId) !== siblings.number) return siblings.signal(signal);
    const found = this.#sessions.get(processId);
    if (found === undefined) return null;
    if (found.identity.user !== user) throw notYours(how);
    if (how === 'cancel') await found.session.cancel();
    else found.session.terminate(terminated());
    return true;
  }

  #freeProcessId(): number {
    for (;;) {
      const processId = drawProcessId(this.#options.siblings.number);
      if (!this.#sessions.has(processId)) return processId;
    }
  }

  #turnAway(socket: Socket, client: Conversation | null, error: SqlError, cause: unknown): void {
    const { log, counters } = this.#context;
    counters.loginsRefused += 1;
    counters.errors.add(error.code);
    const from = socket.remoteAddress;
    // Health checks and port scans come and go without a word.
    const level = client?.gone === true ? 'debug' : 'info';
    if (cause instanceof SqlError) log[level]({ from, code: error.code }, error.message);
    else log.error({ from, err: cause }, 'a login met a defect');
    const { code, message, detail, hint } = error;
    const fatal = new SqlError({ code, message, detail, hint, severity: 'FATAL' });
    dismiss(client?.socket ?? socket, client, encodeErrorResponse(fatal));
  }
}

const NOTHING = Buffer.alloc(0);

/** Sends `last` and closes. A client that breaks off, or never closes its side, changes nothing. */
function dismiss(socket: Socket, client: Conversation | null, last: Buffer): void {
  client?.detach();
  socket.on('error', () => socket.destroy());
  if (socket.destroyed) return;
  socket.end(last);
  // What the client still sends is of no interest, but must not keep the socket open.
  socket.resume();
  socket.destroySoon();
}

function shuttingDown(): SqlError {
  return new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'terminating connection due to administrator command',
    detail: 'The proxy is shutting down.',
    severity: 'FATAL',
  });
}

function terminated(): SqlError {
  return new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'terminating connection due to administrator command',
    severity: 'FATAL',
  });
}

function notYours(how: 'cancel' | 'terminate'): SqlError {
  const what = how === 'cancel' ? 'cancel query' : 'terminate process';
  return new SqlError({
    code: SQLSTATE.insufficientPrivilege,
    message: `permission denied to ${what}`,
    detail: `It belongs to another user.`,
    hint: 'An operator may end it: KILL on the console.',
  });
}

function tooSlow(timeoutMs: number): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: `the client was not authenticated within ${timeoutMs} ms`,
    severity: 'FATAL',
  });
}

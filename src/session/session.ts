// Session: one authenticated client, from its first statement to its last.

import type { Socket } from 'node:net';
import { asSqlError, SqlError } from '../base/errors.ts';
import { CLIENT_BUFFER_BYTES_MAX, CLIENT_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import type { TransactionVerb } from '../plan/action.ts';
import type { ConnectionOwner } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeErrorResponse } from '../wire/error-response.ts';
import type { FrameReader } from '../wire/frame.ts';
import {
  encodeParameterStatus,
  READY_FAILED,
  READY_IDLE,
  READY_IN_TRANSACTION,
} from '../wire/status.ts';
import type { OneShardBatch } from './batch-route.ts';
import type { ClientStream } from './client-stream.ts';
import { contextOf, type SessionContext } from './context.ts';
import { CopyInbox } from './copy-inbox.ts';
import { FailedBeforeSync, Intake } from './intake.ts';
import { Relay, type RelayOutcome } from './relay.ts';
import { RelayLane, type RelayLaneOwner } from './relay-lane.ts';
import { RequestRunner } from './request-runner.ts';
import { SessionEnd } from './session-end.ts';
import { canceled, clientGone } from './session-errors.ts';
import type { Shipment } from './shipment.ts';
import type { SessionState } from './state.ts';
import { TransactionLane } from './transaction-lane.ts';

/**
 * ready: the next message may be taken. relaying: the relay lane has a shipment. working: the
 * request runner is at work. closed: the client has gone; what is under way comes to its end.
 */
export type Phase = 'ready' | 'relaying' | 'working' | 'closed';

const READY = { I: READY_IDLE, T: READY_IN_TRANSACTION, E: READY_FAILED };

/**
 * Statements for one shard of a session without special state take the relay lane: they are sent on
 * and answered within the callbacks of the two sockets. Everything else is the request runner's.
 */
export class Session implements RelayLaneOwner, ConnectionOwner {
  readonly state: SessionState;
  /** Called once, when the session is over and has given everything back. */
  onClosed: (() => void) | null = null;
  /** When the request under way came, or the last one was answered; the context's clock. */
  sinceMs: number;

  #context: SessionContext;
  #socket: Socket;
  #client: ClientStream;
  #reader: FrameReader;
  #relay: Relay;
  #lane: RelayLane;
  #commands: TransactionLane;
  #runner: RequestRunner;
  #inbox: CopyInbox;
  #phase: Phase = 'ready';
  #intake: Intake;
  /** The Sync that ends the batch under way was read with the data of its COPY. */
  #syncTaken = false;
  #shutdown: SqlError | null = null;
  #advancing = false;
  /** The next message is taken when the client has read its answers. */
  #awaitsDrain = false;
  #end: SessionEnd;
  /** `sinceMs` of the request that was cancelled for taking too long. */
  #lateSinceMs = -1;
  /** Of the request runner, so far. */
  #requests = 0;

  /** Takes over an authenticated client's socket and the reader with what was read of it; see start. */
  constructor(
    context: SessionContext,
    socket: Socket,
    client: ClientStream,
    reader: FrameReader,
    state: SessionState,
  ) {
    this.sinceMs = context.clock.nowMs;
    this.#socket = socket;
    this.#client = client;
    this.#reader = reader;
    this.state = state;
    const relay = new Relay(client, (name, value, withAnswer) =>
      state.reports.reported(name, value, withAnswer),
    );
    this.#relay = relay;
    const own = contextOf(context, state);
    this.#context = own;
    this.#lane = new RelayLane(own, state, client, relay, this);
    this.#commands = new TransactionLane(own, state, client, relay, this);
    const inbox = new CopyInbox(client);
    this.#inbox = inbox;
    this.#end = new SessionEnd(own, state, relay, this.#lane, inbox);
    this.#end.onCancelled = () => this.#goOn();
    const copiesIn = () => this.laneCopiesIn();
    const running = { context: own, state, client, relay, inbox, copiesIn, owner: this };
    this.#runner = new RequestRunner(running);
    this.#intake = new Intake(own, state, this.#runner, {
      ship: (shipment) => this.#ship(shipment),
      takes: (command) => this.#commands.takes(command),
      command: (command, sql, replies) => this.#command(command, sql, replies),
      begin: (sql, replies) => this.#commands.begin(sql, replies),
      work: (task, ready) => this.#work(task, ready),
      terminated: () => {
        this.#client.end(NOTHING);
        this.#gone();
      },
    });
  }

  /** Begins to serve the client. */
  start(): void {
    const socket = this.#socket;
    this.#reader.lengthMax = CLIENT_MESSAGE_BYTES_MAX;
    socket.on('data', (chunk: Buffer) => {
      const { copyingIn } = this.#relay;
      const wasOpen = this.#inbox.isOpen;
      this.#reader.push(chunk);
      this.#advance();
      const isPassed = copyingIn && this.#relay.hasPassedCopyData;
      // Nothing but data has come, which has been copied.
      if (isPassed || (wasOpen && this.#inbox.isOpen)) this.#reader.free(chunk);
    });
    socket.on('close', () => this.#gone());
    socket.on('error', (error) => {
      this.#context.log.debug({ err: error }, 'a client broke off');
    });
    socket.resume();
    this.#advance();
  }

  /**
   * Stops what the client has under way. Statements that wait are answered with 57014. Resolves when
   * the servers have been told.
   */
  cancel(error = canceled()): Promise<void> {
    const request = this.#requests;
    const goesOn = () => this.#phase === 'working' && this.#requests === request;
    return this.#end.cancel(error, goesOn);
  }

  /** The same, once a request: it has taken too long. */
  cancelLate(error: SqlError): void {
    if (this.#lateSinceMs === this.sinceMs) return;
    this.#lateSinceMs = this.sinceMs;
    void this.cancel(error);
  }

  /** Stops the statement under way with `error`, and gives up its transaction: others wait for it. */
  breakDeadlock(error: SqlError): void {
    this.state.breaking = error;
    this.#relay.breaking = this.#relay.connection === null ? null : error;
    this.cancelLate(error);
  }

  /** Where the cancel came too late, the wait was over by itself. */
  #deadlockBroken(error: SqlError): void {
    const { transaction } = this.state;
    this.state.breaking = null;
    if (transaction?.state === 'failed') transaction.giveUp(error);
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.sinceMs = this.#context.clock.nowMs;
    const { breaking } = this.state;
    if (phase === 'ready' && breaking !== null) this.#deadlockBroken(breaking);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The shard of which the request under way waits for a connection; null: of none. */
  get waitsFor(): number | null {
    return this.#lane.waitsFor ?? this.state.waitsFor;
  }

  /** The server connections that work for the client now. */
  busyConnections(): readonly ServerConnection[] {
    return this.#end.busyConnections();
  }

  /** Bytes received and sent so far. */
  get traffic(): Pick<Socket, 'bytesRead' | 'bytesWritten'> {
    return this.#socket;
  }

  /** Ends the session with `error` as soon as no statement and no transaction is under way. */
  shutdown(error: SqlError): void {
    this.#shutdown = error;
    this.#shutdownIfIdle();
  }

  /** Ends the session at once, whatever the servers are doing for it. */
  terminate(error: SqlError): void {
    if (this.#phase === 'closed') {
      this.#end.closeBusy();
      return;
    }
    this.#context.counters.errors.add(error.code);
    this.#client.end(encodeErrorResponse(error));
    this.#gone();
  }

  asynchronousMessage(bytes: Buffer): void {
    this.#client.write(bytes);
  }

  connectionLost(error: SqlError): void {
    // Who listens would never know what it has missed: as on one server, it is told by its end.
    if (this.state.pins.hasLost('listen')) this.#fatal(error);
  }

  // From the client.

  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#phase === 'ready' && this.#canTakeMore() && this.#reader.next()) {
        this.#intake.message(this.#reader);
      }
      const copies = this.#relay.copyingIn || this.#inbox.takes;
      if (copies && this.#phase !== 'closed') this.#passCopyData();
    } catch (error) {
      this.#fatal(asSqlError(error));
    }
    this.#advancing = false;
    const waits = this.#phase !== 'ready' || this.#awaitsDrain || this.#end.isCancelling;
    if (waits && this.#reader.bufferedBytes > CLIENT_BUFFER_BYTES_MAX) this.#client.pauseReading();
  }

  /** What comes next must not be hit by a late cancel; and who reads no answers is not listened to. */
  #canTakeMore(): boolean {
    if (this.#end.isCancelling) return false;
    if (!this.#socket.writableNeedDrain) return true;
    if (this.#awaitsDrain) return false;
    this.#awaitsDrain = true;
    this.#client.whenDrained(() => {
      this.#awaitsDrain = false;
      this.#client.resumeReading();
      this.#advance();
    });
    return false;
  }

  #passCopyData(): void {
    const { takes } = this.#inbox;
    const from = this.#reader;
    const passed = takes ? this.#inbox.take(from) : this.#relay.passCopyData(from);
    if (passed === 'terminated') this.#client.end(NOTHING);
    if (passed === 'synced') this.#syncTaken = true;
  }

  // The relay lane.

  #ship(shipment: Shipment): void {
    this.#enter('relaying');
    this.#lane.send(shipment);
  }

  #command(command: TransactionVerb, sql: string, replies: Buffer): void {
    this.#enter('relaying');
    this.#commands.run(command, sql, replies);
  }

  laneEnded(outcome: RelayOutcome): void {
    if (this.#phase === 'closed') {
      void this.#cleanUp();
      return;
    }
    this.#enter('ready');
    if (outcome.lost !== null) {
      this.#context.counters.errors.add(outcome.lost.code);
      if (!outcome.failed) this.#client.write(encodeErrorResponse(outcome.lost));
      this.#client.write(READY[this.state.status]);
    }
    this.#goOn();
  }

  laneFailed(error: unknown): void {
    if (this.#phase === 'closed') void this.#cleanUp();
    else this.#work(() => Promise.reject(error), true);
  }

  laneUndone(content: Buffer | OneShardBatch): void {
    if (this.#phase === 'closed') void this.#cleanUp();
    else this.#work(() => this.#runner.runAgain(content), true);
  }

  laneCopiesIn(): void {
    if (this.#phase === 'closed') {
      // It went before a server asked for data, and a cancel does not end that wait.
      if (this.#relay.copyingIn) this.#relay.failCopy();
      else this.#inbox.clientGone(clientGone());
      return;
    }
    this.#client.resumeReading();
    this.#advance();
  }

  // The careful way.

  /** Runs `task`, reports its error, then says ReadyForQuery if `ready`. */
  #work(task: () => Promise<void>, ready: boolean): void {
    this.#requests += 1;
    this.#enter('working');
    void this.#finish(task, ready);
  }

  async #finish(task: () => Promise<void>, complete: boolean): Promise<void> {
    const begunMs = performance.now();
    let ready = complete;
    try {
      await task();
    } catch (error) {
      const early = error instanceof FailedBeforeSync;
      if (early) ready = false;
      if (!ready) this.#intake.skipToSync();
      this.#runner.report(early ? error.reason : error);
    }
    await this.#inbox.close();
    try {
      if (ready) await this.#runner.end();
    } catch (error) {
      this.#runner.report(error);
    }
    this.#context.counters.carefulWay.observe(performance.now() - begunMs);
    if (this.#isClosed()) {
      await this.#cleanUp();
      return;
    }
    this.state.transaction?.abort();
    if (ready) this.#sayReady();
    this.#enter('ready');
    if (this.#syncTaken) {
      this.#syncTaken = false;
      this.#intake.sync();
      return;
    }
    this.#goOn();
  }

  #sayReady(): void {
    for (const [name, value] of this.state.reports.due()) {
      this.#client.write(encodeParameterStatus(name, value));
    }
    this.#client.write(READY[this.state.status]);
  }

  /** The phase may have changed while something was awaited, which the compiler cannot see. */
  #isClosed(): boolean {
    return this.#phase === 'closed';
  }

  #goOn(): void {
    this.#shutdownIfIdle();
    this.#client.resumeReading();
    this.#advance();
  }

  // The end.

  #shutdownIfIdle(): void {
    if (this.#shutdown === null || this.#phase !== 'ready') return;
    if (this.state.transaction === null) this.terminate(this.#shutdown);
  }

  #fatal(error: SqlError): void {
    const { code, message, detail, hint } = error;
    this.terminate(new SqlError({ code, message, detail, hint, severity: 'FATAL' }));
  }

  #gone(): void {
    const phase = this.#phase;
    if (phase === 'closed') return;
    this.#phase = 'closed';
    this.#client.markClosed();
    if (phase === 'ready') {
      void this.#cleanUp();
      return;
    }
    this.#end.abandon();
  }

  async #cleanUp(): Promise<void> {
    await this.#end.cleanUp();
    const { onClosed } = this;
    this.onClosed = null;
    onClosed?.();
  }
}

const NOTHING = Buffer.alloc(0);

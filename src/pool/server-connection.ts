// ServerConnection: one authenticated connection to a shard and the replies it owes, in order.

import type { Socket } from 'node:net';
import type { SqlError } from '../base/errors.ts';
import type { Shard } from '../topology/shard.ts';
import { type ShardOids, UNKNOWN_OIDS } from '../topology/shard-oids.ts';
import type { ErrorFields } from '../wire/error-response.ts';
import type { FrameReader } from '../wire/frame.ts';
import { BACKEND } from '../wire/message-type.ts';
import type { ParameterStatus } from '../wire/status.ts';
import { Delivery } from './delivery.ts';
import { connectionLost, endedBy } from './outage.ts';
import { renumber } from './renumber.ts';
import type { ConnectionOwner, ServerRequest } from './request.ts';
import {
  completesStep,
  endsReturning,
  errorFieldsIn,
  isForOwner,
  mayComeInPieces,
  parameterStatusIn,
  passesOn,
  tellFailed,
} from './server-message.ts';
import { NO_SETTINGS, type Settings } from './settings.ts';
import { ShardCounters } from './shard-counters.ts';
import { judge, skipStep } from './trial.ts';

/** What a login learns. */
export interface ServerIdentity {
  readonly processId: number;
  readonly secret: Buffer;
  /** ParameterStatus values by name, kept up to date as the server reports changes. */
  readonly parameters: Map<string, string>;
}

/** What operators ask about a socket. */
export type SocketFacts = Pick<Socket, 'bytesRead' | 'bytesWritten' | 'localAddress' | 'localPort'>;

/**
 * Requests are answered strictly in the order of `send`. Each ends with its own ReadyForQuery, so an
 * error of one cannot reach the next. The connection is in exactly one list of its pool.
 */
export class ServerConnection {
  readonly shard: Shard;
  readonly identity: ServerIdentity;
  readonly openedAtMs: number;
  /** When the pool got it back; the pool's clock. */
  idleSinceMs = 0;
  /** When it was last known to be alive; the pool's clock. */
  heardAtMs = 0;
  /** The session that holds it, for messages that belong to no request. */
  owner: ConnectionOwner | null = null;
  /** Told of notices of a client's statements that no relay passes on; gives what to wait for, or null. */
  onNotice: ((notice: ErrorFields) => Promise<void> | null) | null = null;
  /** Settings applied on the server beyond its defaults. */
  settings: Settings = NO_SETTINGS;
  /** Names of the prepared statements the server has, oldest use first. */
  readonly statements = new Set<string>();
  /** Names under way: sent to be parsed, not yet confirmed. */
  readonly parsing = new Set<string>();
  /** State that no DISCARD of ours undoes is on the server: close it instead of reusing it. */
  tainted = false;
  /** Cancel requests on their way to the server: until they are there, nobody else may have it. */
  cancelsUnderWay = 0;
  /** Called once when the last of them has arrived. */
  onCancelsArrived: (() => void) | null = null;
  /** When the request at the head of the queue came there; performance.now(). */
  headSinceMs = 0;
  /** How long the last request was at the head. */
  lastServiceMs = 0;
  /** Where what is done here is counted: the pool puts its own here. */
  counters = new ShardCounters();
  /** Of the shard; in a transaction that has made tables or types, as the transaction sees them. */
  oids: ShardOids = UNKNOWN_OIDS;
  /** Called when nothing is owed any more; for connections that nobody has leased. */
  onDrained: (() => void) | null = null;
  /** Told of reported settings that no relay passes on. */
  onParameterStatus: ((name: string, value: string) => void) | null = null;
  /** Called once when the connection is gone, before its requests are told. */
  onClosed: (() => void) | null = null;

  #socket: Socket;
  #reader: FrameReader;
  #owed: ServerRequest[] = [];
  /** Sent in this turn of the event loop, to leave in one write. */
  #outgoing: Buffer[] = [];
  /** performance.now() of the read being worked on. */
  #nowMs = 0;
  #closed = false;
  #fatal: SqlError | null = null;
  #delivery = new Delivery();

  /** Takes over an authenticated socket and the reader that holds what was read of it. */
  constructor(
    shard: Shard,
    socket: Socket,
    reader: FrameReader,
    identity: ServerIdentity,
    nowMs: number,
  ) {
    this.shard = shard;
    this.identity = identity;
    this.openedAtMs = nowMs;
    this.idleSinceMs = nowMs;
    this.heardAtMs = nowMs;
    this.#socket = socket;
    this.#reader = reader;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.#lost(`the connection broke: ${error.message}`));
    socket.on('close', () => this.#lost('the server closed the connection'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes received and sent so far, and our end of it. */
  get traffic(): SocketFacts {
    return this.#socket;
  }

  /** Requests whose ReadyForQuery has not come yet. */
  get owedCount(): number {
    return this.#owed.length;
  }

  /**
   * Sends `bytes`, which must end in exactly one message that is answered by ReadyForQuery. What is
   * sent within one turn of the event loop leaves in one write.
   */
  send(bytes: Buffer, request: ServerRequest): void {
    if (this.#closed) {
      request.receiver.lost(this.#fatal ?? connectionLost(this.shard, 'it is closed'), false);
      return;
    }
    for (const name of request.parses) this.parsing.add(name);
    this.counters.parses += request.parses.length;
    if (this.#owed.push(request) === 1) this.headSinceMs = performance.now();
    if (this.#outgoing.push(bytes) === 1) setImmediate(this.#flush);
  }

  #flush = (): void => {
    const chunks = this.#outgoing;
    if (chunks.length === 0) return;
    this.#outgoing = [];
    if (!this.#closed) this.#socket.write(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  };

  /** More of the request under way: CopyData. False when the socket is full: see whenWritable. */
  sendMore(bytes: Buffer): boolean {
    if (this.#closed) return true;
    this.#flush();
    return this.#socket.write(bytes) || this.#socket.writableLength === 0;
  }

  /** Everything that was sent has been handed to the system. */
  get isFlushed(): boolean {
    return this.#outgoing.length === 0 && this.#socket.writableLength === 0;
  }

  /** Whether the server is answering `request` now, or is the next to. */
  isHead(request: ServerRequest): boolean {
    return this.#owed[0] === request;
  }

  /** Takes a request that is not at the head from its owner; the server still runs it. */
  forsake(request: ServerRequest): void {
    const index = this.#owed.indexOf(request, 1);
    if (index > 0) this.#owed[index] = request.orphan();
  }

  /** Takes every request behind the head from its owner, who sends it elsewhere. */
  displaceWaiting(): void {
    const waiting = this.#owed.slice(1).filter((request) => request.displaced !== null);
    for (const request of waiting) this.forsake(request);
    for (const request of waiting) request.displaced?.();
  }

  whenWritable(callback: () => void): void {
    if (this.#socket.writableNeedDrain) this.#socket.once('drain', callback);
    else callback();
  }

  /** Back pressure: nothing is read from the server until resume(). */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection: politely with Terminate when nothing is owed, at once otherwise. */
  close(terminate: Buffer): void {
    if (this.#closed) return;
    if (this.#owed.length === 0) this.#socket.end(terminate);
    this.#lost('the proxy closed the connection');
  }

  #received(chunk: Buffer): void {
    this.#reader.push(chunk);
    this.#nowMs = performance.now();
    this.#delivery.retained = false;
    try {
      this.#consume();
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
    if (!this.#delivery.retained) this.#reader.free(chunk);
  }

  #consume(): void {
    const reader = this.#reader;
    while (!this.#closed) {
      const request = this.#owed[0];
      if (!reader.next()) {
        if (!request?.relayed || request.carrying !== null || !mayComeInPieces(reader)) break;
        reader.nextPiece();
      }
      const { mapping } = this.oids;
      if (mapping !== null && request !== undefined) renumber(mapping, reader, request);
      if (request === undefined || isForOwner(reader, request)) this.#unasked();
      else if (request.relayed) this.#relayed(request);
      else this.#framed(request);
    }
    this.#deliver();
  }

  #relayed(request: ServerRequest): void {
    const reader = this.#reader;
    if (judge(request, reader)) return;
    if (request.rejected && reader.type !== BACKEND.parameterStatus) {
      if (reader.type === BACKEND.readyForQuery) this.#ready(request);
      else if (completesStep(reader.type)) skipStep(request, reader);
      return;
    }
    // What the proxy answers itself stands before the first message of the next reply.
    if (request.answersNext) this.#insertAnswers(request);
    if (request.returning !== null && endsReturning(reader.type)) this.#insertReturning(request);
    switch (reader.type) {
      case BACKEND.dataRow:
      case BACKEND.copyData:
        break;
      case BACKEND.readyForQuery:
        this.#ready(request);
        return;
      case BACKEND.errorResponse: {
        const error = this.#failed(request);
        const bytes = request.receiver.instead?.(error) ?? null;
        if (bytes === null) break;
        this.#deliver();
        request.receiver.relay(bytes);
        return;
      }
      case BACKEND.parameterStatus: {
        const { name, value } = this.#parameterChanged();
        if (request.receiver.reported?.(name, value) === true) return;
        break;
      }
      case BACKEND.copyInResponse:
        this.#delivery.forward(this.#reader, request.receiver);
        this.#deliver();
        request.receiver.copyInStarted();
        return;
      default:
        if (request.steps !== null && completesStep(reader.type)) {
          this.#step(request);
          return;
        }
    }
    this.#delivery.forward(this.#reader, request.receiver);
  }

  #framed(request: ServerRequest): void {
    const reader = this.#reader;
    if (request.receiver.copies !== true) this.#delivery.retained = true;
    if (reader.type === BACKEND.readyForQuery) {
      this.#finished(request, reader.buffer[reader.bodyStart]!);
      return;
    }
    if (reader.type === BACKEND.errorResponse) this.#failed(request);
    else if (reader.type === BACKEND.parameterStatus) {
      const { name, value } = this.#parameterChanged();
      this.onParameterStatus?.(name, value);
    }
    request.receiver.frame(reader.type, reader.buffer, reader.bodyStart, reader.end);
    if (reader.type === BACKEND.copyInResponse) request.receiver.copyInStarted();
  }

  #ready(request: ServerRequest): void {
    const status = this.#reader.buffer[this.#reader.bodyStart]!;
    if (!request.rejected) {
      if (request.steps !== null && !request.failed) this.#insertAnswers(request);
      if (request.ready === 'inBlock' && request.failed) tellFailed(this.#reader);
      if (request.ready !== 'swallow') this.#delivery.forward(this.#reader, request.receiver);
    }
    this.#deliver();
    this.#finished(request, status);
  }

  #finished(request: ServerRequest, status: number): void {
    this.#owed.shift();
    this.lastServiceMs = this.#nowMs - this.headSinceMs;
    this.counters.service.observe(this.lastServiceMs);
    this.headSinceMs = this.#nowMs;
    for (const name of request.parses) this.parsing.delete(name);
    request.receiver.finished(status, request.failed);
    if (this.#owed.length === 0) this.onDrained?.();
  }

  /** A message that completes the reply to one message of a batch with steps. */
  #step(request: ServerRequest): void {
    this.#insertAnswers(request);
    const step = request.steps![request.nextStep];
    if (step === undefined) throw new Error('the server sent a reply that nothing asked for');
    request.nextStep += 1;
    const { type, buffer, start, end } = this.#reader;
    if (step.do === 'returning' && type === BACKEND.rowDescription) {
      request.returning = Buffer.from(buffer.subarray(start, end));
    } else if (passesOn(step, type)) this.#delivery.forward(this.#reader, request.receiver);
    step.done?.(this.#reader);
  }

  #insertAnswers(request: ServerRequest): void {
    const steps = request.steps!;
    for (;;) {
      const step = steps[request.nextStep];
      if (step === undefined || step.do !== 'answer') return;
      request.nextStep += 1;
      this.#delivery.insert(step.bytes, request.receiver);
      step.done?.();
    }
  }

  #insertReturning(request: ServerRequest): void {
    if (this.#reader.type !== BACKEND.errorResponse)
      this.#delivery.insert(request.returning!, request.receiver);
    request.returning = null;
  }

  #failed(request: ServerRequest): ErrorFields {
    // Answers due before the failed message were earned; those after it are skipped with it.
    if (request.steps !== null && !request.failed && request.relayed) this.#insertAnswers(request);
    request.failed = true;
    const fields = errorFieldsIn(this.#reader);
    this.counters.errors.add(fields.code);
    if (fields.severity === 'FATAL' || fields.severity === 'PANIC') {
      this.#fatal = endedBy(this.shard, fields);
    }
    return fields;
  }

  #unasked(): void {
    const reader = this.#reader;
    this.#delivery.retained = true;
    switch (reader.type) {
      case BACKEND.parameterStatus:
        this.#parameterChanged();
        return;
      case BACKEND.noticeResponse:
      case BACKEND.notificationResponse:
        this.owner?.asynchronousMessage(reader.buffer.subarray(reader.start, reader.end));
        return;
      case BACKEND.errorResponse:
        // Only FATAL errors come unasked: a shutdown, pg_terminate_backend, a time that the session has set.
        this.#fatal = endedBy(this.shard, errorFieldsIn(reader));
        this.#lost('');
        return;
      default:
        throw new Error(`the server sent an unexpected message of type ${reader.type}`);
    }
  }

  #parameterChanged(): ParameterStatus {
    const status = parameterStatusIn(this.#reader);
    this.identity.parameters.set(status.name, status.value);
    return status;
  }

  #deliver(): void {
    const request = this.#owed[0];
    if (request !== undefined) this.#delivery.flush(request.receiver);
  }

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#deliver();
    this.#closed = true;
    if (!this.#socket.writableEnded) this.#socket.destroy();
    const error = this.#fatal ?? connectionLost(this.shard, reason);
    const owed = this.#owed.splice(0);
    if (owed[0] !== undefined) owed[0].torn = !this.#reader.complete;
    // First the pool: who is told of the loss may ask it for another connection at once.
    this.onClosed?.();
    // An error that has rejected a request was passed on to nobody.
    for (const request of owed) request.receiver.lost(error, request.failed && !request.rejected);
    this.owner?.connectionLost?.(error);
  }
}

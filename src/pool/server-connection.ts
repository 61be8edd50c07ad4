// ServerConnection: one authenticated connection to a shard and the replies it owes, in order.

import type { Socket } from 'node:net';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import type { FrameReader } from '../wire/frame.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeParameterStatus } from '../wire/status.ts';
import type { ServerRequest } from './request.ts';
import { NO_SETTINGS, type Settings } from './settings.ts';

/** What a login learns. */
export interface ServerIdentity {
  readonly processId: number;
  readonly secret: Buffer;
  /** ParameterStatus values by name, kept up to date as the server reports changes. */
  readonly parameters: Map<string, string>;
}

/** Who is told what happens on a connection outside of requests. */
export interface ConnectionOwner {
  /** NotificationResponse or NoticeResponse that came with no request under way. */
  asynchronousMessage(bytes: Buffer): void;
}

const EMPTY = Buffer.alloc(0);

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
  /** The session that holds it, for messages that belong to no request. */
  owner: ConnectionOwner | null = null;
  /** Settings applied on the server beyond its defaults. */
  settings: Settings = NO_SETTINGS;
  /** Names of the prepared statements the server has, oldest use first. */
  readonly statements = new Set<string>();
  /** State that no DISCARD of ours undoes is on the server: close it instead of reusing it. */
  tainted = false;
  /** Cancel requests on their way to the server: until they are there, nobody else may have it. */
  cancelsUnderWay = 0;
  /** Called once when the last of them has arrived. */
  onCancelsArrived: (() => void) | null = null;
  /** Called once when the connection is gone, after its requests were told. */
  onClosed: (() => void) | null = null;

  #socket: Socket;
  #reader: FrameReader;
  #owed: ServerRequest[] = [];
  #closed = false;
  #fatal: SqlError | null = null;
  #runBuffer: Buffer = EMPTY;
  #runStart = 0;
  #runEnd = 0;

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
    this.#socket = socket;
    this.#reader = reader;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.#lost(`the connection broke: ${error.message}`));
    socket.on('close', () => this.#lost('the server closed the connection'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Requests whose ReadyForQuery has not come yet. */
  get owedCount(): number {
    return this.#owed.length;
  }

  /**
   * Sends `bytes`, which must end in exactly one message that is answered by ReadyForQuery.
   * False when the socket's buffer is full: see whenWritable.
   */
  send(bytes: Buffer, request: ServerRequest): boolean {
    if (this.#closed) {
      request.receiver.lost(this.#lossOf('it is closed'), false);
      return true;
    }
    this.#owed.push(request);
    return this.#socket.write(bytes);
  }

  /** Further bytes of the request under way: CopyData, or messages behind a Flush. */
  sendMore(bytes: Buffer): boolean {
    return this.#closed ? true : this.#socket.write(bytes);
  }

  /** What is owed by an unfinished batch: replaces the steps of the newest request. */
  get newestRequest(): ServerRequest | null {
    return this.#owed.at(-1) ?? null;
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

  /** Several sends leave in one write. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** Ends the connection: politely with Terminate when nothing is owed, at once otherwise. */
  close(terminate: Buffer): void {
    if (this.#closed) return;
    if (this.#owed.length === 0) this.#socket.end(terminate);
    this.#lost('the proxy closed the connection');
  }

  #received(chunk: Buffer): void {
    this.#reader.push(chunk);
    try {
      this.#consume();
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  #consume(): void {
    const reader = this.#reader;
    while (!this.#closed) {
      const request = this.#owed[0];
      if (!reader.next()) {
        if (request === undefined || !request.relayed || !mayComeInPieces(reader.pendingType())) {
          break;
        }
        reader.nextPiece();
      }
      if (request === undefined) this.#unasked();
      else if (request.relayed) this.#relayed(request);
      else this.#framed(request);
    }
    this.#flushRun();
  }

  #relayed(request: ServerRequest): void {
    const reader = this.#reader;
    switch (reader.type) {
      case BACKEND.dataRow:
      case BACKEND.copyData:
        break;
      case BACKEND.readyForQuery:
        this.#ready(request);
        return;
      case BACKEND.errorResponse:
        this.#failed(request);
        break;
      case BACKEND.parameterStatus:
        this.#parameterChanged();
        break;
      case BACKEND.copyInResponse:
        this.#extendRun();
        this.#flushRun();
        request.receiver.copyInStarted();
        return;
      default:
        if (request.steps !== null && completesStep(reader.type)) {
          this.#step(request);
          return;
        }
    }
    this.#extendRun();
  }

  #framed(request: ServerRequest): void {
    const reader = this.#reader;
    if (reader.type === BACKEND.readyForQuery) {
      this.#owed.shift();
      request.receiver.finished(reader.buffer[reader.bodyStart]!, request.failed);
      return;
    }
    if (reader.type === BACKEND.errorResponse) this.#failed(request);
    else if (reader.type === BACKEND.parameterStatus) this.#parameterChanged();
    request.receiver.frame(reader.type, reader.buffer, reader.bodyStart, reader.end);
    if (reader.type === BACKEND.copyInResponse) request.receiver.copyInStarted();
  }

  #ready(request: ServerRequest): void {
    const status = this.#reader.buffer[this.#reader.bodyStart]!;
    if (request.steps !== null && !request.failed) this.#insertAnswers(request);
    if (request.forwardReady) this.#extendRun();
    this.#flushRun();
    this.#owed.shift();
    request.receiver.finished(status, request.failed);
  }

  /** A message that completes the reply to one message of a batch with steps. */
  #step(request: ServerRequest): void {
    this.#insertAnswers(request);
    const step = request.steps![request.nextStep];
    if (step === undefined) throw new Error('the server sent a reply that nothing asked for');
    request.nextStep += 1;
    if (step.do === 'forward') this.#extendRun();
    if (step.done !== null) step.done();
  }

  #insertAnswers(request: ServerRequest): void {
    const steps = request.steps!;
    for (;;) {
      const step = steps[request.nextStep];
      if (step === undefined || step.do !== 'answer') return;
      request.nextStep += 1;
      this.#flushRun();
      request.receiver.relay(step.bytes);
      if (step.done !== null) step.done();
    }
  }

  #failed(request: ServerRequest): void {
    // Answers due before the failed message were earned; those after it are skipped with it.
    if (request.steps !== null && !request.failed && request.relayed) this.#insertAnswers(request);
    request.failed = true;
    const fields = this.#errorFields();
    if (fields.severity === 'FATAL' || fields.severity === 'PANIC') {
      this.#fatal = this.#lossOf(fields.message);
    }
  }

  #unasked(): void {
    const reader = this.#reader;
    const bytes = reader.buffer.subarray(reader.start, reader.end);
    switch (reader.type) {
      case BACKEND.parameterStatus:
        this.#parameterChanged();
        return;
      case BACKEND.noticeResponse:
      case BACKEND.notificationResponse:
        this.owner?.asynchronousMessage(bytes);
        return;
      case BACKEND.errorResponse:
        // Only FATAL errors come unasked: a shutdown, or pg_terminate_backend.
        this.#lost(this.#errorFields().message);
        return;
      default:
        throw new Error(`the server sent an unexpected message of type ${reader.type}`);
    }
  }

  #errorFields() {
    const { buffer, bodyStart, end } = this.#reader;
    return decodeErrorFields(new BodyReader(buffer, bodyStart, end));
  }

  #parameterChanged(): void {
    const { buffer, bodyStart, end } = this.#reader;
    const { name, value } = decodeParameterStatus(new BodyReader(buffer, bodyStart, end));
    this.identity.parameters.set(name, value);
  }

  #extendRun(): void {
    const reader = this.#reader;
    if (reader.buffer !== this.#runBuffer || reader.start !== this.#runEnd) {
      this.#flushRun();
      this.#runBuffer = reader.buffer;
      this.#runStart = reader.start;
    }
    this.#runEnd = reader.end;
  }

  #flushRun(): void {
    const buffer = this.#runBuffer;
    if (buffer === EMPTY) return;
    const bytes = buffer.subarray(this.#runStart, this.#runEnd);
    this.#runBuffer = EMPTY;
    this.#runEnd = 0;
    this.#owed[0]!.receiver.relay(bytes);
  }

  #lossOf(reason: string): SqlError {
    const { id, host, port } = this.shard;
    return new SqlError({
      code: SQLSTATE.connectionFailure,
      message: `lost the connection to shard ${id} (${host}:${port}): ${reason}`,
    });
  }

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#flushRun();
    this.#closed = true;
    if (!this.#socket.writableEnded) this.#socket.destroy();
    const error = this.#fatal ?? this.#lossOf(reason);
    const owed = this.#owed;
    this.#owed = [];
    for (const request of owed) request.receiver.lost(error, request.failed);
    this.onClosed?.();
  }
}

/** Types whose messages may be larger than anybody wants to hold in memory. */
function mayComeInPieces(type: number): boolean {
  return type === BACKEND.dataRow || type === BACKEND.copyData;
}

/** Replies that end the answer to one Parse, Bind, Close, Describe or Execute. */
function completesStep(type: number): boolean {
  switch (type) {
    case BACKEND.parseComplete:
    case BACKEND.bindComplete:
    case BACKEND.closeComplete:
    case BACKEND.rowDescription:
    case BACKEND.noData:
    case BACKEND.commandComplete:
    case BACKEND.emptyQueryResponse:
    case BACKEND.portalSuspended:
      return true;
    default:
      return false;
  }
}

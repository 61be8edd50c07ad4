// Relay: passes one server's answer on to the client as bytes, with back pressure.

import { protocolViolation, type SqlError } from '../base/errors.ts';
import { SHARED_BACKLOG_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import {
  type ReadyUse,
  type Receiver,
  ServerRequest,
  type Step,
  type Trial,
} from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeCopyFail } from '../wire/copy.ts';
import {
  type ErrorFields,
  encodeErrorResponse,
  movedBehind,
  withMessage,
} from '../wire/error-response.ts';
import { SYNC } from '../wire/extended.ts';
import type { FrameReader } from '../wire/frame.ts';
import { FrameRun } from '../wire/frame-run.ts';
import { FRONTEND } from '../wire/message-type.ts';
import type { ClientStream } from './client-stream.ts';
import { errorAsWritten, type SentKept } from './kept-statement.ts';
import { inWritten, type Rewritten } from './rewritten.ts';

/** How a relayed request ended. */
export interface RelayOutcome {
  /** The server's transaction status as a code; 0 where the connection was lost. */
  readonly status: number;
  /** An ErrorResponse was passed on, or rejected the request. */
  readonly failed: boolean;
  /** Nothing was passed on: the server did not take the statement in the form it was sent in. */
  readonly rejected: boolean;
  /** SQLSTATE of the error that rejected it; '' where there was none. */
  readonly rejectedBy: string;
  /** The server had something to say before it took the statement, which was passed on. */
  readonly noticed: boolean;
  readonly lost: SqlError | null;
}

export interface RelayEnd {
  /** `shared`: the connection was not the session's own. */
  relayEnded(connection: ServerConnection, outcome: RelayOutcome, shared: boolean): void;
  /** The server waits for the client's CopyData. */
  relayCopiesIn(): void;
}

/**
 * A server that has ended a COPY of the extended protocol waits for Sync, for it has ignored the one
 * that came before the data. clientSync: the client's next one is for it. ownSync: the client's is
 * still to be answered by the session, so the server is sent one of ours. none: a simple Query.
 */
export type AfterCopy = 'none' | 'clientSync' | 'ownSync';

/** What a lane that shares connections is told besides. */
export interface SharedRelayEnd extends RelayEnd {
  /** Taken off the pipeline before the answer began: to be sent again, elsewhere. */
  relayDisplaced(): void;
  /** The client does not read, and its answer fills a connection that others use. */
  relayOverflows(connection: ServerConnection): void;
}

/** A session has one, used for one request after the other. */
export class Relay implements Receiver {
  /** Where the request under way runs. */
  connection: ServerConnection | null = null;
  copyingIn = false;
  /** The request under way is being cancelled for this, which its client is to be told. */
  breaking: SqlError | null = null;
  /** How the request under way was sent, where its errors are to be told otherwise. */
  sentKept: SentKept | null = null;
  /** The statement under way, where its server is sent another text. */
  rewritten: Rewritten | null = null;
  /** What stands before the statement in the client's string: errors count from its start. */
  textBefore = '';
  /** The server knows the cursor that the statement is about by another name than the client. */
  cursorName: { readonly there: string; readonly here: string } | null = null;
  /** The client has ended its data, its Sync is still to come. */
  #copyEnded = false;
  /** Of a CopyData message that the server has been sent in part. */
  #copyBytesOwed = 0;
  #afterCopy: AfterCopy = 'none';
  #client: ClientStream;
  #reports: (name: string, value: string, withAnswer: boolean) => boolean;
  #request: ServerRequest;
  /** Bytes of the answer so far. */
  answerBytes = 0;
  #end: RelayEnd | null = null;
  /** The same as `#end` while the connection is shared. */
  #sharedEnd: SharedRelayEnd | null = null;
  #waits = false;

  /**
   * `reports` is told of every ParameterStatus and whether it may pass on with the answer; true: it
   * takes the report on itself.
   */
  constructor(
    client: ClientStream,
    reports: (name: string, value: string, withAnswer: boolean) => boolean,
  ) {
    this.#client = client;
    this.#reports = reports;
    this.#request = new ServerRequest(this, true);
  }

  /** The request under way on a shared connection; null otherwise. */
  get sharedRequest(): ServerRequest | null {
    return this.#sharedEnd === null ? null : this.#request;
  }

  #displaced = (): void => {
    const end = this.#sharedEnd!;
    this.#reset();
    end.relayDisplaced();
  };

  /**
   * Sends `bytes` and relays what comes back, `steps` as in ServerRequest. `end` may be told before
   * this returns, when the connection turns out to be closed.
   */
  start(
    connection: ServerConnection,
    bytes: Buffer,
    end: RelayEnd,
    ready: ReadyUse,
    steps: readonly Step[] | null,
    afterCopy: AfterCopy,
    parses?: readonly string[],
    trial: Trial = 'none',
  ): void {
    this.#afterCopy = afterCopy;
    this.connection = connection;
    this.#end = end;
    this.answerBytes = 0;
    this.#request.displaced = null;
    connection.send(bytes, this.#request.reset(ready, steps, parses, trial));
  }

  /** The same on a connection that other sessions use, too. */
  startShared(
    connection: ServerConnection,
    bytes: Buffer,
    end: SharedRelayEnd,
    steps: readonly Step[] | null,
    parses: readonly string[],
    trial: Trial,
  ): void {
    this.connection = connection;
    this.#end = end;
    this.#sharedEnd = end;
    this.answerBytes = 0;
    this.#request.displaced = this.#displaced;
    connection.send(bytes, this.#request.reset('forward', steps, parses, trial));
  }

  /** The request is nobody's any more: nothing of its answer is passed on. */
  forsake(): void {
    this.connection!.forsake(this.#request);
    this.#reset();
  }

  /** The same as a promise, ReadyForQuery not forwarded. */
  run(
    connection: ServerConnection,
    bytes: Buffer,
    steps: readonly Step[] | null,
    afterCopy: AfterCopy,
    copiesIn: () => void,
  ): Promise<RelayOutcome> {
    return new Promise((resolve) => {
      const end = {
        relayEnded: (_: ServerConnection, outcome: RelayOutcome) => resolve(outcome),
        relayCopiesIn: copiesIn,
      };
      this.start(connection, bytes, end, 'swallow', steps, afterCopy);
    });
  }

  relay(bytes: Buffer): boolean {
    this.answerBytes += bytes.length;
    if (this.#client.pass(bytes)) return this.#client.backlogBytes === 0;
    if (!this.#waits) this.#holdBack();
    return false;
  }

  /** The client does not keep up: its server waits for it. */
  #holdBack(): void {
    const { connection } = this;
    if (this.#sharedEnd !== null) {
      if (this.#client.backlogBytes < SHARED_BACKLOG_BYTES_MAX) return;
      this.#sharedEnd.relayOverflows(connection!);
    }
    this.#waits = true;
    connection?.pause();
    this.#client.whenDrained(() => {
      // The connection may be somebody else's by now.
      if (!this.#waits || this.connection !== connection) return;
      this.#waits = false;
      connection?.resume();
    });
  }

  instead(error: ErrorFields): Buffer | null {
    const { breaking } = this;
    if (breaking !== null && error.code === SQLSTATE.queryCanceled) {
      return encodeErrorResponse(breaking);
    }
    const { sentKept, rewritten } = this;
    const kept = sentKept === null ? error : errorAsWritten(error, sentKept);
    const written = rewritten === null ? kept : inWritten(kept, rewritten);
    const moved = movedBehind(this.#renamed(written), this.textBefore);
    return moved === error ? null : encodeErrorResponse(moved);
  }

  #renamed(error: ErrorFields): ErrorFields {
    if (this.cursorName === null) return error;
    const { there, here } = this.cursorName;
    return withMessage(
      error,
      error.message.replaceAll(there, () => here),
    );
  }

  reported(name: string, value: string): boolean {
    return this.#reports(name, value, this.#request.ready !== 'swallow');
  }

  frame(): void {
    throw new Error('a relay is handed bytes');
  }

  copyInStarted(): void {
    if (this.#request.goesOn) return;
    this.copyingIn = true;
    this.#copyEnded = false;
    this.#end?.relayCopiesIn();
  }

  /**
   * Passes the client's CopyData on, and what ends it; Sync and Flush mean nothing to a server that
   * is copying. 'terminated': the client has said Terminate instead. 'synced': its Sync, which the
   * session must answer, was taken. Throws 08P01 for what has no place in a COPY.
   */
  passCopyData(reader: FrameReader): 'passed' | 'terminated' | 'synced' {
    const run = new FrameRun();
    try {
      return this.#takeCopyData(reader, run);
    } finally {
      this.#sendCopyData(run.take());
    }
  }

  /** All of the client's data so far has left, and more is to come. */
  get hasPassedCopyData(): boolean {
    return this.copyingIn && this.connection?.isFlushed === true;
  }

  #sendCopyData(bytes: Buffer | null): void {
    const { connection } = this;
    if (bytes === null || connection === null || connection.sendMore(bytes)) return;
    this.#client.pauseReading();
    connection.whenWritable(() => this.#client.resumeReading());
  }

  #takeCopyData(reader: FrameReader, run: FrameRun): 'passed' | 'terminated' | 'synced' {
    const connection = this.connection!;
    for (;;) {
      if (!reader.next()) {
        if (reader.pendingType() !== FRONTEND.copyData) return 'passed';
        reader.nextPiece();
      }
      if (reader.type === FRONTEND.terminate) return 'terminated';
      if (!isCopyMessage(reader.type)) throw notInCopy(reader.type);
      this.#sendCopyData(run.extend(reader));
      this.#copyBytesOwed = reader.pieceBytes;
      if (reader.type === FRONTEND.copyDone || reader.type === FRONTEND.copyFail) {
        this.#copyEnded = true;
        this.copyingIn = this.#afterCopy === 'clientSync';
        if (this.#afterCopy === 'ownSync') {
          this.#sendCopyData(run.take());
          connection.sendMore(SYNC);
        }
      } else if (reader.type === FRONTEND.sync && this.#afterCopy !== 'none') {
        // Where the COPY has failed already, Sync ends it without CopyDone.
        if (!this.#copyEnded && !this.#request.failed) continue;
        this.copyingIn = false;
        if (this.#afterCopy === 'ownSync') return 'synced';
      }
      if (!this.copyingIn) return 'passed';
    }
  }

  /** Ends a COPY whose client has gone; the server's error goes nowhere. */
  failCopy(): void {
    this.#fillCopyData();
    this.connection!.sendMore(COPY_FAIL);
    if (this.#afterCopy !== 'none') this.connection!.sendMore(SYNC);
  }

  /**
   * A COPY that is over ignores data, but its last message must be whole: what the server gets next
   * would be taken for its rest. The client's own rest, if it ever comes, is dropped.
   */
  #fillCopyData(): void {
    for (let left = this.#copyBytesOwed; left > 0; left -= FILLING.length) {
      this.connection!.sendMore(FILLING.subarray(0, Math.min(left, FILLING.length)));
    }
    this.#copyBytesOwed = 0;
  }

  finished(status: number, failed: boolean): void {
    this.#fillCopyData();
    const { rejected, rejectedBy, noticed } = this.#request;
    this.#finish({ status, failed, rejected, rejectedBy, noticed, lost: null });
  }

  lost(error: SqlError, failed: boolean): void {
    // Inside of a message there is no place for an error: the client can only be cut off.
    if (this.#request.torn) this.#client.destroy();
    this.#finish({ status: 0, failed, ...NOT_REJECTED, lost: error });
  }

  #finish(outcome: RelayOutcome): void {
    const connection = this.connection!;
    const end = this.#end!;
    const shared = this.#sharedEnd !== null;
    this.#reset();
    if (this.#waits) {
      // Whoever has the connection next must not wait for this client to read.
      this.#waits = false;
      connection.resume();
    }
    end.relayEnded(connection, outcome, shared);
  }

  #reset(): void {
    this.connection = null;
    this.breaking = null;
    this.sentKept = null;
    this.#end = null;
    this.#sharedEnd = null;
    this.copyingIn = false;
    this.#copyBytesOwed = 0;
  }
}

export const NOT_REJECTED = { rejected: false, rejectedBy: '', noticed: false } as const;

const FILLING = Buffer.alloc(65_536);

const COPY_FAIL = encodeCopyFail('the client has gone');

const COPY_MESSAGES: ReadonlySet<number> = new Set([
  FRONTEND.copyData,
  FRONTEND.copyDone,
  FRONTEND.copyFail,
  FRONTEND.flush,
  FRONTEND.sync,
]);

/** Whether a client may send it while a server copies in. */
export const isCopyMessage = (type: number): boolean => COPY_MESSAGES.has(type);

export function notInCopy(type: number): SqlError {
  const code = type.toString(16).toUpperCase().padStart(2, '0');
  return protocolViolation(`unexpected message type 0x${code} during COPY from stdin`);
}

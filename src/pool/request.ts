// ServerRequest: what a server connection owes for bytes sent, up to one ReadyForQuery.

import type { SqlError } from '../base/errors.ts';
import type { ErrorFields } from '../wire/error-response.ts';
import type { FrameReader } from '../wire/frame.ts';
import type { CarryingColumns } from './renumber.ts';

/**
 * What becomes of the reply to one message of an extended batch. `forward` passes it to the
 * receiver; `swallow` drops it (the proxy added the message); `answer` inserts `bytes` (the proxy
 * left the message out because the server need not see it); `rows` passes a RowDescription on and
 * drops NoData (the proxy added a Describe to what was a Query). `returning` is the same for what
 * writes: its rows are known when it is done, so an error comes instead of their description.
 */
export type Step =
  | { readonly do: 'forward'; readonly done: StepDone | null }
  | { readonly do: 'swallow'; readonly done: StepDone | null }
  | { readonly do: 'rows' | 'returning'; readonly done: StepDone | null }
  | { readonly do: 'answer'; readonly bytes: Buffer; readonly done: (() => void) | null };

/**
 * What becomes of ReadyForQuery. `inBlock`: it is passed on, and behind an error it tells of a failed
 * transaction, which the client has begun and the server may not have.
 */
export type ReadyUse = 'forward' | 'swallow' | 'inBlock';

/**
 * What an error or a notice does to a statement that is sent in another form than its client's, as long
 * as the server has not taken it. `again`: both reject it, for it may be run twice; `once`: an error
 * does, and a notice is noted; `noted`: nothing does, for the client must be told of the error.
 */
export type Trial = 'none' | 'again' | 'once' | 'noted';

/** What may still come may reject it. */
export const rejects = (trial: Trial): boolean => trial === 'again' || trial === 'once';

/**
 * Called when the step's message has succeeded, with what has come back; not called when it failed or was
 * skipped.
 */
export type StepDone = (reply: Reply) => void;

/** One whole message of a server. */
export type Reply = Pick<FrameReader, 'type' | 'buffer' | 'bodyStart' | 'end'>;

/** The owner of a request. Calls come synchronously from the read of the server's socket. */
export interface Receiver {
  /**
   * Relay requests: messages (or pieces of one) to pass on as they are. True: they are passed on, and
   * nobody needs the bytes any more.
   */
  relay(bytes: Buffer): boolean;
  /** Frames requests: nothing of the bytes is kept, so that their memory can be given back. */
  readonly copies?: boolean;
  /** Frames requests: one whole message; its body is buffer[start, end). */
  frame(type: number, buffer: Buffer, start: number, end: number): void;
  /** The server now waits for CopyData. */
  copyInStarted(): void;
  /** Relay requests: what is passed on instead of an ErrorResponse; null: the message as it is. */
  instead?(error: ErrorFields): Buffer | null;
  /** Relay requests: a ParameterStatus came. True: it is not to be passed on. */
  reported?(name: string, value: string): boolean;
  /** ReadyForQuery with its status byte: the request is over; `failed` if it met an error. */
  finished(status: number, failed: boolean): void;
  /** The connection ended before ReadyForQuery. `failed`: an error was passed on already. */
  lost(error: SqlError, failed: boolean): void;
}

/** Who is told what happens on a connection outside of requests. */
export interface ConnectionOwner {
  /** NotificationResponse or NoticeResponse that came with no request under way. */
  asynchronousMessage(bytes: Buffer): void;
  /** It is gone, and what was under way has been told. */
  connectionLost?(error: SqlError): void;
}

/** Of what nobody waits for. */
export const NOBODY: Receiver = {
  relay: () => true,
  frame: () => undefined,
  copyInStarted: () => undefined,
  finished: () => undefined,
  lost: () => undefined,
};

const NO_NAMES: readonly string[] = [];

export class ServerRequest {
  readonly receiver: Receiver;
  /** Relay the bytes undecoded (true) or hand over whole messages (false). */
  readonly relayed: boolean;
  /** Relay requests. */
  ready: ReadyUse = 'forward';
  /** A RowDescription that waits for the statement to be done. */
  returning: Buffer | null = null;
  /** null: every reply is forwarded. */
  steps: readonly Step[] | null = null;
  nextStep = 0;
  failed = false;
  /** Set until the server has taken the statement: until the first reply that is forwarded. */
  trial: Trial = 'none';
  /** The server had something to say before it took the statement. */
  noticed = false;
  /** Nothing of the answer was relayed, and nothing was done: it is to be sent in another form. */
  rejected = false;
  /** SQLSTATE of the error that rejected it. */
  rejectedBy = '';
  /** The connection was lost within a message that has been passed on in part. */
  torn = false;
  /** Of the rows to come, where the shard's numbers are not the home shard's. */
  carrying: CarryingColumns = null;
  /** Names of prepared statements that the request makes on the server. */
  parses: readonly string[] = NO_NAMES;
  /**
   * Requests on a shared connection: told that the request was taken off the pipeline before the
   * server began to answer it; whatever it answers goes nowhere.
   */
  displaced: (() => void) | null = null;

  constructor(receiver: Receiver, relayed: boolean) {
    this.receiver = receiver;
    this.relayed = relayed;
  }

  /** Makes the request new for its next use: a session has one request at a time and reuses it. */
  reset(
    ready: ReadyUse,
    steps: readonly Step[] | null,
    parses: readonly string[] = NO_NAMES,
    trial: Trial = 'none',
  ): this {
    this.ready = ready;
    this.trial = trial;
    this.noticed = false;
    this.rejected = false;
    this.rejectedBy = '';
    this.returning = null;
    this.steps = steps;
    this.parses = parses;
    this.nextStep = 0;
    this.failed = false;
    this.torn = false;
    this.carrying = null;
    return this;
  }

  /** The next reply is the proxy's own, and nothing keeps it back. */
  get answersNext(): boolean {
    if (this.steps === null || this.failed || rejects(this.trial)) return false;
    return this.steps[this.nextStep]?.do === 'answer';
  }

  /**
   * More than Sync comes behind the message that is being answered. A server that copies in fails
   * its COPY when it reads that, and then takes the Sync; so nothing may be sent to end the COPY.
   */
  get goesOn(): boolean {
    if (this.steps === null) return false;
    const sent = this.steps.slice(this.nextStep).filter((step) => step.do !== 'answer');
    return sent.length > 1;
  }

  /** The same request with nobody to answer to: what keeps its place in the queue. */
  orphan(): ServerRequest {
    const orphan = new ServerRequest(NOBODY, true);
    return orphan.reset(this.ready, this.steps, this.parses);
  }
}

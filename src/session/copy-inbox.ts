// CopyInbox: what a client sends during a COPY FROM STDIN that the proxy splits itself.

import type { SqlError } from '../base/errors.ts';
import { COPY_BATCH_BYTES, COPY_INBOX_BYTES_MAX } from '../base/limits.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeCopyFail } from '../wire/copy.ts';
import type { FrameReader } from '../wire/frame.ts';
import { FRONTEND } from '../wire/message-type.ts';
import type { ClientStream } from './client-stream.ts';
import { type AfterCopy, isCopyMessage, notInCopy } from './relay.ts';

const EMPTY = Buffer.alloc(0);

export type CopyEvent =
  | { readonly event: 'data'; readonly chunks: readonly Buffer[] }
  | { readonly event: 'done' }
  | { readonly event: 'fail'; readonly reason: string };

/**
 * open: the client's data is taken. skipping: the COPY has failed; what the client still sends of it
 * goes nowhere. syncing: it has ended, and the client's Sync is for it. closed: none under way.
 */
type InboxState = 'open' | 'skipping' | 'syncing' | 'closed';

/** A session has one. Filled by the client's socket, emptied by whoever runs the COPY. */
export class CopyInbox {
  #client: ClientStream;
  #state: InboxState = 'closed';
  #afterCopy: AfterCopy = 'none';
  #chunks: Buffer[] = [];
  /** What is being filled, and how far it is. */
  #block = EMPTY;
  #filled = 0;
  #bytes = 0;
  #paused = false;
  #end: CopyEvent | null = null;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  #onSynced: (() => void) | null = null;

  constructor(client: ClientStream) {
    this.#client = client;
  }

  /** Messages of the client belong here. */
  get takes(): boolean {
    return this.#state !== 'closed';
  }

  /** The client may still send data: a cancel ends the COPY here. */
  get isOpen(): boolean {
    return this.#state === 'open' && this.#end === null && this.#error === null;
  }

  open(afterCopy: AfterCopy): void {
    this.#state = 'open';
    this.#afterCopy = afterCopy;
    this.#chunks = [];
    this.#filled = 0;
    this.#bytes = 0;
    this.#end = null;
    this.#error = null;
  }

  /** What has come, in order; waits for it. Throws what `abort` was given. */
  async next(): Promise<CopyEvent> {
    for (;;) {
      if (this.#error !== null) throw this.#error;
      this.#endBlock();
      if (this.#chunks.length > 0) {
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#bytes = 0;
        this.#resume();
        return { event: 'data', chunks };
      }
      if (this.#end !== null) return this.#end;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends `next` with an error: a server has failed, the client has gone or cancelled. */
  abort(error: Error): void {
    this.#error ??= error;
    this.#wakeUp();
  }

  /** The COPY is over; resolves when the client has said what it must say before ReadyForQuery. */
  close(): Promise<void> {
    this.#chunks = [];
    this.#block = EMPTY;
    this.#filled = 0;
    this.#bytes = 0;
    this.#resume();
    if (this.#state === 'closed') return Promise.resolve();
    if (this.#afterCopy !== 'clientSync') {
      this.#state = 'closed';
      return Promise.resolve();
    }
    if (this.#state === 'open') this.#state = this.#end === null ? 'skipping' : 'syncing';
    return new Promise((resolve) => {
      this.#onSynced = resolve;
    });
  }

  /** The client has gone: nothing more will come. */
  clientGone(error: SqlError): void {
    if (this.#state === 'closed') return;
    this.abort(error);
    this.#synced();
  }

  /**
   * Takes what the reader has of the COPY. 'terminated': the client has said Terminate instead.
   * Throws 08P01 for what has no place in a COPY.
   */
  take(reader: FrameReader): 'taken' | 'terminated' {
    while (this.#state !== 'closed') {
      if (this.#afterCopy !== 'clientSync' && this.#end !== null) break;
      if (!reader.next()) {
        if (reader.pendingType() !== FRONTEND.copyData) break;
        reader.nextPiece();
      }
      if (reader.type === FRONTEND.terminate) return 'terminated';
      if (!isCopyMessage(reader.type)) throw notInCopy(reader.type);
      this.#message(reader);
    }
    return 'taken';
  }

  #message(reader: FrameReader): void {
    const { type, buffer, bodyStart, end } = reader;
    if (type === FRONTEND.copyData) {
      if (this.#state === 'open' && this.#end === null && end > bodyStart) {
        this.#add(buffer.subarray(bodyStart, end));
      }
    } else if (type === FRONTEND.copyDone) {
      this.#finish({ event: 'done' });
    } else if (type === FRONTEND.copyFail) {
      this.#finish({
        event: 'fail',
        reason: decodeCopyFail(new BodyReader(buffer, bodyStart, end)),
      });
    } else if (type === FRONTEND.sync && this.#afterCopy === 'clientSync') {
      // Sync during the data means nothing to a server that is copying.
      if (this.#state !== 'open' || this.#end !== null) this.#synced();
    }
  }

  /** Copied, so that the memory of what was read can be given back at once. */
  #add(bytes: Buffer): void {
    if (this.#filled + bytes.length > this.#block.length) {
      this.#endBlock();
      this.#block = Buffer.allocUnsafeSlow(Math.max(COPY_BATCH_BYTES, bytes.length));
    }
    this.#filled += bytes.copy(this.#block, this.#filled);
    this.#bytes += bytes.length;
    if (this.#bytes > COPY_INBOX_BYTES_MAX && !this.#paused) {
      this.#paused = true;
      this.#client.pauseReading();
    }
    this.#wakeUp();
  }

  #endBlock(): void {
    if (this.#filled > 0) this.#chunks.push(this.#block.subarray(0, this.#filled));
    this.#block = EMPTY;
    this.#filled = 0;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#client.resumeReading();
  }

  #finish(event: CopyEvent): void {
    this.#end ??= event;
    this.#wakeUp();
  }

  #synced(): void {
    this.#state = 'closed';
    const synced = this.#onSynced;
    this.#onSynced = null;
    synced?.();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

// Flow control: holds a server back where whoever takes what it sends falls behind.

import { MERGE_QUEUE_BYTES_MAX } from '../base/limits.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

/**
 * Of one answer. Pausing the server's socket keeps what has arrived and was not taken near
 * MERGE_QUEUE_BYTES_MAX.
 */
export class FlowControl {
  /** Settles when the server owes nothing more on this connection, whatever happened. */
  readonly done: Promise<void>;
  /** What the answer, or the connection, has ended with. */
  error: Error | null = null;

  #connection: ServerConnection;
  #bytes = 0;
  #paused = false;
  #ended = false;
  #wake: (() => void) | null = null;
  #finishDone!: () => void;

  constructor(connection: ServerConnection) {
    this.#connection = connection;
    this.done = new Promise((resolve) => {
      this.#finishDone = resolve;
    });
  }

  /** So much is there to be taken. */
  arrived(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MERGE_QUEUE_BYTES_MAX) {
      // Again where somebody else has let it go on.
      this.#paused = true;
      this.#connection.pause();
    }
    this.#wakeUp();
  }

  /** `bytes`: all that has arrived if not given. */
  taken(bytes = this.#bytes): void {
    this.#bytes -= bytes;
    if (this.#bytes < MERGE_QUEUE_BYTES_MAX / 2) this.#unpause();
  }

  /** With nothing left to take: resolves when there may be more. False: the end. Rejects with `error`. */
  async more(): Promise<boolean> {
    if (this.error !== null) throw this.error;
    if (this.#ended) return false;
    this.#unpause();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return true;
  }

  /** What is still to come is dropped as it arrives. Resolves as `done`. */
  discard(): Promise<void> {
    this.#unpause();
    return this.done;
  }

  end(): void {
    this.#ended = true;
    this.#wakeUp();
    this.#finishDone();
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection.resume();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

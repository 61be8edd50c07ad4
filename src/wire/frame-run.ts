// FrameRun: adjoining messages of one buffer, gathered to be passed on in one piece.

import type { FrameReader } from './frame.ts';

const EMPTY = Buffer.alloc(0);

/** What is given out may be a view on the reader's buffer, valid as long as that is. */
export class FrameRun {
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  /** What stands before them. */
  #own: Buffer = EMPTY;

  /** Adds the reader's message. Gives the run before it if the two do not adjoin; else null. */
  extend({ buffer, start, end }: FrameReader): Buffer | null {
    let before: Buffer | null = null;
    if (this.#buffer !== EMPTY && (buffer !== this.#buffer || start !== this.#end)) {
      before = this.take();
    }
    if (this.#buffer === EMPTY) {
      this.#buffer = buffer;
      this.#start = start;
    }
    this.#end = end;
    return before;
  }

  /** Puts a message of one's own behind the run, which is given as by `take`. */
  insert(message: Buffer): Buffer | null {
    const before = this.#buffer === EMPTY ? null : this.take();
    this.#own = this.#own === EMPTY ? message : Buffer.concat([this.#own, message]);
    return before;
  }

  /** The run, which is empty from then on; null if it was. */
  take(): Buffer | null {
    const [own, buffer] = [this.#own, this.#buffer];
    this.#own = EMPTY;
    this.#buffer = EMPTY;
    if (buffer === EMPTY) return own === EMPTY ? null : own;
    const run = buffer.subarray(this.#start, this.#end);
    return own === EMPTY ? run : Buffer.concat([own, run]);
  }
}

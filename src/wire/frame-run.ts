// FrameRun: adjoining messages of one buffer, gathered to be passed on in one piece.

import type { FrameReader } from './frame.ts';

const EMPTY = Buffer.alloc(0);

/** What is given out are views on the reader's buffer, valid as long as that is. */
export class FrameRun {
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;

  /** Adds the reader's message. Gives the run before it if the two do not adjoin; else null. */
  extend({ buffer, start, end }: FrameReader): Buffer | null {
    let before: Buffer | null = null;
    if (buffer !== this.#buffer || start !== this.#end) {
      before = this.take();
      this.#buffer = buffer;
      this.#start = start;
    }
    this.#end = end;
    return before;
  }

  /** The run, which is empty from then on; null if it was. */
  take(): Buffer | null {
    const buffer = this.#buffer;
    if (buffer === EMPTY) return null;
    this.#buffer = EMPTY;
    return buffer.subarray(this.#start, this.#end);
  }
}

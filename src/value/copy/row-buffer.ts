// RowBuffer: the bytes of a stream from the start of the first unfinished row on.

import { SqlError } from '../../base/errors.ts';
import { COPY_ROW_BYTES_MAX } from '../../base/limits.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';

const FIRST_CAPACITY_BYTES = 128 * 1024;

/** The unfinished row begins at `start`; everything received so far ends at `end`. */
export class RowBuffer {
  bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY_BYTES);
  start = 0;
  end = 0;

  /** May move the bytes: positions are to be kept relative to `start`. Throws 54000. */
  append(chunk: Buffer): void {
    const held = this.end - this.start;
    // The first chunk may be of any size; it is what is left over after it that must stay bounded.
    if (held > COPY_ROW_BYTES_MAX) {
      throw new SqlError({
        code: SQLSTATE.programLimitExceeded,
        message: `a row of COPY is longer than ${COPY_ROW_BYTES_MAX} bytes`,
        hint: 'Insert so large a row with INSERT, or COPY it by hand: SET drive.shard = n.',
      });
    }
    if (this.end + chunk.length > this.bytes.length) this.#makeRoom(held, chunk.length);
    chunk.copy(this.bytes, this.end);
    this.end += chunk.length;
  }

  #makeRoom(held: number, more: number): void {
    let target = this.bytes;
    if (held + more > target.length) {
      target = Buffer.allocUnsafeSlow(Math.max(target.length * 2, held + more));
    }
    this.bytes.copy(target, 0, this.start, this.end);
    this.bytes = target;
    this.start = 0;
    this.end = held;
  }
}

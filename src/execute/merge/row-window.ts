// RowWindow: LIMIT and OFFSET, applied once to the merged rows.

/** Rows past 2^53 are never reached: such bounds count as infinite. */
function asNumber(bound: bigint): number {
  return bound > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(bound);
}

export class RowWindow {
  #skip: number;
  #remaining: number;

  constructor(limit: bigint | null, offset: bigint) {
    this.#skip = asNumber(offset);
    this.#remaining = limit === null ? Number.POSITIVE_INFINITY : asNumber(limit);
  }

  /** No further row will be admitted. */
  get closed(): boolean {
    return this.#remaining === 0;
  }

  /** Whether the next row is within the window; counts it. */
  admits(): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    if (this.#remaining === 0) return false;
    this.#remaining--;
    return true;
  }
}

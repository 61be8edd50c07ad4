// Error counts: how many errors of each SQLSTATE there were.

import { ERROR_CODES_COUNTED_MAX } from './limits.ts';

/** The code that stands for all codes beyond the bound. */
const OTHER = 'other';

/** A shard's functions may raise any code they like: the number of different ones is bounded. */
export class ErrorCounts {
  #byCode = new Map<string, number>();

  add(code: string): void {
    const known = this.#byCode.has(code) || this.#byCode.size < ERROR_CODES_COUNTED_MAX;
    const key = known ? code : OTHER;
    this.#byCode.set(key, (this.#byCode.get(key) ?? 0) + 1);
  }

  get total(): number {
    let total = 0;
    for (const count of this.#byCode.values()) total += count;
    return total;
  }

  /** SQLSTATE → errors so far. */
  get byCode(): ReadonlyMap<string, number> {
    return this.#byCode;
  }
}

// SkippedRows: what servers say at the end of COPY … ON_ERROR ignore, as one notice.

import type { ErrorFields } from '../wire/error-response.ts';

/** "due to data type incompatibility"; the reason is the server's to word. */
const SKIPPED = /^(\d+) rows? (?:was|were) (skipped due to .*)$/;

export class SkippedRows {
  #count = 0;
  #notice: ErrorFields | null = null;
  #reason = '';

  /** True where the notice was one of these and will be told with the others. */
  take(fields: ErrorFields): boolean {
    const match = SKIPPED.exec(fields.message);
    if (match === null) return false;
    this.#count += Number(match[1]);
    this.#notice ??= fields;
    this.#reason = match[2]!;
    return true;
  }

  get count(): number {
    return this.#count;
  }

  tell(notice: (fields: ErrorFields) => void): void {
    if (this.#notice === null) return;
    const rows = this.#count === 1 ? '1 row was' : `${this.#count} rows were`;
    const message = `${rows} ${this.#reason}`;
    const all = new Map(this.#notice.all).set('M', message);
    notice({ ...this.#notice, message, all });
  }
}

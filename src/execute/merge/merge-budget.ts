// MergeBudget: bounds the rows and bytes that a merge keeps in memory.

import { SqlError } from '../../base/errors.ts';
import { MERGE_ROW_OVERHEAD_BYTES } from '../../base/limits.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';

export class MergeBudget {
  readonly #rowsMax: number;
  readonly #bytesMax: number;
  #rows = 0;
  #bytes = 0;

  constructor(rowsMax: number, bytesMax: number) {
    this.#rowsMax = rowsMax;
    this.#bytesMax = bytesMax;
  }

  /** Counts one more kept row of `bytes`. 53400 when that is too much. */
  keep(bytes: number): void {
    this.#rows++;
    this.#bytes += bytes + MERGE_ROW_OVERHEAD_BYTES;
    if (this.#rows > this.#rowsMax) throw exceeded(`${this.#rowsMax} rows`, 'merge.rowsMax');
    if (this.#bytes > this.#bytesMax) {
      throw exceeded(`${this.#bytesMax} bytes`, 'merge.bytesMax');
    }
  }

  /** What was kept has been let go. */
  clear(): void {
    this.#rows = 0;
    this.#bytes = 0;
  }
}

function exceeded(amount: string, setting: string): SqlError {
  return new SqlError({
    code: SQLSTATE.configurationLimitExceeded,
    message: `merging the answers of the shards would keep more than ${amount} in memory`,
    hint:
      `Narrow the statement, or raise ${setting}. ` +
      'The bounds are merge.rowsMax and merge.bytesMax.',
  });
}

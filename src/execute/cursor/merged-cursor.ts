// MergedCursor: a cursor over several shards, fetched from and moved as PostgreSQL does it.

import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import type { FetchClause } from '../../plan/action.ts';
import type { FieldDescription } from '../../wire/row.ts';
import type { ScrollMerge } from './scroll-merge.ts';
import type { ShardCursor } from './shard-cursor.ts';

export interface MergedCursorRequest {
  readonly name: string;
  readonly cursors: readonly ShardCursor[];
  readonly rows: ScrollMerge;
  /** The columns that the client sees. */
  readonly fields: readonly FieldDescription[];
  /** Its rows are in binary unless Bind says otherwise. */
  readonly binary: boolean;
  readonly scrolls: boolean;
}

/** Takes a row, a DataRow body; what it gives is waited for. */
export type TakeRow = (row: Buffer) => Promise<void> | void;

/** Source: DoPortalRunFetch and PortalRunSelect of pquery.c, whose words are used here. */
export class MergedCursor {
  readonly name: string;
  readonly fields: readonly FieldDescription[];
  readonly binary: boolean;

  readonly #cursors: readonly ShardCursor[];
  readonly #rows: ScrollMerge;
  readonly #scrolls: boolean;
  /** Both, where there is no row at all. */
  #atStart = true;
  #atEnd = false;
  /** Of the row it stands on, from 1; behind the last row that row's. */
  #position = 0;
  #state: 'open' | 'failed' | 'closed' = 'open';

  constructor({ name, cursors, rows, fields, binary, scrolls }: MergedCursorRequest) {
    this.name = name;
    this.fields = fields;
    this.binary = binary;
    this.#cursors = cursors;
    this.#rows = rows;
    this.#scrolls = scrolls;
  }

  /** One of them, wherever it is. */
  get first(): ShardCursor {
    return this.#cursors[0]!;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /**
   * Gives how many rows it has given, or passed over. `formats`: of each visible column; null: it gives
   * none. After an error it cannot be run any more. Throws SqlError and ServerError; nothing is owed then.
   */
  async fetch(
    { direction, count }: FetchClause,
    formats: readonly number[] | null,
    take: TakeRow | null,
  ): Promise<number> {
    this.#check();
    this.#state = 'failed';
    if (formats !== null) this.#rows.useFormats(formats);
    const given = await this.#run(direction, count, take);
    this.#rows.rest();
    this.#state = 'open';
    return given;
  }

  /** The cursor of the shard of the row that it stands on, which then is on that row. Throws 24000. */
  async onRow(): Promise<ShardCursor> {
    this.#check();
    if (!this.#atStart && !this.#atEnd) return this.#rows.settle();
    throw new SqlError({
      code: SQLSTATE.invalidCursorState,
      message: `cursor "${this.name}" is not positioned on a row`,
    });
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') this.#check();
    this.#state = 'closed';
    for (const cursor of this.#cursors) await cursor.close();
  }

  #check(): void {
    if (this.#state === 'open') return;
    const isClosed = this.#state === 'closed';
    throw new SqlError({
      code: isClosed ? SQLSTATE.invalidCursorName : SQLSTATE.objectNotInPrerequisiteState,
      message: isClosed
        ? `cursor "${this.name}" does not exist`
        : `portal "${this.name}" cannot be run`,
    });
  }

  async #run(
    direction: FetchClause['direction'],
    count: number | null,
    take: TakeRow | null,
  ): Promise<number> {
    if (direction === 'absolute') return this.#absolute(count ?? Number.MAX_SAFE_INTEGER, take);
    if (direction === 'relative' && count !== 0) {
      const distance = count ?? Number.MAX_SAFE_INTEGER;
      const isForward = distance > 0;
      if (Math.abs(distance) > 1) await this.#select(isForward, Math.abs(distance) - 1, null);
      return this.#select(isForward, 1, take);
    }
    if (count === 0) return this.#again(direction !== 'backward', take);
    const isTurned = count !== null && count < 0;
    const isForward = (direction === 'backward') === isTurned;
    return this.#select(isForward, count === null ? null : Math.abs(count), take);
  }

  async #absolute(count: number, take: TakeRow | null): Promise<number> {
    if (count > 0) {
      if (count - 1 <= this.#position / 2) {
        this.#rewind();
        if (count > 1) await this.#select(true, count - 1, null);
      } else {
        const place = this.#atEnd ? this.#position + 1 : this.#position;
        if (count <= place) await this.#select(false, place - count + 1, null);
        else if (count > place + 1) await this.#select(true, count - place - 1, null);
      }
      return this.#select(true, 1, take);
    }
    if (count === 0) {
      this.#rewind();
      return 0;
    }
    await this.#select(true, null, null);
    if (count < -1) await this.#select(false, -count - 1, null);
    return this.#select(false, 1, take);
  }

  /** FETCH 0: the row it stands on once more; MOVE 0 tells whether there is one. */
  async #again(isForward: boolean, take: TakeRow | null): Promise<number> {
    const isOnRow = !this.#atStart && !this.#atEnd;
    if (take === null) return isOnRow ? 1 : 0;
    if (!isOnRow) return this.#select(isForward, 0, take);
    await this.#select(false, 1, null);
    return this.#select(true, 1, take);
  }

  #rewind(): void {
    if (this.#atStart && !this.#atEnd) return;
    if (!this.#scrolls) throw onlyForward();
    this.#rows.rewind();
    this.#atStart = true;
    this.#atEnd = false;
    this.#position = 0;
  }

  /** `count` rows, null: all, from where it stands; `take` null: they are only passed over. */
  async #select(isForward: boolean, count: number | null, take: TakeRow | null): Promise<number> {
    if (isForward) return this.#forward(count ?? Number.POSITIVE_INFINITY, take);
    if (!this.#scrolls) throw onlyForward();
    return this.#backward(count ?? Number.POSITIVE_INFINITY, take);
  }

  async #forward(count: number, take: TakeRow | null): Promise<number> {
    if (this.#atEnd || count === 0) return 0;
    let given =
      count === Number.POSITIVE_INFINITY && take === null ? await this.#rows.skipAll() : 0;
    if (given === null) given = 0;
    while (given < count) {
      const row = await this.#rows.next(count - given);
      if (row === null) break;
      given += 1;
      const taken = take?.(row);
      if (taken instanceof Promise) await taken;
    }
    if (given > 0) this.#atStart = false;
    if (given < count) this.#atEnd = true;
    this.#position += given;
    return given;
  }

  async #backward(count: number, take: TakeRow | null): Promise<number> {
    if (this.#atStart || count === 0) return 0;
    let given = 0;
    while (given < count) {
      const isLast = this.#atEnd && given === 0;
      const row = isLast ? await this.#rows.current() : await this.#rows.previous(count - given);
      if (row === null) break;
      given += 1;
      const taken = take?.(row);
      if (taken instanceof Promise) await taken;
    }
    if (given > 0 && this.#atEnd) {
      this.#atEnd = false;
      this.#position += 1;
    }
    if (given < count) {
      this.#atStart = true;
      this.#position = 0;
    } else {
      this.#position -= given;
    }
    return given;
  }
}

/** 55000. */
function onlyForward(): SqlError {
  return new SqlError({
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'cursor can only scan forward',
    hint: 'Declare it with SCROLL option to enable backward scan.',
  });
}

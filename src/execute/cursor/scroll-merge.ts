// ScrollMerge: the rows of the shards' cursors in one order, forward and backward.

import { columnAt } from '../../wire/row.ts';
import { withoutHidden } from '../merge/concat.ts';
import type { RowOrder } from '../merge/row-order.ts';
import type { ShardCursor } from './shard-cursor.ts';

export interface ScrollMergeRequest {
  /** In shard order: rows that sort equally come in this order. */
  readonly cursors: readonly ShardCursor[];
  /** null: one shard's rows after the other's. */
  readonly order: RowOrder | null;
  /** Of the sort keys, in a shard's row. */
  readonly positions: readonly number[];
  readonly visibleColumns: number;
  /** null: no limit. */
  readonly limit: number | null;
  readonly offset: number;
  /** Reading a row locks it: none is read before it is needed, and the shards in their order. */
  readonly locks: boolean;
}

/**
 * Stands on a row, before the first or behind the last that has been given. Its place is how many
 * rows of each shard have been passed over; what comes next is found from the next row of each, and
 * what came before from the last one of each.
 */
export class ScrollMerge {
  readonly #request: ScrollMergeRequest;
  /** Of each shard: the place of its last row that has been passed over. */
  readonly #places: number[];
  /** Whose row was passed over last; null: none was. */
  #last: number | null = null;
  /** All rows passed over, those of OFFSET among them. */
  #passed = 0;

  constructor(request: ScrollMergeRequest) {
    this.#request = request;
    this.#places = request.cursors.map(() => 0);
    this.useFormats(Array.from({ length: request.visibleColumns }, () => 0));
  }

  /** The next row, null behind the last. `wanted`: so many may be read at once. */
  async next(wanted: number): Promise<Buffer | null> {
    const { limit, offset } = this.#request;
    const end = limit === null ? Number.POSITIVE_INFINITY : offset + limit;
    const last = Math.min(Math.max(this.#passed, offset) + wanted, end);
    while (this.#passed < end) {
      const row = await this.#step(last - this.#passed);
      if (row === null) return null;
      if (this.#passed > offset) return this.#shown(row);
    }
    return null;
  }

  /** The row before the one it stands on, null before the first. */
  async previous(wanted: number): Promise<Buffer | null> {
    if (this.#last === null || this.#passed <= this.#request.offset) return null;
    this.#places[this.#last]! -= 1;
    this.#passed -= 1;
    this.#last = await this.#lastOfAll(wanted);
    return this.current();
  }

  /** The row that it stands on, or that was the last; null where there is none. */
  async current(): Promise<Buffer | null> {
    const { cursors, offset } = this.#request;
    if (this.#last === null || this.#passed <= offset) return null;
    const place = this.#places[this.#last]!;
    const cursor = cursors[this.#last]!;
    if (cursor.row(place) === undefined) await cursor.readBack(place, 1);
    return this.#shown(cursor.row(place) ?? null);
  }

  /** Puts the server's cursor on the row that it stands on, and gives it. */
  async settle(): Promise<ShardCursor> {
    if (this.#last === null) throw new Error('a cursor that stands on no row');
    const cursor = this.#request.cursors[this.#last]!;
    await cursor.settleOn(this.#places[this.#last]!);
    return cursor;
  }

  /**
   * Passes over all rows that are left, without reading them; gives how many, or null where that is
   * not possible.
   */
  async skipAll(): Promise<number | null> {
    const { cursors, limit, offset } = this.#request;
    if (limit !== null || !cursors.every(({ scrolls }) => scrolls)) return null;
    const before = Math.max(this.#passed, offset);
    for (const [i, cursor] of cursors.entries()) this.#places[i] = await cursor.toEnd();
    this.#passed = this.#places.reduce((sum, place) => sum + place, 0);
    this.#last = await this.#lastOfAll(1);
    return Math.max(0, this.#passed - before);
  }

  /** Before the first row. */
  rewind(): void {
    this.#places.fill(0);
    this.#passed = 0;
    this.#last = null;
  }

  /** What is given from here on has its columns in these formats. */
  useFormats(visible: readonly number[]): void {
    const hidden = this.#request.cursors[0]!.fields.length - visible.length;
    const formats = [...visible, ...Array.from({ length: hidden }, () => 1)];
    for (const [i, cursor] of this.#request.cursors.entries()) {
      cursor.useFormats(formats, this.#places[i]!);
    }
  }

  /** Nothing is asked for the time being. */
  rest(): void {
    for (const [i, cursor] of this.#request.cursors.entries()) cursor.rest(this.#places[i]!);
  }

  #shown(row: Buffer | null): Buffer | null {
    const { cursors, visibleColumns } = this.#request;
    if (row === null || cursors[0]!.fields.length === visibleColumns) return row;
    return withoutHidden(row, visibleColumns);
  }

  /** Passes over one row. */
  async #step(wanted: number): Promise<Buffer | null> {
    const next =
      this.#request.order === null
        ? await this.#firstOfAny(wanted)
        : await this.#firstOfAll(wanted);
    if (next === null) return null;
    this.#places[next]! += 1;
    this.#passed += 1;
    this.#last = next;
    return this.#request.cursors[next]!.row(this.#places[next]!)!;
  }

  async #firstOfAny(wanted: number): Promise<number | null> {
    for (const [i, cursor] of this.#request.cursors.entries()) {
      const place = this.#places[i]! + 1;
      if (cursor.row(place) === undefined) await cursor.readOn(place, wanted);
      if (cursor.row(place) !== null) return i;
    }
    return null;
  }

  async #firstOfAll(wanted: number): Promise<number | null> {
    const { cursors, locks } = this.#request;
    const missing = [...cursors.entries()].filter(
      ([i, cursor]) => cursor.row(this.#places[i]! + 1) === undefined,
    );
    const read = ([i, cursor]: [number, ShardCursor]) =>
      cursor.readOn(this.#places[i]! + 1, locks ? 1 : wanted);
    if (locks) for (const each of missing) await read(each);
    else if (missing.length > 0) await allOf(missing.map(read));
    let first: number | null = null;
    for (const [i, cursor] of cursors.entries()) {
      const row = cursor.row(this.#places[i]! + 1);
      if (row == null) continue;
      if (
        first === null ||
        this.#compare(row, cursors[first]!.row(this.#places[first]! + 1)!) < 0
      ) {
        first = i;
      }
    }
    return first;
  }

  /** Whose row is the last of those that have been passed over. */
  async #lastOfAll(wanted: number): Promise<number | null> {
    const { cursors, order } = this.#request;
    const passed = [...cursors.entries()].filter(([i]) => this.#places[i]! > 0);
    if (order === null) return passed.at(-1)?.[0] ?? null;
    const missing = passed.filter(([i, cursor]) => cursor.row(this.#places[i]!) === undefined);
    await allOf(missing.map(([i, cursor]) => cursor.readBack(this.#places[i]!, wanted)));
    let last: number | null = null;
    for (const [i, cursor] of passed) {
      const row = cursor.row(this.#places[i]!)!;
      if (last === null || this.#compare(row, cursors[last]!.row(this.#places[last]!)!) >= 0)
        last = i;
    }
    return last;
  }

  #compare(a: Buffer, b: Buffer): number {
    const { order, positions } = this.#request;
    const keys = (row: Buffer) => positions.map((position) => columnAt(row, position));
    return order!.compare(keys(a), keys(b));
  }
}

/** Rejects when all have settled, so that no server owes anything. */
async function allOf(reads: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(reads)) {
    if (each.status === 'rejected') throw each.reason;
  }
}

// Ordered: the k-way merge of rows that each shard sends sorted.

import { columnAt } from '../../wire/row.ts';
import { LoserTree } from './loser-tree.ts';
import type { ShardRows } from './merge-request.ts';
import type { RowOrder } from './row-order.ts';

/** The sorted rows of one shard, looked at one by one. */
class Cursor {
  /** The sort keys of `row`, views on its bytes. */
  readonly keys: (Buffer | null)[] = [];
  /** The row at hand; null: none is, before refill() or at the end. */
  row: Buffer | null = null;
  #input: ShardRows;
  #positions: readonly number[];
  #batch: readonly Buffer[] = [];
  #next = 0;

  constructor(input: ShardRows, positions: readonly number[]) {
    this.#input = input;
    this.#positions = positions;
  }

  /** Goes to the next row of the batch at hand; false when that is used up. */
  advance(): boolean {
    const row = this.#batch[this.#next++];
    if (row === undefined) {
      this.row = null;
      return false;
    }
    this.row = row;
    for (let i = 0; i < this.#positions.length; i++) {
      this.keys[i] = columnAt(row, this.#positions[i]!);
    }
    return true;
  }

  /** Waits for the next row that is not in the batch at hand; false at the end. */
  async refill(): Promise<boolean> {
    for (;;) {
      const batch = await this.#input.next();
      if (batch === null) return false;
      this.#batch = batch;
      this.#next = 0;
      if (this.advance()) return true;
    }
  }
}

/** What becomes of the merged rows, one after another. */
export interface RowSink {
  /** `sameKeys`: the sort keys equal those of the row before (only told when `comparesKeys`). */
  take(row: Buffer, sameKeys: boolean): void;
  readonly comparesKeys: boolean;
  /** No further row is wanted. */
  readonly closed: boolean;
  /** Enough rows have gathered to hand them on. */
  readonly full: boolean;
}

/**
 * Gives the rows to `sink` in order, those of lower inputs first where they sort equally. Yields
 * whenever the sink should hand on what it has: when it is full, and before waiting for a shard.
 */
export async function* orderedRows(
  inputs: readonly ShardRows[],
  positions: readonly number[],
  order: RowOrder,
  sink: RowSink,
): AsyncGenerator<void> {
  const cursors = inputs.map((input) => new Cursor(input, positions));
  await Promise.all(cursors.map((cursor) => cursor.refill()));
  const tree = new LoserTree(cursors.length, (a, b) => {
    const left = cursors[a]!;
    const right = cursors[b]!;
    if (left.row === null || right.row === null) return left.row !== null;
    const result = order.compare(left.keys, right.keys);
    return result < 0 || (result === 0 && a < b);
  });
  let previous: (Buffer | null)[] | null = null;
  for (;;) {
    const winner = tree.winner;
    const cursor = cursors[winner]!;
    if (cursor.row === null) return;
    let same = false;
    if (sink.comparesKeys) {
      same = previous !== null && order.compare(previous, cursor.keys) === 0;
      if (!same) previous = [...cursor.keys];
    }
    sink.take(cursor.row, same);
    if (sink.closed) return;
    if (sink.full) yield;
    if (!cursor.advance()) {
      yield;
      await cursor.refill();
    }
    tree.replay(winner);
  }
}

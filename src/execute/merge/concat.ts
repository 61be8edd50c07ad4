// Concat: rows passed on as they come or merged in order, with DISTINCT, OFFSET and LIMIT.

import { MERGE_BATCH_ROWS } from '../../base/limits.ts';
import type { ConcatMerge } from '../../plan/plan.ts';
import type { OutputStyle } from '../../value/output-style.ts';
import { decodeDataRow } from '../../wire/row.ts';
import { arrivals } from './arrivals.ts';
import { MergeBudget } from './merge-budget.ts';
import type { MergeRequest } from './merge-request.ts';
import { orderedRows, type RowSink } from './ordered.ts';
import { type RowKey, rowKey } from './row-key.ts';
import { RowOrder } from './row-order.ts';
import { RowWindow } from './row-window.ts';
import { columnPosition } from './shard-layout.ts';

export async function* concatRows(
  merge: ConcatMerge,
  request: MergeRequest,
  style: OutputStyle,
): AsyncGenerator<readonly Buffer[]> {
  const fields = request.inputs[0]!.fields;
  const order = new RowOrder(
    merge.sort.map((key) => ({
      ...key,
      typeOid: fields[columnPosition(key.column, fields.length)]!.typeOid,
    })),
  );
  const output = new ConcatOutput(merge, request, style);
  if (output.closed) return;
  if (merge.sort.length === 0) {
    for await (const batch of arrivals(request.inputs)) {
      for (const row of batch) {
        output.take(row, true);
        if (output.closed) break;
      }
      if (output.size > 0) yield output.handOn();
      if (output.closed) return;
    }
    return;
  }
  const positions = merge.sort.map((key) => columnPosition(key.column, fields.length));
  for await (const _ of orderedRows(request.inputs, positions, order, output)) {
    if (output.size > 0) yield output.handOn();
  }
  if (output.size > 0) yield output.handOn();
}

/** Gathers the rows that pass DISTINCT, OFFSET and LIMIT, without their hidden columns. */
class ConcatOutput implements RowSink {
  readonly #visible: number;
  readonly #hidden: number;
  readonly #window: RowWindow;
  readonly #key: RowKey | null;
  readonly #seen = new Set<string>();
  readonly #budget: MergeBudget;
  #rows: Buffer[] = [];

  constructor(merge: ConcatMerge, request: MergeRequest, style: OutputStyle) {
    const { output } = request;
    this.#visible = output.length;
    this.#hidden = merge.hiddenColumns;
    this.#window = new RowWindow(request.limit, request.offset);
    this.#budget = new MergeBudget(request.rowsMax, request.bytesMax);
    const columns = output.map(({ typeOid, format }, position) => ({ typeOid, format, position }));
    this.#key = merge.distinct ? rowKey(columns, style, 'DISTINCT') : null;
  }

  get closed(): boolean {
    return this.#window.closed;
  }

  get full(): boolean {
    return this.#rows.length >= MERGE_BATCH_ROWS;
  }

  get size(): number {
    return this.#rows.length;
  }

  get comparesKeys(): boolean {
    return this.#key !== null;
  }

  take(row: Buffer, sameKeys: boolean): void {
    if (this.#key !== null && !this.#isNew(row, this.#key, sameKeys)) return;
    if (!this.#window.admits()) return;
    this.#rows.push(this.#hidden === 0 ? row : withoutHidden(row, this.#visible));
  }

  /** The gathered rows, which become the caller's. */
  handOn(): readonly Buffer[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /**
   * The sort keys of SELECT DISTINCT are among its columns: rows that differ in them are different,
   * so what was seen under other keys can be forgotten.
   */
  #isNew(row: Buffer, rowKeyOf: RowKey, sameKeys: boolean): boolean {
    if (!sameKeys) {
      this.#seen.clear();
      this.#budget.clear();
    }
    const key = rowKeyOf(decodeDataRow(row));
    if (this.#seen.has(key)) return false;
    this.#budget.keep(key.length);
    this.#seen.add(key);
    return true;
  }
}

/** A copy of the row's first `visible` columns. Source: DataRow in PROTOCOL-MESSAGE-FORMATS. */
export function withoutHidden(row: Buffer, visible: number): Buffer {
  let end = 2;
  for (let i = 0; i < visible; i++) {
    const length = row.readInt32BE(end);
    end += 4 + Math.max(length, 0);
  }
  const shorter = Buffer.allocUnsafe(end);
  row.copy(shorter, 0, 0, end);
  shorter.writeInt16BE(visible, 0);
  return shorter;
}

// BinarySplitter: the rows of COPY's binary format and their keys.

import {
  CopyDataError,
  type CopyKey,
  type CopySink,
  type CopySplitter,
  ONE_LINE,
} from './copy-rows.ts';
import { RowBuffer } from './row-buffer.ts';

/** PGCOPY, line ends and a zero byte; then flags and the length of an extension. */
const SIGNATURE_BYTES = 11;
const HEADER_BYTES = SIGNATURE_BYTES + 8;
const TRAILER = -1;
/** High words of int8 whose number is exact. */
const EXACT_HIGH_MAX = 2 ** 20;

/** Source: "Binary Format" of the manual's page of COPY. */
export class BinarySplitter implements CopySplitter {
  readonly lineEnd = 'unknown';
  #sink: CopySink;
  #rows = new RowBuffer();
  #keyIndex: number;
  #columns: number;
  #state: 'header' | 'rows' | 'ended' | 'broken' = 'header';
  /** Of the unfinished row: bytes looked at, fields of it, and where the key is. */
  #scanned = 0;
  #field = 0;
  #keyStart = -1;
  #keyLength = -1;

  /** `keyIndex`: of the key among the `columns` of the data, 0-based. */
  constructor(keyIndex: number, columns: number, sink: CopySink) {
    this.#sink = sink;
    this.#keyIndex = keyIndex;
    this.#columns = columns;
  }

  push(chunk: Buffer): void {
    if (this.#state === 'broken' || chunk.length === 0) return;
    if (this.#state === 'ended') throw afterEnd();
    this.#rows.append(chunk);
    this.#scan();
  }

  finish(): void {
    const { bytes, start, end } = this.#rows;
    if (this.#state === 'header') this.#sink.header(bytes, start, end, ONE_LINE);
    else if (this.#state === 'rows' && end > start) this.#broken(end);
  }

  #scan(): void {
    const rows = this.#rows;
    if (this.#state === 'header' && !this.#readHeader()) return;
    while (this.#state === 'rows' && this.#readRow()) this.#emit();
    if (this.#state === 'ended' && rows.end > rows.start) throw afterEnd();
  }

  #readHeader(): boolean {
    const rows = this.#rows;
    const { bytes, start, end } = rows;
    if (end - start < HEADER_BYTES) return false;
    const extension = bytes.readInt32BE(start + SIGNATURE_BYTES + 4);
    // A server refuses a negative length; it is told by it, as there is no row to wait for.
    const length = HEADER_BYTES + Math.max(extension, 0);
    if (end - start < length) return false;
    this.#sink.header(bytes, start, start + length, ONE_LINE);
    rows.start += length;
    this.#state = 'rows';
    return true;
  }

  /** True when a whole row has been looked at; it ends at `#scanned`. */
  #readRow(): boolean {
    const { bytes, start, end } = this.#rows;
    if (this.#scanned === 0) {
      if (end - start < 2) return false;
      const count = bytes.readInt16BE(start);
      if (count === TRAILER) {
        this.#rows.start += 2;
        this.#state = 'ended';
        return false;
      }
      this.#scanned = 2;
      if (count !== this.#columns) return this.#broken(start + 2);
    }
    while (this.#field < this.#columns) {
      const at = start + this.#scanned;
      if (end - at < 4) return false;
      const length = bytes.readInt32BE(at);
      if (length < -1) return this.#broken(at + 4);
      if (end - at - 4 < length) return false;
      if (this.#field === this.#keyIndex) {
        this.#keyStart = this.#scanned + 4;
        this.#keyLength = length;
      }
      this.#scanned += 4 + Math.max(length, 0);
      this.#field += 1;
    }
    return true;
  }

  /** What cannot be cut goes on as it is up to `end`, for a server to refuse. */
  #broken(end: number): false {
    const { bytes, start } = this.#rows;
    this.#state = 'broken';
    this.#sink.row(bytes, start, end, 'unreadable', ONE_LINE);
    return false;
  }

  #emit(): void {
    const rows = this.#rows;
    this.#sink.row(rows.bytes, rows.start, rows.start + this.#scanned, this.#key(), ONE_LINE);
    rows.start += this.#scanned;
    this.#scanned = 0;
    this.#field = 0;
  }

  #key(): CopyKey {
    const { bytes, start } = this.#rows;
    const at = start + this.#keyStart;
    switch (this.#keyLength) {
      case -1:
        return 'null';
      case 2:
        return bytes.readInt16BE(at);
      case 4:
        return bytes.readInt32BE(at);
      case 8: {
        const high = bytes.readInt32BE(at);
        if (Math.abs(high) < EXACT_HIGH_MAX) return high * 2 ** 32 + bytes.readUInt32BE(at + 4);
        return bytes.readBigInt64BE(at);
      }
      default:
        return 'unreadable';
    }
  }
}

function afterEnd(): CopyDataError {
  return new CopyDataError('received copy data after EOF marker', undefined);
}

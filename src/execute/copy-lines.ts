// CopyLines: which line of the client's COPY data a line of one shard's part is.

import { COPY_LINES_KEPT_BYTES } from '../base/limits.ts';

const SEGMENT_BYTES = 16 * 1024;
/** Two numbers of up to five bytes each. */
const ENTRY_BYTES_MAX = 10;

/** Rows as pairs of differences: the shard's line, the client's. */
interface Segment {
  readonly pairs: Buffer;
  length: number;
  /** Lines before its first row. */
  readonly ownBefore: number;
  readonly clientBefore: number;
  /** Bytes of the rows. */
  rowBytes: number;
}

/** Remembers the rows that a server may still be busy with; see COPY_LINES_KEPT_BYTES. */
export class CopyLines {
  #segments: Segment[] = [];
  #rowBytes = 0;
  #own = 0;
  #client = 0;

  /** A row of `bytes` that ends `ownLines` further in the shard's part and at `clientLine`. */
  add(ownLines: number, clientLine: number, bytes: number): void {
    let segment = this.#segments.at(-1);
    if (segment === undefined || segment.length + ENTRY_BYTES_MAX > SEGMENT_BYTES) {
      segment = this.#newSegment();
    }
    segment.length = writeNumber(segment.pairs, segment.length, ownLines);
    segment.length = writeNumber(segment.pairs, segment.length, clientLine - this.#client);
    segment.rowBytes += bytes;
    this.#rowBytes += bytes;
    this.#own += ownLines;
    this.#client = clientLine;
  }

  /** null: the row is too long ago, or none that was sent. */
  clientLine(ownLine: number): number | null {
    if (ownLine > this.#own) return null;
    const segment = this.#segments.findLast(({ ownBefore }) => ownBefore < ownLine);
    if (segment === undefined) return null;
    let own = segment.ownBefore;
    let client = segment.clientBefore;
    for (let at = 0; at < segment.length && own < ownLine; ) {
      const [ownStep, next] = readNumber(segment.pairs, at);
      const [clientStep, end] = readNumber(segment.pairs, next);
      own += ownStep;
      client += clientStep;
      at = end;
    }
    return client - (own - ownLine);
  }

  #newSegment(): Segment {
    while (this.#rowBytes > COPY_LINES_KEPT_BYTES) {
      this.#rowBytes -= this.#segments.shift()!.rowBytes;
    }
    const segment = {
      pairs: Buffer.allocUnsafeSlow(SEGMENT_BYTES),
      length: 0,
      ownBefore: this.#own,
      clientBefore: this.#client,
      rowBytes: 0,
    };
    this.#segments.push(segment);
    return segment;
  }
}

/** Seven bits a byte, the lowest first; gives the position behind it. */
function writeNumber(buffer: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
  }
  buffer[at++] = rest;
  return at;
}

function readNumber(buffer: Buffer, start: number): [value: number, end: number] {
  let value = 0;
  let scale = 1;
  for (let at = start; ; at++) {
    const byte = buffer[at]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return [value, at + 1];
    scale *= 128;
  }
}

// TextSplitter: the rows of COPY's text format and their keys.

import { type Characters, SINGLE_BYTES } from './characters.ts';
import type { TextFormat } from './copy-format.ts';
import {
  CopyDataError,
  type CopyKey,
  type CopySink,
  type CopySplitter,
  type LineEnd,
  ONE_LINE,
} from './copy-rows.ts';
import { integerOf, plainInteger } from './integer-key.ts';
import { RowBuffer } from './row-buffer.ts';
import { unescapeText } from './text-escape.ts';

const FEED = 0x0a;
const RETURN = 0x0d;
const BACKSLASH = 0x5c;
const DOT = 0x2e;

/** Source: CopyReadLineText and CopyReadAttributesText of copyfromparse.c. */
export class TextSplitter implements CopySplitter {
  #sink: CopySink;
  #rows = new RowBuffer();
  #delimiter: number;
  #characters: Characters;
  #null: Buffer;
  #default: Buffer | null;
  #keyIndex: number;
  #header: boolean;
  #lineEnd: 'unknown' | 'feed' | 'return' | 'returnFeed' = 'unknown';
  /** The end marker has come: what follows means nothing. */
  #ended = false;
  /** Bytes that may matter before the key is found, and behind it. */
  #stops: Uint8Array;
  #lineStops: Uint8Array;
  /** Of the unfinished row: bytes looked at, the field, where the key is; relative to the row. */
  #scanned = 0;
  #field = 0;
  #keyStart = 0;
  #keyEnd = -1;

  /** `keyIndex`: of the key among the columns of the data, 0-based. */
  constructor(
    format: TextFormat,
    keyIndex: number,
    sink: CopySink,
    characters: Characters = SINGLE_BYTES,
  ) {
    this.#sink = sink;
    this.#characters = characters;
    this.#delimiter = format.delimiter;
    this.#null = Buffer.from(format.null);
    this.#default = format.default === null ? null : Buffer.from(format.default);
    this.#keyIndex = keyIndex;
    this.#header = format.header;
    this.#lineStops = stopsAt([FEED, RETURN, BACKSLASH], characters);
    this.#stops = stopsAt([FEED, RETURN, BACKSLASH, format.delimiter], characters);
  }

  get lineEnd(): LineEnd {
    return this.#lineEnd === 'returnFeed' ? 'return' : this.#lineEnd;
  }

  push(chunk: Buffer): void {
    if (this.#ended) return;
    this.#rows.append(chunk);
    this.#scan(false);
  }

  finish(): void {
    if (this.#ended) return;
    this.#scan(true);
    const { start, end } = this.#rows;
    if (!this.#ended && end > start) this.#emit(end - start, end - start);
  }

  #scan(final: boolean): void {
    const rows = this.#rows;
    const { bytes, end } = rows;
    const delimiter = this.#delimiter;
    const { starts } = this.#characters;
    let at = rows.start + this.#scanned;
    let stops = this.#field > this.#keyIndex ? this.#lineStops : this.#stops;
    for (;;) {
      while (at < end && stops[bytes[at]!] === 0) at++;
      if (at >= end) break;
      const byte = bytes[at]!;
      if (byte === BACKSLASH) {
        if (at + 1 >= end && !final) break;
        if (at === rows.start && bytes[at + 1] === DOT && at + 2 <= end) {
          const marker = this.#endMarker(at + 2, end, final);
          if (marker === 'unsure') break;
          if (marker === 'end') return;
        }
        at = Math.min(at + 1 + (starts[bytes[at + 1]!] === 1 ? 0 : 1), end);
      } else if (byte === delimiter) {
        this.#fieldEnds(at - rows.start);
        if (this.#field > this.#keyIndex) stops = this.#lineStops;
        at += 1;
      } else if (starts[byte] === 1) {
        const length = this.#characters.lengthAt(bytes, at, end);
        if (length === 0) break;
        at += length;
      } else {
        const length = this.#lineEndAt(at, end, final);
        if (length === 0) break;
        this.#emit(at - rows.start, at + length - rows.start);
        at += length;
        stops = this.#stops;
      }
    }
    this.#scanned = at - rows.start;
  }

  /** Whether a `\.` before `at` stands alone on its line. */
  #endMarker(at: number, end: number, final: boolean): 'end' | 'unsure' | 'none' {
    if (at >= end) return final ? 'none' : 'unsure';
    const next = this.#rows.bytes[at];
    if (next !== FEED && next !== RETURN) return 'none';
    if (next === FEED && this.lineEnd === 'return') return 'none';
    if (next === RETURN && this.lineEnd === 'feed') return 'none';
    this.#ended = true;
    return 'end';
  }

  #fieldEnds(at: number): void {
    if (this.#field === this.#keyIndex) this.#keyEnd = at;
    this.#field += 1;
    if (this.#field === this.#keyIndex) this.#keyStart = at + 1;
  }

  /** The length of the line end at `at`; 0: the next byte decides. */
  #lineEndAt(at: number, end: number, final: boolean): number {
    const { bytes } = this.#rows;
    if (bytes[at] === FEED) {
      if (this.lineEnd === 'return') {
        throw new CopyDataError('literal newline found in data', 'Use "\\n" to represent newline.');
      }
      this.#lineEnd = 'feed';
      return 1;
    }
    if (this.#lineEnd === 'return') return 1;
    if (this.#lineEnd !== 'feed') {
      if (at + 1 >= end && !final) return 0;
      if (at + 1 < end && bytes[at + 1] === FEED) {
        this.#lineEnd = 'returnFeed';
        return 2;
      }
      if (this.#lineEnd === 'unknown') {
        this.#lineEnd = 'return';
        return 1;
      }
    }
    throw new CopyDataError(
      'literal carriage return found in data',
      'Use "\\r" to represent carriage return.',
    );
  }

  #emit(dataEnd: number, rowEnd: number): void {
    const rows = this.#rows;
    const { start } = rows;
    if (this.#header) {
      this.#header = false;
      this.#sink.header(rows.bytes, start, start + rowEnd, ONE_LINE);
    } else {
      if (this.#field === this.#keyIndex) this.#keyEnd = dataEnd;
      this.#sink.row(rows.bytes, start, start + rowEnd, this.#key(), ONE_LINE);
    }
    rows.start += rowEnd;
    this.#scanned = 0;
    this.#field = 0;
    this.#keyStart = 0;
    this.#keyEnd = -1;
  }

  #key(): CopyKey {
    if (this.#keyEnd < 0) return 'unreadable';
    const { bytes, start: row } = this.#rows;
    const start = row + this.#keyStart;
    const end = row + this.#keyEnd;
    if (isField(bytes, start, end, this.#null)) return 'null';
    if (this.#default !== null && isField(bytes, start, end, this.#default)) return 'default';
    const plain = plainInteger(bytes, start, end);
    if (!Number.isNaN(plain)) return plain;
    return integerOf(unescapeText(bytes.toString('latin1', start, end))) ?? 'unreadable';
  }
}

/** A table with 1 for the bytes that a scan must look at: these, and such as may hide one of them. */
export function stopsAt(bytes: readonly number[], { starts }: Characters): Uint8Array {
  const stops = Uint8Array.from(starts);
  for (const byte of bytes) stops[byte] = 1;
  return stops;
}

export function isField(bytes: Buffer, start: number, end: number, marker: Buffer): boolean {
  if (end - start !== marker.length) return false;
  for (let i = 0; i < marker.length; i++) if (bytes[start + i] !== marker[i]) return false;
  return true;
}

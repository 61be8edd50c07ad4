// CsvSplitter: the rows of COPY's CSV format and their keys.

import { type Characters, SINGLE_BYTES } from './characters.ts';
import type { CsvFormat } from './copy-format.ts';
import {
  CopyDataError,
  type CopyKey,
  type CopySink,
  type CopySplitter,
  type LineEnd,
  linesOf,
} from './copy-rows.ts';
import { unquoteCsv } from './csv-quotes.ts';
import { integerOf, plainInteger } from './integer-key.ts';
import { RowBuffer } from './row-buffer.ts';
import { isField, stopsAt } from './text-splitter.ts';

const FEED = 0x0a;
const RETURN = 0x0d;
const BACKSLASH = 0x5c;
const DOT = 0x2e;

/** Source: CopyReadLineText and CopyReadAttributesCSV of copyfromparse.c. */
export class CsvSplitter implements CopySplitter {
  #sink: CopySink;
  #rows = new RowBuffer();
  #format: CsvFormat;
  #characters: Characters;
  #null: Buffer;
  #default: Buffer | null;
  #keyIndex: number;
  #header: boolean;
  #hasEndMarker: boolean;
  /** The end marker has come: what follows means nothing. */
  #ended = false;
  #lineEnd: 'unknown' | 'feed' | 'return' | 'returnFeed' = 'unknown';
  /** Bytes that matter outside of quotes before the key is found, behind it, and inside. */
  #stops: Uint8Array;
  #lineStops: Uint8Array;
  #quotedStops: Uint8Array;
  /** Of the unfinished row: bytes looked at, the field, where the key is; relative to the row. */
  #scanned = 0;
  #field = 0;
  #keyStart = 0;
  #keyEnd = -1;
  #inQuote = false;
  /** The byte before was an escape that is not itself escaped; quotes and escapes that differ. */
  #escaped = false;
  #feeds = 0;
  #returns = 0;

  /**
   * `keyIndex`: of the key among the columns of the data, 0-based. `hasEndMarker`: the server takes a line of `\.` for
   * the end of the data, which psql sends behind what stands in a script, as long as servers do.
   */
  constructor(
    format: CsvFormat,
    keyIndex: number,
    sink: CopySink,
    characters: Characters = SINGLE_BYTES,
    hasEndMarker = false,
  ) {
    const { delimiter, quote, escapeByte } = format;
    this.#hasEndMarker = hasEndMarker && quote !== BACKSLASH && delimiter !== BACKSLASH;
    const marks = this.#hasEndMarker ? [BACKSLASH] : [];
    this.#sink = sink;
    this.#format = format;
    this.#characters = characters;
    this.#null = Buffer.from(format.null);
    this.#default = format.default === null ? null : Buffer.from(format.default);
    this.#keyIndex = keyIndex;
    this.#header = format.header;
    this.#stops = stopsAt([FEED, RETURN, quote, delimiter, ...marks], characters);
    this.#lineStops = stopsAt([FEED, RETURN, quote], characters);
    this.#quotedStops = stopsAt([FEED, RETURN, quote, escapeByte], characters);
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
    const { delimiter, quote } = this.#format;
    let at = rows.start + this.#scanned;
    for (;;) {
      if (this.#inQuote) {
        at = this.#skipQuoted(at, end);
        if (this.#inQuote) break;
      }
      const stops = this.#field > this.#keyIndex ? this.#lineStops : this.#stops;
      while (at < end && stops[bytes[at]!] === 0) at++;
      if (at >= end) break;
      const byte = bytes[at]!;
      if (byte === quote) {
        this.#inQuote = true;
        this.#escaped = false;
        at += 1;
      } else if (byte === delimiter) {
        this.#fieldEnds(at - rows.start);
        at += 1;
      } else if (byte === BACKSLASH && this.#hasEndMarker) {
        if (at === rows.start) {
          const marker = this.#endMarker(at + 1, end, final);
          if (marker === 'unsure') break;
          if (marker === 'end') return;
        }
        at += 1;
      } else if (this.#characters.starts[byte] === 1) {
        const length = this.#characters.lengthAt(bytes, at, end);
        if (length === 0) break;
        at += length;
      } else {
        const length = this.#lineEndAt(at, end, final);
        if (length === 0) break;
        this.#emit(at - rows.start, at + length - rows.start);
        at += length;
      }
    }
    this.#scanned = at - rows.start;
  }

  /** Whether the backslash before `at` begins a `\.` that stands alone on its line. */
  #endMarker(at: number, end: number, final: boolean): 'end' | 'unsure' | 'none' {
    const { bytes } = this.#rows;
    if (at < end && bytes[at] !== DOT) return 'none';
    if (at + 1 >= end) return final ? 'none' : 'unsure';
    const next = bytes[at + 1];
    if (next !== FEED && next !== RETURN) return 'none';
    if (next === FEED && this.lineEnd === 'return') return 'none';
    if (next === RETURN && this.lineEnd === 'feed') return 'none';
    this.#ended = true;
    return 'end';
  }

  /** From inside of quotes to behind the closing one, or as far as what is there can be read. */
  #skipQuoted(from: number, end: number): number {
    const { bytes } = this.#rows;
    const { quote, escapeByte } = this.#format;
    const stops = this.#quotedStops;
    const { starts } = this.#characters;
    let at = from;
    let escaped = this.#escaped;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (stops[byte] === 0) {
        escaped = false;
      } else if (byte === escapeByte && escapeByte !== quote) {
        escaped = !escaped;
      } else if (byte === quote) {
        // A doubled quote closes and opens again, which comes to the same.
        if (!escaped) {
          this.#inQuote = false;
          return at + 1;
        }
        escaped = false;
      } else if (starts[byte] === 1) {
        const length = this.#characters.lengthAt(bytes, at, end);
        if (length === 0) break;
        escaped = false;
        at += length - 1;
      } else {
        escaped = false;
        if (byte === FEED) this.#feeds += 1;
        else this.#returns += 1;
      }
    }
    this.#escaped = escaped;
    return at;
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
      if (this.lineEnd === 'return') throw this.#unquoted('newline', 'newline');
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
    throw this.#unquoted('carriage return', 'carriage return');
  }

  #unquoted(found: string, represented: string): CopyDataError {
    const lines = { feeds: this.#feeds, returns: this.#returns };
    return new CopyDataError(
      `unquoted ${found} found in data`,
      `Use quoted CSV field to represent ${represented}.`,
      linesOf(lines, this.lineEnd) - 1,
    );
  }

  #emit(dataEnd: number, rowEnd: number): void {
    const rows = this.#rows;
    const { start } = rows;
    const lines = { feeds: this.#feeds, returns: this.#returns };
    if (this.#header) {
      this.#header = false;
      this.#sink.header(rows.bytes, start, start + rowEnd, lines);
    } else {
      if (this.#field === this.#keyIndex) this.#keyEnd = dataEnd;
      this.#sink.row(rows.bytes, start, start + rowEnd, this.#key(), lines);
    }
    rows.start += rowEnd;
    this.#scanned = 0;
    this.#field = 0;
    this.#keyStart = 0;
    this.#keyEnd = -1;
    this.#inQuote = false;
    this.#escaped = false;
    this.#feeds = 0;
    this.#returns = 0;
  }

  #key(): CopyKey {
    if (this.#keyEnd < 0) return 'unreadable';
    const { bytes, start: row } = this.#rows;
    const { quote, escapeByte, forceNull, forceNotNull } = this.#format;
    const start = row + this.#keyStart;
    const end = row + this.#keyEnd;
    if (isField(bytes, start, end, this.#null)) {
      if (!bytes.subarray(start, end).includes(quote) && !forceNotNull) return 'null';
    } else if (this.#default !== null && isField(bytes, start, end, this.#default)) {
      return 'default';
    }
    const quoted = end - start > 2 && bytes[start] === quote && bytes[end - 1] === quote ? 1 : 0;
    const plain = plainInteger(bytes, start + quoted, end - quoted);
    if (!Number.isNaN(plain) && !forceNull) return plain;
    const text = unquoteCsv(bytes.toString('latin1', start, end), quote, escapeByte);
    if (text === null) return 'unreadable';
    if (forceNull && text === this.#null.toString('latin1')) return 'null';
    return integerOf(text) ?? 'unreadable';
  }
}

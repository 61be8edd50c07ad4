// FrameReader: cuts the byte stream of one peer into protocol messages without copying them.

import { protocolViolation } from '../base/errors.ts';
import { FREED_BYTES_MIN } from '../base/limits.ts';

/** Type byte (absent in startup packets) and length word. */
const HEADER_BYTES = 5;

const EMPTY = Buffer.alloc(0);

/**
 * Feed it chunks with `push`, then call `next` until it gives false. After a true the message stands
 * in `buffer` from `start` (its type byte) over `bodyStart` to `end`. The bytes are slices of the
 * pushed chunks (or of a copy where a message straddles chunks) and are never reused by the
 * reader: a view on them stays valid as long as it is referenced.
 *
 * A message that has not arrived whole can be passed on in pieces with `nextPiece`.
 * Source: PROTOCOL-MESSAGE-FORMATS.
 */
export class FrameReader {
  buffer: Buffer = EMPTY;
  /** Code of the type byte; 0 for a startup packet. */
  type = 0;
  start = 0;
  bodyStart = 0;
  end = 0;
  /** False while further pieces of the current message are to come (see nextPiece). */
  complete = true;

  #position = 0;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  /** Bytes of a message that nextPiece has begun and that are still to come. */
  #pieceBytes = 0;
  #lengthMax: number;
  #startup: boolean;

  /** `startup`: the first message is a startup packet, which has no type byte. */
  constructor(lengthMax: number, startup = false) {
    this.#lengthMax = lengthMax;
    this.#startup = startup;
  }

  /** Sets another bound on the length word, in bytes. */
  set lengthMax(bytes: number) {
    this.#lengthMax = bytes;
  }

  /** Says whether the next message is a startup packet (again, after SSLRequest). */
  set startup(expected: boolean) {
    this.#startup = expected;
  }

  /** Bytes received and not yet given out by next(). */
  get bufferedBytes(): number {
    return this.buffer.length - this.#position + this.#chunkBytes;
  }

  /** The first byte not given out; -1 if there is none. */
  peekByte(): number {
    return this.buffer[this.#position] ?? this.#chunks[0]?.[0] ?? -1;
  }

  push(chunk: Buffer): void {
    if (this.#position === this.buffer.length && this.#chunkBytes === 0) {
      this.buffer = chunk;
      this.#position = 0;
      return;
    }
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
  }

  /** Moves to the next whole message. False: more bytes are needed. Throws 08P01 on a bad length. */
  next(): boolean {
    if (this.#pieceBytes > 0) return this.#nextOfPiece();
    if (this.#position === this.buffer.length && this.#chunkBytes === 0) {
      // An idle connection must not keep the last chunk's memory alive.
      this.buffer = EMPTY;
      this.#position = 0;
      return false;
    }
    const header = this.#startup ? HEADER_BYTES - 1 : HEADER_BYTES;
    if (!this.#has(header)) return false;
    const length = this.buffer.readInt32BE(this.#position + header - 4);
    this.#checkLength(length);
    const total = length + header - 4;
    if (!this.#has(total)) return false;
    this.start = this.#position;
    this.type = this.#startup ? 0 : this.buffer[this.start]!;
    this.bodyStart = this.start + header;
    this.end = this.start + total;
    this.complete = true;
    this.#position = this.end;
    return true;
  }

  /** The type of the message whose header has arrived but not its whole body; -1 if none. */
  pendingType(): number {
    if (this.#startup || this.#pieceBytes > 0 || !this.#has(HEADER_BYTES)) return -1;
    return this.buffer[this.#position]!;
  }

  /** Length of the message that pendingType() named, its header included. */
  pendingBytes(): number {
    return this.buffer.readInt32BE(this.#position + 1) + 1;
  }

  /**
   * After next() gave false and pendingType() named a message: gives what has arrived of it,
   * header first. The following calls of next() give its further pieces (with bodyStart = start)
   * until `complete` is true again.
   */
  nextPiece(): void {
    this.start = this.#position;
    this.type = this.buffer[this.start]!;
    this.bodyStart = this.start + HEADER_BYTES;
    this.end = this.buffer.length;
    const total = this.buffer.readInt32BE(this.start + 1) + 1;
    this.#pieceBytes = total - (this.end - this.start);
    this.complete = false;
    this.#position = this.end;
  }

  /** Bytes of a message given out in pieces that are still to come; 0 between messages. */
  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  /** Everything received and not given out: what follows a protocol upgrade. */
  takeRest(): Buffer {
    this.#join();
    const rest = this.buffer.subarray(this.#position);
    this.#position = this.buffer.length;
    return rest;
  }

  /**
   * Gives back the memory of a large chunk whose messages nobody needs any more. It lies outside of
   * the heap, and the collector would come for it only by collecting everything.
   */
  free(chunk: Buffer): void {
    if (chunk.length < FREED_BYTES_MIN || this.#chunkBytes > 0) return;
    const rest = this.buffer.length - this.#position;
    if (rest > FREED_BYTES_MIN) return;
    this.buffer = rest === 0 ? EMPTY : Buffer.from(this.buffer.subarray(this.#position));
    this.#position = 0;
    const memory = chunk.buffer as ArrayBuffer;
    if (memory.byteLength === chunk.length) memory.transfer(0);
  }

  #nextOfPiece(): boolean {
    if (!this.#has(1)) return false;
    const available = this.buffer.length - this.#position;
    const size = Math.min(available, this.#pieceBytes);
    this.start = this.#position;
    this.bodyStart = this.start;
    this.end = this.start + size;
    this.#position = this.end;
    this.#pieceBytes -= size;
    this.complete = this.#pieceBytes === 0;
    return true;
  }

  /** True when `count` bytes are together in `buffer` from the position on. */
  #has(count: number): boolean {
    if (this.#position === this.buffer.length && this.#chunkBytes > 0) {
      this.buffer = this.#chunks.shift()!;
      this.#chunkBytes -= this.buffer.length;
      this.#position = 0;
    }
    const available = this.buffer.length - this.#position;
    if (available >= count) return true;
    // Copying only once the whole message is here keeps a huge message linear in cost.
    if (available + this.#chunkBytes < count) return false;
    this.#gather(count);
    return true;
  }

  /** Brings `count` bytes together; of the chunks behind them nothing is copied. */
  #gather(count: number): void {
    const gathered = Buffer.allocUnsafe(count);
    let filled = this.buffer.copy(gathered, 0, this.#position);
    let used = 0;
    while (filled < count) {
      const chunk = this.#chunks[used]!;
      const taken = chunk.copy(gathered, filled);
      filled += taken;
      this.#chunkBytes -= taken;
      if (taken === chunk.length) used += 1;
      else this.#chunks[used] = chunk.subarray(taken);
    }
    this.#chunks.splice(0, used);
    this.buffer = gathered;
    this.#position = 0;
  }

  #join(): void {
    if (this.#chunkBytes === 0) return;
    const rest = this.buffer.subarray(this.#position);
    this.buffer =
      rest.length === 0 && this.#chunks.length === 1
        ? this.#chunks[0]!
        : Buffer.concat([rest, ...this.#chunks]);
    this.#position = 0;
    this.#chunks = [];
    this.#chunkBytes = 0;
  }

  #checkLength(length: number): void {
    if (length >= 4 && length <= this.#lengthMax) return;
    throw protocolViolation(
      this.#startup ? 'invalid length of startup packet' : 'invalid message length',
    );
  }
}

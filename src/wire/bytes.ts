// Bytes: a checked reader of one message's body and a writer of whole messages.

import { protocolViolation } from '../base/errors.ts';
import { FREED_BYTES_MIN } from '../base/limits.ts';

/**
 * Reads the fields of one message body, buffer[position, end). Every read is checked against the
 * end and throws 08P01. What `bytes` gives is a view on the buffer, what `string` gives a copy.
 * Source: PROTOCOL-MESSAGE-TYPES.
 */
export class BodyReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #position: number;

  constructor(buffer: Buffer, start: number, end: number) {
    this.#buffer = buffer;
    this.#position = start;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  byte(): number {
    return this.#buffer[this.#take(1)]!;
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#take(2));
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4));
  }

  /** Oids are unsigned. */
  uint32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  /** UTF-8 up to a zero byte, which is not part of it. */
  string(): string {
    const zero = this.#buffer.indexOf(0, this.#position);
    if (zero < 0 || zero >= this.#end) throw protocolViolation('invalid string in message');
    const text = this.#buffer.toString('utf8', this.#position, zero);
    this.#position = zero + 1;
    return text;
  }

  bytes(count: number): Buffer {
    const start = this.#take(count);
    return this.#buffer.subarray(start, start + count);
  }

  /** Length word and bytes; null for the length -1. */
  value(): Buffer | null {
    const length = this.int32();
    return length === -1 ? null : this.bytes(length);
  }

  rest(): Buffer {
    return this.bytes(this.remaining);
  }

  /** Throws 08P01 when bytes are left over. */
  finish(): void {
    if (this.remaining !== 0) throw protocolViolation('invalid message format');
  }

  #take(count: number): number {
    const start = this.#position;
    if (count < 0 || count > this.#end - start) {
      throw protocolViolation('insufficient data left in message');
    }
    this.#position = start + count;
    return start;
  }
}

const FIRST_CAPACITY_BYTES = 256;

/** Builds one message: `new MessageWriter(type)`, fields, `finish()`. */
export class MessageWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY_BYTES);
  #position: number;
  readonly #lengthAt: number;

  /** `type`: code of the type byte; null for a startup packet, which has none. */
  constructor(type: number | null) {
    this.#lengthAt = type === null ? 0 : 1;
    this.#position = this.#lengthAt + 4;
    if (type !== null) this.#buffer[0] = type;
  }

  byte(value: number): this {
    const at = this.#grow(1);
    this.#buffer[at] = value;
    return this;
  }

  int16(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeInt16BE(value, at);
    return this;
  }

  /** Counts on the wire go up to 65,535 though the manual calls them Int16. */
  uint16(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  uint32(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  /** `text` must not contain a zero byte: it would end there. */
  string(text: string): this {
    const length = Buffer.byteLength(text);
    const start = this.#grow(length + 1);
    this.#buffer.write(text, start, length, 'utf8');
    this.#buffer[start + length] = 0;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  value(bytes: Uint8Array | null): this {
    if (bytes === null) return this.int32(-1);
    return this.int32(bytes.length).bytes(bytes);
  }

  /** The whole message; the writer must not be used any more. */
  finish(): Buffer {
    this.#buffer.writeInt32BE(this.#position - this.#lengthAt, this.#lengthAt);
    return this.#buffer.subarray(0, this.#position);
  }

  /** May replace the buffer: call it before naming the buffer in the same expression. */
  #grow(count: number): number {
    const start = this.#position;
    this.#position += count;
    if (this.#position > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#position));
      this.#buffer.copy(larger, 0, 0, start);
      this.#buffer = larger;
    }
    return start;
  }
}

/**
 * Gives the memory of a large buffer back, if it has it to itself: nobody may look at it any more. It lies
 * outside of the heap, and the collector would come for it only by collecting everything.
 */
export function releaseMemory({ buffer, length }: Buffer): void {
  if (length < FREED_BYTES_MIN || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}

// Shared by the codec tests: a message's body for a decoder, whole or truncated at every byte.

import { expect } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { BodyReader } from '../../src/wire/bytes.ts';

/** Longer than any test message's truncated body: a read past the end would find it. */
const BEYOND = Buffer.alloc(64, 0x41);

/** A reader over the body of `message`, whose type byte and length word are checked. */
export function bodyOf(message: Buffer, type: number): BodyReader {
  expect(message[0]).toBe(type);
  expect(message.readInt32BE(1)).toBe(message.length - 1);
  return new BodyReader(message, 5, message.length);
}

/**
 * Decodes `body` cut off at every byte, with other bytes behind the end. A decoder may find a
 * shorter message in it or throw 08P01, and must give for it exactly what it gives for a copy with
 * nothing behind: so it reads nothing past the end.
 */
export function expectSafeWhenTruncated(body: Buffer, decode: (body: BodyReader) => unknown): void {
  for (let length = 0; length < body.length; length++) {
    const cut = body.subarray(0, length);
    const alone = outcome(() => decode(new BodyReader(Buffer.from(cut), 0, length)));
    const followed = Buffer.concat([BEYOND, cut, body.subarray(length), BEYOND]);
    const start = BEYOND.length;
    const embedded = outcome(() => decode(new BodyReader(followed, start, start + length)));
    expect(embedded).toEqual(alone);
  }
}

/** Decodes random bytes: a value or 08P01. */
export function expectSafe(bytes: Uint8Array, decode: (body: BodyReader) => unknown): void {
  const body = Buffer.from(bytes);
  outcome(() => decode(new BodyReader(body, 0, body.length)));
}

function outcome(decode: () => unknown): { readonly value?: unknown; readonly code?: string } {
  try {
    return { value: decode() };
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    expect(error.code).toBe('08P01');
    return { code: `${error.code} ${error.message}` };
  }
}

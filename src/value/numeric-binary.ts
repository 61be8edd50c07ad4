// The binary format of numeric: base 10000 digits behind a header of four 16-bit words.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Numeric } from './numeric.ts';
import { powerOfTen } from './numeric.ts';

const HEADER_BYTES = 8;
const POSITIVE = 0x0000;
const NEGATIVE = 0x4000;
const NAN = 0xc000;
const INFINITY = 0xd000;
const NEGATIVE_INFINITY = 0xf000;
/** numeric_send reads a display scale of 32 out of the header bits that mark an infinity. */
const INFINITY_SCALE = 32;

/** Source: numeric_recv. 22P03 when the bytes are not a numeric. */
export function decodeNumeric(bytes: Buffer): Numeric {
  if (bytes.length < HEADER_BYTES) throw malformed();
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (bytes.length !== HEADER_BYTES + count * 2) throw malformed();
  if (sign === NAN) return { kind: 'nan' };
  if (sign === INFINITY) return { kind: 'infinity', negative: false };
  if (sign === NEGATIVE_INFINITY) return { kind: 'infinity', negative: true };
  if (sign !== POSITIVE && sign !== NEGATIVE) throw malformed();
  const digits = decodeDigits(bytes, count);
  const shift = scale + 4 * (weight - count + 1);
  // numeric_recv truncates digits beyond the display scale.
  const unscaled = shift >= 0 ? digits * powerOfTen(shift) : digits / powerOfTen(-shift);
  return { kind: 'finite', unscaled: sign === NEGATIVE ? -unscaled : unscaled, scale };
}

/** Up to three digits fit a double exactly; more are read as decimal text, which is quick. */
function decodeDigits(bytes: Buffer, count: number): bigint {
  if (count <= 3) {
    let small = 0;
    for (let i = 0; i < count; i++) small = small * 10_000 + digitAt(bytes, i);
    return BigInt(small);
  }
  let text = '';
  for (let i = 0; i < count; i++) text += digitAt(bytes, i).toString().padStart(4, '0');
  return BigInt(text);
}

function digitAt(bytes: Buffer, index: number): number {
  const digit = bytes.readUInt16BE(HEADER_BYTES + index * 2);
  if (digit > 9999) throw malformed();
  return digit;
}

/** The bytes numeric_send gives for `value`; zero digits at both ends are left out. */
export function encodeNumeric(value: Numeric): Buffer {
  if (value.kind === 'nan') return encodeHeader(0, 0, NAN, 0);
  if (value.kind === 'infinity') {
    return encodeHeader(0, 0, value.negative ? NEGATIVE_INFINITY : INFINITY, INFINITY_SCALE);
  }
  const negative = value.unscaled < 0n;
  const padding = (4 - (value.scale % 4)) % 4;
  const magnitude = negative ? -value.unscaled : value.unscaled;
  if (magnitude === 0n) return encodeHeader(0, 0, POSITIVE, value.scale);
  const plain = magnitude.toString() + '0'.repeat(padding);
  const text = plain.padStart(Math.ceil(plain.length / 4) * 4, '0');
  const groups = text.length / 4;
  const weight = groups - (value.scale + padding) / 4 - 1;
  let used = groups;
  while (text.startsWith('0000', (used - 1) * 4)) used--;
  const bytes = encodeHeader(used, weight, negative ? NEGATIVE : POSITIVE, value.scale);
  for (let i = 0; i < used; i++) {
    bytes.writeUInt16BE(Number(text.slice(i * 4, i * 4 + 4)), HEADER_BYTES + i * 2);
  }
  return bytes;
}

function encodeHeader(count: number, weight: number, sign: number, scale: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + count * 2);
  bytes.writeUInt16BE(count, 0);
  bytes.writeInt16BE(weight, 2);
  bytes.writeUInt16BE(sign, 4);
  bytes.writeUInt16BE(scale, 6);
  return bytes;
}

/**
 * Orders two values as a server sends them (no zero digits at either end), without decoding them:
 * the display scale does not count, NaN is greatest. Source: cmp_numerics.
 */
export function compareNumericBinary(a: Buffer, b: Buffer): number {
  const rankA = rank(a);
  const rankB = rank(b);
  if (rankA !== rankB || (rankA !== 1 && rankA !== -1)) return rankA - rankB;
  const magnitude = compareMagnitude(a, b);
  return rankA === 1 ? magnitude : -magnitude;
}

function rank(bytes: Buffer): number {
  const sign = bytes.readUInt16BE(4);
  if (sign === POSITIVE) return bytes.readUInt16BE(0) === 0 ? 0 : 1;
  if (sign === NEGATIVE) return -1;
  if (sign === NEGATIVE_INFINITY) return -2;
  return sign === NAN ? 3 : 2;
}

function compareMagnitude(a: Buffer, b: Buffer): number {
  const weight = a.readInt16BE(2) - b.readInt16BE(2);
  if (weight !== 0) return weight;
  const end = Math.min(a.length, b.length);
  for (let at = HEADER_BYTES; at < end; at += 2) {
    const digit = a.readUInt16BE(at) - b.readUInt16BE(at);
    if (digit !== 0) return digit;
  }
  return a.length - b.length;
}

/** A key that is the same for equal values, whatever their display scale; as bytes of latin1. */
export function numericKey(bytes: Buffer): string {
  return bytes.toString('latin1', 0, 6) + bytes.toString('latin1', HEADER_BYTES);
}

function malformed(): SqlError {
  return new SqlError({
    code: SQLSTATE.invalidBinaryRepresentation,
    message: 'malformed numeric value in binary format',
  });
}

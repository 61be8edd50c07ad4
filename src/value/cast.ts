// Casts between types in binary format, as comparison operators of mixed types apply them.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { formatNumeric, numericFromBigint, powerOfTen } from './numeric.ts';
import { decodeNumeric, encodeNumeric } from './numeric-binary.ts';
import { TYPE } from './type-oid.ts';

/** Gives the same value in another type's binary format; may give back the same bytes. */
export type BinaryCast = (value: Buffer) => Buffer;

const INTEGERS: ReadonlySet<number> = new Set<number>([TYPE.int2, TYPE.int4, TYPE.int8]);
const FLOATS: ReadonlySet<number> = new Set<number>([TYPE.float4, TYPE.float8]);
const TEXTS: ReadonlySet<number> = new Set<number>([TYPE.text, TYPE.varchar, TYPE.name]);

/**
 * The type in which PostgreSQL compares values of types `a` and `b`; null where it has no such
 * operator or the proxy does not follow it (character(n) with text, date with timestamp).
 */
export function comparisonType(a: number, b: number): number | null {
  if (a === b) return a;
  if (TEXTS.has(a) && TEXTS.has(b)) return TYPE.text;
  if (!isNumber(a) || !isNumber(b)) return null;
  if (INTEGERS.has(a) && INTEGERS.has(b)) return TYPE.int8;
  // double precision is the preferred type of numbers: numeric gives way to it.
  return FLOATS.has(a) || FLOATS.has(b) ? TYPE.float8 : TYPE.numeric;
}

export function isNumber(typeOid: number): boolean {
  return INTEGERS.has(typeOid) || FLOATS.has(typeOid) || typeOid === TYPE.numeric;
}

/** The cast from a type to comparisonType() of it and another. */
export function binaryCast(from: number, to: number): BinaryCast {
  if (from === to || to === TYPE.text) return identity;
  if (to === TYPE.int8) return (value) => encodeInt8(readInteger(from, value));
  if (to === TYPE.numeric) {
    return (value) => encodeNumeric(numericFromBigint(readInteger(from, value)));
  }
  return (value) => encodeFloat8(readDouble(from, value));
}

function identity(value: Buffer): Buffer {
  return value;
}

function readInteger(typeOid: number, value: Buffer): bigint {
  if (typeOid === TYPE.int8) return value.readBigInt64BE(0);
  return BigInt(typeOid === TYPE.int4 ? value.readInt32BE(0) : value.readInt16BE(0));
}

/** The number as a bigint, rounded as PostgreSQL's casts do. 22003 beyond its range, 0A000 for what is not finite. */
export function toBigint(typeOid: number, value: Buffer): bigint {
  if (INTEGERS.has(typeOid)) return readInteger(typeOid, value);
  if (typeOid !== TYPE.numeric) return inRange(roundedToEven(readDouble(typeOid, value)));
  const number = decodeNumeric(value);
  if (number.kind !== 'finite') {
    const message = `cannot convert ${number.kind === 'nan' ? 'NaN' : number.kind} to bigint`;
    throw new SqlError({ code: SQLSTATE.featureNotSupported, message });
  }
  const half = (number.unscaled < 0n ? -1n : 1n) * (powerOfTen(number.scale) / 2n);
  return inRange((number.unscaled + half) / powerOfTen(number.scale));
}

/** Source: rint() in dtoi8: of two nearest integers the even one. null: there is none near. */
function roundedToEven(value: number): bigint | null {
  if (!Number.isFinite(value)) return null;
  const below = Math.floor(value);
  const isUp = value - below > 0.5 || (value - below === 0.5 && below % 2 !== 0);
  return BigInt(isUp ? below + 1 : below);
}

function inRange(value: bigint | null): bigint {
  if (value !== null && BigInt.asIntN(64, value) === value) return value;
  throw new SqlError({
    code: SQLSTATE.numericValueOutOfRange,
    message: 'bigint out of range',
  });
}

/** Integers and numerics are rounded to the nearest double, as the server's casts do. */
function readDouble(typeOid: number, value: Buffer): number {
  if (typeOid === TYPE.float8) return value.readDoubleBE(0);
  if (typeOid === TYPE.float4) return value.readFloatBE(0);
  if (typeOid === TYPE.numeric) return Number(formatNumeric(decodeNumeric(value)));
  return Number(readInteger(typeOid, value));
}

function encodeInt8(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function encodeFloat8(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

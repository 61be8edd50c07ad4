// Comparison of values in binary format, in the order of PostgreSQL's default btree classes.

import { decodeInterval, intervalSpan } from './interval.ts';
import { compareNumericBinary } from './numeric-binary.ts';
import { TYPE } from './type-oid.ts';

/** Below zero, zero or above zero as `a` sorts before, with or behind `b`. */
export type BinaryComparator = (a: Buffer, b: Buffer) => number;

const SPACE = 0x20;

const COMPARATORS: ReadonlyMap<number, BinaryComparator> = new Map<number, BinaryComparator>([
  [TYPE.bool, compareByte],
  [TYPE.char, compareByte],
  [TYPE.int2, (a, b) => a.readInt16BE(0) - b.readInt16BE(0)],
  [TYPE.int4, compareInt4],
  [TYPE.date, compareInt4],
  [TYPE.oid, (a, b) => a.readUInt32BE(0) - b.readUInt32BE(0)],
  [TYPE.int8, compareInt8],
  [TYPE.money, compareInt8],
  [TYPE.time, compareInt8],
  [TYPE.timestamp, compareInt8],
  [TYPE.timestamptz, compareInt8],
  [TYPE.float4, (a, b) => compareFloat(a.readFloatBE(0), b.readFloatBE(0))],
  [TYPE.float8, (a, b) => compareFloat(a.readDoubleBE(0), b.readDoubleBE(0))],
  [TYPE.numeric, compareNumericBinary],
  [TYPE.interval, compareInterval],
  [TYPE.uuid, compareBytes],
  [TYPE.bytea, compareBytes],
  [TYPE.text, compareBytes],
  [TYPE.varchar, compareBytes],
  [TYPE.name, compareBytes],
  [TYPE.bpchar, compareBlankPadded],
]);

/**
 * How values of a type compare; null where it is not proven equal to PostgreSQL's order and the
 * caller must refuse. Texts compare by bytes: right under C, POSIX and C.UTF-8 collations only,
 * which is for the planner to know.
 */
export function binaryComparator(typeOid: number): BinaryComparator | null {
  return COMPARATORS.get(typeOid) ?? null;
}

function compareByte(a: Buffer, b: Buffer): number {
  return a.readUInt8(0) - b.readUInt8(0);
}

function compareInt4(a: Buffer, b: Buffer): number {
  return a.readInt32BE(0) - b.readInt32BE(0);
}

/** In two halves: no BigInt is made. */
function compareInt8(a: Buffer, b: Buffer): number {
  const high = a.readInt32BE(0) - b.readInt32BE(0);
  return high !== 0 ? high : a.readUInt32BE(4) - b.readUInt32BE(4);
}

/** NaN equals itself and is greater than everything; -0 equals 0. Source: float8_cmp_internal. */
function compareFloat(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

function compareInterval(a: Buffer, b: Buffer): number {
  const left = intervalSpan(decodeInterval(a));
  const right = intervalSpan(decodeInterval(b));
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareBytes(a: Buffer, b: Buffer): number {
  return a.compare(b);
}

function compareBlankPadded(a: Buffer, b: Buffer): number {
  return a.compare(b, 0, unpaddedLength(b), 0, unpaddedLength(a));
}

/** Length in bytes without the trailing blanks that character(n) ignores. Source: bcTruelen. */
export function unpaddedLength(bytes: Buffer): number {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === SPACE) length--;
  return length;
}

// Sums and averages of values in binary format, as PostgreSQL's aggregates compute them.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { addFloat8, encodeFloat8 } from './float.ts';
import { addInterval, decodeInterval, divideInterval, encodeInterval } from './interval.ts';
import { addNumeric, divideNumeric, numericFromBigint } from './numeric.ts';
import { decodeNumeric, encodeNumeric } from './numeric-binary.ts';
import { TYPE } from './type-oid.ts';

/** The sum of two values in binary format, in new bytes. */
export type BinaryAdder = (a: Buffer, b: Buffer) => Buffer;

const INT8_MIN = -(1n << 63n);
const INT8_MAX = (1n << 63n) - 1n;

const ADDERS: ReadonlyMap<number, BinaryAdder> = new Map<number, BinaryAdder>([
  [TYPE.int8, (a, b) => addInt8(a, b, 'bigint out of range')],
  [TYPE.money, (a, b) => addInt8(a, b, 'money out of range')],
  [TYPE.numeric, (a, b) => encodeNumeric(addNumeric(decodeNumeric(a), decodeNumeric(b)))],
  [TYPE.float8, (a, b) => encodeFloat8(addFloat8(a.readDoubleBE(0), b.readDoubleBE(0)))],
  [TYPE.interval, (a, b) => encodeInterval(addInterval(decodeInterval(a), decodeInterval(b)))],
]);

/**
 * Addition of partial sums of a type; null for types whose sums cannot be put together exactly
 * (real: each shard has rounded its sum to seven digits). 22003 and 22008 on overflow.
 */
export function binaryAdder(typeOid: number): BinaryAdder | null {
  return ADDERS.get(typeOid) ?? null;
}

function addInt8(a: Buffer, b: Buffer, overflow: string): Buffer {
  const sum = a.readBigInt64BE(0) + b.readBigInt64BE(0);
  if (sum < INT8_MIN || sum > INT8_MAX) {
    throw new SqlError({ code: SQLSTATE.numericValueOutOfRange, message: overflow });
  }
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(sum);
  return bytes;
}

/** An average from the sum (of the type asked for) and the count (int8, above zero). */
export interface Averager {
  readonly typeOid: number;
  readonly divide: (sum: Buffer, count: Buffer) => Buffer;
}

const AVERAGERS: ReadonlyMap<number, Averager> = new Map<number, Averager>([
  [TYPE.int8, { typeOid: TYPE.numeric, divide: averageInt8 }],
  [TYPE.numeric, { typeOid: TYPE.numeric, divide: averageNumeric }],
  [TYPE.float8, { typeOid: TYPE.float8, divide: averageFloat8 }],
  [TYPE.interval, { typeOid: TYPE.interval, divide: averageInterval }],
]);

/** How avg() divides a sum of this type; null where there is no avg or it is not exact. */
export function binaryAverager(sumTypeOid: number): Averager | null {
  return AVERAGERS.get(sumTypeOid) ?? null;
}

function averageInt8(sum: Buffer, count: Buffer): Buffer {
  const divisor = numericFromBigint(count.readBigInt64BE(0));
  return encodeNumeric(divideNumeric(numericFromBigint(sum.readBigInt64BE(0)), divisor));
}

function averageNumeric(sum: Buffer, count: Buffer): Buffer {
  const divisor = numericFromBigint(count.readBigInt64BE(0));
  return encodeNumeric(divideNumeric(decodeNumeric(sum), divisor));
}

/** float8_accum adds to 0, as sum() does not: of nothing but -0 the average is 0. */
function averageFloat8(sum: Buffer, count: Buffer): Buffer {
  return encodeFloat8((0 + sum.readDoubleBE(0)) / Number(count.readBigInt64BE(0)));
}

function averageInterval(sum: Buffer, count: Buffer): Buffer {
  const average = divideInterval(decodeInterval(sum), Number(count.readBigInt64BE(0)));
  return encodeInterval(average);
}

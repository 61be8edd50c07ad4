// Interval: months, days and microseconds kept apart, with PostgreSQL's arithmetic on them.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** Both infinities are the extreme values of all three fields (PostgreSQL 17). */
export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly microseconds: bigint;
}

const INT4_MIN = -0x80000000;
const INT4_MAX = 0x7fffffff;
const INT8_MIN = -(1n << 63n);
const INT8_MAX = (1n << 63n) - 1n;
const DAY_MICROSECONDS = 86_400_000_000n;
const DAY_SECONDS = 86_400;
const MONTH_DAYS = 30;

const INFINITE: Interval = { months: INT4_MAX, days: INT4_MAX, microseconds: INT8_MAX };
const NEGATIVE_INFINITE: Interval = { months: INT4_MIN, days: INT4_MIN, microseconds: INT8_MIN };

export function decodeInterval(bytes: Buffer): Interval {
  return {
    microseconds: bytes.readBigInt64BE(0),
    days: bytes.readInt32BE(8),
    months: bytes.readInt32BE(12),
  };
}

export function encodeInterval(value: Interval): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigInt64BE(value.microseconds, 0);
  bytes.writeInt32BE(value.days, 8);
  bytes.writeInt32BE(value.months, 12);
  return bytes;
}

/** The length in microseconds by which intervals are compared: a month has 30 days of 24 hours. */
export function intervalSpan(value: Interval): bigint {
  const days = BigInt(value.months) * BigInt(MONTH_DAYS) + BigInt(value.days);
  return days * DAY_MICROSECONDS + value.microseconds;
}

/** Which infinity `value` is: -1, 1, or 0 for a finite one. */
export function intervalInfinity(value: Interval): -1 | 0 | 1 {
  if (sameFields(value, INFINITE)) return 1;
  return sameFields(value, NEGATIVE_INFINITE) ? -1 : 0;
}

function sameFields(a: Interval, b: Interval): boolean {
  return a.months === b.months && a.days === b.days && a.microseconds === b.microseconds;
}

/** a + b, field by field. 22008 on overflow and for opposite infinities. */
export function addInterval(a: Interval, b: Interval): Interval {
  const infinityA = intervalInfinity(a);
  const infinityB = intervalInfinity(b);
  if (infinityA !== 0 || infinityB !== 0) {
    if (infinityA * infinityB === -1) throw outOfRange();
    return infinityA !== 0 ? a : b;
  }
  return checked(a.months + b.months, a.days + b.days, a.microseconds + b.microseconds);
}

/**
 * value / divisor (> 0) in doubles, fractions of months going to days and of days to seconds,
 * step by step as interval_div in src/backend/utils/adt/timestamp.c. 22008 on overflow.
 */
export function divideInterval(value: Interval, divisor: number): Interval {
  if (intervalInfinity(value) !== 0) return value;
  const months = Math.trunc(value.months / divisor);
  let days = Math.trunc(value.days / divisor);
  const monthRest = toMicroseconds((value.months / divisor - months) * MONTH_DAYS);
  const monthDays = Math.trunc(monthRest);
  let seconds = toMicroseconds((value.days / divisor - days + monthRest - monthDays) * DAY_SECONDS);
  if (Math.abs(seconds) >= DAY_SECONDS) {
    const carry = Math.trunc(seconds / DAY_SECONDS);
    days += carry;
    seconds -= carry * DAY_SECONDS;
  }
  const time = roundHalfEven(Number(value.microseconds) / divisor + seconds * 1_000_000);
  return checked(months + 0, days + monthDays + 0, BigInt(time));
}

/** TSROUND: to six decimal places. */
function toMicroseconds(value: number): number {
  return roundHalfEven(value * 1_000_000) / 1_000_000;
}

/** C's rint(). */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function checked(months: number, days: number, microseconds: bigint): Interval {
  const fits =
    months >= INT4_MIN &&
    months <= INT4_MAX &&
    days >= INT4_MIN &&
    days <= INT4_MAX &&
    microseconds >= INT8_MIN &&
    microseconds <= INT8_MAX;
  const value = { months, days, microseconds };
  if (!fits || intervalInfinity(value) !== 0) throw outOfRange();
  return value;
}

function outOfRange(): SqlError {
  return new SqlError({
    code: SQLSTATE.datetimeFieldOverflow,
    message: 'interval out of range',
  });
}

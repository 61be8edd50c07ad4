// Floating point: the text PostgreSQL gives for a double, and doubles from text.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const SPECIAL = /^([+-]?)(nan|inf|infinity)$/i;

/** float8out's text with extra_float_digits >= 1: the shortest that reads back as `value`. */
export function formatFloat8(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const sign = value < 0 ? '-' : '';
  const [digits, exponent] = shortestDigits(Math.abs(value));
  // The thresholds of double_to_shortest_decimal_buf (src/common/d2s.c).
  if (exponent < -4 || exponent >= 15) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const power = Math.abs(exponent).toString().padStart(2, '0');
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${power}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0');
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/**
 * JavaScript accepts a decimal exactly half-way to the next double when reading rounds it to this
 * one (1e23); PostgreSQL's Ryu does not, and takes more digits (9.999999999999999e+22).
 */
function shortestDigits(value: number): readonly [digits: string, exponent: number] {
  let text = value.toExponential();
  for (
    let precision = digitsOf(text).length;
    isHalfWay(text, value) && precision <= 16;
    precision++
  )
    text = value.toExponential(precision);
  return [digitsOf(text).replace(/0+$/, ''), Number(text.slice(text.indexOf('e') + 1))];
}

function digitsOf(exponential: string): string {
  return exponential.slice(0, exponential.indexOf('e')).replace('.', '');
}

/** True when the decimal `text` lies exactly between `value` and a neighbouring double. */
function isHalfWay(text: string, value: number): boolean {
  const bits = Buffer.allocUnsafe(8);
  bits.writeDoubleBE(value);
  const raw = bits.readBigUInt64BE();
  // Only an even significand wins a tie.
  if ((raw & 1n) === 1n) return false;
  const field = Number(raw >> 52n);
  const fraction = raw & 0xfffffffffffffn;
  const significand = field === 0 ? fraction : fraction | 0x10000000000000n;
  const binaryExponent = (field === 0 ? 1 : field) - 1075;
  const digits = digitsOf(text);
  const decimalExponent = Number(text.slice(text.indexOf('e') + 1)) - digits.length + 1;
  // In quarters of the last place; the gap below a power of two is half as wide.
  const below = field > 1 && fraction === 0n ? 1n : 2n;
  const quarters = [significand * 4n + 2n, significand * 4n - below];
  return quarters.some((each) =>
    sameValue(BigInt(digits), decimalExponent, each, binaryExponent - 2),
  );
}

/** digits × 10^tens = whole × 2^twos, exactly. */
function sameValue(digits: bigint, tens: number, whole: bigint, twos: number): boolean {
  let left = digits;
  let right = whole;
  if (tens >= 0) left *= 10n ** BigInt(tens);
  else right *= 10n ** BigInt(-tens);
  if (twos >= 0) right <<= BigInt(twos);
  else left <<= BigInt(-twos);
  return left === right;
}

/** float8in for decimals and the special words; null when `text` is something else. 22003. */
export function parseFloat8(text: string): number | null {
  const trimmed = text.trim();
  const special = SPECIAL.exec(trimmed);
  if (special !== null) {
    if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
    return special[1] === '-' ? -Infinity : Infinity;
  }
  if (!DECIMAL.test(trimmed)) return null;
  const value = Number(trimmed);
  const mantissa = trimmed.split(/[eE]/)[0]!;
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(mantissa))) {
    throw new SqlError({
      code: SQLSTATE.numericValueOutOfRange,
      message: `"${trimmed}" is out of range for type double precision`,
    });
  }
  return value;
}

/** a + b as float8pl: 22003 when finite values give an infinity. */
export function addFloat8(a: number, b: number): number {
  const sum = a + b;
  if (!Number.isFinite(sum) && Number.isFinite(a) && Number.isFinite(b)) throw overflow();
  return sum;
}

/** What is known of a group of numbers, at least one. */
export interface Spread {
  readonly count: number;
  readonly sum: number;
  /** The mean of the squared deviations from the average, as var_pop; NaN if a number is not finite. */
  readonly variance: number;
}

/**
 * The variance of two groups together, by float8_combine, which puts together what parallel workers
 * have found: 22003 where a finite one overflows.
 */
export function combinedVariance(a: Spread, b: Spread): number {
  const count = a.count + b.count;
  const apart = a.sum / a.count - b.sum / b.count;
  const squares = a.variance * a.count + b.variance * b.count;
  const total = squares + (a.count * b.count * apart * apart) / count;
  if (total === Infinity) throw overflow();
  return total / count;
}

function overflow(): SqlError {
  return new SqlError({
    code: SQLSTATE.numericValueOutOfRange,
    message: 'value out of range: overflow',
  });
}

export function encodeFloat8(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

// Numeric: PostgreSQL's arbitrary precision decimal on BigInt, with its display scale.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** The value is `unscaled` / 10^`scale`; `scale` is PostgreSQL's dscale: the digits shown. */
export interface FiniteNumeric {
  readonly kind: 'finite';
  readonly unscaled: bigint;
  readonly scale: number;
}

export type Numeric =
  | FiniteNumeric
  | { readonly kind: 'nan' }
  | { readonly kind: 'infinity'; readonly negative: boolean };

/** Digits before and after the point that the stored format can hold (DATATYPE-NUMERIC-DECIMAL). */
const INTEGER_DIGITS_MAX = 131_072;
const SCALE_MAX = 16_383;

/** NUMERIC_MIN_SIG_DIGITS and NUMERIC_MAX_DISPLAY_SCALE of numeric.h. */
const QUOTIENT_DIGITS_MIN = 16;
const DISPLAY_SCALE_MAX = 1000;

const NAN: Numeric = Object.freeze({ kind: 'nan' });
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;
const SPECIAL = /^([+-]?)(nan|inf|infinity)$/i;

export function numericFromBigint(value: bigint): FiniteNumeric {
  return { kind: 'finite', unscaled: value, scale: 0 };
}

/** Reads numeric_in's decimal syntax; null when `text` is not in it. 22003 when out of range. */
export function parseNumeric(text: string): Numeric | null {
  const trimmed = text.trim();
  const special = SPECIAL.exec(trimmed);
  if (special !== null) return parseSpecial(special[1]!, special[2]!);
  const match = DECIMAL.exec(trimmed);
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return null;
  const power = Number(exponent);
  if (Math.abs(power) > INTEGER_DIGITS_MAX) throw numericOverflow();
  const digits = BigInt(whole + fraction);
  const unscaled = sign === '-' ? -digits : digits;
  const scale = fraction.length - power;
  const value: FiniteNumeric =
    scale >= 0
      ? { kind: 'finite', unscaled, scale }
      : { kind: 'finite', unscaled: unscaled * powerOfTen(-scale), scale: 0 };
  return checkRange(value);
}

function parseSpecial(sign: string, word: string): Numeric | null {
  if (word.toLowerCase() !== 'nan') return { kind: 'infinity', negative: sign === '-' };
  return sign === '' ? NAN : null;
}

/** The text numeric_out gives: all `scale` digits are shown. */
export function formatNumeric(value: Numeric): string {
  if (value.kind === 'nan') return 'NaN';
  if (value.kind === 'infinity') return value.negative ? '-Infinity' : 'Infinity';
  const negative = value.unscaled < 0n;
  const digits = (negative ? -value.unscaled : value.unscaled).toString();
  const sign = negative ? '-' : '';
  if (value.scale === 0) return sign + digits;
  const padded = digits.padStart(value.scale + 1, '0');
  const point = padded.length - value.scale;
  return `${sign}${padded.slice(0, point)}.${padded.slice(point)}`;
}

/** a + b; the scale is the larger of the two. Opposite infinities give NaN. 22003 on overflow. */
export function addNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.kind === 'nan' || b.kind === 'nan') return NAN;
  if (a.kind === 'infinity') {
    return b.kind === 'infinity' && b.negative !== a.negative ? NAN : a;
  }
  if (b.kind === 'infinity') return b;
  const scale = Math.max(a.scale, b.scale);
  return checkRange({ kind: 'finite', unscaled: rescaled(a, scale) + rescaled(b, scale), scale });
}

/** Below, equal to or above zero. NaN is above everything and equals itself, as in PostgreSQL. */
export function compareNumeric(a: Numeric, b: Numeric): number {
  if (a.kind !== 'finite' || b.kind !== 'finite') return rank(a) - rank(b);
  const scale = Math.max(a.scale, b.scale);
  const left = rescaled(a, scale);
  const right = rescaled(b, scale);
  return left < right ? -1 : left > right ? 1 : 0;
}

function rank(value: Numeric): number {
  if (value.kind === 'nan') return 2;
  if (value.kind === 'finite') return 0;
  return value.negative ? -1 : 1;
}

/**
 * a / b for finite b > 0, with the scale and rounding (half away from zero) of numeric_div.
 * Source: select_div_scale in src/backend/utils/adt/numeric.c.
 */
export function divideNumeric(a: Numeric, b: FiniteNumeric): Numeric {
  if (a.kind !== 'finite') return a;
  const scale = quotientScale(a, b);
  const shift = scale - a.scale + b.scale;
  const dividend = shift >= 0 ? a.unscaled * powerOfTen(shift) : a.unscaled;
  const divisor = shift >= 0 ? b.unscaled : b.unscaled * powerOfTen(-shift);
  const magnitude = dividend < 0n ? -dividend : dividend;
  const rounded = (magnitude * 2n + divisor) / (divisor * 2n);
  return { kind: 'finite', unscaled: dividend < 0n ? -rounded : rounded, scale };
}

function quotientScale(a: FiniteNumeric, b: FiniteNumeric): number {
  const [weightA, leadA] = leadingDigit(a);
  const [weightB, leadB] = leadingDigit(b);
  const weight = weightA - weightB - (leadA <= leadB ? 1 : 0);
  const wanted = Math.max(QUOTIENT_DIGITS_MIN - weight * 4, a.scale, b.scale, 0);
  return Math.min(wanted, DISPLAY_SCALE_MAX);
}

/** Weight and value of the first non-zero digit in base 10000; [0, 0] for zero. */
function leadingDigit(value: FiniteNumeric): readonly [number, number] {
  if (value.unscaled === 0n) return [0, 0];
  const digits = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString();
  const exponent = digits.length - 1 - value.scale;
  const weight = Math.floor(exponent / 4);
  const length = exponent - weight * 4 + 1;
  return [weight, Number(digits.slice(0, length).padEnd(length, '0'))];
}

/** 10^exponent, exponent >= 0. */
export function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}

function rescaled(value: FiniteNumeric, scale: number): bigint {
  return scale === value.scale ? value.unscaled : value.unscaled * powerOfTen(scale - value.scale);
}

function checkRange(value: FiniteNumeric): FiniteNumeric {
  if (value.scale > SCALE_MAX) throw numericOverflow();
  const magnitude = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  // Below 2^4096 there are at most 1,234 digits: no need to write them out.
  if (magnitude >= 1n << 4096n) {
    const length = magnitude.toString().length;
    if (length - value.scale > INTEGER_DIGITS_MAX) throw numericOverflow();
  }
  return value;
}

function numericOverflow(): SqlError {
  return new SqlError({
    code: SQLSTATE.numericValueOutOfRange,
    message: 'value overflows numeric format',
  });
}

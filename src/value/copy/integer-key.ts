// Integer keys in COPY text: as the integer types' input functions read them.

const MINUS = 0x2d;
const ZERO = 0x30;
/** Digits of which every number is exact in a double. */
const EXACT_DIGITS = 15;

const INT8_MIN = -(1n << 63n);
const INT8_MAX = (1n << 63n) - 1n;

const SPACE = '[ \\t\\n\\v\\f\\r]*';
/** Source: pg_strtoint64_safe, which reads other bases and underscores since PostgreSQL 16. */
const INTEGER = new RegExp(
  `^${SPACE}([+-]?)(\\d+(?:_\\d+)*|0[xX](?:_?[\\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)${SPACE}$`,
);

/** bytes[start, end) as plain decimal digits with an optional minus; NaN for anything else. */
export function plainInteger(bytes: Buffer, start: number, end: number): number {
  let at = start;
  const negative = bytes[at] === MINUS && end > start;
  if (negative) at += 1;
  const digits = end - at;
  if (digits < 1 || digits > EXACT_DIGITS) return Number.NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** What int8's input function makes of `text`; null where it throws. */
export function integerOf(text: string): bigint | null {
  const match = INTEGER.exec(text);
  if (match === null) return null;
  const digits = BigInt(match[2]!.replaceAll('_', ''));
  const value = match[1] === '-' ? -digits : digits;
  return value < INT8_MIN || value > INT8_MAX ? null : value;
}

// Numeric arithmetic and its formats without a server.

import { describe, expect, it } from 'vitest';
import {
  addNumeric,
  compareNumeric,
  divideNumeric,
  formatNumeric,
  type Numeric,
  numericFromBigint,
  parseNumeric,
} from '../../src/value/numeric.ts';
import {
  compareNumericBinary,
  decodeNumeric,
  encodeNumeric,
  numericKey,
} from '../../src/value/numeric-binary.ts';
import fc from '../support/property.ts';

const finite = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 30 }))
  .map(([unscaled, scale]): Numeric => ({ kind: 'finite', unscaled, scale }));
const anyNumeric = fc.oneof(
  { weight: 9, arbitrary: finite },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Numeric>(
      { kind: 'nan' },
      { kind: 'infinity', negative: true },
      { kind: 'infinity', negative: false },
    ),
  },
);
const read = (text: string) => parseNumeric(text)!;

describe('Numeric', () => {
  it('survives binary and text, with its scale', () => {
    fc.assert(
      fc.property(anyNumeric, (value) => {
        expect(decodeNumeric(encodeNumeric(value))).toEqual(value);
        expect(parseNumeric(formatNumeric(value))).toEqual(value);
      }),
    );
  });

  it('compares in binary as it does in value', () => {
    fc.assert(
      fc.property(anyNumeric, anyNumeric, (a, b) => {
        const [left, right] = [encodeNumeric(a), encodeNumeric(b)];
        const order = Math.sign(compareNumeric(a, b));
        expect(Math.sign(compareNumericBinary(left, right)) + 0).toBe(order + 0);
        expect(numericKey(left) === numericKey(right)).toBe(order === 0);
      }),
    );
  });

  it('adds with the larger scale', () => {
    expect(formatNumeric(addNumeric(read('1.10'), read('2.9')))).toBe('4.00');
    expect(formatNumeric(addNumeric(read('-0.001'), read('0.001')))).toBe('0.000');
  });

  it('adds opposite infinities to NaN', () => {
    expect(addNumeric(read('Infinity'), read('-Infinity'))).toEqual({ kind: 'nan' });
    expect(formatNumeric(addNumeric(read('-inf'), read('5')))).toBe('-Infinity');
  });

  it.each([
    ['10', 4n, '2.5000000000000000'],
    ['1', 3n, '0.33333333333333333333'],
    ['2', 3n, '0.66666666666666666667'],
    ['-2', 3n, '-0.66666666666666666667'],
    ['1000000000', 3n, '333333333.33333333'],
    ['0.00', 7n, '0.00000000000000000000'],
  ])('%s / %s is %s', (dividend, divisor, quotient) => {
    expect(formatNumeric(divideNumeric(read(dividend), numericFromBigint(divisor)))).toBe(quotient);
  });

  it('reads exponents', () => {
    expect(formatNumeric(read('1.5e3'))).toBe('1500');
    expect(formatNumeric(read('15e-3'))).toBe('0.015');
    expect(formatNumeric(read(' .5 '))).toBe('0.5');
  });

  it.each(['', '.', '1.2.3', 'abc', '-nan', '1e', '0x1f'])('does not read "%s"', (text) => {
    expect(parseNumeric(text)).toBeNull();
  });

  it('overflows as the server does', () => {
    expect(() => read('1e131073')).toThrow('value overflows numeric format');
    const largest = read('9e131071');
    expect(() => addNumeric(largest, largest)).toThrow('value overflows numeric format');
  });

  it.each(['', '0001', '00010000000000', '0001000020000000 0001', '0001000000000000ffff'])(
    'does not decode the bytes "%s"',
    (hex) => {
      expect(() => decodeNumeric(Buffer.from(hex.replace(' ', ''), 'hex'))).toThrow('malformed');
    },
  );
});

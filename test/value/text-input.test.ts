// What text input refuses, and with which SQLSTATE.

import { describe, expect, it } from 'vitest';
import { checkedBinary } from '../../src/value/binary-input.ts';
import { encodeNumeric } from '../../src/value/numeric-binary.ts';
import { DEFAULT_OUTPUT_STYLE, type OutputStyle } from '../../src/value/output-style.ts';
import { binaryFromText } from '../../src/value/text-input.ts';
import { TYPE } from '../../src/value/type-oid.ts';

const input = (typeOid: number, text: string, style: OutputStyle = DEFAULT_OUTPUT_STYLE) =>
  binaryFromText(typeOid, text, style).toString('hex');

describe('Text input', () => {
  it.each([
    [TYPE.int4, 'x', '22P02'],
    [TYPE.int4, '2147483648', '22003'],
    [TYPE.int2, '-32769', '22003'],
    [TYPE.int8, '1.0', '22P02'],
    [TYPE.int8, '0x1f', '0A000'],
    [TYPE.numeric, '1_000', '0A000'],
    [TYPE.numeric, '1,5', '22P02'],
    [TYPE.float8, '1e400', '22003'],
    [TYPE.float8, '1e-400', '22003'],
    [TYPE.float4, '1e39', '0A000'],
    [TYPE.bool, 'o', '22P02'],
    [TYPE.bool, '', '22P02'],
    [TYPE.uuid, 'x', '22P02'],
    [TYPE.date, 'today', '0A000'],
    [TYPE.date, '2023-02-29', '0A000'],
    [TYPE.timestamptz, '2024-01-01 00:00:00', '0A000'],
    [TYPE.time, '25:00', '0A000'],
    [TYPE.interval, '1 fortnight', '0A000'],
    [TYPE.money, '1', '0A000'],
  ])('of type %i refuses "%s" with %s', (typeOid, text, code) => {
    expect(() => input(typeOid, text)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses intervals whose sign means something else under sql_standard', () => {
    const style: OutputStyle = { ...DEFAULT_OUTPUT_STYLE, intervalStyle: 'sql_standard' };
    expect(() => input(TYPE.interval, '-1 day 02:00:00', style)).toThrow(
      expect.objectContaining({ code: '0A000' }),
    );
  });

  it('takes an offset into account', () => {
    const noon = input(TYPE.timestamptz, '2024-06-01 12:00:00Z');
    expect(input(TYPE.timestamptz, '2024-06-01T14:30:00+02:30')).toBe(noon);
    expect(input(TYPE.timestamptz, '2024-06-01 07:00:00-05')).toBe(noon);
  });

  it('refuses a real half-way between two reals', () => {
    expect(() => input(TYPE.float4, '1.000000059604644775390625')).toThrow('across shards');
  });
});

describe('Binary input', () => {
  it('refuses a value of the wrong length', () => {
    expect(() => checkedBinary(TYPE.int8, Buffer.alloc(4))).toThrow(
      expect.objectContaining({ code: '22P03' }),
    );
  });

  it('strips the zero digits of a numeric', () => {
    // 1.0 with the digits 0001 0000 and a leading zero digit.
    const padded = Buffer.from('0003000100000001' + '000000010000', 'hex');
    const one = encodeNumeric({ kind: 'finite', unscaled: 10n, scale: 1 });
    expect(checkedBinary(TYPE.numeric, padded)).toEqual(one);
  });
});

// Targets: keys of every form lead to the shard that holds them.

import { describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import type { KeySource, Route } from '../../src/plan/plan.ts';
import { targetsOf } from '../../src/plan/route.ts';
import fc from '../support/property.ts';
import { testTopology } from './catalog.ts';
import {
  array,
  binary,
  float8,
  int2,
  int4,
  int8,
  nothing,
  type Parameter,
  text,
  values,
} from './values.ts';

const SHARDS = 4;
const topology = testTopology(SHARDS);
const PREFERRED = 3;

const INT8_MAX = 9223372036854775807n;
const INT8_MIN = -INT8_MAX - 1n;

const shardOf = (key: bigint) => Number(((key % 4n) + 4n) % 4n);

const first: KeySource = { from: 'parameter', index: 0, array: false };
const each: KeySource = { from: 'parameter', index: 0, array: true };
const slot = (negated: boolean): KeySource => ({ from: 'literal', slot: 0, negated });

function targets(
  keys: readonly KeySource[],
  parameters: readonly Parameter[],
  literals: string[] = [],
) {
  const route: Route = { kind: 'keys', keys };
  return targetsOf(route, values(parameters, literals), topology, PREFERRED);
}

const anInt8 = fc.oneof(
  fc.bigInt({ min: INT8_MIN, max: INT8_MAX }),
  fc.bigInt({ min: -9n, max: 9n }),
);

describe('targetsOf', () => {
  it('knows the routes without keys', () => {
    const none = values([]);
    expect(targetsOf({ kind: 'home' }, none, topology, PREFERRED)).toEqual([0]);
    expect(targetsOf({ kind: 'any' }, none, topology, PREFERRED)).toEqual([PREFERRED]);
    expect(targetsOf({ kind: 'all' }, none, topology)).toEqual([0, 1, 2, 3]);
    expect(targetsOf({ kind: 'shard', shard: 2 }, none, topology)).toEqual([2]);
    expect(targetsOf({ kind: 'keys', keys: [] }, none, topology)).toEqual([0]);
  });

  it('finds one shard for an int8 in text, binary, as constant or literal', () => {
    fc.assert(
      fc.property(anInt8, (key) => {
        const expected = [shardOf(key)];
        expect(targets([{ from: 'constant', value: key }], [])).toEqual(expected);
        expect(targets([first], [text(String(key))])).toEqual(expected);
        expect(targets([first], [text(String(key), 20)])).toEqual(expected);
        expect(targets([first], [binary(int8(key))])).toEqual(expected);
        expect(targets([first], [binary(int8(key), 20)])).toEqual(expected);
        expect(targets([slot(false)], [], [`'${key}'`])).toEqual(expected);
        const digits = String(key).replace('-', '');
        expect(targets([slot(key < 0n)], [], [digits])).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds the shard of int2 and int4', () => {
    for (const key of [0, 1, -1, 5, -5, 32767, -32768]) {
      expect(targets([first], [binary(int2(key), 21)])).toEqual([shardOf(BigInt(key))]);
      expect(targets([first], [binary(int4(key), 23)])).toEqual([shardOf(BigInt(key))]);
      expect(targets([first], [binary(int4(key))])).toEqual([shardOf(BigInt(key))]);
    }
  });

  it('takes oid as unsigned', () => {
    expect(targets([first], [binary(Buffer.from('ffffffff', 'hex'), 26)])).toEqual([
      shardOf(4294967295n),
    ]);
  });

  it('takes text as int8in does', () => {
    for (const [raw, key] of [
      [' 42 ', 42n],
      ['+42', 42n],
      ['-0', 0n],
      ['0x2A', 42n],
      ['0b11', 3n],
      ['1_001', 1001n],
      ['007', 7n],
    ] as const) {
      expect(targets([first], [text(raw)]), raw).toEqual([shardOf(key)]);
      expect(targets([slot(false)], [], [`'${raw}'`]), raw).toEqual([shardOf(key)]);
    }
  });

  it('finds the key that a numeric or float is rounded to on assignment', () => {
    for (const [raw, key] of [
      ['42.0', 42n],
      ['42.5', 43n],
      ['-42.5', -43n],
      ['4.2e1', 42n],
      ['.9', 1n],
      ['9223372036854775806.9', INT8_MAX],
    ] as const) {
      expect(targets([first], [text(raw, 1700)]), raw).toEqual([shardOf(key)]);
      if (!raw.startsWith('-'))
        expect(targets([slot(false)], [], [raw]), raw).toEqual([shardOf(key)]);
    }
    // rint() rounds halves to even.
    expect(targets([first], [binary(float8(42.5), 701)])).toEqual([shardOf(42n)]);
    expect(targets([first], [binary(float8(-43.5), 701)])).toEqual([shardOf(-44n)]);
    expect(targets([first], [text('16777217', 700)])).toEqual([shardOf(16777216n)]);
  });

  it('reads a binary numeric', () => {
    const numeric = (...words: number[]) => {
      const bytes = Buffer.alloc(words.length * 2);
      for (const [i, word] of words.entries()) bytes.writeUInt16BE(word & 0xffff, i * 2);
      return binary(bytes, 1700);
    };
    expect(targets([first], [numeric(0, 0, 0, 0)])).toEqual([0]);
    expect(targets([first], [numeric(1, 0, 0, 0, 42)])).toEqual([shardOf(42n)]);
    expect(targets([first], [numeric(2, 1, 0x4000, 0, 1, 7)])).toEqual([shardOf(-10007n)]);
    expect(targets([first], [numeric(1, 1, 0, 0, 3)])).toEqual([shardOf(30000n)]);
    expect(targets([first], [numeric(2, 0, 0, 1, 42, 5000)])).toEqual([shardOf(43n)]);
    // NaN is no key.
    expect(targets([first], [numeric(0, 0, 0xc000, 0)])).toEqual([PREFERRED]);
  });

  it('goes to the preferred shard for NULL and for what the server will refuse', () => {
    expect(targets([first], [nothing])).toEqual([PREFERRED]);
    expect(targets([{ from: 'constant', value: null }], [])).toEqual([PREFERRED]);
    expect(targets([first], [text('abc')])).toEqual([PREFERRED]);
    expect(targets([first], [text('9223372036854775808')])).toEqual([PREFERRED]);
    expect(targets([first], [binary(Buffer.alloc(3))])).toEqual([PREFERRED]);
    expect(targets([slot(false)], [], ["'it''s'"])).toEqual([PREFERRED]);
    expect(targets([each], [nothing])).toEqual([PREFERRED]);
  });

  it('takes every element of an array, in text and binary, and leaves NULLs out', () => {
    fc.assert(
      fc.property(fc.array(fc.option(anInt8), { maxLength: 6 }), (keys) => {
        const known = keys.filter((key) => key !== null);
        const shards = [...new Set(known.map(shardOf))].sort();
        const expected = shards.length === 0 ? [PREFERRED] : shards;
        const written = `{${keys.map((key) => key ?? 'NULL').join(',')}}`;
        expect(targets([each], [text(written)])).toEqual(expected);
        const elements = keys.map((key) => (key === null ? null : int8(key)));
        expect(targets([each], [binary(array(20, elements))])).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
    expect(targets([each], [text('{"1", 2 ,"3"}')])).toEqual([1, 2, 3]);
    expect(targets([each], [text('[0:1]={1,2}')])).toEqual([1, 2]);
    expect(targets([each], [text('{{1,2},{3,5}}')])).toEqual([1, 2, 3]);
    expect(targets([each], [binary(array(23, [int4(1), int4(-1)]))])).toEqual([1, 3]);
    expect(targets([each], [binary(array(21, [int2(6)]))])).toEqual([2]);
  });

  it('joins the shards of several keys, sorted and once each', () => {
    const keys: KeySource[] = [
      { from: 'constant', value: 7n },
      { from: 'parameter', index: 0, array: false },
      { from: 'constant', value: null },
      { from: 'parameter', index: 1, array: true },
    ];
    expect(targets(keys, [text('1'), text('{3,5}')])).toEqual([1, 3]);
  });

  it('refuses a key that may be several, or of a type it cannot read', () => {
    for (const parameter of [
      binary(float8(2 ** 53), 701),
      text('1e300', 701),
      binary(int8(1n), 16_385),
      text('1', 16_385),
      binary(int8(1n), 1184),
    ]) {
      expect(() => targets([first], [parameter])).toThrow(SqlError);
    }
    expect(targets([first], [text('Infinity', 701)])).toEqual([PREFERRED]);
  });
});

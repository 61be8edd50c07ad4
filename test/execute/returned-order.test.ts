// Returned order: which of the rows that were given have come back, by their keys.

import { describe, expect, it } from 'vitest';
import { formatsWithKey, inKeyOrder, withoutKeys } from '../../src/execute/returned-order.ts';
import { decodeDataRow, encodeDataRowBody } from '../../src/wire/row.ts';

const text = (value: unknown) => Buffer.from(String(value));
const answer = (...rows: readonly (readonly [shown: string, key: number | null])[]) =>
  withoutKeys(
    rows.map(([shown, key]) => encodeDataRowBody([text(shown), key === null ? null : text(key)])),
    [],
  );
const shown = (rows: readonly Buffer[]) =>
  rows.map((row) => decodeDataRow(row).map((value) => value?.toString()));

describe('inKeyOrder', () => {
  const given = { rowShards: [0, 1, 0, 1, 0], rowKeys: [2n, 1n, 4n, 1n, 2n] };

  it('puts rows where those were that they come from, without their keys', () => {
    const answers = new Map([
      [0, answer(['b', 4], ['c', 2])],
      [1, answer(['a', 1])],
    ]);
    expect(shown(inKeyOrder(given, answers))).toEqual([['a'], ['b'], ['c']]);
  });

  it('takes the first that is left of several with one key', () => {
    const answers = new Map([
      [0, answer(['a', 2], ['d', 2])],
      [1, answer(['b', 1], ['c', 1])],
    ]);
    expect(shown(inKeyOrder(given, answers))).toEqual([['a'], ['b'], ['c'], ['d']]);
  });

  it('leaves them by shard where some key was not given', () => {
    const answers = new Map([
      [0, answer(['a', 6])],
      [1, answer(['b', 1])],
    ]);
    expect(shown(inKeyOrder(given, answers))).toEqual([['a'], ['b']]);
  });

  it('reads a key of any width in binary, and NULL', () => {
    const key = Buffer.alloc(2);
    key.writeInt16BE(1);
    const answers = new Map([
      [1, withoutKeys([encodeDataRowBody([text('b'), key])], [1])],
      [0, withoutKeys([encodeDataRowBody([text('a'), null])], [1])],
    ]);
    const nulls = { rowShards: [0, 1], rowKeys: [null, 1n] };
    expect(shown(inKeyOrder(nulls, answers))).toEqual([['a'], ['b']]);
  });

  it('asks for the key as text where each column has a format of its own', () => {
    expect(formatsWithKey([1, 1])).toEqual([1, 1, 0]);
    expect(formatsWithKey([1])).toEqual([1]);
    expect(formatsWithKey([])).toEqual([]);
  });
});

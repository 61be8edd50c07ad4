// Aggregation of partial groups: the same as aggregating all rows at once.

import { describe, expect, it } from 'vitest';
import { shardFormats } from '../../../src/execute/merge/merge-rows.ts';
import type { AggregateState, GroupValue, SortKey } from '../../../src/plan/plan.ts';
import { TYPE } from '../../../src/value/type-oid.ts';
import fc from '../../support/property.ts';
import {
  ArrayShard,
  aggregate,
  average,
  collect,
  collectText,
  field,
  float8,
  int4,
  int8,
  numeric,
  text,
  type Value,
} from './shard-rows.ts';

const group = (index: number): GroupValue => ({ from: 'group', index });
const state = (index: number): GroupValue => ({ from: 'state', index });
const by = (column: GroupValue, descending = false): SortKey<GroupValue> => ({
  column,
  descending,
  nullsFirst: descending,
});
const TEXT8 = field(TYPE.int8, 0);

/** One global aggregate over partials of one type, put out as text. */
async function total(
  combine: AggregateState['combine'],
  partial: number,
  rows: readonly (readonly Value[])[],
  outputType = partial,
) {
  const fields =
    combine === 'avg'
      ? [field(partial), field(TYPE.int8), ...rows[0]!.slice(2).map(() => field(TYPE.float8))]
      : combine === 'min' || combine === 'max'
        ? [field(partial, 0), field(partial)]
        : [field(partial)];
  const varianceColumn = fields.length > 2 ? 2 : null;
  const only: AggregateState =
    combine === 'avg' ? { ...average(0), varianceColumn } : { combine, column: 0 };
  const [row] = await collectText({
    merge: aggregate({ groupCount: 0, states: [only], output: [state(0)] }),
    inputs: rows.map((values) => new ArrayShard(fields, [values])),
    output: [field(outputType, 0)],
  });
  return row![0];
}

describe('Global aggregates', () => {
  it('add counts and sums', async () => {
    expect(await total('count', TYPE.int8, [[int8(3)], [int8(0)], [int8(4)]])).toBe('7');
    expect(await total('sum', TYPE.numeric, [[numeric('1.50')], [numeric('2')]])).toBe('3.50');
    expect(await total('sum', TYPE.float8, [[float8(0.1)], [float8(0.2)]])).toBe(
      '0.30000000000000004',
    );
  });

  it('keep the sum of nothing NULL', async () => {
    expect(await total('sum', TYPE.int8, [[null], [null]])).toBeNull();
    expect(await total('sum', TYPE.int8, [[null], [int8(5)]])).toBe('5');
    expect(await total('avg', TYPE.int8, [[null, int8(0)]], TYPE.numeric)).toBeNull();
  });

  it('divide averages by the rules of numeric', async () => {
    const rows = [
      [int8(10), int8(3)],
      [int8(0), int8(3)],
    ];
    expect(await total('avg', TYPE.int8, rows, TYPE.numeric)).toBe('1.6666666666666667');
    expect(await total('avg', TYPE.float8, [[float8(1), int8(4), float8(0)]])).toBe('0.25');
  });

  it('fail where the variance beside an average of floats overflows', async () => {
    const one = (value: number) => [float8(value), int8(1), float8(0)];
    const wide = [float8(0), int8(2), float8(1.7e308)];
    const none = [null, int8(0), null];
    await expect(total('avg', TYPE.float8, [one(1e200), one(-1e200)])).rejects.toMatchObject({
      code: '22003',
      message: 'value out of range: overflow',
    });
    await expect(total('avg', TYPE.float8, [wide, wide])).rejects.toMatchObject({ code: '22003' });
    expect(await total('avg', TYPE.float8, [none, one(1e200), none])).toBe('1e+200');
    expect(await total('avg', TYPE.float8, [one(1e100), one(-1e100)])).toBe('0');
    const infinite = [float8(Infinity), int8(1), float8(Number.NaN)];
    expect(await total('avg', TYPE.float8, [infinite, one(1e200)])).toBe('Infinity');
  });

  it('pass on the text of the least and the greatest', async () => {
    const rows = [
      [text('2.50'), numeric('2.50')],
      [null, null],
      [text('10.0'), numeric('10.0')],
    ];
    expect(await total('min', TYPE.numeric, rows)).toBe('2.50');
    expect(await total('max', TYPE.numeric, rows)).toBe('10.0');
  });

  it('overflow as the server does', async () => {
    const largest = [int8((1n << 63n) - 1n)];
    await expect(total('sum', TYPE.int8, [largest, [int8(1)]])).rejects.toMatchObject({
      code: '22003',
      message: 'bigint out of range',
    });
    const huge = [float8(Number.MAX_VALUE)];
    await expect(total('sum', TYPE.float8, [huge, huge])).rejects.toMatchObject({ code: '22003' });
  });

  it.each([
    ['sum', TYPE.float4],
    ['avg', TYPE.money],
    ['sum', TYPE.money],
    ['max', 3802],
  ] as const)('refuse %s over type %i as text', async (combine, typeOid) => {
    await expect(total(combine, typeOid, [[null, null].slice(0, 1)])).rejects.toMatchObject({
      code: '0A000',
    });
  });

  it('give a sum of money in binary', async () => {
    const fields = [field(TYPE.money)];
    const rows = await collect({
      merge: aggregate({
        groupCount: 0,
        states: [{ combine: 'sum', column: 0 }],
        output: [state(0)],
      }),
      inputs: [new ArrayShard(fields, [[int8(5)]]), new ArrayShard(fields, [[int8(-7)]])],
      output: fields,
    });
    expect(rows).toEqual([[int8(-2)]]);
  });

  it('refuse to be put out under another type than described', async () => {
    await expect(total('sum', TYPE.int8, [[int8(1)]], TYPE.numeric)).rejects.toMatchObject({
      code: 'XX000',
    });
  });
});

interface Sample {
  readonly key: number | null;
  readonly name: string;
  readonly value: number | null;
}

/** What a shard sends for GROUP BY key, name with count(*), sum, avg, min and max of value. */
function partials(rows: readonly Sample[]): Value[][] {
  return [...Map.groupBy(rows, (row) => `${row.key}|${row.name}`).values()].map((members) => {
    const { key, name } = members[0]!;
    const values = members.flatMap((row) => (row.value === null ? [] : [row.value]));
    const sum = values.length === 0 ? null : int8(values.reduce((a, b) => a + b, 0));
    const [least, greatest] = [Math.min(...values), Math.max(...values)];
    return [
      ...(key === null ? [null, null] : [text(key), int4(key)]),
      ...[text(name), text(name)],
      int8(members.length),
      sum,
      sum,
      int8(values.length),
      ...(values.length === 0 ? [null, null] : [text(least), int4(least)]),
      ...(values.length === 0 ? [null, null] : [text(greatest), int4(greatest)]),
    ];
  });
}

const GROUPED = aggregate({
  groupCount: 2,
  states: [
    { combine: 'count', column: 4 },
    { combine: 'sum', column: 5 },
    average(6),
    { combine: 'min', column: 8 },
    { combine: 'max', column: 10 },
  ],
  output: [group(0), group(1), state(0), state(1), state(2), state(3), state(4)],
  sort: [by(group(0)), by(group(1), true)],
});
const GROUPED_OUTPUT = [
  field(TYPE.int4, 0),
  field(TYPE.text, 0),
  TEXT8,
  TEXT8,
  field(TYPE.numeric, 0),
  field(TYPE.int4, 0),
  field(TYPE.int4, 0),
];
const GROUPED_TYPES = [
  ...[TYPE.int4, TYPE.int4, TYPE.text, TYPE.text, TYPE.int8, TYPE.int8],
  ...[TYPE.int8, TYPE.int8, TYPE.int4, TYPE.int4, TYPE.int4, TYPE.int4],
];

describe('Grouping', () => {
  const formats = shardFormats(
    GROUPED,
    GROUPED_OUTPUT.map((each) => each.format),
  );
  const fields = GROUPED_TYPES.map((typeOid, i) => field(typeOid, formats[i]));
  const sample = fc.record({
    key: fc.option(fc.integer({ min: -2, max: 2 }), { nil: null }),
    name: fc.constantFrom('', 'a', 'ab', 'b'),
    value: fc.option(fc.integer({ min: -1000, max: 1000 }), { nil: null }),
  });
  const shards = fc.array(fc.array(sample, { maxLength: 20 }), { minLength: 1, maxLength: 5 });

  it('asks for what is shown in the client’s format and for the rest in binary', () => {
    expect(formats).toEqual([0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]);
    const twice = { ...GROUPED, output: [group(0), group(0), state(3)] };
    expect(shardFormats(twice, [1, 1, 1])).toEqual(new Array(12).fill(1));
    expect(shardFormats(twice, [1, 0, 1]).slice(0, 2)).toEqual([0, 1]);
  });

  it('of several shards equals grouping of all rows', async () => {
    await fc.assert(
      fc.asyncProperty(shards, async (runs) => {
        const grouping = (inputs: readonly (readonly Sample[])[]) =>
          collectText({
            merge: GROUPED,
            inputs: inputs.map((rows) => new ArrayShard(fields, partials(rows), 2)),
            output: GROUPED_OUTPUT,
          });
        expect(await grouping(runs)).toEqual(await grouping([runs.flat()]));
        const oracle = Map.groupBy(runs.flat(), (row) => `${row.key}|${row.name}`);
        expect(await grouping(runs)).toHaveLength(oracle.size);
      }),
    );
  });

  it('treats numerics of different scale as one group', async () => {
    const types = [field(TYPE.numeric, 0), field(TYPE.numeric), field(TYPE.int8)];
    const row = (value: string) => [text(value), numeric(value), int8(1)];
    const rows = await collectText({
      merge: aggregate({
        groupCount: 1,
        states: [{ combine: 'count', column: 2 }],
        output: [state(0)],
        sort: [by(state(0))],
      }),
      inputs: [
        new ArrayShard(types, [row('1.0'), row('2')]),
        new ArrayShard(types, [row('1.000'), row('-1')]),
      ],
      output: [TEXT8],
    });
    expect(rows).toEqual([['1'], ['1'], ['2']]);
  });

  const counted = [field(TYPE.int4, 0), field(TYPE.int4), field(TYPE.int8)];
  const counts = () =>
    [0, 1].map(
      (s) =>
        new ArrayShard(
          counted,
          [1, 2, 3, 4].map((n) => [text(n), int4(n), int8((n * (s + 1)) % 5)]),
        ),
    );
  const countMerge = {
    groupCount: 1,
    states: [{ combine: 'count', column: 2 }],
    output: [group(0), state(0)],
  } as const;

  it('sorts, limits and offsets the merged groups', async () => {
    const rows = await collectText({
      merge: aggregate({ ...countMerge, sort: [by(state(0), true), by(group(0))] }),
      inputs: counts(),
      output: [field(TYPE.int4, 0), TEXT8],
      limit: 2n,
      offset: 1n,
    });
    // Sums: 1→3, 2→6, 3→4, 4→7.
    expect(rows).toEqual([
      ['2', '6'],
      ['3', '4'],
    ]);
  });

  it('drops equal output rows under DISTINCT before LIMIT', async () => {
    const rows = await collectText({
      merge: aggregate({
        groupCount: 1,
        states: [{ combine: 'count', column: 2 }],
        output: [state(0)],
        distinct: true,
        sort: [by(state(0))],
      }),
      inputs: [
        new ArrayShard(
          counted,
          [3, 4, 5].map((n) => [text(n), int4(n), int8(n >> 2)]),
        ),
      ],
      output: [TEXT8],
    });
    expect(rows).toEqual([['0'], ['1']]);
  });

  it('refuses to keep more groups than allowed', async () => {
    const given = {
      merge: aggregate(countMerge),
      inputs: counts(),
      output: [field(TYPE.int4, 0), TEXT8],
    };
    await expect(collect({ ...given, rowsMax: 3 })).rejects.toMatchObject({ code: '53400' });
  });

  it('gives binary values to a client that asks for them', async () => {
    const rows = await collect({
      merge: aggregate({ ...countMerge, sort: [by(group(0))] }),
      inputs: counts(),
      output: [field(TYPE.int4, 1), field(TYPE.int8, 1)],
      limit: 1n,
    });
    expect(rows).toEqual([[int4(1), int8(3)]]);
  });

  it('of a type whose equality is not proven is refused', async () => {
    const types = [field(3802, 0), field(3802), field(TYPE.int8)];
    await expect(
      collect({
        merge: aggregate(countMerge),
        inputs: [new ArrayShard(types, [])],
        output: [field(3802, 0), TEXT8],
      }),
    ).rejects.toMatchObject({ code: '0A000', message: expect.stringContaining('jsonb') });
  });
});

// Concatenation and ordered merge: the same rows as one sorted list, LIMIT and OFFSET once.

import { describe, expect, it } from 'vitest';
import { mergeRows, shardFormats } from '../../../src/execute/merge/merge-rows.ts';
import type { SortKey } from '../../../src/plan/plan.ts';
import { TYPE } from '../../../src/value/type-oid.ts';
import { decodeDataRow } from '../../../src/wire/row.ts';
import fc from '../../support/property.ts';
import {
  ArrayShard,
  collect,
  collectText,
  concat,
  field,
  int4,
  numeric,
  request,
  text,
} from './shard-rows.ts';

const INT = [field(TYPE.int4)];
/** A visible text column and a hidden sort key. */
const KEYED = [field(TYPE.text, 0), field(TYPE.int4)];
const LAST = { fromEnd: 0 } as const;

const ascending: SortKey = { column: LAST, descending: false, nullsFirst: false };

describe('Concatenation', () => {
  it('gives every row of every shard', async () => {
    const inputs = [1, 2, 3].map((s) => new ArrayShard(INT, [[int4(s)], [int4(s * 10)]], 1));
    const rows = await collect({ merge: concat(), inputs, output: INT });
    const numbers = rows.map(([value]) => value!.readInt32BE()).sort((a, b) => a - b);
    expect(numbers).toEqual([1, 2, 3, 10, 20, 30]);
  });

  it('does not wait for a slow shard', async () => {
    let release = (_: null) => {};
    const slow = {
      fields: INT,
      next: () =>
        new Promise<null>((resolve) => {
          release = resolve;
        }),
    };
    const quick = new ArrayShard(INT, [[int4(1)], [int4(2)]], 1);
    const rows = mergeRows(request({ merge: concat(), inputs: [slow, quick], output: INT }));
    expect((await rows.next()).value).toHaveLength(1);
    expect((await rows.next()).value).toHaveLength(1);
    const end = rows.next();
    release(null);
    expect((await end).done).toBe(true);
  });

  it('stops asking once LIMIT is reached', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => [int4(i)]);
    const inputs = [new ArrayShard(INT, rows), new ArrayShard(INT, rows)];
    const merged = await collect({ merge: concat(), inputs, output: INT, limit: 5n, offset: 2n });
    expect(merged).toHaveLength(5);
    expect(inputs[0]!.pulls + inputs[1]!.pulls).toBeLessThanOrEqual(5);
  });

  it('asks for nothing under LIMIT 0', async () => {
    const input = new ArrayShard(INT, [[int4(1)]]);
    expect(await collect({ merge: concat(), inputs: [input], output: INT, limit: 0n })).toEqual([]);
    expect(input.pulls).toBe(0);
  });

  it('applies OFFSET once, also past the end', async () => {
    const inputs = () => [1, 2].map((s) => new ArrayShard(INT, [[int4(s)], [int4(s)]]));
    const base = { merge: concat(), output: INT };
    expect(await collect({ ...base, inputs: inputs(), offset: 3n })).toHaveLength(1);
    expect(await collect({ ...base, inputs: inputs(), offset: 1n << 62n })).toHaveLength(0);
  });

  it('passes on the error of a shard', async () => {
    const broken = { fields: INT, next: () => Promise.reject(new Error('gone')) };
    const inputs = [new ArrayShard(INT, [[int4(1)]]), broken];
    await expect(collect({ merge: concat(), inputs, output: INT })).rejects.toThrow('gone');
    const sorted = concat({ sort: [ascending], hiddenColumns: 0 });
    await expect(collect({ merge: sorted, inputs, output: INT })).rejects.toThrow('gone');
  });

  it('can be closed early', async () => {
    const input = new ArrayShard(INT, [[int4(1)], [int4(2)]], 1);
    const rows = mergeRows(request({ merge: concat(), inputs: [input], output: INT }));
    await rows.next();
    await rows.return(undefined);
    expect((await rows.next()).done).toBe(true);
  });
});

describe('Shards that disagree', () => {
  it.each([
    ['in the number of columns', [field(TYPE.int4), field(TYPE.int4)]],
    ['in a type', [field(TYPE.int8)]],
    ['in a type, one being user-defined', [field(16_400)]],
  ])('%s are refused by name', async (_, other) => {
    const inputs = [new ArrayShard(INT, []), new ArrayShard(INT, []), new ArrayShard(other, [])];
    await expect(collect({ merge: concat(), inputs, output: INT })).rejects.toMatchObject({
      code: '42804',
      message: 'shard 0 and shard 2 answer with different columns',
    });
  });

  it('in the order of columns are refused by name, not in a name alone', async () => {
    const of = (...names: string[]) => names.map((name) => ({ ...field(TYPE.int4), name }));
    const merged = (names: string[]) => {
      const inputs = [new ArrayShard(of('a', 'b'), []), new ArrayShard(of(...names), [])];
      return collect({ merge: concat(), inputs, output: of('a', 'b') });
    };
    await expect(merged(['b', 'a'])).rejects.toMatchObject({
      code: '42804',
      detail: 'Column 1 is on one of them "a", on the other "b".',
    });
    expect(await merged(['a', 'c'])).toEqual([]);
  });

  it('only in the oid of a user-defined type are merged', async () => {
    const a = new ArrayShard([field(16_400, 0)], [[text('x')]]);
    const b = new ArrayShard([field(16_500, 0)], [[text('y')]]);
    const rows = await collectText({ merge: concat(), inputs: [a, b], output: [field(16_400, 0)] });
    expect(rows).toEqual([['x'], ['y']]);
  });

  it('with what was described are refused', async () => {
    const inputs = [new ArrayShard(INT, [])];
    const output = [field(TYPE.int8)];
    await expect(collect({ merge: concat(), inputs, output })).rejects.toMatchObject({
      code: '42804',
    });
  });
});

interface Row {
  readonly key: number | null;
  readonly second: number | null;
  readonly shard: number;
  readonly place: number;
}

function reference(keys: readonly SortKey[]): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const [i, key] of keys.entries()) {
      const [x, y] = i === 0 ? [a.key, b.key] : [a.second, b.second];
      if (x === y) continue;
      if (x === null || y === null) return (x === null) === key.nullsFirst ? -1 : 1;
      return key.descending ? y - x : x - y;
    }
    return a.shard - b.shard || a.place - b.place;
  };
}

describe('Ordered merge', () => {
  const value = fc.option(fc.integer({ min: -4, max: 4 }), { nil: null });
  const shards = fc.array(fc.array(fc.tuple(value, value), { maxLength: 12 }), {
    minLength: 1,
    maxLength: 7,
  });
  const direction = fc.record({ descending: fc.boolean(), nullsFirst: fc.boolean() });

  it('equals a full stable sort', async () => {
    const property = fc.asyncProperty(
      shards,
      direction,
      direction,
      fc.integer({ min: 1, max: 4 }),
      fc.option(fc.bigInt({ min: 0n, max: 30n }), { nil: null }),
      fc.bigInt({ min: 0n, max: 10n }),
      async (runs, first, second, batchRows, limit, offset) => {
        const sort: SortKey[] = [
          { column: { fromEnd: 1 }, ...first },
          { column: LAST, ...second },
        ];
        const order = reference(sort);
        const sorted = runs.map((run, shard) =>
          run.map(([key, next], place) => ({ key, second: next, shard, place })).sort(order),
        );
        const fields = [field(TYPE.text, 0), field(TYPE.int4), field(TYPE.int4)];
        const bytes = (n: number | null) => (n === null ? null : int4(n));
        const label = (row: Row) => `${row.shard}/${row.place}`;
        const inputs = sorted.map(
          (run) =>
            new ArrayShard(
              fields,
              run.map((row) => [text(label(row)), bytes(row.key), bytes(row.second)]),
              batchRows,
            ),
        );
        const merge = concat({ sort, hiddenColumns: 2 });
        const output = [field(TYPE.text, 0)];
        const rows = await collectText({ merge, inputs, output, limit, offset });
        const from = Number(offset);
        const to = limit === null ? undefined : from + Number(limit);
        const expected = sorted.flat().sort(order).slice(from, to);
        expect(rows).toEqual(expected.map((row) => [label(row)]));
      },
    );
    await fc.assert(property);
  });

  it('refuses a type whose order is not proven', async () => {
    const fields = [field(TYPE.text, 0), field(3802)];
    const merge = concat({ sort: [ascending], hiddenColumns: 1 });
    const inputs = [new ArrayShard(fields, [])];
    await expect(collect({ merge, inputs, output: [fields[0]!] })).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('jsonb'),
    });
  });

  it('reads no further than LIMIT needs', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => [text(i), int4(i)]);
    const inputs = [new ArrayShard(KEYED, rows), new ArrayShard(KEYED, rows)];
    const merge = concat({ sort: [ascending], hiddenColumns: 1 });
    const merged = await collectText({ merge, inputs, output: [KEYED[0]!], limit: 4n });
    expect(merged).toEqual([['0'], ['0'], ['1'], ['1']]);
    expect(inputs[0]!.pulls + inputs[1]!.pulls).toBe(2);
  });
});

describe('DISTINCT', () => {
  const distinct = (typeOid: number, format: number, values: readonly (Buffer | null)[]) =>
    collect({
      merge: concat({ distinct: true }),
      inputs: values.map((value) => new ArrayShard([field(typeOid, format)], [[value]])),
      output: [field(typeOid, format)],
    });

  it.each([
    ['numeric in text', TYPE.numeric, 0, [text('1.0'), text('1.00'), text('10'), text('1')], 2],
    ['numeric in binary', TYPE.numeric, 1, [numeric('1.0'), numeric('1.00')], 1],
    ['NULLs', TYPE.int4, 0, [null, null, text('1')], 2],
    ['character in text', TYPE.bpchar, 0, [text('a'), text('a  '), text(' a')], 2],
    ['doubles in text', TYPE.float8, 0, [text('0'), text('-0'), text('NaN'), text('NaN')], 2],
    ['intervals in text', TYPE.interval, 0, [text('1 mon'), text('30 days'), text('1 day')], 2],
    ['text', TYPE.text, 0, [text('a'), text('a '), text('a')], 2],
  ] as const)('of %s is SQL’s', async (_, typeOid, format, values, count) => {
    expect(await distinct(typeOid, format, values)).toHaveLength(count);
  });

  it('keeps the borders of columns', async () => {
    const fields = [field(TYPE.text, 0), field(TYPE.text, 0)];
    const rows = [
      [text('a'), text('bc')],
      [text('ab'), text('c')],
      [text('1:a'), null],
      [null, text('1:a')],
    ];
    const inputs = [new ArrayShard(fields, rows), new ArrayShard(fields, rows)];
    const merged = await collect({ merge: concat({ distinct: true }), inputs, output: fields });
    expect(merged).toHaveLength(4);
  });

  it('refuses a type whose equality is not proven', async () => {
    await expect(distinct(3802, 0, [text('{}')])).rejects.toMatchObject({ code: '0A000' });
  });

  it('refuses doubles as text with fewer digits than they have', async () => {
    const fields = [field(TYPE.float8, 0)];
    const given = {
      merge: concat({ distinct: true }),
      inputs: [new ArrayShard(fields, [[text('0.1')]])],
      output: fields,
      style: { intervalStyle: 'postgres', extraFloatDigits: 0 } as const,
    };
    await expect(collect(given)).rejects.toMatchObject({ code: '0A000' });
  });

  it('refuses to keep more rows or bytes than allowed', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => [int4(i)]);
    const given = () => ({
      merge: concat({ distinct: true }),
      inputs: [new ArrayShard(INT, rows)],
      output: INT,
    });
    await expect(collect({ ...given(), rowsMax: 19 })).rejects.toMatchObject({
      code: '53400',
      hint: expect.stringContaining('merge.rowsMax'),
    });
    await expect(collect({ ...given(), bytesMax: 500 })).rejects.toMatchObject({ code: '53400' });
    expect(await collect({ ...given(), rowsMax: 20 })).toHaveLength(20);
  });

  it('in order needs no memory for rows under other keys', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => [text(i), int4(i)]);
    const inputs = [new ArrayShard(KEYED, rows), new ArrayShard(KEYED, rows)];
    const merge = concat({ sort: [ascending], hiddenColumns: 1, distinct: true });
    const merged = await collectText({ merge, inputs, output: [KEYED[0]!], rowsMax: 1 });
    expect(merged).toEqual(rows.map(([label]) => [label!.toString()]));
  });

  it('counts towards LIMIT after duplicates are dropped', async () => {
    const inputs = [1, 2].map(
      () =>
        new ArrayShard(
          KEYED,
          [1, 2, 3, 4].map((n) => [text(n), int4(n)]),
        ),
    );
    const merge = concat({ sort: [ascending], hiddenColumns: 1, distinct: true });
    const output = [KEYED[0]!];
    const merged = await collectText({ merge, inputs, output, limit: 2n, offset: 1n });
    expect(merged).toEqual([['2'], ['3']]);
  });
});

describe('Rows put out', () => {
  it('have lost their hidden columns and nothing else', async () => {
    const fields = [field(TYPE.text, 0), field(TYPE.bytea), field(TYPE.int4)];
    const row = [null, Buffer.alloc(0), int4(1)];
    const inputs = [new ArrayShard(fields, [row])];
    const merge = concat({ sort: [ascending], hiddenColumns: 1 });
    const rows = mergeRows(request({ merge, inputs, output: fields.slice(0, 2) }));
    const batch = (await rows.next()).value as readonly Buffer[];
    expect(batch[0]!.readInt16BE(0)).toBe(2);
    expect(decodeDataRow(batch[0]!)).toEqual([null, Buffer.alloc(0)]);
  });

  it('are asked for in the client’s formats, hidden columns in binary', () => {
    expect(shardFormats(concat({ hiddenColumns: 2 }), [0, 1])).toEqual([0, 1, 1, 1]);
  });
});

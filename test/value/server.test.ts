// The value folder against a real PostgreSQL: same order, same sums, same texts.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { binaryCast, comparisonType } from '../../src/value/cast.ts';
import { binaryComparator } from '../../src/value/compare.ts';
import { formatFloat8 } from '../../src/value/float.ts';
import { groupKey } from '../../src/value/group-key.ts';
import { DEFAULT_OUTPUT_STYLE } from '../../src/value/output-style.ts';
import { binaryAdder, binaryAverager } from '../../src/value/sum.ts';
import { binaryFromText } from '../../src/value/text-input.ts';
import { textOutput } from '../../src/value/text-output.ts';
import { TYPE } from '../../src/value/type-oid.ts';
import { plainServer } from '../support/cluster.ts';
import fc from '../support/property.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let client: Client;
beforeAll(async () => {
  client = await connectAsText(plainServer());
});
afterAll(() => client?.end());

const SAMPLES = 300;

function sample<T>(arbitrary: fc.Arbitrary<T>, seed: number): T[] {
  return fc.sample(arbitrary, { numRuns: SAMPLES, seed });
}

const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));
const numericText = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom('', '-'), digits(30), digits(24))
      .map(([sign, a, b]) => `${sign}${a}.${b}`),
  },
  { weight: 4, arbitrary: fc.integer({ min: -1000, max: 1000 }).map((n) => (n / 100).toFixed(2)) },
  { weight: 2, arbitrary: digits(60) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 40 }).map((n) => `0.${'0'.repeat(n)}7`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'NaN',
      'Infinity',
      '-Infinity',
      '0',
      '0.000',
      '1.0',
      '1.00',
      '10000',
      '99999999',
    ),
  },
);
const doubleText = fc.oneof(
  fc.double().map((n) => formatFloat8(n)),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((n) => formatFloat8(n)),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '0', '-0', '1', '-1'),
);
const intervalText = fc
  .tuple(
    fc.integer({ min: -40, max: 40 }),
    fc.integer({ min: -70, max: 70 }),
    fc.integer({ min: -200_000_000, max: 200_000_000 }),
  )
  .map(([months, days, ms]) => `${months} months ${days} days ${ms} milliseconds`);
const word = fc.oneof(
  fc.string({ maxLength: 6 }).filter((text) => !text.includes('\0')),
  fc.string({ unit: 'grapheme', maxLength: 4 }).filter((text) => !text.includes('\0')),
  fc.constantFrom('a', 'a ', 'a  ', 'A', 'ä', '', ' ', '€', '😀', '\uffff'),
);
const moment = fc.date({
  min: new Date('0100-01-01'),
  max: new Date('9000-01-01'),
  noInvalidDate: true,
});
const int8 = fc.oneof(
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  fc.bigInt({ min: -3n, max: 3n }),
);

/** SQL type name, its oid, its send function and random texts. */
const TYPES: readonly (readonly [string, number, string, fc.Arbitrary<string>])[] = [
  ['smallint', TYPE.int2, 'int2send', fc.integer({ min: -32768, max: 32767 }).map(String)],
  ['integer', TYPE.int4, 'int4send', fc.integer().map(String)],
  ['bigint', TYPE.int8, 'int8send', int8.map(String)],
  ['oid', TYPE.oid, 'oidsend', fc.integer({ min: 0, max: 4294967295 }).map(String)],
  [
    'real',
    TYPE.float4,
    'float4send',
    fc.oneof(
      fc.float().map((n) => formatFloat8(n)),
      fc.constantFrom('NaN', '0', '-0'),
    ),
  ],
  ['double precision', TYPE.float8, 'float8send', doubleText],
  ['numeric', TYPE.numeric, 'numeric_send', numericText],
  ['boolean', TYPE.bool, 'boolsend', fc.boolean().map(String)],
  [
    'date',
    TYPE.date,
    'date_send',
    fc.oneof(
      moment.map((d) => d.toISOString().slice(0, 10)),
      fc.constantFrom('infinity', '-infinity'),
    ),
  ],
  [
    'timestamp',
    TYPE.timestamp,
    'timestamp_send',
    fc.oneof(
      moment.map((d) => d.toISOString().replace('Z', '')),
      fc.constantFrom('infinity', '-infinity'),
    ),
  ],
  ['timestamptz', TYPE.timestamptz, 'timestamptz_send', moment.map((d) => d.toISOString())],
  ['time', TYPE.time, 'time_send', moment.map((d) => d.toISOString().slice(11, 23))],
  [
    'interval',
    TYPE.interval,
    'interval_send',
    fc.oneof(
      intervalText,
      fc.constantFrom('infinity', '-infinity', '1 month', '30 days', '720 hours', '-1 month'),
    ),
  ],
  ['uuid', TYPE.uuid, 'uuid_send', fc.uuid()],
  [
    'bytea',
    TYPE.bytea,
    'byteasend',
    fc.uint8Array({ maxLength: 5 }).map((b) => `\\x${Buffer.from(b).toString('hex')}`),
  ],
  ['text', TYPE.text, 'textsend', word],
  ['varchar', TYPE.varchar, 'varcharsend', word],
  ['name', TYPE.name, 'namesend', word],
  ['character(12)', TYPE.bpchar, 'bpcharsend', word],
  ['"char"', TYPE.char, 'charsend', fc.constantFrom('', 'a', 'b', 'A', '\\377', '\\200')],
  [
    'money',
    TYPE.money,
    'cash_send',
    fc.integer({ min: -1e6, max: 1e6 }).map((n) => (n / 100).toFixed(2)),
  ],
];

describe('Order and equality', () => {
  it.each(TYPES)('of %s are those of the server', async (sqlType, oid, send, texts) => {
    const values = sample(texts, oid);
    // Each value with its rank: equal ranks are equal values.
    const rows = await textRows(
      client,
      `SELECT encode(${send}(v), 'hex'), v::text, dense_rank() OVER (ORDER BY v)
         FROM (SELECT t::${sqlType} AS v FROM unnest($1::text[]) AS t) AS s`,
      [values],
    );
    const compare = binaryComparator(oid)!;
    const binaryKey = groupKey(oid, 1)!;
    const textKey = groupKey(oid, 0)!;
    const known = rows.map(([hex, text, rank]) => ({
      bytes: Buffer.from(hex!, 'hex'),
      binaryKey: binaryKey(Buffer.from(hex!, 'hex')),
      textKey: textKey(Buffer.from(text!)),
      rank: Number(rank),
    }));
    const wrong = known.flatMap((a) =>
      known
        .filter((b) => {
          const equal = a.rank === b.rank;
          return (
            Math.sign(compare(a.bytes, b.bytes)) !== Math.sign(a.rank - b.rank) ||
            (a.binaryKey === b.binaryKey) !== equal ||
            (a.textKey === b.textKey) !== equal
          );
        })
        .map((b) => [a, b]),
    );
    expect(wrong).toEqual([]);
  });
});

describe('Text input', () => {
  // "char" and money are refused; bpchar keeps the literal's own blanks.
  const read = TYPES.filter(
    ([name]) => !['"char"', 'money', 'oid', 'character(12)'].includes(name),
  );
  it.each(read)('of %s gives the bytes of the server', async (sqlType, oid, send, texts) => {
    const values = sample(texts, oid + 1).filter((text) => isRead(oid, text));
    const rows = await textRows(
      client,
      `SELECT t, encode(${send}(t::${sqlType}), 'hex') FROM unnest($1::text[]) AS t`,
      [values],
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const [text, hex] of rows) {
      expect([text, binaryFromText(oid, text!, DEFAULT_OUTPUT_STYLE).toString('hex')]).toEqual([
        text,
        hex,
      ]);
    }
  });
});

/** Whether the proxy reads the text; the others it refuses. */
function isRead(oid: number, text: string): boolean {
  if (oid === TYPE.float4) return !/e[+-](3[89]|4)/.test(text);
  if (oid === TYPE.interval) return !/milli|inf/.test(text);
  return oid === TYPE.float8 || oid === TYPE.numeric || !/^-?infinity$/.test(text);
}

describe('Text output', () => {
  it.each([
    ['bigint', TYPE.int8, 'int8send', int8.map(String)],
    ['numeric', TYPE.numeric, 'numeric_send', numericText],
    ['double precision', TYPE.float8, 'float8send', doubleText],
    [
      'interval',
      TYPE.interval,
      'interval_send',
      fc.oneof(intervalText, fc.constantFrom('infinity', '-infinity', '0')),
    ],
  ] as const)('of %s is the text of the server', async (sqlType, oid, send, texts) => {
    const rows = await textRows(
      client,
      `SELECT v::text, encode(${send}(v), 'hex')
         FROM (SELECT t::${sqlType} AS v FROM unnest($1::text[]) AS t) AS s`,
      [sample(texts as fc.Arbitrary<string>, oid + 2)],
    );
    const output = textOutput(oid, DEFAULT_OUTPUT_STYLE)!;
    for (const [text, hex] of rows) {
      expect(output(Buffer.from(hex!, 'hex')).toString()).toBe(text);
    }
  });

  it('of doubles at powers of two and ten is the text of the server', async () => {
    const values = [];
    for (let i = -1074; i <= 1023; i++) values.push(2 ** i, 2 ** i * 3);
    for (let i = -320; i <= 308; i++) values.push(Number(`1e${i}`), Number(`5e${i}`));
    const finite = values.filter((value) => Number.isFinite(value) && value !== 0);
    const rows = await textRows(
      client,
      `SELECT v::text FROM unnest($1::float8[]) WITH ORDINALITY AS u(v, n) ORDER BY n`,
      [finite.map((value) => value.toPrecision(17))],
    );
    expect(finite.map(formatFloat8)).toEqual(rows.map(([text]) => text));
  });
});

describe('Sums and averages', () => {
  const bounded = numericText.filter((text) => !text.includes('n'));
  it.each([
    ['integer', 'sum(v)::int8', 'int8', TYPE.int8, fc.integer().map(String)],
    ['bigint', 'sum(v)::numeric', 'numeric', TYPE.numeric, int8.map(String)],
    ['numeric', 'sum(v)', 'numeric', TYPE.numeric, bounded],
    ['numeric', 'sum(v)', 'numeric', TYPE.numeric, numericText],
    // Whole doubles: their sums do not depend on the order of addition.
    ['double precision', 'sum(v)', 'float8', TYPE.float8, fc.integer().map(String)],
    ['double precision', 'sum(v)', 'float8', TYPE.float8, fc.constantFrom('-0', '-0', '-0', '0')],
    ['interval', 'sum(v)', 'interval', TYPE.interval, intervalText],
  ] as const)(
    'of %s over parts are those over the whole',
    async (sqlType, sum, kind, oid, texts) => {
      const send = kind === 'numeric' || kind === 'interval' ? `${kind}_send` : `${kind}send`;
      const groups = sample(
        fc.array(texts as fc.Arbitrary<string>, { minLength: 3, maxLength: 12 }),
        oid,
      );
      const values = groups.flatMap((group, g) =>
        group.map((text, i) => [g, i % 3, text] as const),
      );
      const source = `SELECT g, p, t::${sqlType} AS v
      FROM unnest($1::int[], $2::int[], $3::text[]) AS u(g, p, t)`;
      const columns = [
        values.map(([g]) => g),
        values.map(([, p]) => p),
        values.map(([, , t]) => t),
      ];
      const whole = await textRows(
        client,
        `SELECT g, (${sum})::text, avg(v)::text FROM (${source}) AS s GROUP BY g ORDER BY g`,
        columns,
      );
      const parts = await textRows(
        client,
        `SELECT g, encode(${send}(${sum}), 'hex'), encode(int8send(count(v)), 'hex')
         FROM (${source}) AS s GROUP BY g, p ORDER BY g, p`,
        columns,
      );
      const add = binaryAdder(oid)!;
      const addCounts = binaryAdder(TYPE.int8)!;
      const averager = binaryAverager(oid)!;
      const text = (type: number, value: Buffer) =>
        textOutput(type, DEFAULT_OUTPUT_STYLE)!(value).toString();
      const bytes = (hex: string | null | undefined): Buffer => Buffer.from(hex!, 'hex');
      for (const [group, wholeSum, average] of whole) {
        const own = parts.filter(([g]) => g === group);
        const total = own.map(([, part]) => bytes(part)).reduce((a, b) => add(a, b));
        const count = own.map(([, , part]) => bytes(part)).reduce((a, b) => addCounts(a, b));
        expect(text(oid, total)).toBe(wholeSum);
        expect(text(averager.typeOid, averager.divide(total, count))).toBe(average);
      }
    },
  );
});

describe('Comparison of mixed numbers', () => {
  const numbers = TYPES.filter(([, oid]) =>
    (
      [TYPE.int2, TYPE.int4, TYPE.int8, TYPE.float4, TYPE.float8, TYPE.numeric] as number[]
    ).includes(oid),
  );
  const texts = ['0', '1', '-1', '3', '32767', '16777217', '9007199254740993', '0.1', '1.0', 'NaN'];
  const pairs = numbers.flatMap((a) => numbers.map((b) => [a[0], b[0], a, b] as const));
  it.each(pairs)('%s with %s is that of the server', async (_a, _b, left, right) => {
    const values = (oid: number) =>
      texts.filter((text) => {
        if (oid === TYPE.numeric || oid === TYPE.float4 || oid === TYPE.float8) return true;
        const bits = oid === TYPE.int2 ? 16 : oid === TYPE.int4 ? 32 : 64;
        return /^-?\d+$/.test(text) && BigInt.asIntN(bits, BigInt(text)) === BigInt(text);
      });
    const rows = await textRows(
      client,
      `SELECT encode(${left[2]}(a), 'hex'), encode(${right[2]}(b), 'hex'),
              CASE WHEN a < b THEN -1 WHEN a > b THEN 1 ELSE 0 END
         FROM (SELECT x::${left[0]} AS a, y::${right[0]} AS b
                 FROM unnest($1::text[]) AS x, unnest($2::text[]) AS y) AS s`,
      [values(left[1]), values(right[1])],
    );
    const common = comparisonType(left[1], right[1])!;
    const compare = binaryComparator(common)!;
    const [castLeft, castRight] = [binaryCast(left[1], common), binaryCast(right[1], common)];
    for (const [a, b, order] of rows) {
      const bytes = [castLeft(Buffer.from(a!, 'hex')), castRight(Buffer.from(b!, 'hex'))] as const;
      expect([a, b, Math.sign(compare(...bytes)) + 0]).toEqual([a, b, Number(order)]);
    }
  });
});

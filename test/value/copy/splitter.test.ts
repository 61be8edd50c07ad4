// The splitters of COPY: row ends, keys, and the same rows wherever the stream is cut.

import { describe, expect, test } from 'vitest';
import { quoteName } from '../../../src/base/quote.ts';
import { SINGLE_BYTES } from '../../../src/value/copy/characters.ts';
import type { CopyFormat } from '../../../src/value/copy/copy-format.ts';
import { CopyDataError, type CopyKey, type CopySink } from '../../../src/value/copy/copy-rows.ts';
import { CsvSplitter } from '../../../src/value/copy/csv-splitter.ts';
import fc from '../../support/property.ts';
import { bytewise, CSV, split, TEXT } from './split.ts';

const keysOf = (format: CopyFormat, data: string, key = 0) =>
  split(format, [data], { key }).rows.map((row) => row.key);

describe('COPY csv of servers before 18', () => {
  test('ends at the end marker, wherever the stream is cut', () => {
    const keys = (chunks: readonly string[]) => {
      const found: CopyKey[] = [];
      const row = (...[, , , key]: Parameters<CopySink['row']>) => found.push(key);
      const splitter = new CsvSplitter(CSV, 0, { header: () => {}, row }, SINGLE_BYTES, true);
      for (const chunk of chunks) splitter.push(Buffer.from(chunk));
      splitter.finish();
      return found;
    };
    for (const cut of [(data: string) => [data], bytewise]) {
      expect(keys(cut('1,a\n\\.\n2,b\n'))).toEqual([1]);
      expect(keys(cut('1,a\r\n\\.\r\n2\r\n'))).toEqual([1]);
      expect(keys(cut('1,\\.\n2,"\n\\.\n"\n3\n'))).toEqual([1, 2, 3]);
      expect(keys(cut('\\.x\n1\n\\.'))).toEqual(['unreadable', 1, 'unreadable']);
    }
    expect(keysOf(CSV, '1,a\n\\.\n2,b\n')).toEqual([1, 'unreadable', 2]);
  });
});

describe('COPY text', () => {
  test('gives the key of each row wherever its column stands', () => {
    expect(keysOf(TEXT, '1\ta\n-2\tb\n9223372036854775807\tc\n')).toEqual([
      1,
      -2,
      9223372036854775807n,
    ]);
    expect(keysOf(TEXT, 'a\t1\nb\t2', 1)).toEqual([1, 2]);
    expect(keysOf(TEXT, 'x\ty\t7\tz\n', 2)).toEqual([7]);
  });

  test('reads keys as the server does', () => {
    expect(keysOf(TEXT, ' 42 \n+7\n0x1F\n1_000\n0b101\n\\x34\\62\n4\\2\n')).toEqual([
      42n,
      7n,
      31n,
      1000n,
      5n,
      42n,
      'unreadable',
    ]);
    expect(keysOf(TEXT, '\\N\nabc\n\n9223372036854775808\n1__0\n_1\n')).toEqual([
      'null',
      ...Array(5).fill('unreadable'),
    ]);
  });

  test('takes an escaped line end or delimiter as data', () => {
    const { rows } = split(TEXT, ['1\ta\\\nb\n2\tc\\\td\n\\\n3\n']);
    expect(rows.map(({ bytes }) => bytes)).toEqual(['1\ta\\\nb\n', '2\tc\\\td\n', '\\\n3\n']);
  });

  test('ends at the end marker and at nothing that looks like it', () => {
    expect(keysOf(TEXT, '1\n\\.\n2\n')).toEqual([1]);
    expect(keysOf(TEXT, '1\r\n\\.\r\n2\r\n')).toEqual([1]);
    expect(keysOf(TEXT, '1\n\\.')).toEqual([1, 'unreadable']);
    expect(keysOf(TEXT, '1\t\\.\n\\.x\n3\n')).toEqual([1, 'unreadable', 3]);
  });

  test('keeps to the first line end it sees', () => {
    expect(keysOf(TEXT, '1\r2\r3')).toEqual([1, 2, 3]);
    expect(keysOf(TEXT, '1\r\n2\r\n')).toEqual([1, 2]);
    for (const mixed of ['1\n2\r\n', '1\r2\n', '1\r\n2\n', '1\r\n2\r3']) {
      expect(() => split(TEXT, [mixed]), JSON.stringify(mixed)).toThrow(CopyDataError);
      expect(() => split(TEXT, bytewise(mixed)), JSON.stringify(mixed)).toThrow(CopyDataError);
    }
  });
});

describe('COPY csv', () => {
  test('gives the key of each row, quoted or not', () => {
    expect(keysOf(CSV, '1,a\n"2","b"\n"""3",c\n1"2"3,d\n')).toEqual([1, 2, 'unreadable', 123n]);
    expect(keysOf(CSV, '"a,b\nc",7\n', 1)).toEqual([7]);
    expect(keysOf(CSV, ',x\n"",y\n')).toEqual(['null', 'unreadable']);
  });

  test('counts the line feeds inside of quotes', () => {
    const { rows } = split(CSV, ['1,"a\nb\nc"\n2,"x""\n"\n']);
    expect(rows.map(({ feeds }) => feeds)).toEqual([2, 1]);
  });

  test('keeps escapes that are not quotes apart', () => {
    const format = { ...CSV, quote: 0x27, escapeByte: 0x5c };
    const { rows } = split(format, ["1,'a\\'\nb'\n2,'c\\\\'\n3,d\\\n"]);
    expect(rows.map(({ key }) => key)).toEqual([1, 2, 3]);
  });

  test('obeys FORCE_NULL, FORCE_NOT_NULL, NULL and DEFAULT', () => {
    expect(keysOf({ ...CSV, null: '0' }, '0\n"0"\n1\n')).toEqual(['null', 0, 1]);
    expect(keysOf({ ...CSV, null: '0', forceNull: true }, '0\n"0"\n1\n')).toEqual([
      'null',
      'null',
      1n,
    ]);
    expect(keysOf({ ...CSV, null: '0', forceNotNull: true }, '0\n')).toEqual([0]);
    expect(keysOf({ ...CSV, default: 'D' }, 'D\n1\n')).toEqual(['default', 1]);
  });
});

const field = fc.stringMatching(/^[a-c0-9\t\n\r\\".,|']{0,6}$/);
const key = fc.oneof(fc.integer().map(String), fc.constantFrom('\\N', '', 'x', '"5"', '0x10'));

const textRow = fc
  .tuple(key, fc.array(field, { maxLength: 3 }))
  .map(([id, fields]) =>
    [id, ...fields.map((each) => each.replace(/[\\\t\n\r]/g, '\\$&'))].join('\t'),
  );
const csvRow = fc
  .tuple(key, fc.array(field, { maxLength: 3 }))
  .map(([id, fields]) => [id, ...fields.map(quoteName)].join(','));

/** Bytes of GB18030, where the second of a character tells how many it has. */
const hidden = fc
  .array(fc.constantFrom('\x95\\', '\x95|', '\xa1"', '\x810\x810', '\xd6\xd0', 'a'), {
    maxLength: 4,
  })
  .map((characters) => characters.join(''));
const hiddenRow = (delimiter: string, quote: string) =>
  fc
    .tuple(hidden, key, hidden)
    .map(([before, id, behind]) =>
      [before, id, behind].map((each) => quote + each + quote).join(delimiter),
    );

const whole = (format: CopyFormat, data: string) => split(format, [data]);

describe.each([
  ['text', TEXT, textRow],
  ['csv', CSV, csvRow],
  ['text with a header', { ...TEXT, header: true }, textRow],
  ['csv with a header', { ...CSV, header: true }, csvRow],
  ['text of GB18030', { ...TEXT, encoding: 'GB18030', delimiter: 0x7c }, hiddenRow('|', '')],
  ['csv of GB18030', { ...CSV, encoding: 'GB18030' }, hiddenRow(',', '"')],
] as const)('COPY %s', (_, format, row) => {
  test('gives the same rows wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 8 }),
        fc.constantFrom('\n', '\r', '\r\n'),
        fc.boolean(),
        (rows, lineEnd, last) => {
          const data = rows.join(lineEnd) + (last ? lineEnd : '');
          const expected = whole(format, data);
          expect(split(format, bytewise(data))).toEqual(expected);
          for (let at = 1; at < data.length; at++) {
            expect(split(format, [data.slice(0, at), data.slice(at)])).toEqual(expected);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('passes every byte on, in one row each', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), (rows) => {
        const data = rows.map((each) => `${each}\n`).join('');
        const result = whole(format, data);
        const joined = (result.header ?? '') + result.rows.map(({ bytes }) => bytes).join('');
        expect(joined).toBe(data);
        expect(result.rows.length + (format.header ? 1 : 0)).toBe(rows.length);
      }),
    );
  });
});

const HEADER = `PGCOPY\n\xff\r\n\0${'\0'.repeat(8)}`;
const int8 = (value: bigint): string => {
  const bytes = Buffer.alloc(12);
  bytes.writeInt32BE(8, 0);
  bytes.writeBigInt64BE(value, 4);
  return bytes.toString('latin1');
};
const text = (value: string): string => `\0\0\0${String.fromCharCode(value.length)}${value}`;
const binaryRow = (id: bigint, name: string): string => `\0\x02${int8(id)}${text(name)}`;
const BINARY = { format: 'binary' } as const;

describe('COPY binary', () => {
  test('gives the keys of all widths', () => {
    const ids = [0n, 1n, -1n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n];
    const data = HEADER + ids.map((id) => binaryRow(id, 'x')).join('');
    const { header, rows } = split(BINARY, [`${data}\xff\xff`]);
    expect(header).toBe(HEADER);
    expect(rows.map((each) => BigInt(each.key))).toEqual(ids);
    const narrow = `\0\x02\0\0\0\x04\xff\xff\xff\xfe${text('')}\0\x02\0\0\0\x02\0\x07${text('')}`;
    expect(split(BINARY, [HEADER + narrow]).rows.map((each) => each.key)).toEqual([-2, 7]);
    expect(split(BINARY, [`${HEADER}\0\x02\xff\xff\xff\xff${text('')}`]).rows[0]!.key).toBe('null');
  });

  test('gives the same rows wherever the stream is cut', () => {
    const data = `${HEADER}${binaryRow(5n, 'abc')}${binaryRow(-7n, '')}\xff\xff`;
    const expected = split(BINARY, [data]);
    expect(expected.rows).toHaveLength(2);
    expect(split(BINARY, bytewise(data))).toEqual(expected);
    for (let at = 1; at < data.length; at++) {
      expect(split(BINARY, [data.slice(0, at), data.slice(at)])).toEqual(expected);
    }
  });

  test('passes a row on that no server takes, and nothing behind it', () => {
    const bad = `\0\x03${int8(1n)}`;
    const { rows } = split(BINARY, [HEADER + binaryRow(1n, 'a') + bad + binaryRow(2n, 'b')]);
    expect(rows.map((each) => each.key)).toEqual([1, 'unreadable']);
    const short = split(BINARY, [`${HEADER}${binaryRow(1n, 'a').slice(0, -1)}`]);
    expect(short.rows.map((each) => each.key)).toEqual(['unreadable']);
  });

  test('refuses data behind the trailer', () => {
    expect(() => split(BINARY, [`${HEADER}\xff\xffx`])).toThrow('after EOF marker');
    expect(() => split(BINARY, bytewise(`${HEADER}\xff\xffx`))).toThrow('after EOF marker');
  });
});

// COPY in encodings where a later byte of a character looks like a delimiter, a quote or a backslash.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installSchema } from '../../src/local/schema.ts';
import { type FreshDatabases, superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { copyIn, copyOut } from './copy-client.ts';

const TABLE =
  'CREATE TABLE letters (user_id int8 NOT NULL, name text, note text, CHECK (name <> $$bad$$))';

/** Characters whose second byte is a character of ASCII. */
interface Encoding {
  readonly name: string;
  /** Of a character's first byte, such that each of `seconds` makes it a character. */
  readonly first: number;
  readonly seconds: string;
  /** Other characters, as bytes. */
  readonly others: readonly string[];
  /** Bytes that are no characters. */
  readonly invalid: readonly string[];
}

const ENCODINGS: readonly Encoding[] = [
  {
    name: 'SJIS',
    first: 0x95,
    seconds: '\\|@[]^{}~A',
    others: ['\xb1\xb2', '\x82\xa0', '\x83\x5c'],
    invalid: ['\x81\n', '\x95"', '\x81', '\xfd\xfe'],
  },
  {
    name: 'Shift_JIS_2004',
    first: 0x95,
    seconds: '\\|@[]^{}~A',
    others: ['\xb1', '\x82\xf5'],
    invalid: ['\x81\n', '\x81'],
  },
  {
    name: 'BIG5',
    first: 0xa5,
    seconds: '\\|@[]^{}~A',
    others: ['\xa4\xa4'],
    invalid: ['\xa5\n', '\xa5"', '\xa5'],
  },
  {
    name: 'GBK',
    first: 0x95,
    seconds: '\\|@[]^{}~A',
    others: ['\xd6\xd0', '\x95\x5c'],
    invalid: ['\x95\n', '\x95"', '\x95'],
  },
  {
    name: 'UHC',
    first: 0xa0,
    seconds: 'AZaz',
    others: ['\xb0\xa1', '\x81A'],
    invalid: ['\x81\\', '\x81\n', '\x81'],
  },
  {
    name: 'GB18030',
    first: 0x95,
    seconds: '\\|@[]^{}~A',
    others: ['\xd6\xd0', '\x810\x810', '\x819\x9f8', '\x950\xa90'],
    invalid: ['\x95\n', '\x810\nA', '\x810', '\x95"', '\x81'],
  },
  {
    name: 'JOHAB',
    first: 0xd9,
    seconds: '',
    others: ['\xde\xa1', '\xd9\xb1'],
    invalid: ['\xd9\\', '\xd9\n', '\x8f\n1', '\xd9'],
  },
];

/** As bytes: what was not converted may be no text. */
const CONTENTS = `SELECT user_id, convert_to(name, 'SQL_ASCII'), convert_to(note, 'SQL_ASCII') FROM letters`;

const astray = (n: number): string =>
  `SELECT count(*) FROM letters WHERE (user_id % ${n} + ${n}) % ${n} <> drive.shard_id()`;

const words = ({ first, seconds, others }: Encoding): readonly string[] => [
  ...[...seconds].map((second) => String.fromCharCode(first) + second),
  ...others,
];

const cut = (data: string, size: number): Buffer[] => {
  const bytes = Buffer.from(data, 'latin1');
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
};

/** Each server's database made once more, of an encoding that converts nothing. */
async function unconverted({ plain, shards }: FreshDatabases): Promise<void> {
  const users = superusers();
  const logins = [
    ...shards.map((shard) => ({ ...shard, ...users.shards })),
    { ...plain, ...users.plain },
  ];
  for (const [i, login] of logins.entries()) {
    const client = await RawClient.login({ ...login, database: 'postgres' });
    const { user } = shards[i] ?? plain;
    await client.rows(`DROP DATABASE ${login.database}`);
    await client.rows(
      `CREATE DATABASE ${login.database} OWNER ${user} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`,
    );
    await client.close();
  }
  await installSchema(shards, { only: 'drive' });
}

let tested: TestProxy;
let plain: RawClient;
let proxy: RawClient;

async function start(options: TestProxyOptions): Promise<void> {
  tested = await startTestProxy(options);
  plain = await RawClient.login(tested.plain);
  proxy = await RawClient.login(tested.login);
  for (const client of [plain, proxy]) await client.rows(TABLE);
}

async function stop(): Promise<void> {
  await plain.close();
  await proxy.close();
  await tested.close();
}

const contents = async (client: RawClient) =>
  (await client.rows(CONTENTS)).map((row) => JSON.stringify(row)).sort();

async function both(sql: string, data: string): Promise<void> {
  // Rows are cut in one way, whatever the number of shards.
  for (const size of tested.shards.length === 1 ? [65_536] : [65_536, 1]) {
    await plain.rows('TRUNCATE letters');
    await proxy.rows('TRUNCATE letters');
    const chunks = cut(data, size);
    expect(await copyIn(proxy, sql, chunks)).toEqual(await copyIn(plain, sql, chunks));
    expect(await contents(proxy)).toEqual(await contents(plain));
    expect(await proxy.rows(astray(tested.shards.length))).toEqual([['0']]);
  }
}

describe.each([1, 3])('Over %i shards', (shards) => {
  beforeAll(() => start({ shards }));
  afterAll(stop);

  describe.each(ENCODINGS)('$name', (encoding) => {
    const { name, invalid } = encoding;
    const all = words(encoding);

    const FORMATS: readonly (readonly [
      options: string,
      row: (key: number, word: string) => string,
    ])[] = [
      ['', (key, word) => `${key}\t${word}\tx${word}y${word}\n`],
      ["DELIMITER '|', NULL 'A'", (key, word) => `${key}|${word}\\|${word}|${word}\r\n`],
      [
        "FORMAT csv, DELIMITER '|', QUOTE '~', ESCAPE '\\'",
        (key, word) => `${key}|~${word}~|${word}\n`,
      ],
      ['FORMAT csv, FORCE_NULL (name)', (key, word) => `${key},"${word}\n${word}",\r`],
    ];

    test.each(FORMATS)('characters, by (%s)', async (options, row) => {
      const list = [`ENCODING '${name}'`, options].filter((each) => each !== '').join(', ');
      const data = [...all, all.join('')].map((word, i) => row(i - 3, word)).join('');
      await both(`COPY letters FROM STDIN (${list})`, data);
      expect(await contents(proxy)).toHaveLength(all.length + 1);
      const back = `COPY letters TO STDOUT (${list.replace(', FORCE_NULL (name)', '')}, HEADER)`;
      const one = await copyOut(plain, back);
      const many = await copyOut(proxy, back);
      const lines = (bytes: Buffer) => bytes.toString('latin1').split('\n').sort();
      expect(lines(many.data)).toEqual(lines(one.data));
    });

    test('characters before the key', async () => {
      const data = all
        .map((word, i) => `${word}\t${i}\t\\N\n${word}\\${word}\t${i}\t\\N\n`)
        .join('');
      await both(`COPY letters (name, user_id, note) FROM STDIN (ENCODING '${name}')`, data);
    });

    test('an escape before a character', async () => {
      const data = all.map((word, i) => `${i}\t\\${word}\\\\${word}\\\n\t${word}\\t\n`).join('');
      await both(`COPY letters FROM STDIN (ENCODING '${name}')`, data);
    });

    test.each(invalid)('what is none: %j', async (bytes) => {
      const before = all.map((word, i) => `${i}\t${word}\t${word}\n`).join('');
      const sql = `COPY letters FROM STDIN (ENCODING '${name}')`;
      await both(sql, `${before}7\t${bytes}\tx\n8\ty\tz\n${before}`);
      await both(sql, `${before}${bytes}\t7\n8\ty\tz\n`);
      await both(sql, `${before}7\tx\t${bytes}`);
      await both(
        `${sql.slice(0, -1)}, FORMAT csv)`,
        `0,a,b\n1,a,b\n2,a,b\n1,"a\nb",c\n2,"a\nb${bytes}",c\n3,"a\nb",c\n4,x,y\n`,
      );
    });
  });

  test('an encoding by its other names', async () => {
    for (const name of ['MSKANJI', 'win-932', 'Windows932', 'shift jis']) {
      await both(`COPY letters FROM STDIN ENCODING '${name}'`, '1\t\x95\\\t\x95|\n');
    }
  });

  test('a character that becomes one of ASCII is refused, with its line', async () => {
    const sql = "COPY letters FROM STDIN (ENCODING 'SHIFT_JIS_2004')";
    for (const bytes of ['\x81_', '\x81\xb0']) {
      const data = `1\ta\tb\n2\t${bytes}\n\tb\n`;
      for (const size of [data.length, 1]) {
        const { error } = await copyIn(proxy, sql, cut(data, size));
        expect([error?.[0], error?.[3]]).toEqual(['0A000', 'COPY letters, line 2']);
      }
    }
  });

  test('a bad row before what no server is asked about', async () => {
    await both('COPY letters FROM STDIN', '1\ta\tb\n2\tbad\tx\n3\ta\tb\r\n');
  });
});

describe('Over shards that convert nothing', () => {
  beforeAll(() => start({ shards: 3, prepare: unconverted }));
  afterAll(stop);

  test('bytes are not taken for parts of characters', async () => {
    const rows = [1, 2, 3, 4, 5, 6].map((key) => `\x95\\\t${key + 1}\t${key}\tx\n`).join('');
    await both("COPY letters (name, user_id, note) FROM STDIN (ENCODING 'SJIS')", rows);
    expect(await contents(proxy)).toHaveLength(6);
  });
});

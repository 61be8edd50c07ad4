// COPY of sharded tables gives what it gives on one PostgreSQL: rows, tags, errors and line numbers.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { quoteName } from '../../src/base/quote.ts';
import fc from '../support/property.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { connect } from './answer.ts';
import { COPIED_DDL, COPY_CASES } from './copy-cases.ts';
import { type CopyOutcome, copyIn, copyOut, type Way } from './copy-client.ts';

let tested: TestProxy;
let plain: RawClient;
let proxy: RawClient;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 3,
    prepare: async ({ plain: one, shards }) => {
      for (const login of [one, ...shards]) {
        const client = await connect(login);
        await client.query(COPIED_DDL);
        await client.end();
      }
    },
  });
  plain = await RawClient.login(tested.plain);
  proxy = await RawClient.login(tested.login);
});

afterAll(async () => {
  await plain.close();
  await proxy.close();
  await tested.close();
});

const EVERYTHING = 'SELECT user_id, id, name, note, half FROM copied';

async function contents(client: RawClient): Promise<string[]> {
  return (await client.rows(EVERYTHING)).map((row) => JSON.stringify(row)).sort();
}

beforeEach(async () => {
  for (const client of [plain, proxy]) await client.query('ROLLBACK; DELETE FROM copied');
});

const cut = (data: string, size: number): Buffer[] => {
  const bytes = Buffer.from(data, 'latin1');
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
};

async function both(
  sql: string,
  data: string,
  size: number,
  way: Way,
): Promise<{ one: CopyOutcome; many: CopyOutcome }> {
  const chunks = cut(data, size);
  const one = await copyIn(plain, sql, chunks, { way });
  const many = await copyIn(proxy, sql, chunks, { way });
  expect(many).toEqual(one);
  expect(await contents(proxy)).toEqual(await contents(plain));
  return { one, many };
}

describe.each([
  ['simple', 65_536],
  ['extended', 65_536],
  ['simple', 3],
] as const)('COPY FROM STDIN, %s, messages of %i bytes', (way, size) => {
  test.each(COPY_CASES)('$name', async ({ copy, data }) => {
    await both(`COPY ${copy}`, data, size, way);
  });
});

describe('REJECT_LIMIT counts over all shards', () => {
  const rowsWith = (bad: readonly number[]) =>
    Array.from({ length: 20 }, (_, i) => `${i}\t${bad.includes(i) ? 'x' : i}\ta\tb\n`).join('');

  const SILENT = [
    ', LOG_VERBOSITY silent',
    `, "log_verbosity" 'SILENT') WHERE (name <> 'log_verbosity'`,
  ];

  test.each([
    ['as many as it allows', [1, 2, 3]],
    ['one more, on several shards', [1, 2, 3, 4]],
    ['more on one shard', [0, 6, 12, 18]],
    ['none', []],
  ])('%s', async (_, bad) => {
    for (const silent of ['', ...SILENT]) {
      for (const client of [plain, proxy]) await client.query('DELETE FROM copied');
      await expectLimited(silent, bad);
    }
  });

  test('where notices are not sent', async () => {
    for (const level of ['warning', 'error']) {
      for (const client of [plain, proxy]) {
        await client.rows('DELETE FROM copied');
        await client.rows(`SET client_min_messages = ${level}`);
      }
      await expectLimited('', [1, 2, 3]);
      for (const client of [plain, proxy]) await client.rows('DELETE FROM copied');
      await expectLimited('', [1, 2, 3, 4]);
      expect(await proxy.rows('SHOW client_min_messages')).toEqual([[level]]);
      for (const client of [plain, proxy]) await client.rows('RESET client_min_messages');
    }
  });

  async function expectLimited(silent: string, bad: readonly number[]): Promise<void> {
    const sql = `COPY copied (user_id, id, name, note) FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 3${silent})`;
    const data = [Buffer.from(rowsWith(bad))];
    const one = await copyIn(plain, sql, data);
    const many = await copyIn(proxy, sql, data);
    // The row that is one too many is another on each server.
    expect(many.error?.slice(0, 2)).toEqual(one.error?.slice(0, 2));
    expect(many.tag).toEqual(one.tag);
    expect(many.notices).toEqual(one.notices);
    expect(await contents(proxy)).toEqual(await contents(plain));
  }
});

test('the copies of a reference table tell once what they have skipped', async () => {
  await plain.rows('CREATE TABLE rate (code text PRIMARY KEY, n int)');
  await proxy.rows('CREATE TABLE rate (code text PRIMARY KEY, n int)');
  await proxy.rows(`SELECT create_reference_table('rate')`);
  for (const options of ['', ', LOG_VERBOSITY verbose', ', REJECT_LIMIT 2', ', REJECT_LIMIT 1']) {
    const sql = `COPY rate FROM STDIN (ON_ERROR ignore${options})`;
    const data = [Buffer.from('a\tx\nb\t2\nc\ty\n')];
    for (const client of [plain, proxy]) await client.rows('DELETE FROM rate');
    expect(await copyIn(proxy, sql, data), sql).toEqual(await copyIn(plain, sql, data));
  }
  for (const client of [plain, proxy]) await client.rows('DROP TABLE rate');
});

test('COPY … FREEZE of an older table is refused by the servers', async () => {
  const sql = 'COPY copied FROM STDIN (FREEZE)';
  const one = await copyIn(plain, sql, [Buffer.from('1\t1\ta\tb\n')]);
  const many = await copyIn(proxy, sql, [Buffer.from('1\t1\ta\tb\n')]);
  expect(many.error).toEqual(one.error);
});

describe('COPY FROM STDIN of generated data', () => {
  const word = fc.stringMatching(/^[a-c\t\n\r\\".,|é€]{0,5}$/);
  const row = fc.tuple(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), word, fc.option(word));
  const list = fc.array(row, { maxLength: 30 });
  const size = fc.constantFrom(1, 7, 100_000);
  const escaped = (text: string) => text.replace(/[\\\t\n\r]/g, '\\$&');
  const quoted = (text: string) => quoteName(text);

  test('text', async () => {
    const data = (rows: readonly (readonly [bigint, string, string | null])[]) =>
      rows
        .map(([id, a, b]) => `${id}\t${escaped(a)}\t${b === null ? '\\N' : escaped(b)}\n`)
        .join('');
    await fc.assert(
      fc.asyncProperty(list, size, async (rows, bytes) => {
        const utf8 = Buffer.from(data(rows)).toString('latin1');
        const sql = 'COPY copied (user_id, name, note) FROM STDIN';
        const { many } = await both(sql, utf8, bytes, 'simple');
        expect(many.error).toBeNull();
        await plain.query('DELETE FROM copied');
        await proxy.query('DELETE FROM copied');
      }),
      { numRuns: 20 },
    );
  });

  test('csv', async () => {
    const data = (rows: readonly (readonly [bigint, string, string | null])[]) =>
      rows.map(([id, a, b]) => `${id},${quoted(a)},${b === null ? '' : quoted(b)}\n`).join('');
    await fc.assert(
      fc.asyncProperty(list, size, async (rows, bytes) => {
        const utf8 = Buffer.from(data(rows)).toString('latin1');
        const sql = 'COPY copied (user_id, name, note) FROM STDIN (FORMAT csv)';
        const { many } = await both(sql, utf8, bytes, 'extended');
        expect(many.error).toBeNull();
        await plain.query('DELETE FROM copied');
        await proxy.query('DELETE FROM copied');
      }),
      { numRuns: 20 },
    );
  });
});

describe('COPY TO STDOUT', () => {
  const SORTED = [
    `COPY copied TO STDOUT`,
    `COPY copied (note, user_id) TO STDOUT (FORMAT csv, HEADER)`,
    `COPY copied TO STDOUT (DELIMITER '|', NULL 'null', HEADER)`,
    `COPY copied TO STDOUT (FORMAT csv, FORCE_QUOTE *)`,
    `COPY (SELECT user_id, upper(name) FROM copied WHERE id > 7) TO STDOUT (FORMAT csv, HEADER)`,
    `COPY (SELECT user_id, name FROM copied WHERE user_id IN (1, 2, 3)) TO STDOUT`,
    `COPY (SELECT user_id FROM copied WHERE false) TO STDOUT (FORMAT csv, HEADER)`,
    `COPY (SELECT user_id, name FROM copied WHERE user_id = 4) TO STDOUT`,
  ];

  beforeEach(async () => {
    const values = Array.from({ length: 50 }, (_, i) => `(${i - 5}, ${i}, 'n\t${i}', NULL)`);
    const sql = `INSERT INTO copied (user_id, id, name, note) VALUES ${values.join(', ')}`;
    for (const client of [plain, proxy]) await client.query(sql);
  });

  const lines = (data: Buffer): string[] => data.toString().split('\n').sort();

  test.each(SORTED)('%s', async (sql) => {
    for (const way of ['simple', 'extended'] as const) {
      const { data: expected, ...one } = await copyOut(plain, sql, way);
      const { data, ...many } = await copyOut(proxy, sql, way);
      expect(many).toEqual(one);
      expect(lines(data)).toEqual(lines(expected));
      if (sql.includes('HEADER')) {
        const [first] = expected.toString().split('\n');
        expect(data.toString().split('\n')[0]).toBe(first);
      }
    }
  });

  test.each(['TRUE', 'user_id = 3 OR user_id = 4', 'FALSE'])(
    'binary, WHERE %s, can be copied in again',
    async (condition) => {
      const sql = `COPY (SELECT user_id, id, name, note FROM copied WHERE ${condition}) TO STDOUT BINARY`;
      const one = await copyOut(plain, sql);
      const many = await copyOut(proxy, sql);
      expect(many.data).toHaveLength(one.data.length);
      expect(many.tag).toBe(one.tag);
      for (const client of [plain, proxy]) {
        await client.query('DELETE FROM copied');
        const copied = await copyIn(
          client,
          'COPY copied FROM STDIN BINARY',
          cut(many.data.toString('latin1'), 11),
        );
        expect(copied).toMatchObject({ error: null, tag: one.tag });
      }
      expect(await contents(proxy)).toEqual(await contents(plain));
    },
  );

  test('a query that only a row’s own server can answer is refused with a hint', async () => {
    const { error } = await copyOut(
      proxy,
      'COPY (SELECT ctid, count(*) FROM copied GROUP BY 1) TO STDOUT',
    );
    expect(error?.[0]).toBe('0A000');
    expect(error?.[2]).toContain('Restrict every sharded table to one key');
  });
});

describe('COPY FROM STDIN that the proxy refuses', () => {
  test.each([
    ['a column list without the key', 'COPY copied (id) FROM STDIN'],
    ['a marker in an encoding', `COPY copied FROM STDIN (ENCODING 'latin1', NULL 'ä')`],
    ['a file of the server', `COPY copied FROM '/nowhere'`],
  ])('%s, before any data', async (_, sql) => {
    const { error, response } = await copyIn(proxy, sql, []);
    expect(error?.[0]).toBe('0A000');
    expect(response).toBeNull();
  });

  test('a NULL key where the column allows it, with its line', async () => {
    const sql = 'COPY loose FROM STDIN';
    const { error } = await copyIn(proxy, sql, [Buffer.from('a\t1\nb\t2\nc\t\\N\n')]);
    expect(error?.[0]).toBe('0A000');
    expect(error?.[3]).toBe('COPY loose, line 3, column user_id');
    expect(await proxy.rows('SELECT count(*) FROM loose')).toEqual([['0']]);
  });
});

// Kept statements: what clients see of them is nothing, and what servers see is that they are used.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodeBind,
  encodeDescribe,
  encodeExecute,
  encodeParse,
  SYNC,
} from '../../src/wire/extended.ts';
import type { RawClient, RawMessage } from '../support/raw-client.ts';
import { type KeptStand, openKeptStand } from './kept-stand.ts';

let stand: KeptStand;
let client: RawClient;
let direct: RawClient;

beforeAll(async () => {
  stand = await openKeptStand();
  ({ client, direct } = stand);
  await client.query(`CREATE TABLE notes (
    id int8 PRIMARY KEY, small int2, price numeric, ratio float8, text text, code char(4),
    tag varchar(9), at timestamptz, uuid uuid, flag bool, divisor int)`);
  await client.query(`INSERT INTO notes
    SELECT n, n, n * 1.5, n / 3.0, 'it''s ' || n, 'c' || n, 't' || n, '2024-01-01'::date + n::int,
      ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, n % 2 = 0, n % 3
    FROM generate_series(1, 20) n`);
});

afterAll(() => stand.close());

/** Every byte of the answers, errors with the places they point at. */
const seen = (messages: readonly RawMessage[]): string[] =>
  messages.map(({ type, body }) => `${type} ${body.toString('latin1')}`);

/** Texts of one shape are asked in turns, often enough for servers to keep it. */
async function expectSame(...texts: readonly string[]): Promise<void> {
  for (let round = 0; round < 4; round++) {
    for (const sql of texts) {
      expect(seen(await client.query(sql)), sql).toEqual(seen(await direct.query(sql)));
    }
  }
}

/** Statements that the proxy has made servers keep, as the server itself tells. */
async function kept(): Promise<string[]> {
  const rows = await client.rows(
    '/* drive.shard=0 */ SELECT statement FROM pg_prepared_statements',
  );
  return rows.map(([statement]) => statement!);
}

const SAME: readonly (readonly string[])[] = [
  ['SELECT text FROM notes WHERE id = 7', 'SELECT text FROM notes WHERE id = 8'],
  ['SELECT text FROM notes WHERE id = 7and flag', 'SELECT text FROM notes WHERE id = 8and flag'],
  ["SELECT id FROM notes WHERE text = 'it''s 7'", "SELECT id FROM notes WHERE text = ''''"],
  ["SELECT id FROM notes WHERE text = 'žluťoučký 🐎'", "SELECT id FROM notes WHERE text = ''"],
  [
    "SELECT id FROM notes WHERE text = E'it\\'s 7'",
    "SELECT id FROM notes WHERE text = E'it\\x27s 8'",
  ],
  ["UPDATE notes SET tag = E'a\\nb' WHERE id = 20 RETURNING tag"],
  ["SELECT id FROM notes WHERE code = 'c7'", "SELECT id FROM notes WHERE code = 'c7  '"],
  ["SELECT id FROM notes WHERE tag = 't3'", "SELECT id FROM notes WHERE tag = 't3 '"],
  ["SELECT id FROM notes WHERE at >= '2024-01-05' AND at < '2024-01-07 12:00+02'"],
  ["SELECT 1 AS one FROM notes WHERE uuid = '00000000-0000-0000-0000-000000000003'"],
  [
    "SELECT id FROM notes WHERE flag = 't' ORDER BY id",
    "SELECT id FROM notes WHERE flag = 'no' ORDER BY id",
  ],
  ['SELECT id FROM notes WHERE price = 4.50', 'SELECT id FROM notes WHERE price = 3.0'],
  ['SELECT id FROM notes WHERE price = 3', 'SELECT id FROM notes WHERE price = 4'],
  ['SELECT id FROM notes WHERE ratio < 0.7 ORDER BY id'],
  ['SELECT id FROM notes WHERE small = 3', 'SELECT id FROM notes WHERE small = 70000'],
  [
    'SELECT id FROM notes WHERE small = 9999999999',
    'SELECT id FROM notes WHERE small = 99999999999999999999',
  ],
  [
    'SELECT id FROM notes WHERE id IN (3, 5, 7) ORDER BY id',
    'SELECT id FROM notes WHERE id IN (1, 1, 2) ORDER BY id',
  ],
  ["SELECT id FROM notes WHERE text IN ('it''s 3', 'x') OR 4 = id ORDER BY id"],
  ['SELECT id FROM notes WHERE id BETWEEN 3 AND 5 ORDER BY id'],
  [
    'SELECT id FROM notes WHERE id = 3 ORDER BY id LIMIT 2 OFFSET 0',
    'SELECT id FROM notes WHERE id = 4 ORDER BY id LIMIT 1 OFFSET 3',
  ],
  ['SELECT id FROM notes WHERE id > 3 ORDER BY id FETCH FIRST 2 ROWS ONLY'],
  ['SELECT a.text FROM notes a JOIN notes b ON a.id = b.id AND b.small = 3'],
  ['SELECT count(*), max(price) FROM notes'],
  ['SELECT n FROM generate_series(1, 3) n'],
  ["SELECT 'a' || text, 1.0, 7 FROM notes WHERE id = 2"],
];

describe('A small read that comes again', () => {
  it.each(SAME)('answers as the server itself does: %s', async (...texts) => {
    await expectSame(...texts);
  });

  // On a busy machine it takes some more rounds until it has been measured to be small.
  it.each([
    ["SELECT id FROM notes WHERE text = 'x'", 'SELECT id FROM notes WHERE text = $1 '],
    [
      'SELECT id FROM notes WHERE id = 3 ORDER BY id LIMIT 2 OFFSET 0',
      'SELECT id FROM notes WHERE id = $1  ORDER BY id LIMIT $2  OFFSET $3 ',
    ],
    ['SELECT count(*), max(price) FROM notes', 'SELECT count(*), max(price) FROM notes'],
  ])('is sent to the server as a statement that it keeps: %s', async (sql, statement) => {
    const keptNow = async () => {
      await client.rows(sql);
      return kept();
    };
    await expect.poll(keptNow, { timeout: 20_000, interval: 0 }).toContain(statement);
  });

  it('keeps literals in its text where a parameter could mean something else', async () => {
    expect((await kept()).join()).not.toMatch(/\|\| text.*\$/);
  });

  it('gets the errors of its own text, with their places', async () => {
    const texts = [
      "SELECT id FROM notes WHERE small = '3'",
      "SELECT id FROM notes WHERE small = 'three'",
      "SELECT id FROM notes WHERE small = '70000'",
    ];
    await expectSame(...texts);
    await expectSame('SELECT id FROM notes WHERE text = 7');
    await expectSame('SELECT missing FROM notes WHERE small = 7');
    await expectSame("SELECT id FROM notes WHERE at > 'yesterdays'");
  });

  it('gets the errors that come with its rows, after these', async () => {
    await expectSame(
      'SELECT 6 / divisor FROM notes WHERE id < 3',
      'SELECT 6 / divisor FROM notes WHERE id < 9',
    );
  });

  it('gets its notices every time', async () => {
    const long = 'x'.repeat(70);
    await expectSame(
      `SELECT text AS ${long} FROM notes WHERE id = 7`,
      `SELECT text AS ${long} FROM notes WHERE id = 8`,
    );
  });

  it('sees a change of its table that was made past the proxy', async () => {
    const texts = [7, 8].map((id) => `SELECT * FROM notes WHERE id = ${id}`);
    await expectSame(...texts);
    await direct.query('ALTER TABLE notes ADD COLUMN added int DEFAULT 5');
    await expectSame(...texts);
  });

  it('does so by the extended protocol, where its statement has no name', async () => {
    const sql = 'SELECT text, price FROM notes WHERE id = $1 AND flag IS NOT NULL';
    const batch = (key: string) => [
      encodeParse({ name: '', sql, parameterTypes: [] }),
      encodeBind({
        portal: '',
        statement: '',
        parameterFormats: [],
        parameters: [Buffer.from(key)],
        resultFormats: [1],
      }),
      encodeDescribe({ target: 'portal', name: '' }),
      encodeExecute({ portal: '', maxRows: 0 }),
      SYNC,
    ];
    const run = async (by: RawClient, key: string) => {
      by.send(...batch(key));
      return seen(await by.untilReady());
    };
    for (const key of ['7', '8', 'no key', '9', '7', '8']) {
      expect(await run(client, key), key).toEqual(await run(direct, key));
    }
    await direct.query('ALTER TABLE notes ALTER COLUMN price TYPE float8');
    for (const key of ['7', '8', '9']) {
      expect(await run(client, key), key).toEqual(await run(direct, key));
    }
  });
});

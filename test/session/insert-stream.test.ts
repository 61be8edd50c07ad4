// Writes that find more rows than the proxy may hold: streamed within the transaction, or each kept once.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

const ROWS = 6000;
const DDL = [
  'CREATE TABLE files (user_id bigint NOT NULL, id int NOT NULL, name text, PRIMARY KEY (user_id, id))',
  'CREATE TABLE kept (user_id bigint PRIMARY KEY, name text)',
  'CREATE TABLE notes (id int, name text)',
  'CREATE TABLE words (id int PRIMARY KEY, name text)',
  'CREATE TABLE tree (user_id bigint PRIMARY KEY, FOREIGN KEY (user_id) REFERENCES tree)',
];

let proxy: TestProxy;
let client: RawClient;
let plain: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({
    shards: 2,
    config: {
      merge: { bytesMax: 150_000 },
      sharding: { tables: { words: { kind: 'reference' } } },
    },
  });
  client = await RawClient.login(proxy.login);
  plain = await RawClient.login(proxy.plain);
  for (const side of [client, plain]) for (const sql of DDL) await side.rows(sql);
});

afterAll(async () => {
  await Promise.all([client.close(), plain.close()]);
  await proxy.close();
});

beforeEach(async () => {
  for (const side of [client, plain]) {
    await side.rows('TRUNCATE files, kept, tree');
    await side.rows('TRUNCATE notes');
    await side.rows('TRUNCATE words');
    for (let i = 0; i < ROWS; i += 1000) {
      await side.rows(`INSERT INTO files SELECT n % 10, n, 'name ' || n
        FROM generate_series(${i}, ${i + 999}) AS n`);
    }
  }
});

afterEach(() => Promise.all([client.query('ROLLBACK'), plain.query('ROLLBACK')]));

const SUMS = ['files', 'kept', 'notes', 'words'].map(
  (table) =>
    `SELECT count(*), coalesce(sum(${table === 'kept' ? 'user_id' : 'id'}), 0) FROM ${table}`,
);

async function expectSame(sql: string): Promise<void> {
  const [ours, theirs] = await Promise.all([client.query(sql), plain.query(sql)]);
  const tags = (answer: typeof ours) => answer.map(({ type, body }) => [type, `${body}`]);
  expect(tags(ours)).toEqual(tags(theirs));
  for (const sum of SUMS) expect(await client.rows(sum)).toEqual(await plain.rows(sum));
}

describe.each(['by itself', 'in a transaction'])('%s', (how) => {
  it.each([
    'INSERT INTO kept SELECT id, name FROM files',
    'INSERT INTO kept SELECT id, name FROM files ORDER BY id DESC',
    'INSERT INTO kept SELECT id % 3000, name FROM files ON CONFLICT DO NOTHING',
    'INSERT INTO files SELECT id, id + 10000, name FROM files',
    'INSERT INTO files SELECT f.user_id + 1, f.id + 10000, g.name FROM files f JOIN files g ON g.id = f.id',
    'INSERT INTO notes SELECT id, name FROM files',
    'INSERT INTO words SELECT id, name FROM files',
    `INSERT INTO kept SELECT n, 'n' || n FROM generate_series(1, 9000) AS n`,
    'INSERT INTO kept SELECT id / 2, name FROM files',
  ])('%s', async (sql) => {
    if (how === 'in a transaction') {
      for (const side of [client, plain]) {
        await side.rows('BEGIN');
        await side.rows(`INSERT INTO files VALUES (3, 20000, 'mine')`);
      }
    }
    const [ours, theirs] = await Promise.all([client.query(sql), plain.query(sql)]);
    expect(errorCode(ours)).toBe(errorCode(theirs));
    if (how === 'in a transaction') {
      const end = errorCode(ours) === '' ? 'COMMIT' : 'ROLLBACK';
      for (const side of [client, plain]) await side.rows(end);
    }
    await expectSame('SELECT 1');
  });
});

// Some 24,000 pairs of rows of which 40 are written.
describe('Of the matches of a row one is kept', () => {
  it.each([
    'DELETE FROM files f USING files g WHERE f.id < 40 AND g.user_id = 3',
    "UPDATE files f SET name = 'x' || f.id FROM files g WHERE f.id < 40 AND g.user_id = 3",
  ])('%s', expectSame);
});

describe('It is bounded', () => {
  it.each([
    'INSERT INTO kept SELECT id, name FROM files RETURNING name',
    'INSERT INTO kept SELECT id, name FROM files ON CONFLICT (user_id) DO UPDATE SET name = excluded.name',
    'INSERT INTO tree SELECT id FROM files',
  ])('%s', async (sql) => {
    expect(errorCode(await client.query(sql))).toBe('53400');
    expect(await client.rows('SELECT count(*) FROM kept')).toEqual([['0']]);
  });
});

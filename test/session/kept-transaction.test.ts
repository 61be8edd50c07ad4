// Kept statements within transactions, where one that fails cannot be sent a second time.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeBind, encodeExecute, encodeParse, SYNC } from '../../src/wire/extended.ts';
import type { RawClient, RawMessage } from '../support/raw-client.ts';
import { type KeptStand, openKeptStand } from './kept-stand.ts';

let stand: KeptStand;
let client: RawClient;
let direct: RawClient;

beforeAll(async () => {
  stand = await openKeptStand();
  ({ client, direct } = stand);
});

afterAll(() => stand.close());

beforeEach(async () => {
  await client.query(`
    DROP TABLE IF EXISTS child, notes, parent, told, timed;
    CREATE TABLE notes (id int8 PRIMARY KEY, n int2 CHECK (n < 1000), text text, code varchar(4));
    CREATE TABLE parent (id int8 PRIMARY KEY);
    CREATE TABLE child (id int8 REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE told (id int8, said text);
    CREATE TABLE timed (id int8, took interval minute to second);
    INSERT INTO notes SELECT n, n, 'note ' || n FROM generate_series(1, 20) n`);
});

const UNNAMED = { portal: '', statement: '' };

/** Every byte of the answers, errors with the places they point at. */
const seen = (messages: readonly RawMessage[]): string[] =>
  messages.map(({ type, body }) => `${type} ${body.toString('latin1')}`);

async function answers(to: RawClient, texts: readonly string[]): Promise<string[][]> {
  const all: string[][] = [];
  for (const text of texts) all.push(seen(await to.query(text)));
  return all;
}

/** In a transaction each that is rolled back, often enough for servers to keep the statements. */
async function expectSame(...texts: readonly string[]): Promise<void> {
  const script = ['BEGIN', ...texts, 'ROLLBACK'];
  for (let round = 0; round < 4; round++) {
    expect(await answers(client, script)).toEqual(await answers(direct, script));
  }
}

/** Texts that the server keeps. */
async function kept(): Promise<string[]> {
  const rows = await client.rows(
    '/* drive.shard=0 */ SELECT statement FROM pg_prepared_statements',
  );
  return rows.map(([statement]) => statement!);
}

const read = (id: number) => `SELECT text FROM notes WHERE id = ${id}`;

describe('Within a transaction', () => {
  it('servers keep what is read and written by a key', async () => {
    const update = "UPDATE notes SET text = 'it''s', n = n + 1 WHERE id = 3";
    const run = async () => {
      await answers(client, ['BEGIN', read(3), update, read(4), 'COMMIT']);
      return kept();
    };
    const statements = [
      'SELECT text FROM notes WHERE id = $1 ',
      'UPDATE notes SET text = $1 , n = n + $2  WHERE id = $3 ',
    ];
    const options = { timeout: 20_000, interval: 0 };
    await expect.poll(run, options).toEqual(expect.arrayContaining(statements));
    expect(await client.rows('SELECT text FROM notes WHERE id = 3')).toEqual([["it's"]]);
  });

  it('so are statements by themselves that write', async () => {
    let count = 0;
    const run = async () => {
      count += 1;
      await client.query('UPDATE notes SET n = n + 1 WHERE id = 5');
      return kept();
    };
    const statement = 'UPDATE notes SET n = n + $1  WHERE id = $2 ';
    await expect.poll(run, { timeout: 20_000, interval: 0 }).toContain(statement);
    expect(await client.rows('SELECT n FROM notes WHERE id = 5')).toEqual([[`${5 + count}`]]);
  });

  it.each<[string, ...string[]]>([
    ['rows', read(3), read(4), read(99), 'SELECT text FROM notes WHERE id = 5 FOR UPDATE'],
    ['counts', "UPDATE notes SET text = 'x' WHERE id = 3", 'DELETE FROM notes WHERE id > 15'],
    ['returned rows', 'SELECT 1', 'UPDATE notes SET n = n * 2 WHERE id < 4 RETURNING id, n'],
    [
      'inserted rows',
      read(1),
      "INSERT INTO notes VALUES (30, 7, 'x', 'abcd') RETURNING *",
      read(30),
    ],
    ['errors of the first', 'UPDATE notes SET n = 5000 WHERE id = 3'],
    ['errors of a later one', read(3), 'UPDATE notes SET n = 5000 WHERE id = 3'],
    ['values out of range', read(3), 'UPDATE notes SET n = 70000 WHERE id = 3'],
    ['values too long', read(3), "UPDATE notes SET code = 'abcde' WHERE id = 3"],
    ['keys that are there', read(3), "INSERT INTO notes VALUES (3, 7, 'x', 'abcd')"],
    ['text that is no number', read(3), "SELECT text FROM notes WHERE n = 'three'"],
    ['text that may be a number', read(3), "SELECT text FROM notes WHERE n = '3'", read(3)],
    ['rows of what it has altered', read(3), 'ALTER TABLE notes ALTER text TYPE varchar', read(3)],
    ['the text of the query', read(3), 'SELECT current_query() FROM notes WHERE id = 3'],
  ])('the answers are those of the server itself: %s', async (_, ...texts) => {
    await expectSame(...texts);
  });

  it('a literal is read as its column says', async () => {
    for (let round = 0; round < 5; round++) {
      await client.query("INSERT INTO timed VALUES (1, '1:30')");
      await answers(client, ['BEGIN', "INSERT INTO timed VALUES (1, '1:30')", 'COMMIT']);
    }
    expect(await client.rows('SELECT DISTINCT took FROM timed')).toEqual([['00:01:30']]);
  });

  it('a name means what the search path says', async () => {
    await client.query('CREATE SCHEMA IF NOT EXISTS other; DROP TABLE IF EXISTS other.notes');
    await client.query('CREATE TABLE other.notes (id int8, text int8)');
    await client.query('INSERT INTO other.notes VALUES (3, 33)');
    await expectSame(read(4), read(3), 'SET LOCAL search_path = other', read(4), read(3), read(3));
  });

  it('a savepoint is returned to behind an error', async () => {
    const fails = 'UPDATE notes SET n = 5000 WHERE id = 3';
    await expectSame(
      read(3),
      'SAVEPOINT a',
      fails,
      'ROLLBACK TO a',
      read(4),
      fails,
      'ROLLBACK TO a',
    );
  });

  it('an error points into the text of the client', async () => {
    const late = `UPDATE notes SET text = 'it''s a long one', n = 7 WHERE id = 12345 AND code = 'x'`;
    await expectSame(read(3), late);
    // Past the proxy: the servers keep the statement as it was, and now know that it is wrong.
    await direct.query('ALTER TABLE notes RENAME code TO renamed');
    const script = ['BEGIN', read(3), late, 'ROLLBACK'];
    expect(await answers(client, script)).toEqual(await answers(direct, script));
  });

  it('so does one of the same text by the extended protocol', async () => {
    const late = `UPDATE notes SET text = 'it''s a long one', n = 7 WHERE id = 12345 AND code = 'x'`;
    const run = async (to: RawClient) => {
      to.send(
        encodeParse({ name: '', sql: late, parameterTypes: [] }),
        encodeBind({ ...UNNAMED, parameterFormats: [], parameters: [], resultFormats: [] }),
        encodeExecute({ portal: '', maxRows: 0 }),
        SYNC,
      );
      return seen(await to.untilReady());
    };
    await expectSame(read(3), late);
    for (let round = 0; round < 4; round++) {
      for (const to of [client, direct]) await answers(to, ['BEGIN', read(3)]);
      expect(await run(client)).toEqual(await run(direct));
      for (const to of [client, direct]) await answers(to, ['ROLLBACK']);
    }
    await direct.query('ALTER TABLE notes RENAME code TO renamed');
    for (const to of [client, direct]) await answers(to, ['BEGIN', read(3)]);
    // A statement that is kept was parsed: the server finds out when it is bound.
    const [parsed, ...answer] = await run(client);
    expect([parsed, answer]).toEqual(['1 ', await run(direct)]);
    for (const to of [client, direct]) await answers(to, ['ROLLBACK']);
  });

  it('the text that a trigger looks at is that of the client', async () => {
    await client.query(`
      CREATE OR REPLACE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO told VALUES (OLD.id, current_query()); RETURN NULL; END $$;
      CREATE TRIGGER tell AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION tell();
      INSERT INTO parent VALUES (7);
      INSERT INTO child VALUES (7)`);
    await expectSame(read(3), 'DELETE FROM parent WHERE id = 7', 'SELECT * FROM told');
    await expectSame('DELETE FROM child WHERE id = 7', 'SELECT * FROM told');
  });

  it('a column of another type is told of where nothing was answered yet', async () => {
    await expectSame(read(3), read(4));
    await direct.query('ALTER TABLE notes ALTER text TYPE varchar');
    await expectSame(read(3));
  });

  it('else the transaction is to be run again', async () => {
    await expectSame('SELECT 1', read(3), read(4));
    await client.query('BEGIN');
    await client.query('SELECT count(*) FROM child');
    await direct.query('ALTER TABLE notes ALTER text TYPE varchar');
    const [error] = await client.query(read(3));
    expect(error!.body.toString()).toContain('C40001');
    await client.query('ROLLBACK');
    await expectSame(read(3), read(4));
  });
});

// Routing by hand: SET drive.shard and drive.key, the leading comment, the database of one shard.

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

const SHARDS = 3;
const WHERE = 'SELECT drive.shard_id() AS at';
/** As SQL has it: 42 and -1 over three shards. */
const SHARD_OF_42 = 0;
const SHARD_OF_MINUS_1 = 2;

let tested: TestProxy;
let client: pg.Client;

async function connected(database: string): Promise<pg.Client> {
  const made = new pg.Client({ ...tested.login, database });
  await made.connect();
  return made;
}

/** The shards that the statements of `text` with a column `at` ran on. */
async function places(text: string, on = client): Promise<unknown[]> {
  const results = (await on.query(text)) as pg.QueryResult | pg.QueryResult[];
  const rows = [results].flat().flatMap((result) => result.rows);
  return rows.filter((row) => 'at' in row).map((row) => row.at);
}

const codeOf = async (text: string): Promise<string | undefined> => {
  const failed = await client.query(text).catch((error: pg.DatabaseError) => error);
  return failed instanceof pg.DatabaseError ? failed.code : undefined;
};

beforeAll(async () => {
  tested = await startTestProxy({ shards: SHARDS, application: true });
  client = await connected(tested.login.database);
});
afterAll(async () => {
  await client?.end();
  await tested?.close();
});
beforeEach(async () => {
  await client.query('RESET drive.shard');
  await client.query('DELETE FROM file_metadata');
});

describe('SET drive.shard and drive.key', () => {
  it('choose the shard of what follows, until RESET', async () => {
    for (let shard = 0; shard < SHARDS; shard++) {
      await client.query(`SET drive.shard = ${shard}`);
      expect(await places(WHERE)).toEqual([shard]);
    }
    await client.query("SET drive.key = '42'");
    expect(await places(WHERE)).toEqual([SHARD_OF_42]);
    await client.query('SET drive.key = -1');
    expect(await places(WHERE)).toEqual([SHARD_OF_MINUS_1]);
    await client.query('RESET drive.key');
    const everywhere = await places('SELECT DISTINCT drive.shard_id() AS at FROM file_metadata');
    expect(everywhere).toEqual([]);
    expect((await client.query('SHOW drive.key')).rows).toEqual([{ 'drive.key': '' }]);
  });

  it('choose it within one string, too', async () => {
    expect(await places(`SET drive.shard = 2; ${WHERE}; SET drive.shard = 1; ${WHERE}`)).toEqual([
      2, 1,
    ]);
    expect(await places(`${WHERE}; RESET drive.shard; SET drive.key = '-1'; ${WHERE}`)).toEqual([
      1,
      SHARD_OF_MINUS_1,
    ]);
  });

  it('let a statement be that is refused over several shards', async () => {
    const text = "'SELECT ''a''::tsquery, ''c''::tsquery'";
    const refused = `SELECT drive.shard_id() AS at, ts_rewrite('a & b', ${text})`;
    const insert = "INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'x'), (42, 'y')";
    expect(await codeOf(`${insert}; ${refused}`)).toBe('0A000');
    expect((await client.query('SELECT count(*)::int AS n FROM file_metadata')).rows).toEqual([
      { n: 0 },
    ]);
    expect(await places(`${insert}; SET drive.shard = 1; ${refused}`)).toEqual([1]);
  });

  it('send a row where its key would not', async () => {
    const insert = "INSERT INTO file_metadata (user_id, file_name) VALUES (42, 'x')";
    expect(await places(`SET drive.shard = 1; ${insert} RETURNING drive.shard_id() AS at`)).toEqual(
      [1],
    );
    const count = 'SELECT count(*)::int AS n FROM file_metadata';
    expect((await client.query(count)).rows).toEqual([{ n: 1 }]);
    await client.query('SET drive.shard = 0');
    expect((await client.query(count)).rows).toEqual([{ n: 0 }]);
  });

  it('take no shard or key that cannot be', async () => {
    expect(await codeOf('SET drive.shard = 3')).toBe('22023');
    expect(await codeOf("SET drive.shard = 'one'")).toBe('22023');
    expect(await codeOf('SET drive.key = 9223372036854775808')).toBe('22023');
    expect(await codeOf('SET drive.shrad = 1')).toBe('42704');
    expect(await codeOf('SET drive.shards = 1')).toBe('42704');
    expect(await codeOf('SET LOCAL drive.shard = 1')).toBe('0A000');
  });
});

describe('A leading comment', () => {
  it('chooses the shard of one statement', async () => {
    expect(await places(`/* drive.shard=1 */ ${WHERE}`)).toEqual([1]);
    expect(await places(`/* drive.key=-1 */ ${WHERE}`)).toEqual([SHARD_OF_MINUS_1]);
    expect(await codeOf(`/* drive.shard=9 */ ${WHERE}`)).toBe('22023');
  });

  it('is stronger than the session, for its own statement of a string', async () => {
    await client.query('SET drive.shard = 2');
    expect(
      await places(`/* drive.shard=1 */ ${WHERE}; ${WHERE}; /* drive.shard=0 */ ${WHERE}`),
    ).toEqual([1, 2, 0]);
  });

  it('holds for prepared statements', async () => {
    const text = '/* drive.shard=1 */ SELECT drive.shard_id() AS at, $1::int AS n';
    expect((await client.query(text, [5])).rows).toEqual([{ at: 1, n: 5 }]);
  });
});

describe("A shard's own database", () => {
  it('is that shard alone', async () => {
    for (const { id, database } of tested.shards) {
      const alone = await connected(database);
      try {
        expect(await places(`${WHERE}; ${WHERE}`, alone)).toEqual([id, id]);
        const { rows } = await alone.query('SELECT current_database() AS name');
        expect(rows).toEqual([{ name: database }]);
      } finally {
        await alone.end();
      }
    }
  });
});

describe('SET search_path', () => {
  it('holds for the statements behind it in the same string', async () => {
    await client.query('CREATE SCHEMA away; CREATE TABLE away.file_metadata (n int)');
    const count = 'SELECT count(*)::int AS at FROM file_metadata';
    await client.query("INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'x'), (2, 'y')");
    expect(await places(`SET search_path TO away; ${count}; RESET search_path; ${count}`)).toEqual([
      0, 2,
    ]);
  });
});

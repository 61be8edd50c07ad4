// Settings that routines make: they stay with the session that called, and reach nobody else.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;
let other: RawClient;

const SCHEMA = [
  `CREATE TABLE files (user_id bigint, note text)`,
  `CREATE TABLE traced (user_id bigint, note text)`,
  `CREATE FUNCTION become(name text) RETURNS text LANGUAGE plpgsql AS
    $$BEGIN PERFORM set_config('app.me', name, false); RETURN name; END$$`,
  `CREATE FUNCTION pg_become(name text) RETURNS text LANGUAGE sql AS 'SELECT become(name)'`,
  `CREATE FUNCTION for_now(name text) RETURNS text LANGUAGE plpgsql AS
    $$BEGIN PERFORM set_config('app.me', name, true); RETURN name; END$$`,
  `CREATE FUNCTION trace() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN SET app.me = 'tracer'; RETURN NEW; END$$`,
  `CREATE TRIGGER t BEFORE INSERT ON traced FOR EACH ROW EXECUTE FUNCTION trace()`,
  `CREATE PROCEDURE become_by_text(name text) LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'SET app.me = ' || quote_literal(name); END$$`,
];

const USER = `SELECT coalesce(current_setting('app.me', true), '')`;

beforeAll(async () => {
  // Few connections: what one client leaves there, the next one would find.
  proxy = await startTestProxy({ shards: 2, config: { pool: { size: 2 } } });
  client = await RawClient.login(proxy.login);
  for (const sql of SCHEMA) await client.rows(sql);
  await client.close();
});

afterAll(() => proxy.close());

beforeEach(async () => {
  client = await RawClient.login(proxy.login);
  other = await RawClient.login(proxy.login);
});

afterEach(() => Promise.all([client.close(), other.close()]));

/** What a client that has set nothing sees, on each shard and connection. */
async function seenByOthers(): Promise<string[]> {
  const seen: string[] = [];
  for (const shard of [0, 1, 0, 1]) {
    const [[name]] = (await other.rows(`/* drive.shard=${shard} */ ${USER}`)) as [[string]];
    seen.push(name);
  }
  return [...new Set(seen)];
}

describe('A setting made in a routine', () => {
  it.each([
    ['a function', `SELECT become('me')`],
    ['a function that calls it, with a name like one of PostgreSQL', `SELECT pg_become('me')`],
    [
      'a function in a condition over several shards',
      `SELECT FROM files WHERE become('me') = note`,
    ],
    ['a procedure that puts the statement together', `CALL become_by_text('me')`],
    ['a block', `DO $$BEGIN SET app.me = 'me'; END$$`],
    ['a trigger', `INSERT INTO traced VALUES (1, 'x')`],
    ['a trigger on several shards', `INSERT INTO traced VALUES (1, 'x'), (2, 'y'), (3, 'z')`],
  ])('by %s reaches no other client', async (_, sql) => {
    await client.rows(`INSERT INTO files VALUES (1, 'a'), (2, 'b')`);
    for (let i = 0; i < 3; i++) await client.rows(sql);
    expect(await seenByOthers()).toEqual(['']);
    await client.close();
    expect(await seenByOthers()).toEqual(['']);
    client = await RawClient.login(proxy.login);
  });

  it('reaches no other client from a transaction, either', async () => {
    await client.rows('BEGIN');
    await client.rows('SELECT count(*) FROM files');
    await client.rows(`SELECT become('me')`);
    await client.rows(`INSERT INTO traced VALUES (1, 'x'), (2, 'y')`);
    await client.rows('COMMIT');
    expect(await seenByOthers()).toEqual(['']);
  });

  it('lasts for the session, as on one PostgreSQL', async () => {
    await client.rows(`SELECT become('me')`);
    expect(await client.rows(USER)).toEqual([['me']]);
  });

  it('for the transaction alone ends with it', async () => {
    await client.rows(`SELECT for_now('me')`);
    expect(await client.rows(USER)).toEqual([['']]);
  });
});

// Last ids: lastval() tells, directly behind an INSERT in its transaction, what one server would.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const LASTVAL = 'SELECT lastval()';
const REFUSED = { code: '0A000', message: expect.stringContaining('lastval()') };
const TABLES = [
  'CREATE TABLE note (id serial PRIMARY KEY, user_id int, words text)',
  'CREATE TABLE draft (id int GENERATED ALWAYS AS IDENTITY, user_id int)',
  'CREATE TABLE person (user_id serial PRIMARY KEY, name text)',
  'CREATE TABLE room (id serial PRIMARY KEY, name text)',
  'CREATE TABLE mark (user_id int, of int, id uuid DEFAULT gen_random_uuid())',
  "CREATE VIEW tick AS SELECT nextval('note_id_seq')",
  "CREATE FUNCTION tock() RETURNS int LANGUAGE sql AS $$SELECT nextval('note_id_seq')::int$$",
  'CREATE TABLE loud (user_id int)',
  'CREATE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM tock(); RETURN NEW; END$$',
  'CREATE TRIGGER says BEFORE INSERT ON loud FOR EACH ROW EXECUTE FUNCTION says()',
];

let proxy: TestProxy;
let client: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3, config: { pool: { size: 2 } } });
  client = await connectAsText(proxy.login);
  for (const sql of TABLES) await client.query(sql);
});

afterAll(async () => {
  await client.end();
  await proxy.close();
});

/** What a statement gives as the first column of its last row. */
type Ask = (sql: string) => Promise<string | null>;
const asked =
  (queryMode: 'simple' | 'extended'): Ask =>
  async (text) => {
    const mode = queryMode === 'extended' ? { queryMode } : {};
    const { rows } = await client.query<(string | null)[]>({ text, rowMode: 'array', ...mode });
    return rows.at(-1)?.[0] ?? null;
  };
const PROTOCOLS = [
  ['simple', asked('simple')],
  ['extended', asked('extended')],
] as const;

describe.each(PROTOCOLS)('lastval() by the %s protocol', (_, ask) => {
  it.each([
    ['a serial', 'INSERT INTO note (user_id) VALUES (1)', 'id'],
    ['another shard', 'INSERT INTO note (user_id) VALUES (2)', 'id'],
    ['DEFAULT', "INSERT INTO note VALUES (DEFAULT, 3, 'a')", 'id'],
    ['several rows for one shard', 'INSERT INTO note (user_id) VALUES (4), (4)', 'id'],
    ['an identity', 'INSERT INTO draft (user_id) VALUES (5)', 'id'],
    ['a home table', "INSERT INTO room (name) VALUES ('a')", 'id'],
    ['a key that is the sequence', "INSERT INTO person (name) VALUES ('a')", 'user_id'],
    ['no values at all', 'INSERT INTO person DEFAULT VALUES', 'user_id'],
  ])('is the id that an INSERT has given: %s', async (_, insert, id) => {
    await client.query('BEGIN');
    const made = await ask(`${insert} RETURNING ${id}`);
    const told = await ask(LASTVAL);
    const again = await ask(LASTVAL);
    const table = insert.split(' ')[2];
    const current = await ask(`SELECT currval('${table}_${id}_seq')`);
    await client.query('COMMIT');
    expect([told, again, current]).toEqual([made, made, made]);
  });

  it.each([
    ['there was no INSERT', []],
    ['it has given the id itself', ['INSERT INTO note (id, user_id) VALUES (1024000, 1)']],
    ['the id is of no sequence', ['INSERT INTO mark (user_id) VALUES (1)']],
    ['rows have gone to several shards', ['INSERT INTO note (user_id) VALUES (1), (2), (3), (4)']],
    ['there may have been no row', ['INSERT INTO note (user_id) SELECT 1 WHERE false']],
    [
      'another statement came between',
      ['INSERT INTO note (user_id) VALUES (1)', "SELECT nextval('room_id_seq')"],
    ],
  ])('is refused where %s', async (_, statements) => {
    // Somebody has had each connection before, and left an id there.
    for (const user of [1, 2, 3, 4, 5, 6]) await ask(`INSERT INTO note (user_id) VALUES (${user})`);
    await client.query('BEGIN');
    for (const sql of statements) await ask(sql);
    await expect(ask(LASTVAL)).rejects.toMatchObject(REFUSED);
    await client.query('ROLLBACK');
  });

  it('is told of the sequence of its table alone by currval()', async () => {
    for (const user of [1, 2, 3]) await ask(`INSERT INTO draft (user_id) VALUES (${user})`);
    for (const sequence of ["'draft_id_seq'", "'room_id_seq'::regclass"]) {
      await client.query('BEGIN');
      const made = await ask("INSERT INTO note VALUES (DEFAULT, 1, 'a') RETURNING id");
      expect(await ask(`SELECT pg_catalog.currval('public.note_id_seq'::regclass)`)).toBe(made);
      await expect(ask(`SELECT currval(${sequence})`)).rejects.toMatchObject(REFUSED);
      await client.query('ROLLBACK');
    }
  });

  it('is refused outside of transactions, where the connection may be somebody else’s', async () => {
    await ask('INSERT INTO note (user_id) VALUES (1)');
    await expect(ask(LASTVAL)).rejects.toMatchObject(REFUSED);
    await client.query('BEGIN');
    await ask('INSERT INTO note (user_id) VALUES (1)');
    await client.query('COMMIT');
    await expect(ask(LASTVAL)).rejects.toMatchObject(REFUSED);
    await client.query('BEGIN');
    await expect(ask(LASTVAL)).rejects.toMatchObject(REFUSED);
    await client.query('ROLLBACK');
  });

  it.each([
    [
      'rows that refer to it',
      'INSERT INTO mark (user_id, of) VALUES (1, CURRENT), (1, CURRENT) RETURNING of',
    ],
    ['a row that is found by it', 'SELECT id FROM note WHERE user_id = 1 AND id = CURRENT'],
    [
      'a row that is changed',
      'UPDATE note SET words = CURRENT WHERE user_id = 1 AND id = lastval() RETURNING words',
    ],
    ['a query of its own', 'INSERT INTO mark (user_id, of) SELECT 1, CURRENT RETURNING of'],
    ['an expression', 'SELECT CURRENT + 0, 1'],
    ['WITH', 'WITH m AS (INSERT INTO mark (user_id, of) VALUES (1, CURRENT) RETURNING of) TABLE m'],
  ])('is used within a statement for its shard: %s', async (_, sql) => {
    await client.query('BEGIN');
    const made = await ask('INSERT INTO note (user_id) VALUES (1) RETURNING id');
    expect(await ask(sql.replaceAll('CURRENT', `currval('note_id_seq')`))).toBe(made);
    await client.query('ROLLBACK');
  });

  it('is known of several sequences', async () => {
    await client.query('BEGIN');
    const note = await ask('INSERT INTO note (user_id) VALUES (1) RETURNING id');
    const mark = `INSERT INTO mark (user_id, of) VALUES (1, currval('note_id_seq')) RETURNING of`;
    expect(await ask(mark)).toBe(note);
    const draft = await ask('INSERT INTO draft (user_id) VALUES (2) RETURNING id');
    expect(await ask(mark)).toBe(note);
    expect(await ask(`SELECT currval('draft_id_seq')`)).toBe(draft);
    const next = await ask('INSERT INTO note (user_id) VALUES (3) RETURNING id');
    expect(await ask(`SELECT currval('note_id_seq')`)).toBe(next);
    await expect(ask(mark)).rejects.toMatchObject(REFUSED);
    await client.query('ROLLBACK');
  });

  it('is refused behind an INSERT that has failed, with the id that it took', async () => {
    for (const user of [1, 2]) await ask(`INSERT INTO note (user_id) VALUES (${user})`);
    await client.query('BEGIN');
    await ask('INSERT INTO note (user_id) VALUES (1)');
    await client.query('SAVEPOINT a');
    await expect(ask(`INSERT INTO note (user_id) VALUES (2147483648)`)).rejects.toThrow();
    await client.query('ROLLBACK TO a');
    await expect(ask(`SELECT currval('note_id_seq')`)).rejects.toMatchObject(REFUSED);
    await client.query('ROLLBACK');
  });

  it('is the key of rows that refer to one with that key', async () => {
    await client.query('BEGIN');
    const person = await ask("INSERT INTO person (name) VALUES ('a') RETURNING user_id");
    const mark = `INSERT INTO mark (user_id, of) VALUES (currval('person_user_id_seq'), 1)`;
    expect(await ask(`${mark} RETURNING user_id`)).toBe(person);
    await client.query('ROLLBACK');
  });

  it.each([
    ['on another shard', [], 'INSERT INTO mark (user_id, of) VALUES (2, CURRENT)'],
    ['on the home shard', [], 'INSERT INTO room (name) VALUES (CURRENT)'],
    ['on several shards', [], 'SELECT CURRENT FROM note'],
    ['of a cursor', [], 'DECLARE c CURSOR FOR SELECT CURRENT'],
    ['of a computed sequence', [], `SELECT currval(('note_' || 'id_seq')::regclass)`],
    ['behind a view that takes ids', ['TABLE tick'], 'SELECT CURRENT'],
    ['behind a function that does', ['SELECT tock()'], 'SELECT CURRENT'],
    [
      'behind a row with such a function',
      ['INSERT INTO mark VALUES (2, tock())'],
      'SELECT CURRENT',
    ],
    ['behind a trigger that does', ['INSERT INTO loud VALUES (2)'], 'SELECT CURRENT'],
    [
      'behind a row of nextval()',
      [`INSERT INTO mark VALUES (2, nextval('note_id_seq'))`],
      'SELECT CURRENT',
    ],
    [
      'behind RETURNING nextval()',
      [`INSERT INTO mark VALUES (2) RETURNING nextval('note_id_seq')`],
      'SELECT CURRENT',
    ],
    [
      'behind rows of several shards',
      ['INSERT INTO note (user_id) VALUES (2), (3), (4)'],
      'SELECT CURRENT',
    ],
  ])('is refused %s', async (_, between, sql) => {
    for (const user of [1, 2, 3, 4, 5, 6]) await ask(`INSERT INTO note (user_id) VALUES (${user})`);
    await client.query('BEGIN');
    await ask('INSERT INTO note (user_id) VALUES (1)');
    for (const each of between) await ask(each);
    const asking = ask(sql.replaceAll('CURRENT', `currval('note_id_seq')`));
    await expect(asking).rejects.toMatchObject({ code: '0A000' });
    await client.query('ROLLBACK');
  });

  it('is refused behind DISCARD SEQUENCES', async () => {
    await client.query('BEGIN');
    await ask('INSERT INTO note (user_id) VALUES (1)');
    await ask('DISCARD SEQUENCES');
    await expect(ask(LASTVAL)).rejects.toMatchObject(REFUSED);
    await client.query('ROLLBACK');
  });

  it('stays behind a savepoint that is gone back to', async () => {
    await client.query('BEGIN');
    await client.query('SAVEPOINT a');
    await ask('INSERT INTO note (user_id) VALUES (1)');
    const told = await ask(LASTVAL);
    await client.query('ROLLBACK TO a');
    expect(await ask(LASTVAL)).toBe(told);
    await client.query('ROLLBACK');
  });
});

it('lastval() in one text with its INSERT is of that', async () => {
  const results = (await client.query(
    `INSERT INTO note (user_id) VALUES (7) RETURNING id; ${LASTVAL}`,
  )) as unknown as { rows: Record<string, string>[] }[];
  expect(results[1]!.rows[0]!.lastval).toBe(results[0]!.rows[0]!.id);
});

it('lastval() is described, and told by EXECUTE', async () => {
  await client.query('PREPARE made AS INSERT INTO note (user_id) VALUES ($1) RETURNING id');
  await client.query(`PREPARE told AS ${LASTVAL}`);
  await client.query('BEGIN');
  const [[id]] = (await textRows(client, 'EXECUTE made (8)')) as [[string]];
  expect(await textRows(client, 'EXECUTE told')).toEqual([[id]]);
  await client.query('COMMIT');
});

it('currval() takes the sequence as a parameter', async () => {
  await client.query('BEGIN');
  const [[id]] = (await textRows(client, 'INSERT INTO note (user_id) VALUES (8) RETURNING id')) as [
    [string],
  ];
  expect(await textRows(client, 'SELECT currval($1)', ['note_id_seq'])).toEqual([[id]]);
  await expect(textRows(client, 'SELECT currval($1)', ['room_id_seq'])).rejects.toMatchObject(
    REFUSED,
  );
  await client.query('ROLLBACK');
});

it('lastval() is told outside of transactions to who has its connections for itself', async () => {
  const apart = await proxy.beside({ config: { pool: { mode: 'session' } } });
  const resident = await connectAsText(apart.login);
  for (const insert of [
    'INSERT INTO note (user_id) VALUES (9) RETURNING id',
    "INSERT INTO person (name) VALUES ('b') RETURNING user_id",
  ]) {
    const [[id]] = (await textRows(resident, insert)) as [[string]];
    expect(await textRows(resident, LASTVAL)).toEqual([[id]]);
  }
  await resident.end();
  await apart.close();
});

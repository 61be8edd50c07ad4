// Where a sequence is, asked through the proxy: what was written and the last id of all shards.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  client = await RawClient.login(proxy.login);
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

const state = async (name: string) =>
  (await client.rows(`SELECT last_value, is_called FROM ${name}`))[0];

const definition = async (name: string) =>
  (
    await client.rows(
      `SELECT seqstart, seqincrement FROM pg_catalog.pg_sequence WHERE seqrelid = '${name}'::regclass`,
    )
  )[0];

/** As pg_dump of PostgreSQL 18 asks for all at once. */
const all = async () =>
  client.rows(
    'SELECT seqrelid::regclass, seqstart, last_value, is_called FROM pg_catalog.pg_sequence, ' +
      'pg_get_sequence_data(seqrelid) ORDER BY seqrelid',
  );

describe('A sequence on every shard', () => {
  it('has the START and INCREMENT that it was made with, and none given', async () => {
    await client.rows('CREATE SEQUENCE up START 100 INCREMENT 5');
    await client.rows('CREATE SEQUENCE down INCREMENT -1');
    expect(await definition('up')).toEqual(['100', '5']);
    expect(await definition('down')).toEqual(['-1', '-1']);
    expect(await state('up')).toEqual(['100', 'f']);
    expect(await state('public.down')).toEqual(['-1', 'f']);
    expect(await all()).toEqual([
      ['up', '100', '100', 'f'],
      ['down', '-1', '-1', 'f'],
    ]);
  });

  it('is found whatever the session quotes', async () => {
    await client.rows('CREATE SEQUENCE quoted');
    await client.rows('SET drive.shard = 1');
    await client.rows(`SELECT nextval('quoted')`);
    const [[last]] = (await client.rows(`SELECT nextval('quoted')`)) as [[string]];
    await client.rows('RESET drive.shard');
    for (const set of ['SET', 'SET LOCAL']) {
      await client.rows('BEGIN');
      await client.rows(`${set} quote_all_identifiers = on`);
      expect(await state('quoted')).toEqual([last, 't']);
      expect(
        await client.rows(`SELECT last_value FROM pg_sequences WHERE sequencename = 'quoted'`),
      ).toEqual([[last]]);
      await client.rows('ROLLBACK');
    }
    await client.rows('DROP SEQUENCE quoted');
  });

  it('is at the last id of all shards', async () => {
    await client.rows('CREATE TABLE note (id bigserial PRIMARY KEY, user_id bigint NOT NULL)');
    await client.rows('INSERT INTO note (user_id) VALUES (1)');
    await client.rows('INSERT INTO note (user_id) VALUES (1)');
    await client.rows('INSERT INTO note (user_id) VALUES (2)');
    const [[last]] = (await client.rows('SELECT max(id) FROM note')) as [[string]];
    expect(await state('note_id_seq')).toEqual([last, 't']);
    expect((await client.rows('SELECT * FROM note_id_seq AS n WHERE n.is_called'))[0]).toEqual([
      last,
      '0',
      't',
    ]);
    expect((await all()).at(-1)).toEqual(['note_id_seq', '1', last, 't']);
  });

  it('is there in any statement', async () => {
    const [last] = (await state('note_id_seq'))!;
    const read = 'SELECT last_value FROM note_id_seq';
    expect(await client.rows(`SELECT count(*), (${read}) FROM note`)).toEqual([['3', last]]);
    const copied = await client.query(`COPY (${read}) TO STDOUT`);
    expect(copied.find(({ type }) => type === 'd')!.body.toString()).toBe(`${last}\n`);
    await client.rows('BEGIN');
    await client.rows(`DECLARE " ${read}" CURSOR FOR ${read}`);
    expect(await client.rows(`FETCH " ${read}"`)).toEqual([[last]]);
    await client.rows('COMMIT');
  });

  it('is where setval() has put it, until an id is given', async () => {
    await client.rows(`SELECT setval('note_id_seq', 7777)`);
    expect(await state('note_id_seq')).toEqual(['7777', 't']);
    await client.rows(`SELECT setval('up', 205, false)`);
    expect(await state('up')).toEqual(['205', 'f']);
    const [[id]] = (await client.rows('INSERT INTO note (user_id) VALUES (2) RETURNING id')) as [
      [string],
    ];
    expect(Number(id)).toBeGreaterThan(7777);
    expect(await state('note_id_seq')).toEqual([id, 't']);
  });

  it('begins anew with RESTART', async () => {
    await client.rows('ALTER SEQUENCE up RESTART');
    expect(await state('up')).toEqual(['100', 'f']);
    await client.rows('TRUNCATE note RESTART IDENTITY');
    expect(await state('note_id_seq')).toEqual(['1', 'f']);
  });

  it('is told within a transaction, as what it has given', async () => {
    await client.rows('BEGIN');
    await client.rows('CREATE SEQUENCE inside');
    await client.rows('INSERT INTO note (user_id) VALUES (1)');
    expect((await state('note_id_seq'))?.[1]).toBe('t');
    expect(await state('inside')).toEqual(['1', 'f']);
    await client.rows('ROLLBACK');
  });

  it('may be read only by those who may', async () => {
    const role = 'sequence_reader';
    for (const shard of proxy.shards) {
      const root = await RawClient.login({ ...shard, ...superusers().shards });
      const [[made]] = (await root.rows(
        `SELECT count(*) FROM pg_roles WHERE rolname = '${role}'`,
      )) as [[string]];
      if (made === '0') await root.rows(`CREATE ROLE ${role}; GRANT ${role} TO "${shard.user}"`);
      await root.close();
    }
    await client.rows(`SET ROLE ${role}`);
    expect(errorCode(await client.query('SELECT last_value FROM up'))).toBe('42501');
    expect(await all()).toContainEqual(['up', '100', null, null]);
    await client.rows('RESET ROLE');
  });
});

describe('The catalogs tell of sequences', () => {
  it.each([
    'SELECT sequencename, data_type, start_value, min_value, increment_by, cycle, last_value FROM pg_sequences ORDER BY 1',
    'SELECT sequence_name, start_value, increment, cycle_option FROM information_schema.sequences ORDER BY 1',
    `SELECT c.column_name, c.data_type, columns.identity_start, c.identity_increment
     FROM information_schema.columns AS c JOIN information_schema.columns USING (table_name, column_name)
     WHERE table_name = 'told' ORDER BY 1`,
    `SELECT information_schema.columns.identity_increment FROM information_schema.columns
     WHERE information_schema.columns.table_name = 'told' AND is_identity = 'YES'`,
    `SELECT * FROM information_schema.columns WHERE table_name = 'told' AND column_name <> 'at'`,
    `SELECT (SELECT identity_start FROM information_schema.columns c WHERE c.table_name = t.table_name
       AND c.column_name = 'at') FROM information_schema.tables t WHERE t.table_name = 'told'`,
  ])('as one PostgreSQL does: %s', async (sql) => {
    const own = await startTestProxy({ shards: 3 });
    const [plain, ours] = [await RawClient.login(own.plain), await RawClient.login(own.login)];
    for (const each of [plain, ours]) {
      await each.rows(
        `CREATE TABLE told (user_id bigint NOT NULL, at int GENERATED ALWAYS AS IDENTITY
           (START 7 INCREMENT 5), id bigserial); CREATE SEQUENCE down INCREMENT -1;
         CREATE SEQUENCE none`,
      );
      await each.rows(`SELECT setval('down', -9)`);
    }
    const named = (rows: unknown) =>
      JSON.parse(JSON.stringify(rows).replaceAll(own.shards[0]!.database, own.plain.database));
    expect(named(await ours.rows(sql))).toEqual(await plain.rows(sql));
    await Promise.all([plain.close(), ours.close()]);
    await own.close();
  });
});

describe('A sequence of the home shard alone', () => {
  it('answers by itself', async () => {
    await client.rows('CREATE TABLE job (id serial PRIMARY KEY)');
    await client.rows('INSERT INTO job DEFAULT VALUES');
    await client.rows('INSERT INTO job DEFAULT VALUES');
    expect(await state('job_id_seq')).toEqual(['2', 't']);
    expect(await definition('job_id_seq')).toEqual(['1', '1']);
    expect((await all()).at(-1)).toEqual(['job_id_seq', '1', '2', 't']);
  });
});

it('counts as before when it, or its schema, has got another name', async () => {
  const sharded = 'CREATE TABLE parts.many (id serial, user_id int)';
  const others = ['home', 'copied'].map((name) => `CREATE TABLE parts.${name} (id serial, x int)`);
  for (const sql of ['CREATE SCHEMA parts', sharded, ...others]) await client.rows(sql);
  await client.rows(`SELECT create_reference_table('parts.copied')`);
  for (const name of ['home', 'copied'])
    await client.rows(`INSERT INTO parts.${name} (x) VALUES (1)`);
  await client.rows('ALTER SCHEMA parts RENAME TO pieces');
  await client.rows('ALTER SEQUENCE pieces.copied_id_seq RENAME TO copied_ids');
  await client.rows('ALTER SEQUENCE pieces.many_id_seq RENAME TO many_ids');
  for (const name of ['home', 'copied']) {
    expect(await client.rows(`INSERT INTO pieces.${name} (x) VALUES (2) RETURNING id`)).toEqual([
      ['2'],
    ]);
  }
  expect(await definition('pieces.many_ids')).toEqual(['1', '1']);
  await client.rows('INSERT INTO pieces.many (user_id) SELECT generate_series(1, 20)');
  expect(await client.rows('SELECT count(DISTINCT id) FROM pieces.many')).toEqual([['20']]);
});

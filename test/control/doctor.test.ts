// drive doctor: finds every kind of drift between shards, and repairs nothing unasked.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { type AskShard, examine } from '../../src/control/doctor.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { runDrive } from '../support/drive-process.ts';
import { connectAsText } from '../support/text-client.ts';

let databases: FreshDatabases;
let clients: Client[];

beforeAll(async () => {
  databases = await freshDatabases(3, { application: true });
  clients = await Promise.all(databases.shards.map(connectAsText));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await databases.drop();
});

const ask: AskShard = async (shard, sql) => {
  const { rows } = await clients[shard]!.query({ text: sql, rowMode: 'array' });
  return (rows as (string | null)[][]).map((row) => row.map((value) => value ?? ''));
};

const texts = async () => (await examine([0, 1, 2], ask)).map(({ text }) => text);

const onEach = async (sql: string) => {
  for (const client of clients) await client.query(sql);
};

/** `sql` on one shard, what the doctor then says, and the way back. */
async function after(shard: number, sql: string, back: string): Promise<string[]> {
  await clients[shard]!.query(sql);
  const found = await texts();
  await clients[shard]!.query(back);
  expect(await texts()).toEqual([]);
  return found;
}

describe('The doctor', () => {
  it('has nothing to say about shards that are alike, whatever is at home only', async () => {
    await clients[0]!.query('CREATE TABLE home_only (id serial PRIMARY KEY, x int)');
    await clients[0]!.query('CREATE VIEW home_view AS SELECT * FROM home_only');
    expect(await texts()).toEqual([]);
  });

  it.each([
    [
      'ALTER TABLE file_metadata ADD COLUMN x int',
      'ALTER TABLE file_metadata DROP COLUMN x',
      /column public\.file_metadata\.x is missing on shard/,
    ],
    [
      'ALTER TABLE file_metadata ALTER file_name DROP NOT NULL',
      'ALTER TABLE file_metadata ALTER file_name SET NOT NULL',
      /column public\.file_metadata\.file_name differs/,
    ],
    [
      'CREATE TABLE stray (id int)',
      'DROP TABLE stray',
      /table public\.stray is missing on shard 0/,
    ],
    [
      'CREATE INDEX extra ON file_metadata (file_name)',
      'DROP INDEX extra',
      /index public\.extra is missing on shard/,
    ],
    [
      'ALTER TABLE file_metadata ADD CONSTRAINT c CHECK (user_id > 0)',
      'ALTER TABLE file_metadata DROP CONSTRAINT c',
      /constraint public\.file_metadata\.c is missing on shard/,
    ],
    [
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1',
      'DROP FUNCTION f()',
      /function f\(\) is missing on shard 0/,
    ],
    [
      'ALTER SEQUENCE file_metadata_id_seq INCREMENT BY 1',
      'ALTER SEQUENCE file_metadata_id_seq INCREMENT BY 1024',
      /sequence public\.file_metadata_id_seq does not give each shard ids of its own/,
    ],
    ['CREATE SCHEMA s', 'DROP SCHEMA s', /schema s is missing on shard 0/],
    [`CREATE TYPE t AS ENUM ('a')`, 'DROP TYPE t', /type t is missing on shard 0/],
  ])('finds %s on one shard', async (sql, back, expected) => {
    const found = await after(1, sql, back);
    expect(found.join('\n')).toMatch(expected);
  });

  it('finds copies of a reference table that differ', async () => {
    await onEach(`CREATE TABLE country (code text PRIMARY KEY, n int);
      INSERT INTO country VALUES ('de', 1);
      SELECT drive.set_table_kind('country', 'reference', NULL)`);
    expect(await texts()).toEqual([]);
    const found = await after(2, 'UPDATE country SET n = 2', 'UPDATE country SET n = 1');
    expect(found).toEqual([
      'the copies of reference table public.country differ; rows: shard 0 has 1, shard 1 has 1, shard 2 has 1',
    ]);
    await onEach('DROP TABLE country');
  });

  it('prints what it finds, fails while there are problems, and repairs when it is told to', async () => {
    const env = Object.fromEntries(
      databases.shards.flatMap(({ id, host, port, database, user, password }) =>
        Object.entries({
          HOST: host,
          PORT: port,
          NAME: database,
          USER: user,
          PASSWORD: password,
        }).map(([name, value]) => [`DB_SHARD_${id}_${name}`, String(value)]),
      ),
    );
    await clients[1]!.query('DROP INDEX file_metadata_created_at_idx');
    const found = await runDrive(['doctor'], env);
    expect([found.code, found.err]).toEqual([1, '']);
    expect(found.out).toBe(
      'problem: index public.file_metadata_created_at_idx is missing on shard 1 (--repair makes it)\n' +
        '3 shards compared: 1 problem\n',
    );
    expect((await runDrive(['doctor', '--repair'], env)).code).toBe(0);
    expect((await runDrive(['doctor'], env)).out).toBe('3 shards compared: no problems\n');
  });
});

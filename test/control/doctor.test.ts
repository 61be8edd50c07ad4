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

const RULES = { key: 'user_id', tables: { renamed: { kind: 'sharded', key: 'owner' } } } as const;

const texts = async () =>
  (await examine([0, 1, 2], ask, { rules: RULES, rows: true })).map(({ text }) => text);

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
      /function public\.f\(\) is missing on shard 0/,
    ],
    [
      'ALTER SEQUENCE file_metadata_id_seq INCREMENT BY 1',
      'ALTER SEQUENCE file_metadata_id_seq INCREMENT BY 1024',
      /sequence public\.file_metadata_id_seq does not give each shard ids of its own/,
    ],
    ['CREATE SCHEMA s', 'DROP SCHEMA s', /schema s is missing on shard 0/],
    [`CREATE TYPE t AS ENUM ('a')`, 'DROP TYPE t', /type public\.t is missing on shard 0/],
  ])('finds %s on one shard', async (sql, back, expected) => {
    const found = await after(1, sql, back);
    expect(found.join('\n')).toMatch(expected);
  });

  it('finds what else differs on one shard', async () => {
    await onEach(`CREATE DOMAIN pos AS int CHECK (value > 0); CREATE TYPE pair AS (a int, b int);
      CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
      CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
      CREATE TABLE parent (user_id int); CREATE TABLE child () INHERITS (parent);
      CREATE POLICY all_rows ON parent USING (true); ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
      CREATE VIEW seen AS SELECT user_id FROM parent`);
    const cases = [
      [
        'ALTER TABLE parent DISABLE ROW LEVEL SECURITY',
        'ALTER TABLE parent ENABLE ROW LEVEL SECURITY',
      ],
      [
        'ALTER POLICY all_rows ON parent TO current_user',
        'ALTER POLICY all_rows ON parent TO PUBLIC',
      ],
      ['ALTER TABLE child NO INHERIT parent', 'ALTER TABLE child INHERIT parent'],
      [
        'GRANT SELECT (user_id) ON parent TO PUBLIC',
        'REVOKE SELECT (user_id) ON parent FROM PUBLIC',
      ],
      ['ALTER DOMAIN pos SET DEFAULT 5', 'ALTER DOMAIN pos DROP DEFAULT'],
      ['ALTER TYPE pair ADD ATTRIBUTE c int', 'ALTER TYPE pair DROP ATTRIBUTE c'],
      [
        'CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4mul, STYPE = int)',
        'CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)',
      ],
      ['REVOKE EXECUTE ON FUNCTION total FROM PUBLIC', 'GRANT EXECUTE ON FUNCTION total TO PUBLIC'],
      [
        'CREATE OR REPLACE VIEW seen AS SELECT user_id + 1000000 - 1000000 AS user_id FROM parent',
        'CREATE OR REPLACE VIEW seen AS SELECT user_id FROM parent',
      ],
      ["COMMENT ON TABLE parent IS 'x'", 'COMMENT ON TABLE parent IS NULL'],
    ] as const;
    const found: string[][] = [];
    for (const [sql, back] of cases) found.push(await after(1, sql, back));
    expect(found).toEqual([
      [
        'row level security of public.parent differs: shards 0, 2 have enabled, shard 1 has disabled',
      ],
      [
        'policy public.parent.all_rows differs: shards 0, 2 have PERMISSIVE TO PUBLIC USING (true), ' +
          "shard 1 has PERMISSIVE TO the shard's user USING (true)",
      ],
      [
        'table public.child differs: shards 0, 2 have table child of public.parent, shard 1 has table',
      ],
      [expect.stringMatching(/^rights on public\.parent differ: .*; user_id to PUBLIC: SELECT$/)],
      [
        'type public.pos differs: shards 0, 2 have integer pos_check CHECK ((VALUE > 0)), ' +
          'shard 1 has integer DEFAULT 5 pos_check CHECK ((VALUE > 0))',
      ],
      [
        'type public.pair differs: shards 0, 2 have a integer, b integer, ' +
          'shard 1 has a integer, b integer, c integer',
      ],
      [expect.stringMatching(/^function public\.total\(integer\) differs: .* shard 1 has int4mul/)],
      [expect.stringMatching(/^rights on function public\.total\(integer\) differ: /)],
      [
        'table public.seen differs: shards 0, 2 have view SELECT user_id FROM public.parent;, ' +
          'shard 1 has view SELECT ((user_id + 1000000) - 1000000) AS user_id FROM public.parent;',
      ],
      [
        'comment on public.parent is missing on shard 0',
        'comment on public.parent is missing on shard 2',
      ],
    ]);
    await onEach('DROP TABLE parent CASCADE; DROP TYPE pair; DROP DOMAIN pos');
    await onEach('DROP OPERATOR <+> (int, int); DROP AGGREGATE total(int)');
  });

  it('finds rows that are on another shard than that of their key', async () => {
    await onEach(`CREATE TABLE renamed (owner int, user_id int);
      CREATE TABLE given (id bigint, user_id int); SELECT drive.set_table_kind('given', 'sharded', 'id')`);
    await clients[0]!.query(
      'CREATE TABLE at_home (user_id int); INSERT INTO at_home VALUES (1), (2)',
    );
    await clients[0]!.query("SELECT drive.set_table_kind('at_home', 'home', NULL)");
    const id = '9223372036854775807';
    const found = [
      await after(1, 'INSERT INTO renamed VALUES (4, 9), (3, 1), (6, 1)', 'DELETE FROM renamed'),
      await after(1, `INSERT INTO given VALUES (${id}, 1), (-2, 1), (-3, 1)`, 'DELETE FROM given'),
      await after(2, 'INSERT INTO given (user_id) VALUES (2)', 'DELETE FROM given'),
    ];
    expect(found).toEqual([
      ['table public.renamed has 2 rows on shard 1 that belong elsewhere: owner 3, for one'],
      ['table public.given has 1 row on shard 1 that belongs elsewhere: id -3, for one'],
      ['table public.given has 1 row on shard 2 that belongs elsewhere: without a key'],
    ]);
    await onEach('DROP TABLE renamed, given; SELECT drive.forget_dropped_tables()');
    await clients[0]!.query('DROP TABLE at_home; SELECT drive.forget_dropped_tables()');
  });

  it('compares kinds, and says of a table that is missing no more than that', async () => {
    await onEach(`CREATE TABLE given (id int PRIMARY KEY, user_id int);
      SELECT drive.set_table_kind('given', 'sharded', 'id')`);
    const found = [
      await after(
        0,
        "SELECT drive.set_table_kind('given', 'sharded', 'user_id')",
        "SELECT drive.set_table_kind('given', 'sharded', 'id')",
      ),
      await after(
        2,
        'DROP TABLE given; SELECT drive.forget_dropped_tables()',
        `CREATE TABLE given (id int PRIMARY KEY, user_id int);
          SELECT drive.set_table_kind('given', 'sharded', 'id')`,
      ),
    ];
    expect(found).toEqual([
      [
        'kind of public.given differs: shard 0 has sharded by user_id, shards 1, 2 have sharded by id',
      ],
      ['table public.given is missing on shard 2'],
    ]);
    await onEach('DROP TABLE given; SELECT drive.forget_dropped_tables()');
  });

  it('finds copies that differ where a column has the letter of their name, and reads no empty view', async () => {
    await onEach(`CREATE TABLE country (t text PRIMARY KEY, n int); INSERT INTO country VALUES ('de', 1);
      CREATE MATERIALIZED VIEW later AS SELECT * FROM country WITH NO DATA;
      SELECT drive.set_table_kind('country', 'reference', NULL);
      SELECT drive.set_table_kind('later', 'reference', NULL)`);
    const found = await after(2, 'UPDATE country SET n = 2', 'UPDATE country SET n = 1');
    expect(found).toEqual([
      expect.stringMatching(/^the copies of reference table public\.country/),
    ]);
    await onEach('DROP TABLE country CASCADE; SELECT drive.forget_dropped_tables()');
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

// Table kinds by statement: a home table becomes a reference or sharded one, rows and all, and back.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

async function connected({ host, port, database, user, password }: Place): Promise<pg.Client> {
  const client = new pg.Client({ host, port, database, user, password });
  await client.connect();
  return client;
}

const ROWS = 2_500;

describe.each([2, 3])('Over %i shards', (shardCount) => {
  let tested: TestProxy;
  let proxy: pg.Client;
  let shards: pg.Client[];

  beforeAll(async () => {
    tested = await startTestProxy({ shards: shardCount });
    proxy = await connected(tested.login);
    shards = await Promise.all(tested.shards.map(connected));
    await proxy.query(`CREATE TYPE mood AS ENUM ('good', 'bad')`);
  });

  afterEach(async () => {
    await proxy.query('ROLLBACK');
    await proxy.query('DROP TABLE IF EXISTS kind');
  });

  afterAll(async () => {
    await Promise.all([proxy, ...shards].map((client) => client.end()));
    await tested.close();
  });

  const make = () =>
    proxy.query(`
      CREATE TABLE kind (
        id serial, owner bigint NOT NULL, "Odd ""name" text DEFAULT 'a,"b"', m mood DEFAULT 'bad',
        tags text[], twice bigint GENERATED ALWAYS AS (owner * 2) STORED,
        n int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (id), CHECK (owner > -5), UNIQUE (owner, n));
      CREATE INDEX kind_m ON kind (m) WHERE m = 'good';
      COMMENT ON COLUMN kind.owner IS 'whose';
      GRANT SELECT ON kind TO PUBLIC;
      INSERT INTO kind (owner, tags) SELECT i, ARRAY['x', NULL, '{"'] FROM generate_series(1, ${ROWS}) i`);

  const onShards = async (sql: string): Promise<unknown[]> => {
    const results = await Promise.all(
      shards.map((shard) => shard.query({ text: sql, rowMode: 'array' })),
    );
    return results.map(({ rows }) => (rows as unknown[][])[0]?.[0]);
  };

  it('two are remembered at once, each with those forgotten of tables that are gone', async () => {
    const other = await connected(tested.login);
    for (let round = 0; round < 12; round++) {
      await proxy.query('CREATE TABLE gone_1 (user_id int8); CREATE TABLE gone_2 (user_id int8)');
      await proxy.query('DROP TABLE gone_1, gone_2');
      const both = [proxy, other].map((client, i) =>
        client.query(`CREATE TABLE both_${i} (user_id int8)`),
      );
      await Promise.all(both);
      await proxy.query('DROP TABLE both_0, both_1');
    }
    await other.end();
  });

  it('is remembered in a transaction that does not see who has remembered it before', async () => {
    const other = await connected(tested.login);
    await proxy.query('CREATE TABLE kind (user_id int8); CREATE TABLE gone_1 (user_id int8)');
    await proxy.query('DROP TABLE gone_1');
    await other.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await other.query('SELECT count(*) FROM kind');
    await proxy.query('CREATE TABLE both_0 (user_id int8)');
    await other.query('CREATE TABLE both_1 (user_id int8)');
    await other.query('COMMIT');
    await proxy.query('DROP TABLE both_0, both_1');
    await other.end();
  });

  it('of the home shard is remembered so, too', async () => {
    const home = shards[0]!;
    const other = await connected(tested.shards[0]!);
    await home.query('CREATE TABLE both_0 (user_id int8)');
    await other.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await other.query('SELECT 1');
    const keep = `SELECT drive.keep_home('user_id', '[]')`;
    await home.query(keep);
    await other.query(keep);
    await other.query('COMMIT');
    await home.query('DROP TABLE both_0');
    await other.end();
  });

  it('a table without columns is a reference table like any other', async () => {
    await proxy.query('CREATE TABLE kind ()');
    await proxy.query('INSERT INTO kind SELECT FROM generate_series(1, 3)');
    await proxy.query(`SELECT create_reference_table('kind')`);
    await proxy.query('INSERT INTO kind SELECT FROM generate_series(1, 2)');
    const counts = await onShards('SELECT count(*)::int4 FROM kind');
    expect(counts).toEqual(shards.map(() => 5));
  });

  it.each(['constructor', '__proto__'])('a table called %s is like any other', async (name) => {
    await proxy.query(`CREATE TABLE "${name}" (user_id bigint PRIMARY KEY)`);
    try {
      await proxy.query(`INSERT INTO "${name}" SELECT generate_series(0, ${shardCount} - 1)`);
      const counts = await onShards(`SELECT count(*)::int4 FROM "${name}"`);
      expect(counts).toEqual(shards.map(() => 1));
    } finally {
      await proxy.query(`DROP TABLE "${name}"`);
    }
  });

  const everywhere = <T>(value: T): T[] => shards.map(() => value);
  const whole = "SELECT md5(string_agg(k::text, e'\\n' ORDER BY id)) FROM kind k";

  it('create_reference_table copies a home table to every shard', async () => {
    await make();
    const [digest] = await onShardsOf(shards.slice(0, 1), whole);
    const { rows, command } = await proxy.query(`SELECT create_reference_table('kind')`);
    expect([rows, command]).toEqual([[{ create_reference_table: '' }], 'SELECT']);
    expect(await onShards(whole)).toEqual(everywhere(digest));
    const shape = `SELECT string_agg(pg_get_indexdef(indexrelid), ';' ORDER BY indexrelid::regclass::text)
      || (SELECT relacl::text FROM pg_class WHERE oid = 'kind'::regclass)
      || col_description('kind'::regclass, 2) FROM pg_index WHERE indrelid = 'kind'::regclass`;
    const [home, ...others] = await onShards(shape);
    expect(home).toMatch(/kind_m/);
    for (const each of others) expect(each).toBe(home);
    await proxy.query(`INSERT INTO kind (owner) VALUES (1), (2)`);
    expect(new Set(await onShards(whole)).size).toBe(1);
    expect(await onShards('SELECT count(*)::int FROM kind')).toEqual(everywhere(ROWS + 2));
  });

  it('create_distributed_table deals the rows out, and ids go on behind them', async () => {
    await make();
    const count = async () =>
      (await proxy.query('SELECT count(*)::int AS n, sum(owner) AS s FROM kind')).rows;
    const before = await count();
    await proxy.query(`SELECT create_distributed_table('public.kind', 'owner')`);
    expect(await count()).toEqual(before);
    const misplaced = `SELECT count(*)::int FROM kind WHERE owner % ${shardCount} <> drive.shard_id()`;
    expect(await onShards(misplaced)).toEqual(everywhere(0));
    const ids = new Set<number>();
    for (let owner = 1; owner <= 6; owner++) {
      const { rows } = await proxy.query('INSERT INTO kind (owner) VALUES ($1) RETURNING id', [
        owner,
      ]);
      ids.add(rows[0].id as number);
    }
    expect(ids.size).toBe(6);
    expect(Math.min(...ids)).toBeGreaterThan(ROWS);
  });

  it('undistribute_table brings all rows home', async () => {
    await make();
    const [digest] = await onShardsOf(shards.slice(0, 1), whole);
    for (const spread of [
      `create_distributed_table('kind', 'owner')`,
      `create_reference_table('kind')`,
    ]) {
      await proxy.query(`SELECT ${spread}`);
      await proxy.query(`SELECT undistribute_table('kind')`);
      expect(await onShards(`SELECT to_regclass('kind')`)).toEqual([
        'kind',
        ...shards.slice(1).map(() => null),
      ]);
      expect((await onShardsOf(shards.slice(0, 1), whole))[0]).toBe(digest);
    }
  });

  it('a sharded table becomes a reference table and back, or one by another key, with its rows', async () => {
    await make();
    const [digest] = await onShardsOf(shards.slice(0, 1), whole);
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    await proxy.query('ALTER TABLE kind DROP CONSTRAINT kind_owner_n_key');
    await proxy.query(`SELECT create_distributed_table('kind', 'n')`);
    const misplaced = (key: string) =>
      `SELECT count(*)::int FROM kind WHERE ${key} % ${shardCount} <> drive.shard_id()`;
    expect(await onShards(misplaced('n'))).toEqual(everywhere(0));
    await proxy.query(`SELECT create_reference_table('kind')`);
    expect(await onShards(whole)).toEqual(everywhere(digest));
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    expect(await onShards(misplaced('owner'))).toEqual(everywhere(0));
    const { rows } = await proxy.query(
      'INSERT INTO kind (owner) VALUES (1), (2), (3) RETURNING id',
    );
    expect(Math.min(...rows.map(({ id }) => id as number))).toBeGreaterThan(ROWS);
    const all = await proxy.query(
      'SELECT count(*)::int AS n, count(DISTINCT id)::int AS d FROM kind',
    );
    expect(all.rows).toEqual([{ n: ROWS + 3, d: ROWS + 3 }]);
  });

  it('ids of a table that goes home and back go on by ones, then unique over the shards', async () => {
    await proxy.query('CREATE TABLE kind (id serial PRIMARY KEY, owner int NOT NULL, wide int8)');
    await proxy.query('CREATE SEQUENCE wide INCREMENT BY 1024 OWNED BY kind.wide');
    const insert = async () =>
      (
        await proxy.query('INSERT INTO kind (owner) VALUES (1), (2), (3), (4) RETURNING id')
      ).rows.map(({ id }) => id as number);
    expect(await insert()).toEqual([1, 2, 3, 4]);
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    const spread = await insert();
    await proxy.query(`SELECT undistribute_table('kind')`);
    const top = Math.max(...spread);
    expect(await insert()).toEqual([top + 1, top + 2, top + 3, top + 4]);
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    await insert();
    await insert();
    const { rows } = await proxy.query(
      'SELECT count(*)::int AS n, count(DISTINCT id)::int AS d FROM kind',
    );
    expect(rows).toEqual([{ n: 20, d: 20 }]);
    const wide = await onShards(`SELECT nextval('wide')`);
    expect(new Set(wide).size).toBe(shards.length);
  });

  it('a change is undone with its transaction, and seen within it', async () => {
    await make();
    await proxy.query('BEGIN');
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    await proxy.query(`UPDATE kind SET m = 'good'`);
    await proxy.query('ROLLBACK');
    const { rows } = await proxy.query(`SELECT count(*)::int AS n FROM kind WHERE m = 'bad'`);
    expect(rows).toEqual([{ n: ROWS }]);
    expect(await onShards(`SELECT to_regclass('kind')`)).toEqual([
      'kind',
      ...shards.slice(1).map(() => null),
    ]);
  });

  it.each([
    [`create_distributed_table('kind', 'm')`, '55000'],
    [`create_distributed_table('kind', 'nothing')`, '42703'],
    [
      `create_distributed_table('kind', 'n')`,
      '55000',
      'ALTER TABLE kind ADD UNIQUE ("Odd ""name", id)',
    ],
    [
      `create_distributed_table('kind', 'owner')`,
      '55000',
      'ALTER TABLE kind ADD UNIQUE (twice) INCLUDE (owner)',
    ],
    [
      `create_distributed_table('kind', 'owner')`,
      '55000',
      'ALTER TABLE kind ADD EXCLUDE (twice WITH =)',
    ],
    [
      `create_distributed_table('kind', 'owner')`,
      '55000',
      'ALTER TABLE kind ADD UNIQUE (owner, twice)',
      'ALTER TABLE kind ADD FOREIGN KEY (twice, owner) REFERENCES kind (owner, twice) NOT VALID',
    ],
    [
      `create_reference_table('kind')`,
      '55000',
      'CREATE TABLE IF NOT EXISTS kind_codes (code int PRIMARY KEY)',
      'ALTER TABLE kind ADD FOREIGN KEY (id) REFERENCES kind_codes NOT VALID',
    ],
    [`create_reference_table('nothing')`, '42P01'],
    [`create_reference_table('kind')`, '0A000', 'ALTER TABLE kind ENABLE ROW LEVEL SECURITY'],
    [`create_reference_table('kind', 'owner')`, '42883'],
  ])('%s is refused with %s', async (call, code, ...first) => {
    await make();
    for (const sql of first) await proxy.query(sql);
    await expect(proxy.query(`SELECT ${call}`)).rejects.toMatchObject({ code });
    expect((await proxy.query('SELECT count(*)::int AS n FROM kind')).rows).toEqual([{ n: ROWS }]);
  });

  it('triggers are as they were, on every shard, behind a change of kind and back', async () => {
    await make();
    await proxy.query(`CREATE FUNCTION kind_fires() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN NEW.m := 'good'; RETURN NEW; END $$`);
    const enabled = { off: 'D', replica: 'R', always: 'A', on: 'O' };
    for (const name of Object.keys(enabled)) {
      await proxy.query(`CREATE TRIGGER "${name}" BEFORE UPDATE ON kind
        FOR EACH ROW EXECUTE FUNCTION kind_fires()`);
    }
    await proxy.query(`ALTER TABLE kind DISABLE TRIGGER "off", ENABLE REPLICA TRIGGER replica,
      ENABLE ALWAYS TRIGGER always`);
    const states = `SELECT json_object_agg(tgname, tgenabled) FROM pg_trigger
      WHERE tgrelid = 'kind'::regclass AND NOT tgisinternal`;
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    expect(await onShards(states)).toEqual(everywhere(enabled));
    await proxy.query(`SELECT undistribute_table('kind')`);
    expect(await onShardsOf(shards.slice(0, 1), states)).toEqual([enabled]);
    await proxy.query('DROP TABLE kind; DROP FUNCTION kind_fires()');
  });

  it('what is said of columns and the table is said on every shard, so that it can be taken back', async () => {
    await proxy.query(`CREATE TYPE kind_row AS (k int, v int, w int)`);
    await proxy.query('CREATE TABLE kind OF kind_row (k WITH OPTIONS CONSTRAINT k_given NOT NULL)');
    await proxy.query(
      'INSERT INTO kind SELECT i, i, CASE WHEN i > 9 THEN i END FROM generate_series(1, 20) i',
    );
    await proxy.query(
      'ALTER TABLE kind ADD CONSTRAINT w_later NOT NULL w NOT VALID, ADD CONSTRAINT positive CHECK (v > 9) NOT ENFORCED',
    );
    await proxy.query('CREATE UNIQUE INDEX kind_k ON kind (k)');
    await proxy.query('ALTER TABLE kind CLUSTER ON kind_k, REPLICA IDENTITY USING INDEX kind_k');
    await proxy.query(`SELECT create_distributed_table('kind', 'k')`);
    const said = `SELECT json_agg(ARRAY[conname, pg_get_constraintdef(oid)] ORDER BY conname) FROM pg_constraint
      WHERE conrelid = 'kind'::regclass`;
    expect(await onShards(said)).toEqual(
      everywhere([
        ['k_given', 'NOT NULL k'],
        ['positive', 'CHECK ((v > 9)) NOT ENFORCED'],
        ['w_later', 'NOT NULL w NOT VALID'],
      ]),
    );
    expect(await onShards(`SELECT relreplident FROM pg_class WHERE relname = 'kind'`)).toEqual(
      everywhere('i'),
    );
    await proxy.query('CLUSTER kind; ALTER TABLE kind REPLICA IDENTITY DEFAULT');
    await proxy.query('ALTER TABLE kind DROP CONSTRAINT k_given, DROP CONSTRAINT w_later');
    await proxy.query('ALTER TYPE kind_row ADD ATTRIBUTE more int CASCADE');
    expect((await proxy.query('SELECT more FROM kind')).rowCount).toBe(20);
    await proxy.query('DROP TYPE kind_row CASCADE');
    expect(await onShards(`SELECT to_regclass('kind')`)).toEqual(everywhere(null));
  });

  it('create_distributed_table is refused while a view reads the table', async () => {
    await make();
    await proxy.query('CREATE VIEW odd AS SELECT owner FROM kind WHERE owner % 2 = 1');
    const call = `SELECT create_distributed_table('kind', 'owner')`;
    await expect(proxy.query(call)).rejects.toMatchObject({ code: '0A000' });
    await proxy.query('ALTER TABLE kind DROP CONSTRAINT kind_pkey');
    await proxy.query('DROP VIEW odd');
    await proxy.query(call);
    await proxy.query('CREATE VIEW odd AS SELECT owner FROM kind WHERE owner % 2 = 1');
    const { rows } = await proxy.query('SELECT count(*)::int AS n FROM odd');
    expect(rows).toEqual([{ n: ROWS / 2 }]);
    await proxy.query('DROP VIEW odd');
  });

  it('a view of a routine that comes to read sharded tables is refused', async () => {
    await make();
    await proxy.query('ALTER TABLE kind DROP CONSTRAINT kind_pkey');
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    const body = (sql: string) =>
      `CREATE OR REPLACE FUNCTION howmany() RETURNS bigint LANGUAGE sql AS $$${sql}$$`;
    await proxy.query(body('SELECT 1::bigint'));
    await proxy.query('CREATE VIEW counted AS SELECT howmany() AS n');
    expect((await proxy.query('SELECT n FROM counted')).rows).toEqual([{ n: '1' }]);
    await proxy.query(body('SELECT count(*) FROM kind'));
    for (const sql of [
      'SELECT n FROM counted',
      'SELECT * FROM (SELECT n + 1 FROM counted) t',
      'CREATE VIEW again AS SELECT howmany() AS n',
    ]) {
      await expect(proxy.query(sql), sql).rejects.toMatchObject({ code: '0A000' });
    }
    await shards[0]!.query('DROP VIEW counted');
    await proxy.query('DROP FUNCTION howmany()');
  });

  const onShardsOf = async (some: readonly pg.Client[], sql: string): Promise<unknown[]> => {
    const results = await Promise.all(
      some.map((shard) => shard.query({ text: sql, rowMode: 'array' })),
    );
    return results.map(({ rows }) => (rows as unknown[][])[0]?.[0]);
  };
});

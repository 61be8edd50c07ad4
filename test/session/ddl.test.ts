// DDL over shards: where it lands, that it is all or nothing, ids, constraints, refusals.

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

describe.each([2, 3])('DDL over %i shards', (shardCount) => {
  let tested: TestProxy;
  let proxy: pg.Client;
  let shards: pg.Client[];

  beforeAll(async () => {
    tested = await startTestProxy({ shards: shardCount });
    proxy = await connected(tested.login);
    shards = await Promise.all(tested.shards.map(connected));
  });

  afterAll(async () => {
    await Promise.all([proxy, ...shards].map((client) => client.end()));
    await tested.close();
  });

  afterEach(() => proxy.query('ROLLBACK'));

  /** One value of each shard. */
  const onShards = (sql: string): Promise<unknown[]> =>
    Promise.all(
      shards.map(async (shard) => {
        const { rows } = await shard.query({ text: sql, rowMode: 'array' });
        return (rows as unknown[][])[0]?.[0];
      }),
    );

  const errorOf = async (sql: string): Promise<pg.DatabaseError> => {
    try {
      await proxy.query(sql);
    } catch (error) {
      if (error instanceof pg.DatabaseError) return error;
      throw error;
    }
    throw new Error(`not refused: ${sql}`);
  };

  const everywhere = <T>(value: T): T[] => shards.map(() => value);
  const atHome = (name: string) => [name, ...shards.slice(1).map(() => null)];

  it('makes a table with the key column on every shard, others at home', async () => {
    await proxy.query('CREATE TABLE t1 (user_id int); CREATE TABLE h1 (id int)');
    expect(await onShards(`SELECT to_regclass('t1')`)).toEqual(everywhere('t1'));
    expect(await onShards(`SELECT to_regclass('h1')`)).toEqual(atHome('h1'));
    await proxy.query('DROP TABLE t1; DROP TABLE h1');
    expect(await onShards(`SELECT to_regclass('t1')`)).toEqual(everywhere(null));
  });

  it('empties, grants and drops home tables and others by one statement', async () => {
    await proxy.query('CREATE TABLE t2 (user_id int); CREATE TABLE h2 (id int)');
    await proxy.query('INSERT INTO t2 VALUES (1), (2), (3); INSERT INTO h2 VALUES (1)');
    await proxy.query('BEGIN');
    await proxy.query('TRUNCATE h2, t2 RESTART IDENTITY');
    expect((await proxy.query('SELECT FROM t2')).rowCount).toBe(0);
    await proxy.query('ROLLBACK');
    expect((await proxy.query('SELECT FROM t2')).rowCount).toBe(3);
    await proxy.query('GRANT SELECT ON h2, t2 TO PUBLIC');
    const granted = (table: string) => `SELECT has_table_privilege('public', '${table}', 'SELECT')`;
    expect(await onShards(granted('t2'))).toEqual(everywhere(true));
    expect((await proxy.query(granted('h2'))).rows[0]).toEqual({ has_table_privilege: true });
    await proxy.query('TRUNCATE t2, h2');
    expect((await proxy.query('SELECT FROM t2')).rowCount).toBe(0);
    expect((await proxy.query('SELECT FROM h2')).rowCount).toBe(0);
    expect(await errorOf('DROP TABLE h2, t2, t2none')).toMatchObject({ code: '42P01' });
    await proxy.query('DROP TABLE IF EXISTS h2, t2none, t2');
    expect(await onShards(`SELECT to_regclass('t2')`)).toEqual(everywhere(null));
    expect(await onShards(`SELECT to_regclass('h2')`)).toEqual(everywhere(null));
  });

  it('makes an enum on every shard by the DO block of ORMs, once', async () => {
    const block = `DO $$ BEGIN CREATE TYPE "mood" AS ENUM('ok', 'sad');
      EXCEPTION WHEN duplicate_object THEN null; END $$;`;
    await proxy.query(block);
    await proxy.query(block);
    await proxy.query('CREATE TABLE moody (user_id int, mood mood)');
    expect(await onShards(`SELECT to_regtype('mood')`)).toEqual(everywhere('mood'));
    await proxy.query('DROP TABLE moody; DROP TYPE mood');
  });

  it('adds a constraint on every shard by the DO block of an older drizzle-kit, once', async () => {
    await proxy.query('CREATE TABLE owners (user_id int, id int, PRIMARY KEY (user_id, id))');
    await proxy.query('CREATE TABLE owned (user_id int, owner int)');
    const block = `DO $$ BEGIN
      ALTER TABLE "owned" ADD CONSTRAINT "owned_fk" FOREIGN KEY ("user_id", "owner")
        REFERENCES "owners"("user_id", "id") ON DELETE no action ON UPDATE no action;
    EXCEPTION
      WHEN duplicate_object THEN null;
    END $$;`;
    await proxy.query(block);
    await proxy.query(block);
    const count = `SELECT count(*)::int FROM pg_constraint WHERE conname = 'owned_fk'`;
    expect(await onShards(count)).toEqual(everywhere(1));
    await proxy.query('DROP TABLE owned; DROP TABLE owners');
  });

  it('runs a block of conditions on the catalogs on every shard, and refuses other blocks', async () => {
    const block = `DO $$ BEGIN
      IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'color') THEN
        CREATE TYPE color AS ENUM ('red; green', 'blue');
      END IF;
    END $$`;
    await proxy.query(block);
    await proxy.query(block);
    expect(await onShards(`SELECT to_regtype('color')`)).toEqual(everywhere('color'));
    const loop = `DO $$ BEGIN FOR i IN 1..2 LOOP CREATE TYPE t AS (x int); END LOOP; END $$`;
    expect((await errorOf(loop)).code).toBe('0A000');
    await proxy.query('DROP TYPE color');
  });

  it('changes nothing when one shard refuses', async () => {
    await shards.at(-1)!.query('CREATE TABLE lonely (user_id int)');
    const error = await errorOf('CREATE TABLE lonely (user_id int)');
    expect(error.code).toBe('42P07');
    expect(await onShards(`SELECT to_regclass('lonely')`)).toEqual([
      ...shards.slice(1).map(() => null),
      'lonely',
    ]);
    await shards.at(-1)!.query('DROP TABLE lonely');
  });

  it('is undone with the transaction around it', async () => {
    await proxy.query('BEGIN; CREATE TABLE gone (user_id int); INSERT INTO gone VALUES (1), (2)');
    expect((await proxy.query('SELECT count(*)::int AS n FROM gone')).rows).toEqual([{ n: 2 }]);
    await proxy.query('ROLLBACK');
    expect(await onShards(`SELECT to_regclass('gone')`)).toEqual(everywhere(null));
    expect((await errorOf('SELECT FROM gone')).code).toBe('42P01');
  });

  it('routes rows by key within the transaction that made the table', async () => {
    await proxy.query('BEGIN; CREATE TABLE fresh (user_id int)');
    await proxy.query('INSERT INTO fresh SELECT 1 WHERE false').catch(() => undefined);
    await proxy.query('ROLLBACK; BEGIN; CREATE TABLE fresh (user_id int)');
    for (let key = 0; key < 6; key++) await proxy.query('INSERT INTO fresh VALUES ($1)', [key]);
    await proxy.query('COMMIT');
    const wrong = `SELECT count(*)::int FROM fresh WHERE user_id % ${shardCount} <> drive.shard_id()`;
    expect(await onShards(wrong)).toEqual(everywhere(0));
    expect((await proxy.query('SELECT count(*)::int AS n FROM fresh')).rows).toEqual([{ n: 6 }]);
    await proxy.query('DROP TABLE fresh');
  });

  it('is known to other sessions when it is answered', async () => {
    const other = await connected(tested.login);
    await other.query('SELECT 1');
    await proxy.query('CREATE TABLE shared (user_id int)');
    await other.query('INSERT INTO shared VALUES (1), (2), (3)');
    const wrong = `SELECT count(*)::int FROM shared WHERE user_id % ${shardCount} <> drive.shard_id()`;
    expect(await onShards(wrong)).toEqual(everywhere(0));
    await proxy.query('ALTER TABLE shared ADD COLUMN x int DEFAULT 1');
    expect((await other.query('SELECT * FROM shared WHERE user_id = 1')).rows).toEqual([
      { user_id: 1, x: 1 },
    ]);
    await other.end();
    await proxy.query('DROP TABLE shared');
  });

  it('passes notices on once', async () => {
    const notices: (string | undefined)[] = [];
    const listen = (notice: { message?: string | undefined }) => notices.push(notice.message);
    proxy.on('notice', listen);
    await proxy.query('DROP TABLE IF EXISTS nothing_there');
    proxy.off('notice', listen);
    expect(notices).toEqual(['table "nothing_there" does not exist, skipping']);
  });

  it('makes routines where the tables are that they name', async () => {
    await proxy.query(`CREATE TABLE home_only (id int)`);
    await proxy.query(
      `CREATE FUNCTION reads_home() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM home_only'`,
    );
    await proxy.query(`CREATE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT 1'`);
    const found = (name: string) => `SELECT to_regproc('${name}')`;
    expect(await onShards(found('reads_home'))).toEqual(atHome('reads_home'));
    expect(await onShards(found('plain'))).toEqual(everywhere('plain'));
    await proxy.query('DROP FUNCTION reads_home(); DROP FUNCTION plain(); DROP TABLE home_only');
    expect(await onShards(found('reads_home'))).toEqual(everywhere(null));
  });

  it('refuses to change what only some shards have', async () => {
    await proxy.query('CREATE TABLE drifted (user_id int, x int)');
    for (const shard of shards.slice(0, -1))
      await shard.query('CREATE INDEX drift_x ON drifted (x)');
    const droppable = shardCount === 2;
    if (droppable) await proxy.query('DROP INDEX drift_x');
    else expect((await errorOf('DROP INDEX drift_x')).code).toBe('42704');
    expect(await onShards(`SELECT to_regclass('drift_x')`)).toEqual(
      shards.map((_, i) => (droppable || i === shardCount - 1 ? null : 'drift_x')),
    );
    await proxy.query('DROP TABLE drifted');
  });

  it('refuses TRUNCATE where it would fire a trigger on every shard', async () => {
    await proxy.query(
      `CREATE TABLE tt (user_id int); CREATE TABLE tu (user_id int PRIMARY KEY);
       INSERT INTO tt VALUES (1), (2), (3);
       CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
       CREATE TRIGGER noted AFTER TRUNCATE ON tt EXECUTE FUNCTION noted()`,
    );
    for (const sql of ['TRUNCATE tt', 'TRUNCATE tu, tt', 'TRUNCATE tu CASCADE']) {
      expect(await errorOf(sql)).toMatchObject({ code: '0A000' });
    }
    await proxy.query('TRUNCATE tu');
    expect((await proxy.query('SELECT FROM tt')).rowCount).toBe(3);
    await proxy.query('ALTER TABLE tt DISABLE TRIGGER noted; TRUNCATE tt');
    expect((await proxy.query('SELECT FROM tt')).rowCount).toBe(0);
    await proxy.query('DROP TABLE tt; DROP TABLE tu; DROP FUNCTION noted()');
  });

  it('says on which shards CREATE INDEX CONCURRENTLY is done when one fails', async () => {
    await proxy.query('CREATE TABLE twice (user_id int, x int)');
    await shards[1]!.query('INSERT INTO twice VALUES (1, 1), (1, 1)');
    const error = await errorOf('CREATE UNIQUE INDEX CONCURRENTLY twice_x ON twice (user_id, x)');
    expect(error.code).toBe('23505');
    expect(error.detail).toMatch(/^It failed on shard 1 and is done on shard 0/);
    await proxy.query('DROP TABLE twice');
  });

  it('refuses DDL on databases and server settings', async () => {
    expect((await errorOf('CREATE DATABASE x')).code).toBe('0A000');
    expect((await errorOf('ALTER SYSTEM SET work_mem = 1')).code).toBe('0A000');
  });

  describe('Ids', () => {
    const ids = async (sql: string, n = 6): Promise<Set<string>> => {
      const found: string[] = [];
      for (let key = 0; key < n; key++) {
        const { rows } = await proxy.query({ text: sql, values: [key], rowMode: 'array' });
        found.push(...(rows as string[][]).map(([id]) => String(id)));
      }
      expect(new Set(found).size).toBe(found.length);
      return new Set(found);
    };

    it('of serial and identity columns are unique over the shards', async () => {
      await proxy.query(`CREATE TABLE made (
        id serial PRIMARY KEY, user_id int, n bigint GENERATED ALWAYS AS IDENTITY)`);
      const insert = 'INSERT INTO made (user_id) VALUES ($1) RETURNING id';
      const first = await ids(insert);
      expect([...first].every((id) => Number(id) % 1024 < shardCount)).toBe(true);
      const { rows } = await proxy.query(
        'SELECT count(DISTINCT n)::int AS n FROM made WHERE user_id = 1',
      );
      expect(rows).toEqual([{ n: 1 }]);
      await proxy.query('TRUNCATE made RESTART IDENTITY');
      expect(await ids(insert)).toEqual(first);
      await proxy.query('DROP TABLE made');
    });

    it('of an identity with an INCREMENT of its own are unique', async () => {
      await proxy.query(`CREATE TABLE tens (user_id int, id int PRIMARY KEY GENERATED ALWAYS AS
        IDENTITY (SEQUENCE NAME tens_seq INCREMENT BY 10 MINVALUE 5 MAXVALUE 2147483647 START 5))`);
      const found = await ids('INSERT INTO tens (user_id) VALUES ($1) RETURNING id');
      expect([...found].every((id) => Number(id) % 10 === 5)).toBe(true);
      await proxy.query('DROP TABLE tens');
    });

    it('stay unique when the column is added later', async () => {
      await proxy.query('CREATE TABLE later (user_id int, old bigint NOT NULL)');
      await proxy.query('ALTER TABLE later ADD COLUMN id bigserial');
      await ids('INSERT INTO later (user_id, old) VALUES ($1, 0) RETURNING id');
      await proxy.query('ALTER TABLE later ALTER old ADD GENERATED BY DEFAULT AS IDENTITY');
      await ids('INSERT INTO later (user_id) VALUES ($1) RETURNING old');
      await proxy.query('DROP TABLE later');
    });

    it('of a sequence by itself are unique, also after RESTART WITH', async () => {
      await proxy.query('CREATE SEQUENCE s INCREMENT BY 10 START WITH 100');
      await proxy.query(`CREATE TABLE uses (user_id int, id bigint DEFAULT nextval('s'))`);
      const insert = 'INSERT INTO uses (user_id) VALUES ($1) RETURNING id';
      await ids(insert);
      await proxy.query('ALTER SEQUENCE s RESTART WITH 1000');
      const after = await ids(insert);
      expect([...after].every((id) => Number(id) >= 1000 && Number(id) % 10 === 0)).toBe(true);
      expect((await errorOf('ALTER SEQUENCE s INCREMENT BY 1')).code).toBe('0A000');
      const set = await proxy.query(`SELECT pg_catalog.setval('public.s', 700000, true);`);
      expect(set.rows).toEqual([{ setval: '700000' }]);
      expect([...(await ids(insert))].every((id) => Number(id) >= 700_000)).toBe(true);
      await proxy.query('DROP TABLE uses; DROP SEQUENCE s');
      expect((await errorOf('CREATE SEQUENCE c CYCLE')).code).toBe('0A000');
    });

    it('of a sequence that counts in the steps of the shards by itself are unique', async () => {
      await proxy.query('CREATE SEQUENCE wide INCREMENT BY 1024');
      await proxy.query('CREATE TABLE wider (user_id int8, id int8 NOT NULL)');
      await proxy.query(`ALTER TABLE wider ALTER id ADD GENERATED ALWAYS AS IDENTITY
        (INCREMENT BY 2048 START 7)`);
      const ids: string[] = [];
      for (const sequence of ['wide', 'wider_id_seq']) {
        for (const shard of shards) {
          const sql = `SELECT '${sequence} ' || nextval('${sequence}') AS id FROM generate_series(1, 3)`;
          ids.push(...(await shard.query(sql)).rows.map(({ id }) => id as string));
        }
      }
      expect(new Set(ids).size).toBe(ids.length);
      await proxy.query('CREATE TABLE again (LIKE wider INCLUDING ALL)');
      const others = await onShards(`SELECT nextval('again_id_seq')`);
      expect(new Set(others).size).toBe(shards.length);
      await proxy.query('DROP SEQUENCE wide');
      await proxy.query('DROP TABLE wider, again');
    });

    it('of home tables count by ones', async () => {
      await proxy.query('CREATE TABLE ones (id serial PRIMARY KEY, x int)');
      expect(await ids('INSERT INTO ones (x) VALUES ($1) RETURNING id', 3)).toEqual(
        new Set(['1', '2', '3']),
      );
      await proxy.query('ALTER SEQUENCE ones_id_seq INCREMENT BY 2');
      await proxy.query('DROP TABLE ones');
    });
  });

  describe('Constraints', () => {
    beforeAll(async () => {
      await proxy.query('CREATE TABLE owner (user_id int PRIMARY KEY)');
      await proxy.query('CREATE TABLE house (id int PRIMARY KEY)');
    });

    it.each([
      'CREATE TABLE x (user_id int, name text UNIQUE)',
      'CREATE TABLE x (id int PRIMARY KEY, user_id int)',
      'CREATE TABLE x (user_id int, name text, UNIQUE (name))',
      'CREATE UNIQUE INDEX ON owner ((user_id + 1))',
      'CREATE TABLE x (user_id int, house int REFERENCES house)',
      'CREATE TABLE x (user_id int, other int REFERENCES owner)',
      'CREATE TABLE x (id int REFERENCES owner)',
      'ALTER TABLE owner ADD COLUMN name text UNIQUE',
      'ALTER TABLE owner DROP COLUMN user_id',
      'ALTER TABLE owner RENAME user_id TO id',
      'ALTER TABLE owner ALTER user_id TYPE text',
      'ALTER TABLE house ADD FOREIGN KEY (id) REFERENCES owner',
      'CREATE RULE r AS ON INSERT TO owner DO INSTEAD NOTHING',
      'CREATE SCHEMA z CREATE TABLE x (user_id int, name text UNIQUE)',
    ])('%s is refused', async (sql) => {
      expect((await errorOf(sql)).code).toBe('0A000');
    });

    it.each([
      'CREATE TABLE x (user_id int, name text, UNIQUE (user_id, name))',
      'CREATE TABLE x (user_id int REFERENCES owner ON DELETE CASCADE)',
      'CREATE TABLE x (user_id int, n int, FOREIGN KEY (user_id) REFERENCES owner (user_id))',
      'CREATE TABLE x (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id int)',
      'CREATE TABLE x (id int REFERENCES house)',
      'CREATE TABLE x (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int)',
    ])('%s is taken', async (sql) => {
      await proxy.query(sql);
      await proxy.query('DROP TABLE x');
    });

    it.each([
      'ALTER TABLE loose ALTER id DROP DEFAULT',
      'ALTER TABLE loose ALTER id SET DEFAULT 5',
      'ALTER TABLE loose ALTER n DROP IDENTITY',
      'DO $$ BEGIN ALTER TABLE loose ALTER id DROP DEFAULT; END $$',
      'CREATE TABLE copied (LIKE words INCLUDING ALL, user_id int)',
    ])('a key of generated ids cannot lose what makes them unique: %s', async (sql) => {
      await proxy.query(`CREATE TABLE loose (user_id int, id serial PRIMARY KEY,
        n int GENERATED ALWAYS AS IDENTITY UNIQUE, plain int DEFAULT 1)`);
      await proxy.query('CREATE TABLE words (word text PRIMARY KEY)');
      await proxy.query(`SELECT create_reference_table('words')`);
      const { code, message } = await errorOf(sql);
      expect([code, message]).toEqual(['0A000', expect.stringContaining('unique constraint')]);
      await proxy.query('ALTER TABLE loose ALTER plain DROP DEFAULT');
      await proxy.query('ALTER TABLE loose DROP CONSTRAINT loose_pkey');
      await proxy.query('ALTER TABLE loose ALTER id DROP DEFAULT');
      await proxy.query('DROP TABLE loose');
      await proxy.query('DROP TABLE words');
    });

    it('a primary key of generated ids may come after the table', async () => {
      await proxy.query('CREATE TABLE x (id bigserial, user_id int)');
      await proxy.query('ALTER TABLE x ADD PRIMARY KEY (id)');
      await proxy.query('DROP TABLE x');
    });
  });
});

// Table kinds by statement: what belongs to a table goes with it to the other shards, what reads it is told.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

type Place = Pick<TestProxy['login'], 'host' | 'port' | 'database' | 'user' | 'password'>;

async function connected({ host, port, database, user, password }: Place): Promise<pg.Client> {
  const client = new pg.Client({ host, port, database, user, password });
  await client.connect();
  return client;
}

describe('A change of kind', () => {
  let tested: TestProxy;
  let proxy: pg.Client;
  let shards: pg.Client[];

  beforeAll(async () => {
    tested = await startTestProxy({ shards: 3 });
    proxy = await connected(tested.login);
    shards = await Promise.all(tested.shards.map(connected));
  });

  afterEach(() => proxy.query('DROP TABLE IF EXISTS kind'));

  afterAll(async () => {
    await Promise.all([proxy, ...shards].map((client) => client.end()));
    await tested.close();
  });

  const onShards = async (sql: string): Promise<unknown[]> => {
    const results = await Promise.all(
      shards.map((shard) => shard.query({ text: sql, rowMode: 'array' })),
    );
    return results.map(({ rows }) => (rows as unknown[][])[0]?.[0]);
  };

  it('brings owner, grants, comments, statistics and storage to the other shards', async () => {
    const owner = 'kind_owner';
    const onServers = async (sql: string): Promise<void> => {
      const servers = new Map(tested.shards.map((shard) => [shard.port, shard]));
      for (const server of servers.values()) {
        const client = await connected({ ...server, ...superusers().shards });
        await client.query(sql);
        await client.end();
      }
    };
    await onServers(`CREATE ROLE ${owner}; GRANT ${owner} TO shard_user`);
    await proxy.query(`GRANT CREATE, USAGE ON SCHEMA public TO ${owner}`);
    await proxy.query(`
      CREATE TABLE kind (owner int8, id serial, name text, PRIMARY KEY (owner, id));
      ALTER TABLE kind ALTER name SET STORAGE EXTERNAL; ALTER TABLE kind ALTER name SET STATISTICS 77;
      ALTER TABLE kind REPLICA IDENTITY FULL;
      CREATE INDEX kind_name ON kind (name); CREATE STATISTICS kind_stat ON owner, name FROM kind;
      COMMENT ON INDEX kind_name IS 'i'; COMMENT ON CONSTRAINT kind_pkey ON kind IS 'c';
      COMMENT ON SEQUENCE kind_id_seq IS 's'; COMMENT ON STATISTICS kind_stat IS 'x';
      GRANT UPDATE (name) ON kind TO pg_monitor WITH GRANT OPTION; ALTER TABLE kind OWNER TO ${owner}`);
    await proxy.query(`SELECT create_distributed_table('kind', 'owner')`);
    const told = await onShards(`SELECT jsonb_build_array(relowner::regrole, relreplident,
        (SELECT jsonb_agg(jsonb_build_array(attname, attstorage, attstattarget, attacl) ORDER BY attnum)
          FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0),
        (SELECT relowner::regrole FROM pg_class WHERE oid = 'kind_id_seq'::regclass),
        obj_description('kind_name'::regclass), obj_description('kind_id_seq'::regclass),
        (SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'kind_pkey'),
        (SELECT obj_description(oid, 'pg_statistic_ext') FROM pg_statistic_ext WHERE stxname = 'kind_stat'))
      FROM pg_class c WHERE oid = 'kind'::regclass`);
    expect(JSON.stringify(told[0])).toContain(owner);
    expect(told).toEqual(told.map(() => told[0]));
    await proxy.query(`DROP TABLE kind; REVOKE ALL ON SCHEMA public FROM ${owner}`);
    await onServers(`DROP ROLE ${owner}`);
  });

  it('says what reads it and would hold it where it is', async () => {
    await proxy.query('CREATE TABLE kind (owner int8 PRIMARY KEY); CREATE TABLE at_home (n int8)');
    await proxy.query(`SELECT create_reference_table('kind')`);
    await proxy.query('ALTER TABLE at_home ADD CONSTRAINT k FOREIGN KEY (n) REFERENCES kind');
    await expect(
      proxy.query(`SELECT create_distributed_table('kind', 'owner')`),
    ).rejects.toMatchObject({
      code: '0A000',
      hint: 'Drop these foreign keys, and add them again when the table is of that kind.',
    });
    await proxy.query('DROP TABLE at_home');
    await proxy.query('CREATE VIEW seen AS SELECT * FROM kind');
    await expect(proxy.query(`SELECT undistribute_table('kind')`)).rejects.toMatchObject({
      code: '0A000',
      message: 'the kind of table "public"."kind" cannot be changed: view seen reads it',
      hint: 'Drop the view, and make it again when the table is at home.',
    });
    await proxy.query('DROP VIEW seen');
    await proxy.query(
      `CREATE FUNCTION all_kinds() RETURNS SETOF kind LANGUAGE sql AS 'TABLE kind'`,
    );
    await expect(proxy.query(`SELECT undistribute_table('kind')`)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringMatching(/function all_kinds\(\) reads it$/),
    });
    await proxy.query('DROP FUNCTION all_kinds()');
    await proxy.query(`SELECT undistribute_table('kind')`);
  });
});

// CREATE SCHEMA with objects in it: each is where it would be by itself, or none is anywhere.

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let tested: TestProxy;
let proxy: pg.Client;
let shards: pg.Client[];

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3, config: { sharding: { tables: RULES } } });
  const open = async (login: pg.ClientConfig) => {
    const client = new pg.Client({ ...login });
    await client.connect();
    return client;
  };
  proxy = await open(tested.login);
  shards = await Promise.all(tested.shards.map(open));
});

afterAll(async () => {
  await Promise.all([proxy, ...shards].map((client) => client.end()));
  await tested.close();
});

const RULES = { 'sc.country': { kind: 'reference' } } as const;

/** The answer of each shard; what is at home only, the others do not have. */
const onShards = (sql: string): Promise<unknown[]> =>
  Promise.all(
    shards.map(async (shard) => {
      const { rows } = await shard.query({ text: sql, rowMode: 'array' });
      return (rows as unknown[][])[0]?.[0];
    }),
  );
const regclass = (name: string) => onShards(`SELECT to_regclass('${name}')`);

describe('CREATE SCHEMA with objects in it', () => {
  it('makes each where it would be by itself', async () => {
    await proxy.query(`CREATE SCHEMA sc GRANT SELECT ON plain, t TO PUBLIC
      CREATE TABLE plain (id serial) CREATE TABLE kept (user_id int) INHERITS (plain)
      CREATE TABLE t (id serial PRIMARY KEY, user_id int) CREATE VIEW v AS SELECT id FROM t
      CREATE TABLE country (id serial PRIMARY KEY, name text) GRANT USAGE ON SEQUENCE plain_id_seq TO PUBLIC
      GRANT USAGE ON SEQUENCE t_id_seq, country_id_seq TO PUBLIC`);
    for (const name of ['sc.t', 'sc.v', 'sc.t_id_seq', 'sc.country']) {
      expect(await regclass(name), name).toEqual([name, name, name]);
    }
    for (const name of ['sc.plain', 'sc.kept', 'sc.plain_id_seq']) {
      expect(await regclass(name), name).toEqual([name, null, null]);
    }
    const granted = `SELECT has_table_privilege('public', 'sc.t', 'SELECT')`;
    expect(await onShards(granted)).toEqual([true, true, true]);
    const usable = (name: string) =>
      onShards(
        `SELECT has_sequence_privilege('public', to_regclass('sc.${name}_id_seq'), 'USAGE')`,
      );
    expect(await usable('plain')).toEqual([true, null, null]);
    expect(await usable('t')).toEqual([true, true, true]);
    expect(await usable('country')).toEqual([true, true, true]);
    await proxy.query('DROP SCHEMA sc CASCADE');
    expect(await regclass('sc.t')).toEqual([null, null, null]);
  });

  it('counts by ones in home and reference tables, and by shard in others', async () => {
    await proxy.query(`CREATE SCHEMA sc CREATE TABLE country (id serial PRIMARY KEY, name text)
      CREATE TABLE plain (id serial) CREATE TABLE kept (user_id int) INHERITS (plain)
      CREATE TABLE t (id serial PRIMARY KEY, user_id int)`);
    const ids = async (sql: string) => {
      const { rows } = await proxy.query<{ id: number }>(`${sql} RETURNING id`);
      return rows.map(({ id }) => id);
    };
    expect(await ids('INSERT INTO sc.kept (user_id) VALUES (1), (2), (3)')).toEqual([1, 2, 3]);
    expect(await ids(`INSERT INTO sc.country (name) VALUES ('a'), ('b')`)).toEqual([1, 2]);
    const spread = await ids('INSERT INTO sc.t (user_id) SELECT user_id FROM sc.kept');
    expect(new Set(spread.map((id) => id % 1024)).size).toBe(3);
    await proxy.query('DROP SCHEMA sc CASCADE');
  });

  it('makes nothing anywhere when one of them fails', async () => {
    const forward = 'CREATE TABLE kept (user_id int) INHERITS (plain) CREATE TABLE plain (id int)';
    await expect(proxy.query(`CREATE SCHEMA sc ${forward}`)).rejects.toMatchObject({
      code: '42P01',
    });
    expect(await onShards(`SELECT to_regnamespace('sc')`)).toEqual([null, null, null]);
  });
});

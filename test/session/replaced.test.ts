// CREATE OR REPLACE of a routine or view by one that names a home table: it is on the home shard alone from then on.

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const proxy = await startTestProxy({ shards: 3 });
const client = await connectAsText(proxy.login);
const shards = await Promise.all(proxy.shards.map((shard) => connectAsText(shard)));

beforeEach(async () => {
  await client.query('DROP SCHEMA IF EXISTS work CASCADE; CREATE SCHEMA work');
  await client.query('CREATE TABLE work.notes (user_id int PRIMARY KEY, body text)');
  await client.query('CREATE TABLE work.plain (id int PRIMARY KEY, n int)');
  await client.query(`INSERT INTO work.notes SELECT n, 'note' FROM generate_series(1, 6) AS n`);
  await client.query('INSERT INTO work.plain VALUES (1, 10), (2, 20)');
});

afterAll(async () => {
  await Promise.all([client, ...shards].map((each: Client) => each.end()));
  await proxy.close();
});

const onShards = (sql: string) =>
  Promise.all(shards.map(async (shard) => (await textRows(shard, sql))[0]![0]));

describe('A replaced routine', () => {
  const COUNTS = 'SELECT count(*) FROM work.plain';
  const made = (what: string, body: string) =>
    client.query(`CREATE OR REPLACE ${what} LANGUAGE plpgsql AS $$BEGIN ${body} END$$`);
  const known = (name: string) =>
    onShards(`SELECT count(*) FROM pg_proc WHERE pronamespace = 'work'::regnamespace
      AND proname = '${name}'`);

  it.each([
    `FUNCTION work.f(a int, b text DEFAULT 'x, y)', c int[] = ARRAY[1, 2]) RETURNS bigint`,
    'FUNCTION work . "f" (INOUT a bigint, VARIADIC more numeric(10, 2)[] DEFAULT ARRAY[1.5])',
    'FUNCTION work.f(a int) RETURNS bigint',
    'PROCEDURE work.f(INOUT a bigint, b text DEFAULT repeat($x$)$x$, 3))',
  ])('gives what it is now, whatever its arguments: %s', async (what) => {
    const call = what.startsWith('PROCEDURE') ? 'CALL work.f(1)' : 'SELECT work.f(1)';
    const assign = (value: string) =>
      what.includes('INOUT') ? `a := ${value};` : `RETURN ${value};`;
    for (const [value, result, on] of [
      ['7', '7', ['1', '1', '1']],
      [`(${COUNTS})`, '2', ['1', '0', '0']],
      ['8', '8', ['1', '1', '1']],
    ] as const) {
      await made(what, assign(value));
      expect(await textRows(client, call)).toEqual([[result]]);
      expect(await known('f')).toEqual(on);
    }
  });

  it('is computed over the rows of all shards', async () => {
    await made('FUNCTION work.f(a int) RETURNS bigint', 'RETURN a;');
    await made('FUNCTION work.f(a int) RETURNS bigint', `RETURN (${COUNTS});`);
    const sum = 'SELECT sum(work.f(user_id)) FROM work.notes';
    expect(await textRows(client, sum)).toEqual([['12']]);
  });

  it('stays as it was where the other shards cannot be without it', async () => {
    await made('FUNCTION work.t() RETURNS trigger', `NEW.body := 'was'; RETURN NEW;`);
    await client.query(`CREATE TRIGGER t BEFORE INSERT ON work.notes
      FOR EACH ROW EXECUTE FUNCTION work.t()`);
    const replacing = made(
      'FUNCTION work.t() RETURNS trigger',
      `NEW.body := (${COUNTS}); RETURN NEW;`,
    );
    await expect(replacing).rejects.toMatchObject({ code: '2BP01' });
    await client.query(`INSERT INTO work.notes VALUES (7, ''), (8, ''), (9, '')`);
    const bodies = 'SELECT DISTINCT body FROM work.notes WHERE user_id > 6';
    expect(await textRows(client, bodies)).toEqual([['was']]);
  });
});

describe('A replaced view', () => {
  it.each([
    ['SELECT id, n::text FROM work.plain', '2'],
    ['SELECT user_id, body FROM work.notes UNION ALL SELECT id, n::text FROM work.plain', '8'],
  ])('shows what it is now, and can be made anew: %s', async (query, count) => {
    const spread = 'VIEW work.v (a, b) AS SELECT user_id, body FROM work.notes';
    const counted = () => textRows(client, 'SELECT count(*) FROM work.v');
    const known = () => onShards("SELECT to_regclass('work.v') IS NOT NULL");
    await client.query(`CREATE ${spread}`);
    expect(await known()).toEqual(['t', 't', 't']);
    await client.query(`CREATE OR REPLACE VIEW work.v (a, b) WITH (security_barrier) AS ${query}`);
    expect(await counted()).toEqual([[count]]);
    expect(await known()).toEqual(['t', 'f', 'f']);
    await client.query('DROP VIEW work.v');
    await client.query(`CREATE ${spread}`);
    expect(await counted()).toEqual([['6']]);
    expect(await known()).toEqual(['t', 't', 't']);
  });
});

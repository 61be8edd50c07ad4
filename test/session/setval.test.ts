// setval() of computed arguments: what is set behind loaded rows counts on every shard.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let client: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  client = new Client(proxy.login);
  await client.connect();
  await client.query(
    'CREATE TABLE loaded (user_id bigint, id bigserial, PRIMARY KEY (user_id, id))',
  );
  await client.query('CREATE TABLE empty (user_id bigint, id bigserial)');
});

afterAll(async () => {
  await client.end();
  await proxy.close();
});

/** What the next row of each shard gets. */
async function nextIds(): Promise<number[]> {
  const ids: number[] = [];
  for (const key of [0, 1, 2]) {
    const sql = `INSERT INTO loaded (user_id) VALUES (${key}) RETURNING id`;
    ids.push(Number((await client.query(sql)).rows[0].id));
  }
  return ids;
}

describe('SELECT setval() of computed arguments', () => {
  it.each([
    ["setval('loaded_id_seq', max(id)) FROM loaded", 50_000],
    ["setval('loaded_id_seq', (SELECT max(id) FROM loaded), true)", 60_000],
    ["pg_catalog.setval('loaded_id_seq'::regclass, 70000 + 1)", 70_001],
    [
      `setval(pg_get_serial_sequence('"loaded"', 'id'), coalesce(max("id"), 1), max("id") IS NOT null)
       FROM "loaded"`,
      80_000,
    ],
  ])('%s', async (call, from) => {
    await client.query(`INSERT INTO loaded VALUES (1, ${from})`);
    const { rows, fields } = await client.query(`SELECT ${call}`);
    expect(rows).toEqual([{ setval: String(from) }]);
    expect(fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([['setval', 20]]);
    const ids = await nextIds();
    for (const id of ids) expect(id).toBeGreaterThan(from);
    for (const id of ids) expect(id).toBeLessThan(from + 2_048);
    expect(new Set(ids).size).toBe(3);
  });

  it('takes parameters, and a name for its column', async () => {
    const sql = 'SELECT setval($1::regclass, $2::bigint + 1, false) AS place';
    const { rows } = await client.query(sql, ['loaded_id_seq', '100000']);
    expect(rows).toEqual([{ place: '100001' }]);
    for (const id of await nextIds()) expect(id).toBeGreaterThanOrEqual(100_001);
  });

  it('does nothing for NULL or without rows', async () => {
    const before = await client.query('SELECT last_value FROM empty_id_seq');
    const ofNull = await client.query("SELECT setval('empty_id_seq', max(id)) FROM empty");
    expect(ofNull.rows).toEqual([{ setval: null }]);
    const none = await client.query("SELECT setval('empty_id_seq', id) FROM empty");
    expect(none.rows).toEqual([]);
    expect((await client.query('SELECT last_value FROM empty_id_seq')).rows).toEqual(before.rows);
  });

  it('tells what is wrong', async () => {
    const missing = client.query("SELECT setval('no_such_seq', 1 + 1)");
    await expect(missing).rejects.toMatchObject({ code: '42P01' });
    const outOfBounds = client.query("SELECT setval('loaded_id_seq', 0 * 1)");
    await expect(outOfBounds).rejects.toMatchObject({ code: '22003' });
  });

  it('is refused as a part of something else, and by PREPARE is what it is alone', async () => {
    const two = client.query("SELECT setval('loaded_id_seq', 5), setval('loaded_id_seq', 6)");
    await expect(two).rejects.toMatchObject({ code: '0A000' });
    await client.query("PREPARE p AS SELECT setval('loaded_id_seq', $1::bigint)");
    await client.query('EXECUTE p (150000)');
    for (const id of await nextIds()) expect(id).toBeGreaterThan(150_000);
    await client.query("PREPARE q AS SELECT setval('loaded_id_seq', 160000)");
    expect((await client.query('EXECUTE q')).rows).toEqual([{ setval: '160000' }]);
  });

  it('works within a transaction', async () => {
    await client.query('BEGIN');
    await client.query('INSERT INTO loaded VALUES (2, 200000)');
    await client.query("SELECT setval('loaded_id_seq', max(id)) FROM loaded");
    await client.query('COMMIT');
    for (const id of await nextIds()) expect(id).toBeGreaterThan(200_000);
  });
});

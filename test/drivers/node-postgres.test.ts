// node-postgres (pg) through the proxy.

import pg from 'pg';
import Cursor from 'pg-cursor';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let pool: pg.Pool;

beforeAll(async () => {
  proxy = await startTestProxy({ application: true });
  pool = new pg.Pool({ ...proxy.login, max: 4 });
  // Pool.end does not wait for its connections to close: the proxy's goodbye may reach them first.
  pool.on('error', (error) => expect(error).toMatchObject({ code: '57P01' }));
});

afterAll(async () => {
  await pool.end();
  await proxy.close();
});

beforeEach(async () => {
  await pool.query('DELETE FROM file_metadata');
  const rows = Array.from({ length: 20 }, (_, i) => `(${i}, 'file ${i}')`).join(', ');
  await pool.query(`INSERT INTO file_metadata (user_id, file_name) VALUES ${rows}`);
});

test('binds parameters to one shard and to several', async () => {
  const one = await pool.query('SELECT * FROM file_metadata WHERE user_id = $1', [7]);
  expect(one.rows).toMatchObject([{ user_id: '7', file_name: 'file 7' }]);
  expect(one.rows[0].created_at).toBeInstanceOf(Date);
  const many = await pool.query(
    'SELECT user_id FROM file_metadata WHERE user_id = ANY($1) ORDER BY user_id',
    [[3, 4, 5]],
  );
  expect(many.rows.map((row) => row.user_id)).toEqual(['3', '4', '5']);
});

test('runs a named statement again and again on whatever connection there is', async () => {
  const named = { name: 'by-user', text: 'SELECT file_name FROM file_metadata WHERE user_id = $1' };
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => pool.query({ ...named, values: [i] })),
    );
    expect(answers.map((answer) => answer.rows)).toEqual(
      Array.from({ length: 12 }, (_, i) => [{ file_name: `file ${i}` }]),
    );
  }
});

test('keeps the order of RETURNING over several shards', async () => {
  const { rows } = await pool.query(
    'INSERT INTO file_metadata (user_id, file_name) VALUES ($1, $2), ($3, $4), ($5, $6) ' +
      'RETURNING user_id, file_name, drive.shard_id()',
    [101, 'a', 102, 'b', 103, 'c'],
  );
  expect(rows).toEqual([
    { user_id: '101', file_name: 'a', shard_id: 1 },
    { user_id: '102', file_name: 'b', shard_id: 0 },
    { user_id: '103', file_name: 'c', shard_id: 1 },
  ]);
});

test('commits and rolls back over both shards', async () => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query("UPDATE file_metadata SET file_name = 'x' WHERE user_id = $1", [1]);
    await client.query("UPDATE file_metadata SET file_name = 'x' WHERE user_id = $1", [2]);
    await client.query('ROLLBACK');
    const count = "SELECT count(*) FROM file_metadata WHERE file_name = 'x'";
    expect((await client.query(count)).rows).toEqual([{ count: '0' }]);
    await client.query('BEGIN');
    await client.query("UPDATE file_metadata SET file_name = 'x' WHERE user_id = $1", [1]);
    await client.query("UPDATE file_metadata SET file_name = 'x' WHERE user_id = $1", [2]);
    await client.query('COMMIT');
    const { rows } = await pool.query(
      "SELECT user_id FROM file_metadata WHERE file_name = 'x' ORDER BY user_id",
    );
    expect(rows).toEqual([{ user_id: '1' }, { user_id: '2' }]);
  } finally {
    client.release();
  }
});

test('reads a merged result with a cursor', async () => {
  const client = await pool.connect();
  const cursor = client.query(new Cursor('SELECT user_id FROM file_metadata ORDER BY user_id'));
  const seen: string[] = [];
  for (let rows = await cursor.read(6); rows.length > 0; rows = await cursor.read(6)) {
    seen.push(...rows.map((row) => row.user_id));
  }
  await cursor.close();
  client.release();
  expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
});

test('leaves a cursor half read and goes on', async () => {
  const client = await pool.connect();
  const cursor = client.query(new Cursor('SELECT user_id FROM file_metadata ORDER BY user_id'));
  expect(await cursor.read(2)).toHaveLength(2);
  await cursor.close();
  const { rows } = await client.query('SELECT count(*) FROM file_metadata');
  client.release();
  expect(rows).toEqual([{ count: '20' }]);
});

test('hears notifications of its channel', async () => {
  const client = await pool.connect();
  const heard = new Promise((resolve) => {
    client.once('notification', ({ channel, payload }) => resolve({ channel, payload }));
  });
  await client.query('LISTEN news');
  await pool.query("NOTIFY news, 'hello'");
  expect(await heard).toEqual({ channel: 'news', payload: 'hello' });
  await client.query('UNLISTEN *');
  client.release(true);
});

test("passes a server's error on with its fields", async () => {
  const insert = 'INSERT INTO file_metadata (id, user_id, file_name) VALUES ($1, $2, $3)';
  await pool.query(insert, [1, 500, 'a']);
  await expect(pool.query(insert, [1, 500, 'b'])).rejects.toMatchObject({
    code: '23505',
    constraint: 'file_metadata_pkey',
    table: 'file_metadata',
    detail: 'Key (user_id, id)=(500, 1) already exists.',
  });
});

test('is refused what would be wrong, with a hint', async () => {
  await expect(
    pool.query('ALTER TABLE file_metadata RENAME COLUMN user_id TO owner'),
  ).rejects.toMatchObject({ code: '0A000', hint: expect.any(String) });
});

// Time routines: functions of users that tell the time are asked on one server, or not over shards.

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let tested: TestProxy;
let client: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  client = new pg.Client(tested.login);
  await client.connect();
  await client.query(`CREATE TABLE notes (user_id int8 PRIMARY KEY, id int4, at timestamptz)`);
  for (const [name, body] of [
    [`started() RETURNS timestamptz LANGUAGE sql STABLE`, 'SELECT /* no! */ now()'],
    [`around() RETURNS timestamptz LANGUAGE plpgsql STABLE`, 'BEGIN RETURN started(); END'],
    [`late() RETURNS timestamptz LANGUAGE plpgsql`, 'BEGIN RETURN CURRENT_TIMESTAMP; END'],
    [`twice(x int) RETURNS int LANGUAGE sql`, 'SELECT x * 2 -- now()'],
  ]) {
    await client.query(`CREATE FUNCTION ${name} AS $$${body}$$`);
  }
  await client.query('CREATE VIEW recent AS SELECT user_id FROM notes WHERE around() = now()');
});

beforeEach(async () => {
  await client.query('DELETE FROM notes');
  await client.query('INSERT INTO notes SELECT g, 1 FROM generate_series(1, 6) g');
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

describe('over several shards', () => {
  test.each([
    ['SELECT user_id FROM notes WHERE started() = now()', 6],
    ['SELECT user_id FROM notes WHERE around() = CURRENT_TIMESTAMP AND user_id > 0', 6],
    ['SELECT DISTINCT around() FROM notes', 1],
    ['SELECT user_id FROM notes n JOIN notes m USING (user_id) WHERE late() = now()', 6],
    ['SELECT max(now()) FROM notes GROUP BY id HAVING max(now()) = started()', 1],
    ['SELECT user_id FROM recent', 6],
    ['UPDATE notes SET at = now() WHERE now() = around()', 6],
    ['DELETE FROM notes WHERE started() = now()', 6],
    ['UPDATE notes SET at = started()', 6],
    ['INSERT INTO notes SELECT user_id + 10, 2, now() FROM notes WHERE around() = now()', 6],
    ['SELECT user_id FROM notes WHERE twice(user_id::int) > 2', 5],
  ])('one server tells it: %s', async (sql, rows) => {
    const { rowCount } = await client.query(sql);
    expect(rowCount).toBe(rows);
    if (sql.startsWith('UPDATE')) {
      expect((await client.query('SELECT DISTINCT at FROM notes')).rows).toHaveLength(1);
    }
  });

  test.each([
    'DELETE FROM notes WHERE at < late()',
    'UPDATE notes SET id = 2 WHERE late() = now()',
  ])('what may write is refused: %s', async (sql) => {
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '0A000',
      hint: expect.stringContaining('STABLE'),
    });
    expect((await client.query(`${sql} AND user_id = 1`)).rowCount).toBeLessThan(2);
  });

  test('other functions go to the shards', async () => {
    const { rows } = await client.query(
      'EXPLAIN DELETE FROM notes WHERE twice(user_id::int) > 2 AND id = 1',
    );
    expect(rows[2]['QUERY PLAN']).toContain('add counts');
  });
});

describe('a transaction', () => {
  const count = 'SELECT count(*)::int4 AS n FROM notes WHERE at = around()';

  test('that began over all shards goes by its time', async () => {
    await client.query('BEGIN');
    await client.query('UPDATE notes SET at = now()');
    await client.query('SELECT pg_sleep(0.002)');
    expect((await client.query(count)).rows).toEqual([{ n: 6 }]);
    await client.query('COMMIT');
  });

  test('that began on another shard is told so', async () => {
    const { rows } = await client.query(
      'SELECT user_id FROM notes WHERE drive.shard_id() <> 0 LIMIT 1',
    );
    await client.query('BEGIN');
    await client.query(`UPDATE notes SET at = now() WHERE user_id = ${rows[0].user_id}`);
    await expect(client.query(count)).rejects.toMatchObject({
      code: '0A000',
      hint: expect.stringContaining('ask for its value'),
    });
    await client.query('ROLLBACK');
  });
});

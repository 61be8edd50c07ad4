// Listening: who listens hears what triggers and functions notify on the rows of any shard, once.

import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { connect } from '../parity/answer.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let client: pg.Client;
const KEYS = [1, 2, 3, 4, 5, 6, 7];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
});

afterAll(() => proxy.close());

beforeEach(async () => {
  client = await connect(proxy.login);
  await client.query(`DROP TABLE IF EXISTS files; DROP FUNCTION IF EXISTS tell`);
  await client.query('CREATE TABLE files (user_id int PRIMARY KEY, name text)');
  await client.query(`INSERT INTO files SELECT unnest('{${KEYS}}'::int[])`);
  await client.query(`CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_notify('news', TG_TABLE_NAME || ' ' || to_jsonb(NEW)::text); RETURN NULL; END $$`);
  await client.query(
    'CREATE TRIGGER told AFTER UPDATE ON files FOR EACH ROW EXECUTE FUNCTION tell()',
  );
  return () => client.end();
});

/** What another session hears of `act` on the channel "news", and behind it of a NOTIFY on the channel "end". */
async function heardOf(
  act: () => Promise<unknown>,
  listen: readonly string[] = ['LISTEN news'],
): Promise<readonly string[]> {
  const listener = await connect(proxy.login);
  const heard: string[] = [];
  listener.on('notification', ({ payload }) => heard.push(payload ?? ''));
  for (const sql of listen) await listener.query(sql);
  await act();
  // Each shard tells its own at the end of a statement there.
  for (let i = 0; i < 3; i++) await listener.query(`/* drive.shard=${i} */ SELECT`);
  await listener.end();
  return heard.toSorted();
}

const updateEach = async () => {
  for (const key of KEYS) await client.query(`UPDATE files SET name = 'x' WHERE user_id = ${key}`);
};

const ALL = KEYS.map((key) => `files {"name": "x", "user_id": ${key}}`);

it('hears of the rows of every shard, and of NOTIFY, once', async () => {
  expect(await heardOf(updateEach)).toEqual(ALL);
  expect(await heardOf(() => client.query("NOTIFY news, 'n'"))).toEqual(['n']);
  expect(await heardOf(() => client.query("SELECT pg_notify('news', 'f')"))).toEqual(['f']);
});

it('hears pg_notify() of rows where no routine notifies', async () => {
  await client.query('DROP FUNCTION tell CASCADE');
  const select = "SELECT pg_notify('news', user_id::text) FROM files";
  expect(await heardOf(() => client.query(`${select} WHERE user_id = 2`))).toEqual(['2']);
  expect(await heardOf(() => client.query(select))).toEqual(KEYS.map(String));
  const written = client.query(
    `INSERT INTO files VALUES (20) RETURNING pg_notify('news', user_id::text)`,
  );
  await expect(written).rejects.toMatchObject({ code: '0A000' });
  const within = `WITH w AS (INSERT INTO files VALUES (21), (22) RETURNING *) SELECT pg_notify('news', user_id::text) FROM w`;
  expect(await heardOf(() => client.query(within))).toEqual(['21', '22']);
  const ofOne = within.replace('(21), (22)', '(23)');
  expect(await heardOf(() => client.query(ofOne))).toEqual(['23']);
  await client.query('BEGIN');
  await client.query(ofOne.replace('23', '24'));
  expect(await heardOf(() => client.query('COMMIT'))).toEqual(['24']);
});

it('hears by LISTEN in a transaction from its COMMIT on, and nothing where it is rolled back', async () => {
  expect(await heardOf(updateEach, ['BEGIN', 'LISTEN news', 'COMMIT'])).toEqual(ALL);
  expect(await heardOf(updateEach, ['BEGIN', 'LISTEN news', 'ROLLBACK'])).toEqual([]);
});

it.each([['UNLISTEN news'], ['UNLISTEN *'], ['DISCARD ALL']])(
  'hears nothing more behind %s',
  async (sql) => {
    expect(await heardOf(updateEach, ['LISTEN news', sql])).toEqual([]);
    expect(await heardOf(updateEach, ['LISTEN news', sql, 'LISTEN news'])).toEqual(ALL);
    expect(await heardOf(updateEach, ['LISTEN other', 'LISTEN news', 'UNLISTEN other'])).toEqual(
      ALL,
    );
  },
);

it.each([0, 1, 2])(
  'ends with the connection by which it hears shard %i, as it would miss what comes',
  async (shard) => {
    const direct = await connect(proxy.shards[shard]!);
    const listener = await connect(proxy.login);
    const ended = new Promise((resolve) => listener.on('error', resolve));
    await listener.query('LISTEN news');
    await direct.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query ~ 'LISTEN|pg_listening' AND pid <> pg_backend_pid()`);
    expect(await ended).toMatchObject({ severity: 'FATAL', code: '08006' });
    await direct.end();
  },
);

it('leaves nothing of it with the connections', async () => {
  await heardOf(updateEach);
  for (let i = 0; i < 3; i++) {
    const { rows } = await client.query(`/* drive.shard=${i} */ SELECT pg_listening_channels()`);
    expect(rows).toEqual([]);
  }
});

it.each([
  [[`UPDATE files SET name = 'y'`]],
  [['BEGIN', ...KEYS.map((key) => `UPDATE files SET name = 'y' WHERE user_id = ${key}`), 'COMMIT']],
])(
  'a trigger that notifies in a transaction of several shards is refused with what to do: %j',
  async (all) => {
    const run = async () => {
      for (const sql of all) await client.query(sql);
    };
    await expect(run()).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringMatching(/^not supported over several shards: .*notifies$/),
      detail: expect.stringMatching(/^cannot PREPARE/),
      hint: expect.stringMatching(/^Let it write one shard/),
    });
    expect((await client.query(`SELECT FROM files WHERE name = 'y'`)).rowCount).toBe(0);
  },
);

it('what a deferred trigger raises at the commit over several shards stays what it is', async () => {
  await client.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'not here' USING ERRCODE = '0A000'; END $$`);
  await client.query(`DROP TRIGGER told ON files`);
  await client.query(`CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON files DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse()`);
  const written = client.query(`UPDATE files SET name = 'z'`);
  await expect(written).rejects.toMatchObject({ code: '0A000', message: 'not here' });
  await client.query('DROP FUNCTION refuse CASCADE');
});

// postgres.js through the proxy: pipelines, described statements and its own cancel requests.

import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let sql: postgres.Sql;

beforeAll(async () => {
  proxy = await startTestProxy({ application: true });
  const { host, port, database, user, password } = proxy.login;
  sql = postgres({ host, port, database, user, password, max: 3 });
  const files = Array.from({ length: 20 }, (_, i) => ({ user_id: i, file_name: `file ${i}` }));
  await sql`INSERT INTO file_metadata ${sql(files)}`;
});

afterAll(async () => {
  await sql.end();
  await proxy.close();
});

test('fans a described statement with a parameter array out', async () => {
  const rows = await sql`
    SELECT user_id FROM file_metadata WHERE user_id = ANY(${[1, 2, 3]}) ORDER BY user_id`;
  expect(rows.map((row) => row.user_id)).toEqual(['1', '2', '3']);
});

test('pipelines statements for different shards on one connection', async () => {
  const { host, port, database, user, password } = proxy.login;
  const one = postgres({ host, port, database, user, password, max: 1 });
  const answers = await Promise.all(
    Array.from(
      { length: 20 },
      (_, i) => one`
      SELECT file_name, drive.shard_id() AS shard FROM file_metadata WHERE user_id = ${i}`,
    ),
  );
  await one.end();
  expect(answers.map(([row]) => ({ ...row }))).toEqual(
    Array.from({ length: 20 }, (_, i) => ({ file_name: `file ${i}`, shard: i % 2 })),
  );
});

test('describes parameters and columns of a merged statement', async () => {
  const described = await sql`
    SELECT user_id, count(*) FROM file_metadata WHERE id > ${1} GROUP BY user_id`.describe();
  expect(described.types).toEqual([20]);
  expect(described.columns.map(({ name, type }) => ({ name, type }))).toEqual([
    { name: 'user_id', type: 20 },
    { name: 'count', type: 20 },
  ]);
});

test('runs a transaction with a savepoint', async () => {
  await sql.begin(async (tx) => {
    await tx`INSERT INTO file_metadata (user_id, file_name) VALUES (200, 'kept')`;
    await tx
      .savepoint(async (inner) => {
        await inner`INSERT INTO file_metadata (user_id, file_name) VALUES (201, 'lost')`;
        await inner`SELECT 1 / 0`;
      })
      .catch((error: unknown) => {
        expect(error).toMatchObject({ code: '22012' });
      });
  });
  const rows = await sql`SELECT file_name FROM file_metadata WHERE user_id IN (200, 201)`;
  expect(rows.map((row) => row.file_name)).toEqual(['kept']);
});

test('reads a merged result by cursor', async () => {
  const seen: string[] = [];
  await sql`SELECT user_id FROM file_metadata WHERE user_id < 20 ORDER BY user_id`.cursor(
    7,
    (rows) => {
      seen.push(...rows.map((row) => row.user_id));
    },
  );
  expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
});

test('cancels a statement', async () => {
  const query = sql`SELECT pg_sleep(60)`;
  setTimeout(() => query.cancel(), 300);
  await expect(query).rejects.toMatchObject({ code: '57014' });
});

test('listens', async () => {
  const heard = new Promise<string>((resolve) => {
    void sql.listen('events', resolve).then(() => sql.notify('events', 'ping'));
  });
  expect(await heard).toBe('ping');
});

test('sends several statements as one simple query', async () => {
  const results =
    await sql`SELECT 1 AS a; SELECT count(*)::int AS n FROM file_metadata WHERE user_id = 3`.simple();
  expect(results).toMatchObject([[{ a: 1 }], [{ n: 1 }]]);
});

// Writing one record and reading one user's records, over a scripted database.

import { afterEach, describe, expect, test } from 'vitest';
import type { App } from '../../src/api/app.ts';
import { scriptedApp } from './scripted-app.ts';
import type { Script, ScriptedDatabase } from './scripted-database.ts';

let app: App;
let database: ScriptedDatabase;
afterEach(() => app.close());

async function given(script: Script): Promise<void> {
  ({ app, database } = await scriptedApp(script));
}

async function ingest(payload: string) {
  const headers = { 'content-type': 'application/json' };
  return app.inject({ method: 'POST', url: '/ingest', payload, headers });
}

describe('POST /ingest', () => {
  test('answers with the id and the shard that the shard itself reported', async () => {
    await given(() => [{ id: 2049n, shard_id: 1 }]);
    const response = await ingest('{"user_id":123,"file_name":"my_document.txt"}');
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toMatch(/^application\/json/);
    expect(response.json()).toEqual({
      success: true,
      message: 'File ingested into shard 1',
      data: { record_id: 2049, user_id: 123, file_name: 'my_document.txt', shard_id: 1 },
    });
    expect(database.sent[0]?.values).toEqual([123n, 'my_document.txt']);
  });

  test.each(['9223372036854775807', '-9223372036854775808', '-9007199254740993'])(
    'carries user_id %s through exactly, as a number',
    async (userId) => {
      await given(() => [{ id: 9223372036854775807n, shard_id: 0 }]);
      const { body } = await ingest(`{"user_id":${userId},"file_name":"a"}`);
      expect(body).toContain(`"user_id":${userId},`);
      expect(body).toContain('"record_id":9223372036854775807,');
      expect(database.sent[0]?.values).toEqual([BigInt(userId), 'a']);
    },
  );

  test('takes an integer as text too, for clients whose numbers are doubles', async () => {
    await given(() => [{ id: 1n, shard_id: 0 }]);
    const { body } = await ingest('{"user_id":"-9223372036854775808","file_name":"a"}');
    expect(body).toContain('"user_id":-9223372036854775808,');
  });

  test('keeps a name as it is: quotes, newlines, every plane of Unicode', async () => {
    await given(() => [{ id: 1n, shard_id: 0 }]);
    const name = `';DROP TABLE x;--"\\\n\t😀é${'x'.repeat(900)}`;
    const response = await ingest(JSON.stringify({ user_id: 1, file_name: name }));
    expect(response.json().data.file_name).toBe(name);
    expect(database.sent[0]?.values[1]).toBe(name);
  });

  test('counts the characters of a name, not its UTF-16 units', async () => {
    await given(() => [{ id: 1n, shard_id: 0 }]);
    const name = '😀'.repeat(1024);
    expect((await ingest(JSON.stringify({ user_id: 1, file_name: name }))).statusCode).toBe(200);
  });

  test('ignores fields it does not know, and takes the last of a repeated one', async () => {
    await given(() => [{ id: 1n, shard_id: 0 }]);
    await ingest('{"user_id":1,"user_id":2,"file_name":"a","more":[1]}');
    expect(database.sent[0]?.values).toEqual([2n, 'a']);
  });
});

const FILE = { id: 7n, user_id: 42n, file_name: 'a.txt' };

function user(count: bigint, files: readonly object[]): Script {
  return ({ text }) =>
    text.includes('count(*)') ? [{ shard_id: 0, file_count: count }] : (files as never);
}

describe('GET /query/{user_id}', () => {
  test('gives all of the record, the time as ISO 8601 with microseconds', async () => {
    await given(user(1n, [{ ...FILE, created_at: '2026-01-02 03:04:05.06+00' }]));
    const response = await app.inject({ url: '/query/42' });
    expect(response.json()).toEqual({
      success: true,
      user_id: 42,
      shard_id: 0,
      file_count: 1,
      files: [
        { id: 7, user_id: 42, file_name: 'a.txt', created_at: '2026-01-02T03:04:05.060000Z' },
      ],
      next: null,
    });
  });

  test.each([
    ['2026-01-02 03:04:05+00', '2026-01-02T03:04:05.000000Z'],
    ['2026-01-02 03:04:05.123456+05:30', '2026-01-02T03:04:05.123456+05:30'],
    ['2026-01-02 03:04:05.1-08', '2026-01-02T03:04:05.100000-08:00'],
    ['infinity', 'infinity'],
    ['0044-03-15 12:00:00+00 BC', '0044-03-15 12:00:00+00 BC'],
  ])('writes the time %s as %s', async (stored, shown) => {
    await given(user(1n, [{ ...FILE, created_at: stored }]));
    const response = await app.inject({ url: '/query/42' });
    expect(response.json().files[0].created_at).toBe(shown);
  });

  test('answers for a user without files', async () => {
    await given(user(0n, []));
    const { body } = await app.inject({ url: '/query/-9223372036854775808' });
    expect(body).toBe(
      '{"success":true,"user_id":-9223372036854775808,"shard_id":0,"file_count":0,' +
        '"files":[],"next":null}',
    );
  });

  test('hands out a cursor when there is more, and continues behind it', async () => {
    const rows = [9n, 8n, 7n].map((id) => ({ ...FILE, id, created_at: '2026-01-02 03:04:05+00' }));
    await given(user(3n, rows));
    const first = (await app.inject({ url: '/query/42?limit=2' })).json();
    expect(first.files.map((file: { id: number }) => file.id)).toEqual([9, 8]);
    expect(first.file_count).toBe(3);
    await app.inject({ url: `/query/42?limit=2&before=${first.next}` });
    expect(database.sent.at(-1)?.values).toEqual([42n, 3, '2026-01-02 03:04:05+00', 8n]);
  });
});

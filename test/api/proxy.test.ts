// The API over the real proxy and real shards: what it answers is what the shards hold.

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { onShard, type RunningStack, startStack } from './running-api.ts';

let databases: FreshDatabases;
let stack: RunningStack;

beforeAll(async () => {
  databases = await freshDatabases(2, { application: true });
  stack = await startStack(databases.shards);
});

afterAll(async () => {
  await stack.close();
  await databases.drop();
});

beforeEach(async () => {
  for (const shard of databases.shards) await onShard(shard, 'TRUNCATE file_metadata');
});

const on = (id: number, sql: string) => onShard(databases.shards[id], sql);
const call = (method: string, path: string) => stack.call(method, path);
const ingest = (userId: string | number, name: string) => stack.ingest(userId, name);

test('GET / says that two shards run', async () => {
  expect(await call('GET', '/')).toMatchObject({
    status: 200,
    body: { status: 'running', num_shards: 2 },
  });
});

describe('POST /ingest', () => {
  test.each([
    ['123', 1],
    ['42', 0],
    ['-1', 1],
    ['-2', 0],
    ['9223372036854775807', 1],
    ['-9223372036854775808', 0],
    ['9007199254740993', 1],
  ])('puts user_id %s on shard %i', async (userId, shard) => {
    const { body, text } = await ingest(userId, 'my_document.txt');
    expect(body.message).toBe(`File ingested into shard ${shard}`);
    expect(text).toContain(`"user_id":${userId},`);
    const rows = await on(shard, 'SELECT id, user_id, file_name FROM file_metadata');
    expect(rows).toEqual([[String(body.data.record_id), userId, 'my_document.txt']]);
  });

  test('gives ids that are unique over the shards', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, user) => ingest(user, `file_${user}`)),
    );
    const ids = answers.map(({ body }) => body.data.record_id);
    expect(new Set(ids).size).toBe(40);
  });
});

describe('GET /query/{user_id}', () => {
  test('gives the files newest first, page by page, each once', async () => {
    for (let i = 0; i < 7; i++) await ingest(42, `f${i}`);
    // Equal times: the id decides, so that no page boundary loses or repeats a file.
    await on(0, "UPDATE file_metadata SET created_at = '2026-01-02 03:04:05.678901+00'");
    const seen: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const before: string = next === '' ? '' : `&before=${next}`;
      const { body } = await call('GET', `/query/42?limit=3${before}`);
      expect(body).toMatchObject({ success: true, user_id: 42, shard_id: 0, file_count: 7 });
      for (const file of body.files) {
        expect(file.created_at).toBe('2026-01-02T03:04:05.678901Z');
        seen.push(file.file_name);
      }
      next = body.next;
    }
    expect(seen).toEqual(['f6', 'f5', 'f4', 'f3', 'f2', 'f1', 'f0']);
  });

  test('continues over times that differ by microseconds', async () => {
    for (let i = 0; i < 3; i++) await ingest(1, `f${i}`);
    await on(
      1,
      "UPDATE file_metadata SET created_at = timestamptz '2026-01-02 03:04:05.000001+00' " +
        "+ (substr(file_name, 2)::int * interval '1 microsecond')",
    );
    const first = (await call('GET', '/query/1?limit=1')).body;
    expect(first.files[0].created_at).toBe('2026-01-02T03:04:05.000003Z');
    const rest = (await call('GET', `/query/1?before=${first.next}`)).body;
    expect(rest.files.map((file: { file_name: string }) => file.file_name)).toEqual(['f1', 'f0']);
  });

  test('knows the shard of a user without files', async () => {
    expect((await call('GET', '/query/7')).body).toEqual({
      success: true,
      user_id: 7,
      shard_id: 1,
      file_count: 0,
      files: [],
      next: null,
    });
  });

  test('refuses a cursor with a day that is none', async () => {
    const cursor = Buffer.from('2026-02-31 00:00:00+00|1').toString('base64url');
    const { status, body } = await call('GET', `/query/7?before=${cursor}`);
    expect(status).toBe(422);
    expect(body.detail[0]).toMatchObject({ loc: ['query', 'before'], type: 'value_error' });
  });
});

describe('POST /ingest/bulk', () => {
  test('spreads 100 records evenly, each on its own shard', async () => {
    const { body } = await call('POST', '/ingest/bulk');
    expect(body).toMatchObject({
      success: true,
      message: 'Inserted 100 records',
      distribution: { '0': 50, '1': 50 },
    });
    for (const shard of [0, 1]) {
      const wrong = 'SELECT count(*), min(user_id), max(user_id) FROM file_metadata WHERE ';
      expect(await on(shard, `${wrong} user_id % 2 = ${shard}`)).toEqual([
        ['50', String(shard), String(98 + shard)],
      ]);
    }
  });

  test('writes thousands in batches, under the right names', async () => {
    const { body } = await call('POST', '/ingest/bulk?count=60000');
    expect(body.distribution).toEqual({ '0': 30_000, '1': 30_000 });
    const rows = await on(
      1,
      "SELECT count(DISTINCT user_id) FROM file_metadata WHERE file_name = 'file_' || user_id || '.txt'",
    );
    expect(rows).toEqual([['30000']]);
  });

  test('writes nothing on any shard when one of them refuses a record', async () => {
    await on(1, 'ALTER TABLE file_metadata ADD CONSTRAINT small CHECK (user_id < 59999) NOT VALID');
    try {
      const headers = { accept: 'application/x-ndjson' };
      const stream = await fetch(`${stack.url}/ingest/bulk?count=60000`, {
        method: 'POST',
        headers,
      });
      const last = (await stream.text()).trimEnd().split('\n').at(-1) ?? '';
      // The first batches were on both shards already when the third one failed.
      expect(JSON.parse(last)).toMatchObject({ state: 'failed', inserted: 50_000 });
      for (const shard of [0, 1]) {
        expect(await on(shard, 'SELECT count(*) FROM file_metadata')).toEqual([['0']]);
      }
    } finally {
      await on(1, 'ALTER TABLE file_metadata DROP CONSTRAINT small');
    }
  });

  test('a cancelled one leaves nothing behind', async () => {
    const accepted = await fetch(`${stack.url}/ingest/bulk?count=1000000`, {
      method: 'POST',
      headers: { prefer: 'respond-async' },
    });
    const location = accepted.headers.get('location') ?? '';
    await accepted.text();
    await vi.waitFor(async () => {
      expect((await call('GET', location)).body.inserted).toBeGreaterThan(0);
    });
    const { body } = await call('DELETE', location);
    expect(body.state).toBe('cancelled');
    for (const shard of [0, 1]) {
      expect(await on(shard, 'SELECT count(*) FROM file_metadata')).toEqual([['0']]);
    }
  });
});

test('GET /stats counts what the shards hold', async () => {
  for (const user of [0, 2, 4, 1]) await ingest(user, 'a');
  const { body } = await call('GET', '/stats');
  const [even, odd] = databases.shards;
  expect(body).toEqual({
    success: true,
    shards: [
      { shard_id: 0, record_count: 3, database: even?.database, percentage: 75 },
      { shard_id: 1, record_count: 1, database: odd?.database, percentage: 25 },
    ],
    total_shards: 2,
    total_records: 4,
  });
});

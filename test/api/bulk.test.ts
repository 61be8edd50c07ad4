// Bulks over a scripted database: one transaction, bounded, watched, cancelled, never half told.

import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { App } from '../../src/api/app.ts';
import type { BulkJobs } from '../../src/api/bulk-jobs.ts';
import type { Row } from '../../src/api/database.ts';
import { BULK_BATCH_ROWS } from '../../src/api/limits.ts';
import { DatabaseError } from '../../src/base/pg.ts';
import { scriptedApp } from './scripted-app.ts';
import { type Script, type ScriptedDatabase, shardRows } from './scripted-database.ts';

let app: App;
let database: ScriptedDatabase;
let bulks: BulkJobs;
afterEach(async () => {
  await bulks.close();
  await app.close();
});

async function given(script: Script): Promise<void> {
  ({ app, database, bulks } = await scriptedApp(script));
}

/** Two shards: even users on 0, odd ones on 1, as SHOW drive.copied tells of the last COPY. */
function copied(): Row[] {
  const data = String(database.sent.findLast(({ text }) => text.startsWith('COPY'))!.values[0]);
  const users = data
    .trimEnd()
    .split('\n')
    .map((row) => Number.parseInt(row, 10));
  const odd = users.filter((user) => user % 2 === 1).length;
  return [
    { shard_id: 0, rows: String(users.length - odd) },
    { shard_id: 1, rows: String(odd) },
  ];
}

const twoShards: Script = (sent) => {
  if (sent.text === 'SHOW drive.shards') return shardRows(2);
  return sent.text === 'SHOW drive.copied' ? copied() : [];
};

function twoShardsBut(verb: string, answer: () => readonly Row[] | Promise<Row[]>): Script {
  return (sent) => (sent.text.startsWith(verb) ? answer() : twoShards(sent));
}

function bulk(count: number, headers: Record<string, string> = {}) {
  return app.inject({ method: 'POST', url: `/ingest/bulk?count=${count}`, headers });
}

function sqlError(code: string): DatabaseError {
  const error = new DatabaseError('something internal', 1, 'error');
  error.code = code;
  return error;
}

const forever = () => new Promise<Row[]>(() => undefined);

/** The first words of what was sent. */
function verbs(): string[] {
  return database.sent.map(({ text }) => text.split(' ', 1)[0] ?? '');
}

describe('POST /ingest/bulk', () => {
  test('writes user_id 0 … count-1 and tells the distribution', async () => {
    await given(twoShards);
    const response = await bulk(3);
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({
      success: true,
      message: 'Inserted 3 records',
      distribution: { '0': 2, '1': 1 },
      total: 3,
      job: expect.stringMatching(/^[0-9a-f-]{36}$/),
      elapsed_ms: expect.any(Number),
    });
    const copy = database.sent.find(({ text }) => text.startsWith('COPY'));
    expect(copy?.values).toEqual(['0\tfile_0.txt\n1\tfile_1.txt\n2\tfile_2.txt\n']);
  });

  test('writes 100 when no count is given', async () => {
    await given(twoShards);
    const response = await app.inject({ method: 'POST', url: '/ingest/bulk' });
    expect(response.json()).toMatchObject({
      message: 'Inserted 100 records',
      distribution: { '0': 50, '1': 50 },
    });
  });

  test('tells of shards that got nothing', async () => {
    await given(twoShards);
    expect((await bulk(1)).json().distribution).toEqual({ '0': 1, '1': 0 });
  });

  test('is one transaction of bounded COPYs', async () => {
    await given(twoShards);
    const response = await bulk(2 * BULK_BATCH_ROWS + 1);
    expect(response.json().total).toBe(2 * BULK_BATCH_ROWS + 1);
    const batch = ['COPY', 'SHOW'];
    expect(verbs()).toEqual(['SHOW', 'BEGIN', ...batch, ...batch, ...batch, 'COMMIT']);
    const sizes = database.sent
      .filter(({ text }) => text.startsWith('COPY'))
      .map(({ values }) => String(values[0]).split('\n').length - 1);
    expect(sizes).toEqual([BULK_BATCH_ROWS, BULK_BATCH_ROWS, 1]);
    expect(database.released).toEqual(['healthy']);
  });

  test('a failing COPY commits nothing and closes the connection', async () => {
    await given(twoShardsBut('COPY', () => Promise.reject(sqlError('53100'))));
    const response = await bulk(10 * BULK_BATCH_ROWS);
    expect(response.statusCode).toBe(503);
    expect(response.json().detail).toBe(
      'The database has no room for more just now. Try again later. Nothing is written.',
    );
    expect(verbs()).not.toContain('COMMIT');
    expect(database.released).toEqual(['broken']);
  });

  test('a COMMIT that the database refuses is a failure, not an unknown outcome', async () => {
    await given(twoShardsBut('COMMIT', () => Promise.reject(sqlError('40001'))));
    const response = await bulk(1);
    expect(response.statusCode).toBe(503);
    expect(response.json().detail).toMatch(/rolled back.* Nothing is written\.$/);
  });

  test.each([
    ['a lost connection', new Error('Connection terminated unexpectedly')],
    ['SQLSTATE 08007', sqlError('08007')],
  ])('after %s during COMMIT it says that the outcome is unknown', async (_what, error) => {
    await given(twoShardsBut('COMMIT', () => Promise.reject(error)));
    const response = await bulk(5);
    expect(response.statusCode).toBe(503);
    expect(response.json().detail).toContain('either all 5 records are written or none is');
  });

  test('refuses more bulks than may run at once with 429', async () => {
    await given(twoShardsBut('BEGIN', forever));
    const prefer = { prefer: 'respond-async' };
    expect((await bulk(1, prefer)).statusCode).toBe(202);
    expect((await bulk(1, prefer)).statusCode).toBe(202);
    const third = await bulk(1, prefer);
    expect(third.statusCode).toBe(429);
    expect(third.headers['retry-after']).toBe('5');
    // These two hang for good: closing would wait for them.
    bulks = { close: async () => undefined } as BulkJobs;
  });
});

/** A script whose COPYs wait until the test opens the gate. */
function gated(): { readonly script: Script; readonly reached: Promise<void>; open(): void } {
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const script: Script = async (sent) => {
    if (sent.text.startsWith('COPY')) {
      reached.resolve();
      await gate.promise;
      // Each COPY takes a turn of the event loop, so that what cancels gets its turn too.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return twoShards(sent);
  };
  return { script, reached: reached.promise, open: gate.resolve };
}

describe('watching a bulk', () => {
  test('as a stream: progress lines, the last one says how it ended', async () => {
    const { script, reached, open } = gated();
    await given(script);
    const answer = bulk(2500, { accept: 'application/x-ndjson' });
    await reached;
    setTimeout(open, 1);
    const response = await answer;
    expect(response.headers['content-type']).toBe('application/x-ndjson');
    const lines = response.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ state: 'running', total: 2500 });
    expect(lines.at(-1)).toMatchObject({
      state: 'done',
      inserted: 2500,
      distribution: { '0': 1250, '1': 1250 },
    });
  });

  test('as a stream: a failure is told on the last line', async () => {
    await given(twoShardsBut('COPY', () => Promise.reject(sqlError('XX000'))));
    const response = await bulk(1, { accept: 'application/x-ndjson' });
    const last = JSON.parse(response.body.trimEnd().split('\n').at(-1) ?? '');
    expect(last).toMatchObject({
      state: 'failed',
      detail: 'Internal Server Error. Nothing is written.',
    });
  });

  test('by asking: 202 and a place to look', async () => {
    await given(twoShards);
    const accepted = await bulk(10, { prefer: 'respond-async' });
    expect(accepted.statusCode).toBe(202);
    expect(accepted.headers['preference-applied']).toBe('respond-async');
    const url = String(accepted.headers.location);
    expect(url).toBe(`/ingest/bulk/${accepted.json().job}`);
    await bulks.find(accepted.json().job).ended;
    expect((await app.inject({ url })).json()).toMatchObject({ state: 'done', inserted: 10 });
  });

  test('a bulk that never was is 404', async () => {
    await given(twoShards);
    const response = await app.inject({ url: '/ingest/bulk/none' });
    expect(response.statusCode).toBe(404);
    expect(response.json()).toEqual({ detail: 'No such bulk.' });
  });
});

describe('cancelling a bulk', () => {
  test('DELETE rolls it back and answers when that is done', async () => {
    const { script, reached, open } = gated();
    await given(script);
    const { job } = (await bulk(20 * BULK_BATCH_ROWS, { prefer: 'respond-async' })).json();
    await reached;
    const deletion = app.inject({ method: 'DELETE', url: `/ingest/bulk/${job}` });
    await new Promise((resolve) => setImmediate(resolve));
    open();
    expect((await deletion).json()).toMatchObject({ state: 'cancelled' });
    expect(verbs().at(-1)).toBe('ROLLBACK');
    expect(verbs()).not.toContain('COMMIT');
    expect(database.released).toEqual(['healthy']);
  });

  test('a client that hangs up rolls it back', async () => {
    const { script, reached, open } = gated();
    await given(script);
    const hungUp = Promise.withResolvers<void>();
    app.addHook('onRequestAbort', async (_request) => hungUp.resolve());
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const path = '/ingest/bulk?count=100000';
    const client = request({ host: '127.0.0.1', port, path, method: 'POST' });
    client.on('error', () => undefined);
    client.end();
    await reached;
    client.destroy();
    await hungUp.promise;
    await new Promise((resolve) => setImmediate(resolve));
    open();
    await vi.waitFor(() => expect(database.released).toEqual(['healthy']));
    expect(verbs().at(-1)).toBe('ROLLBACK');
  });

  test('closing the API rolls back what runs', async () => {
    const { script, reached, open } = gated();
    await given(script);
    const answer = bulk(20 * BULK_BATCH_ROWS);
    await reached;
    const closed = bulks.close();
    open();
    await closed;
    expect((await answer).statusCode).toBe(409);
    expect((await answer).json()).toEqual({
      detail: 'The bulk was cancelled: nothing is written.',
    });
    expect((await bulk(1)).statusCode).toBe(503);
  });
});

// The API while things break: a shard that is down, a client that hangs up, an API that closes.

import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Shard } from '../../src/topology/shard.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { onShard, type RunningStack, startStack } from './running-api.ts';

let databases: FreshDatabases;
let stack: RunningStack;

beforeAll(async () => {
  databases = await freshDatabases(2, { application: true });
});
afterAll(() => databases.drop());
afterEach(() => stack.close());

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP port');
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

async function records(): Promise<string[]> {
  const counts = databases.shards.map((shard) =>
    onShard(shard, 'SELECT count(*) FROM file_metadata'),
  );
  return (await Promise.all(counts)).map((rows) => String(rows[0]?.[0]));
}

describe('with shard 1 down', () => {
  async function halfAStack(): Promise<void> {
    const [up, down] = databases.shards as [Shard, Shard];
    stack = await startStack([up, { ...down, port: await closedPort() }]);
  }

  test('GET / is 503 and names it', async () => {
    await halfAStack();
    const { status, body } = await stack.call('GET', '/');
    expect(status).toBe(503);
    expect(body.status).toBe(`shard 1 (${databases.shards[1]?.database}) down`);
    expect(body.num_shards).toBe(2);
  });

  test('the other one reads and writes, its own users are 503', async () => {
    await halfAStack();
    expect((await stack.ingest(2, 'a')).status).toBe(200);
    expect((await stack.call('GET', '/query/2')).body.file_count).toBe(1);
    const refused = await stack.ingest(1, 'a');
    expect(refused).toMatchObject({
      status: 503,
      body: { detail: 'The proxy or a shard is not available. Try again later.' },
    });
    expect((await stack.call('GET', '/query/1')).status).toBe(503);
    await onShard(databases.shards[0], 'TRUNCATE file_metadata');
  });

  test('GET /stats has its error and the numbers of the other', async () => {
    await halfAStack();
    const { status, body } = await stack.call('GET', '/stats');
    expect(status).toBe(200);
    expect(body.shards[0]).toMatchObject({ shard_id: 0, record_count: 0, percentage: 0 });
    expect(body.shards[0]).not.toHaveProperty('error');
    expect(body.shards[1]).toMatchObject({ shard_id: 1, record_count: null, percentage: null });
    expect(body.shards[1].error).toContain('ECONNREFUSED');
  });

  test('a bulk is 503 and writes nothing', async () => {
    await halfAStack();
    expect((await stack.call('POST', '/ingest/bulk?count=5000')).status).toBe(503);
    expect(await records()).toEqual(['0', '0']);
  });
});

/** A bulk under way: `job` is known from the first line of its stream. */
async function watchedBulk(count: number) {
  const path = `${stack.url}/ingest/bulk?count=${count}`;
  const headers = { accept: 'application/x-ndjson' };
  const client = request(path, { method: 'POST', headers });
  client.on('error', () => undefined);
  client.end();
  const job = await new Promise<string>((resolve) => {
    client.once('response', (response) => {
      // The rest is read and dropped; a hang-up ends it with an error of its own.
      response.on('error', () => undefined);
      response.on('data', (line) => resolve(String(JSON.parse(String(line)).job)));
    });
  });
  await vi.waitFor(async () => {
    const { body } = await stack.call('GET', `/ingest/bulk/${job}`);
    expect(body.inserted).toBeGreaterThan(0);
  }, 10_000);
  return { client, job };
}

describe('a bulk under way', () => {
  test('is rolled back when its client hangs up', async () => {
    stack = await startStack(databases.shards);
    const { client, job } = await watchedBulk(5_000_000);
    client.destroy();
    await vi.waitFor(async () => {
      const { body } = await stack.call('GET', `/ingest/bulk/${job}`);
      expect(body.state).toBe('cancelled');
    }, 10_000);
    expect(await records()).toEqual(['0', '0']);
  });

  test('is rolled back when the API closes', async () => {
    stack = await startStack(databases.shards);
    await watchedBulk(5_000_000);
    await stack.close();
    expect(await records()).toEqual(['0', '0']);
    const prepared = await onShard(databases.shards[0], 'SELECT gid FROM pg_prepared_xacts');
    expect(prepared).toEqual([]);
    stack = await startStack(databases.shards);
    expect((await stack.call('GET', '/')).status).toBe(200);
  });

  test('does not hold up other requests', async () => {
    stack = await startStack(databases.shards);
    const { client } = await watchedBulk(5_000_000);
    const { body } = await stack.ingest(7, 'between');
    expect(body.success).toBe(true);
    expect(await records()).toEqual(['0', '1']);
    client.destroy();
  });
});

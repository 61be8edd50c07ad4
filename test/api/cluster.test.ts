// What the API says of the cluster: whole, with a shard down, without the proxy.

import { afterEach, describe, expect, test } from 'vitest';
import type { App } from '../../src/api/app.ts';
import { ApiFailure } from '../../src/api/failure.ts';
import { scriptedApp } from './scripted-app.ts';
import { type Script, shardRows } from './scripted-database.ts';

let app: App;
afterEach(() => app.close());

async function answer(script: Script, url: string) {
  ({ app } = await scriptedApp(script));
  const response = await app.inject({ url });
  return { status: response.statusCode, body: response.json() };
}

function cluster(counts: readonly bigint[], down: readonly number[] = []): Script {
  return ({ text }) => {
    if (text === 'SHOW drive.shards') return shardRows(counts.length, down);
    const shard = Number(/drive\.shard=(\d+)/.exec(text)?.[1]);
    return [{ records: counts[shard] }];
  };
}

const noProxy: Script = () => {
  throw new ApiFailure(503, 'away');
};

const broken: Script = () => {
  throw new TypeError('a fault of our own: secret internals');
};

describe('GET /', () => {
  test('says running, and how many shards', async () => {
    expect(await answer(cluster([0n, 0n]), '/')).toEqual({
      status: 200,
      body: { service: 'Drive Clone: sharded file metadata', status: 'running', num_shards: 2 },
    });
  });

  test('is 503 and names the shard that is down', async () => {
    const { status, body } = await answer(cluster([0n, 0n, 0n], [1]), '/');
    expect(status).toBe(503);
    expect(body).toMatchObject({ status: 'shard 1 (drive_shard_1) down', num_shards: 3 });
  });

  test('is 503 without the proxy', async () => {
    const { status, body } = await answer(noProxy, '/');
    expect(status).toBe(503);
    expect(body).toMatchObject({ status: 'the proxy does not answer', num_shards: null });
  });
});

describe('GET /health', () => {
  test('live asks nobody', async () => {
    expect(await answer(broken, '/health/live')).toEqual({
      status: 200,
      body: { status: 'alive' },
    });
  });

  test('ready is ready when all answer', async () => {
    expect(await answer(cluster([0n]), '/health/ready')).toEqual({
      status: 200,
      body: { status: 'ready' },
    });
  });

  test('ready is 503 when shards are down', async () => {
    expect(await answer(cluster([0n, 0n], [0, 1]), '/health/ready')).toEqual({
      status: 503,
      body: { status: 'shards 0 (drive_shard_0), 1 (drive_shard_1) down' },
    });
  });
});

describe('GET /stats', () => {
  test('counts each shard on itself', async () => {
    expect(await answer(cluster([50n, 50n]), '/stats')).toEqual({
      status: 200,
      body: {
        success: true,
        shards: [
          { shard_id: 0, record_count: 50, database: 'drive_shard_0', percentage: 50 },
          { shard_id: 1, record_count: 50, database: 'drive_shard_1', percentage: 50 },
        ],
        total_shards: 2,
        total_records: 100,
      },
    });
  });

  test('rounds percentages to two digits', async () => {
    const { body } = await answer(cluster([1n, 2n]), '/stats');
    const percentages = body.shards.map((shard: { percentage: number }) => shard.percentage);
    expect(percentages).toEqual([33.33, 66.67]);
  });

  test('is all zeros when nothing is stored', async () => {
    const { body } = await answer(cluster([0n, 0n]), '/stats');
    expect(body.shards[1]).toMatchObject({ record_count: 0, percentage: 0 });
  });

  test('gives the error of a shard that is down, and the numbers of the others', async () => {
    const { status, body } = await answer(cluster([30n, 10n], [1]), '/stats');
    expect(status).toBe(200);
    expect(body).toMatchObject({ total_shards: 2, total_records: 30 });
    expect(body.shards).toEqual([
      { shard_id: 0, record_count: 30, database: 'drive_shard_0', percentage: 100 },
      {
        shard_id: 1,
        record_count: null,
        database: 'drive_shard_1',
        percentage: null,
        error: 'shard 1 cannot be reached: connect ECONNREFUSED',
      },
    ]);
  });

  test('gives an error for a shard that goes down while it counts', async () => {
    const script: Script = (sent) => {
      if (sent.text.includes('drive.shard=0')) throw new ApiFailure(503, 'away');
      return cluster([1n, 2n])(sent);
    };
    const { body } = await answer(script, '/stats');
    expect(body.shards[0].error).toBe('it does not answer');
    expect(body.shards[1].record_count).toBe(2);
  });

  test('is 503 without the proxy', async () => {
    expect(await answer(noProxy, '/stats')).toEqual({ status: 503, body: { detail: 'away' } });
  });

  test('is 500 without internals when the fault is ours', async () => {
    expect(await answer(broken, '/stats')).toEqual({
      status: 500,
      body: { detail: 'Internal Server Error' },
    });
  });
});

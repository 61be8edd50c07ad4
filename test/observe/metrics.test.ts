// /metrics of a running proxy: what Prometheus is told after statements of every kind.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let client: Client;

const ask = (path = '/metrics') => fetch(`http://127.0.0.1:${proxy.metricsPort}${path}`);

/** Series with their labels as written → value. */
async function series(): Promise<Map<string, number>> {
  const lines = (await (await ask()).text()).split('\n');
  const values = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    values.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** By how much a series grows while `work` is done. */
async function growth(name: string, work: () => Promise<unknown>): Promise<number> {
  const before = (await series()).get(name) ?? 0;
  await work();
  return ((await series()).get(name) ?? 0) - before;
}

beforeAll(async () => {
  proxy = await startTestProxy({
    application: true,
    config: { metrics: { port: 0 }, proxy: { trust: ['127.0.0.1'] } },
  });
  client = new Client(proxy.login);
  await client.connect();
});

afterAll(async () => {
  await client?.end();
  await proxy?.close();
});

describe('/metrics', () => {
  it('is text in the format of Prometheus, with help and type of every metric', async () => {
    const response = await ask();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=/);
    const text = await response.text();
    const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(text).toContain(`# HELP ${name} `);
    for (const line of text.split('\n')) {
      expect(line).toMatch(/^$|^#|^[a-z0-9_]+(\{[^{}]+\})? -?[\d.e+-]+$/);
    }
  });

  it('is the only page', async () => {
    expect((await ask('/')).status).toBe(404);
    const posted = await fetch(`http://127.0.0.1:${proxy.metricsPort}/metrics`, { method: 'POST' });
    expect(posted.status).toBe(404);
  });

  it('counts clients by their state', async () => {
    const clients = async (state: string) =>
      (await series()).get(`drive_clients{state="${state}"}`);
    expect(await clients('idle')).toBe(1);
    await client.query('BEGIN');
    expect([await clients('idle'), await clients('in_transaction')]).toEqual([0, 1]);
    await client.query('ROLLBACK');
  });

  const routes: readonly [route: string, sql: string][] = [
    ['gathered', 'SELECT count(*) FROM file_metadata'],
    ['command', 'BEGIN'],
    ['transaction', 'SELECT 1'],
    ['command', 'COMMIT'],
    ['local', 'SHOW drive.shards'],
    ['written', "UPDATE file_metadata SET file_name = 'x'"],
    ['careful', '/* drive.shard=1 */ SELECT 1'],
  ];

  it.each(routes)('counts by route: %s for %s', async (route, sql) => {
    const name = `drive_statements_total{route="${route}"}`;
    expect(await growth(name, () => client.query(sql))).toBe(1);
  });

  it('counts statements of one shard, leased first and pipelined when they are known', async () => {
    const both = async (sql: string) => {
      const before = await series();
      await client.query(sql);
      const after = await series();
      const grown = (route: string) => {
        const name = `drive_statements_total{route="${route}"}`;
        return after.get(name)! - before.get(name)!;
      };
      return grown('leased') + grown('pipelined');
    };
    expect(await both('SELECT 4711')).toBe(1);
    expect(await both('SELECT 4712')).toBe(1);
  });

  it('counts errors by SQLSTATE and by who raised them', async () => {
    const fail = (sql: string) => () => client.query(sql).catch((error: Error) => error);
    const shard = 'drive_errors_total{source="shard 0",sqlstate="22012"}';
    expect(await growth(shard, fail('SELECT 1 / 0'))).toBe(1);
    const own = 'drive_errors_total{source="proxy",sqlstate="22023"}';
    expect(await growth(own, fail('SET drive.shard = 99'))).toBe(1);
  });

  it('counts what the proxy refuses', async () => {
    const refuse = async () => {
      const answer = client.query("SET client_encoding = 'LATIN1'");
      await expect(answer).rejects.toMatchObject({ code: '0A000' });
    };
    expect(await growth('drive_statements_total{route="refused"}', refuse)).toBe(1);
  });

  it('counts hits of the plan cache', async () => {
    await client.query('SELECT 1 AS cached');
    const hit = 'drive_plans_total{cache="hit"}';
    expect(await growth(hit, () => client.query('SELECT 2 AS cached'))).toBe(1);
    const miss = 'drive_plans_total{cache="miss"}';
    expect(await growth(miss, () => client.query('SELECT 1 AS "not yet cached"'))).toBe(1);
  });

  it('has latencies by stage, whose buckets add up', async () => {
    await client.query('SELECT count(*) FROM file_metadata');
    const all = await series();
    for (const [name, own] of [
      ['drive_plan_seconds', ''],
      ['drive_careful_seconds', ''],
      ['drive_server_seconds', 'shard="0"'],
    ] as const) {
      const count = all.get(own === '' ? `${name}_count` : `${name}_count{${own}}`);
      const last = `${name}_bucket{${own === '' ? '' : `${own},`}le="+Inf"}`;
      expect(count).toBeGreaterThan(0);
      expect(all.get(last)).toBe(count);
      const buckets = [...all].filter(([key]) => key.startsWith(`${name}_bucket{${own}`));
      const values = buckets.map(([, value]) => value);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
    }
  });

  it('tells whether each shard is up and what its connections do', async () => {
    const all = await series();
    expect([all.get('drive_shard_up{shard="0"}'), all.get('drive_shard_up{shard="1"}')]).toEqual([
      1, 1,
    ]);
    const states = ['idle', 'leased', 'shared'].map(
      (state) => all.get(`drive_server_connections{shard="0",state="${state}"}`) ?? Number.NaN,
    );
    expect(states.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(0);
  });
});

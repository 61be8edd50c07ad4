// The life of workers: they are lost, replaced, restarted and ended, and clients notice little of it.

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { until } from '../admin/operator.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { isRunning, numberOf, Stand } from './stand.ts';

// Each test starts some processes of its own.
vi.setConfig({ testTimeout: 90_000 });

const directory = temporaryDirectory();
let stand: Stand;
let count = 0;

async function start(
  proxy: Readonly<Record<string, unknown>> = {},
  more: { readonly metrics?: { readonly port: number } } = {},
): Promise<void> {
  count += 1;
  stand = await Stand.start({ directory, name: `life-${count}`, proxy, ...more });
}

afterEach(async () => {
  await stand.close();
});

const pidOf = async (client: Client): Promise<number> => {
  const rows = await stand.show('WORKERS');
  return Number(rows.find(({ worker }) => worker === String(numberOf(client)))!.pid);
};

describe('A worker that is lost', () => {
  it('takes only its own clients along, and another comes in its place', async () => {
    await start();
    const [one, other] = (await stand.onePerWorker()) as [Client, Client];
    await other.query('BEGIN');
    await other.query('CREATE TABLE mine (user_id int)');
    const lost = expect(one.query('SELECT pg_sleep(600)')).rejects.toThrow();
    const pid = await pidOf(one);
    process.kill(pid, 'SIGKILL');
    await lost;
    await other.query('COMMIT');
    await stand.serving(2);
    expect(await stand.pids()).not.toContain(pid);
    // The new one takes clients, and knows the schema.
    for (const client of await stand.onePerWorker()) {
      const { rows } = await client.query('SELECT count(*) AS n FROM mine');
      expect(rows).toEqual([{ n: '0' }]);
    }
  });

  it('gives the places of its clients back', async () => {
    await start({ clientsMax: 4 });
    const clients = await stand.onePerWorker();
    await stand.open();
    await stand.open();
    await expect(stand.open()).rejects.toMatchObject({ code: '53300' });
    process.kill(await pidOf(clients[0]!), 'SIGKILL');
    await until(() => stand.open().then(Boolean, () => false));
  });

  it('is replaced by one that knows what operators have done', async () => {
    await start();
    await stand.order('PAUSE 1');
    await stand.order('DISABLE 0');
    for (const pid of await stand.pids()) process.kill(pid, 'SIGKILL');
    // While there is no worker, clients wait to be taken: none is refused.
    await stand.serving(2);
    for (const client of await stand.onePerWorker()) {
      await expect(client.query('/* drive.shard=0 */ SELECT 1')).rejects.toMatchObject({
        code: '57P03',
      });
    }
    expect((await stand.show('SHARDS')).map(({ status }) => status)).toEqual([
      'disabled',
      'paused',
    ]);
    await stand.order('RESUME');
    await stand.order('ENABLE 0');
  });

  it('leaves what it has counted to /metrics', async () => {
    await start({}, { metrics: { port: 0 } });
    const read = async (name: string): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${stand.metricsPort}/metrics`)).text();
      const line = text.split('\n').find((each) => each.startsWith(`${name} `));
      return Number(line?.split(' ').at(-1));
    };
    const LOGINS = 'drive_logins_total{outcome="accepted"}';
    const REQUESTS = 'drive_server_seconds_count{shard="1"}';
    const [one] = (await stand.onePerWorker()) as [Client];
    for (let i = 0; i < 20; i++) await one.query('/* drive.shard=1 */ SELECT 1');
    const [logins, requests] = [await read(LOGINS), await read(REQUESTS)];
    expect(requests).toBeGreaterThanOrEqual(20);
    for (const pid of await stand.pids()) process.kill(pid, 'SIGKILL');
    await stand.serving(2);
    expect(await read(LOGINS)).toBeGreaterThanOrEqual(logins);
    expect(await read(REQUESTS)).toBeGreaterThanOrEqual(requests);
    expect(await read('drive_clients{state="idle"}')).toBe(0);
    expect(await read('drive_workers_started_total')).toBe(4);
  });

  it('with SIGTERM ends when its clients have left, and another comes at once', async () => {
    await start();
    const [one] = (await stand.onePerWorker()) as [Client];
    await one.query('BEGIN');
    await one.query('/* drive.shard=0 */ SELECT 1');
    const pid = await pidOf(one);
    process.kill(pid, 'SIGTERM');
    await until(async () => (await stand.pids()).filter((each) => each !== pid).length === 2);
    expect(isRunning(pid)).toBe(true);
    await one.query('COMMIT');
    await stand.end(one);
    await until(() => !isRunning(pid));
  });
});

describe('RESTART', () => {
  /** Connects, asks and leaves, over and over, until `stop`; resolves with how often, and the failures. */
  function hammer(): { stop(): Promise<{ done: number; failures: unknown[] }> } {
    const failures: unknown[] = [];
    let done = 0;
    let isOver = false;
    const lanes = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        try {
          const client = await stand.open();
          await client.query('SELECT 1');
          await stand.end(client);
          done += 1;
        } catch (error) {
          failures.push(error);
        }
      }
    });
    return {
      async stop() {
        isOver = true;
        await Promise.all(lanes);
        return { done, failures };
      },
    };
  }

  it('under load: no connection is refused or lost, and old clients stay until they leave', async () => {
    await start();
    const staying = await stand.onePerWorker();
    await staying[0]!.query('BEGIN');
    await staying[0]!.query('CREATE TEMPORARY TABLE kept (a int)');
    const load = hammer();
    const seen = new Set(await stand.pids());
    for (let i = 0; i < 3; i++) {
      if (i === 1) stand.drive.signal('SIGUSR2');
      else await stand.order('RESTART');
      await until(async () => {
        const now = await stand.pids();
        return now.length === 2 && now.every((pid) => !seen.has(pid));
      });
      for (const pid of await stand.pids()) seen.add(pid);
    }
    const { done, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(done).toBeGreaterThan(50);
    expect((await stand.pids('draining')).length).toBe(2);
    for (const client of staying) await client.query('SELECT 1');
    await staying[0]!.query('SELECT count(*) FROM kept');
    // Schema changes reach those that drain, too.
    const [fresh] = (await stand.onePerWorker(2)) as [Client];
    await fresh.query('CREATE TABLE made_later (user_id int)');
    await fresh.query('INSERT INTO made_later VALUES (1), (2)');
    const { rows } = await staying[1]!.query('SELECT count(*) AS n FROM made_later');
    expect(rows).toEqual([{ n: '2' }]);
    for (const client of staying) await stand.end(client);
    await until(async () => (await stand.pids('draining')).length === 0);
  });

  it('of the only worker: no connection is refused or lost', async () => {
    await start({ workers: 1 });
    const staying = await stand.open();
    const [before] = await stand.pids();
    const load = hammer();
    await stand.order('RESTART');
    await until(async () => {
      const now = await stand.pids();
      return now.length === 1 && now[0] !== before;
    });
    const { done, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(done).toBeGreaterThan(5);
    await staying.query('SELECT 1');
    await stand.end(staying);
  });

  it('is answered although nobody else keeps the old worker, whose console is served on', async () => {
    await start();
    for (let i = 0; i < 3; i++) {
      const operator = await stand.open('admin');
      await operator.query('RESTART');
      const { rows } = await operator.query<{ state: string }>('SHOW WORKERS');
      expect(rows.map(({ state }) => state)).toContain('draining');
      await stand.end(operator);
      await until(async () => (await stand.show('WORKERS')).length === 2);
    }
  });

  it('puts the configuration of now in force, and ends old clients at the deadline', async () => {
    await start({ drainTimeoutMs: 1_000 });
    const [old] = (await stand.onePerWorker()) as [Client];
    const ended = new Promise<Error & { code?: string }>((resolve) => old.once('error', resolve));
    stand.changeConfig({ workers: 3, proxy: { drainTimeoutMs: 1_000 } });
    await stand.order('RESTART');
    await stand.serving(3);
    expect((await ended).code).toBe('57P01');
    await until(async () => (await stand.show('WORKERS')).length === 3);
  });

  it('changes nothing where the new configuration is wrong or cannot be shared', async () => {
    await start();
    const before = await stand.pids();
    stand.changeConfig({ proxy: { database: 'another' } });
    await expect(stand.order('RESTART')).rejects.toMatchObject({
      code: '55000',
      message: expect.stringContaining('proxy.database'),
    });
    stand.changeConfig({ proxy: { tls: { cert: 'missing.pem', key: 'missing.pem' } } });
    await expect(stand.order('RESTART')).rejects.toThrow(/missing\.pem/);
    stand.spoilConfig();
    await expect(stand.order('RESTART')).rejects.toMatchObject({ code: 'F0000' });
    await until(async () => (await stand.show('WORKERS')).length === 2);
    expect(await stand.pids()).toEqual(before);
    await stand.open();
  });
});

describe('The end', () => {
  it('of the primary with SIGTERM or SHUTDOWN is the end of its workers, transactions first', async () => {
    for (const way of ['SIGTERM', 'SHUTDOWN'] as const) {
      await start();
      const pids = await stand.pids();
      const [one] = (await stand.onePerWorker()) as [Client];
      await one.query('BEGIN');
      await one.query('/* drive.shard=0 */ SELECT 1');
      if (way === 'SIGTERM') stand.drive.signal('SIGTERM');
      else await stand.order('SHUTDOWN').catch(() => undefined);
      // New clients are refused at once, those with a transaction are not hurried.
      await until(() =>
        stand.open().then(
          () => false,
          () => true,
        ),
      );
      await one.query('COMMIT');
      expect((await stand.drive.ended()).code).toBe(0);
      expect(pids.map(isRunning)).toEqual([false, false]);
      await stand.databases.drop();
    }
    await start();
  });

  it('of the primary by SIGKILL is the end of its workers', async () => {
    await start();
    const pids = await stand.pids();
    await stand.onePerWorker();
    expect(pids.map(isRunning)).toEqual([true, true]);
    stand.drive.signal('SIGKILL');
    await until(() => pids.every((pid) => !isRunning(pid)));
  });
});

// The channel of all proxies: a process has one line, and opens it again when it is lost.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.ts';
import { ProxyChannel } from '../../src/control/proxy-channel.ts';
import { login } from '../../src/pool/login.ts';
import { query } from '../../src/pool/query.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';

let databases: FreshDatabases;

beforeAll(async () => {
  databases = await freshDatabases(1);
});

afterAll(() => databases.drop());

/** The first `failing` of its connections are lost before they are listened on. */
function openedOver(failing: number) {
  const connections: ServerConnection[] = [];
  let reopened = 0;
  const channel = new ProxyChannel({
    async connect() {
      const nowMs = () => performance.now();
      const connection = await login(databases.shards[0]!, { timeoutMs: 10_000, nowMs });
      if (connections.push(connection) <= failing) setImmediate(() => connection.close(TERMINATE));
      return connection;
    },
    asked: async ({ what }) => `heard ${what}`,
    reopened: async () => {
      reopened += 1;
    },
    secret: 'known to both',
    terminate: TERMINATE,
    log: createLog('silent'),
  });
  return { channel, connections, reopened: () => reopened };
}

it('A line that is lost while it is opened is opened again by who wanted it, and by nobody else', async () => {
  const other = openedOver(0);
  await other.channel.open();
  const { channel, connections } = openedOver(3);
  for (let i = 0; i < 3; i++) await expect(channel.open()).rejects.toMatchObject({ code: '08006' });
  await Promise.all([channel.open(), channel.open()]);
  expect(await channel.ask('this', 5_000)).toEqual({ bodies: ['heard this'], silent: [] });
  expect(connections.map(({ closed }) => closed)).toEqual([true, true, true, false]);
  channel.close();
  other.channel.close();
});

it('A line that is lost later is opened again, once', async () => {
  const { channel, connections, reopened } = openedOver(0);
  await channel.open();
  const [first] = connections;
  await query(first!, 'SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
  await expect.poll(reopened, { timeout: 10_000 }).toBe(1);
  expect(channel.isOpen).toBe(true);
  expect(connections.map(({ closed }) => closed)).toEqual([true, false]);
  channel.close();
});

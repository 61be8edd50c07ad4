// `drive proxy` at SIGTERM: who works may finish, nobody new comes in, and a second one is immediate.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { SHUTDOWN_GRACE_MS } from '../../src/base/limits.ts';
import { loadConfig } from '../../src/control/config.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { DriveProcess, runDrive } from '../support/drive-process.ts';
import type { Login } from '../support/proxy.ts';
import { errorCode, RawClient, tagsOf } from '../support/raw-client.ts';

let databases: FreshDatabases;
let env: Record<string, string>;
let proxy: DriveProcess;
let login: Login;
let client: RawClient;

beforeAll(async () => {
  databases = await freshDatabases(1);
  const [{ port, database }] = databases.shards as [(typeof databases.shards)[0]];
  env = { DB_SHARD_0_PORT: String(port), DB_SHARD_0_NAME: database };
  expect((await runDrive(['install'], env)).code).toBe(0);
});

afterAll(() => databases?.drop());

/** With one client in a transaction, which has been told by the signal's coming. */
async function terminatedWithClient(): Promise<void> {
  proxy = new DriveProcess(['proxy', '--proxy-port', '0'], env);
  const [, port] = /127\.0\.0\.1:(\d+)/.exec(await proxy.untilOutput(/\n/))!;
  const { users, database } = loadConfig({ env: {} }).proxy;
  const [user] = users;
  login = {
    host: '127.0.0.1',
    port: Number(port),
    database,
    user: user!.name,
    password: user!.password,
  };
  client = await RawClient.login(login);
  await client.rows('BEGIN');
  await client.rows('SELECT 1');
  proxy.signal('SIGTERM');
  while (await canConnect());
}

const canConnect = () =>
  RawClient.login(login).then(
    (other) => other.close().then(() => true),
    () => false,
  );

afterEach(async () => {
  client?.destroy();
  proxy?.signal('SIGTERM');
  await proxy?.ended();
});

it('lets a transaction end, refuses new clients, and ends with the last client', async () => {
  await terminatedWithClient();
  expect(await client.rows('SELECT 2')).toEqual([['2']]);
  client.send(Buffer.from('Q\0\0\0\x0bCOMMIT\0'));
  const last = await client.untilEnd();
  expect(tagsOf(last)).toEqual(['COMMIT']);
  expect(errorCode(last)).toBe('57P01');
  expect((await proxy.ended()).code).toBe(0);
});

it(
  'ends a client that stays at the deadline',
  async () => {
    const begunMs = performance.now();
    await terminatedWithClient();
    expect(errorCode(await client.untilEnd())).toBe('57P01');
    expect(performance.now() - begunMs).toBeGreaterThan(SHUTDOWN_GRACE_MS);
    expect((await proxy.ended()).code).toBe(0);
  },
  SHUTDOWN_GRACE_MS + 20_000,
);

it('ends at once at a second signal', async () => {
  await terminatedWithClient();
  // A signal right behind the first is taken for the same one.
  const again = setInterval(() => proxy.signal('SIGTERM'), 100);
  const { code } = await proxy.ended();
  clearInterval(again);
  expect(code).toBe(1);
  await client.untilEnd();
});

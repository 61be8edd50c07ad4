// `drive install`, `drive proxy` and `drive api`: the parts, against servers that are there.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { DriveProcess, runDrive } from '../support/drive-process.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let databases: FreshDatabases;
let env: Record<string, string>;
const started: DriveProcess[] = [];

beforeAll(async () => {
  databases = await freshDatabases(2);
  const variables = databases.shards.flatMap(({ id, port, database }) => [
    [`DB_SHARD_${id}_PORT`, String(port)],
    [`DB_SHARD_${id}_NAME`, database],
  ]);
  // One process is what these tests need: others are about workers.
  env = { ...Object.fromEntries(variables), DRIVE_WORKERS: '0' };
});
afterEach(async () => {
  for (const drive of started.splice(0)) {
    drive.signal('SIGTERM');
    await drive.ended();
  }
});
afterAll(() => databases?.drop());

function start(args: readonly string[], more: Record<string, string> = {}): DriveProcess {
  const drive = new DriveProcess(args, { ...env, ...more });
  started.push(drive);
  return drive;
}

it('drive install puts the schema on the shards, as often as one likes', async () => {
  for (let i = 0; i < 2; i++) {
    const { code, out, err } = await runDrive(['install'], env);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^(shard [01]: schema installed in test_\w+ on 127\.0\.0\.1:\d+\n){2}$/);
  }
  const client = await connectAsText(databases.shards[1]!);
  expect(await textRows(client, 'SELECT count(*) FROM file_metadata')).toEqual([['0']]);
  await client.end();
});

it('drive install refuses shards that are mixed up', async () => {
  const [first, second] = databases.shards;
  const swapped = { DB_SHARD_0_NAME: second!.database, DB_SHARD_1_NAME: first!.database };
  const ports = { DB_SHARD_0_PORT: `${second!.port}`, DB_SHARD_1_PORT: `${first!.port}` };
  const { code, err } = await runDrive(['install'], { ...swapped, ...ports });
  expect(code).toBe(1);
  expect(err).toMatch(/^drive: shard 0 .* is shard 1 and cannot become shard 0\n$/);
});

it('drive api reaches the shards through drive proxy, and both end cleanly', async () => {
  expect((await runDrive(['install'], env)).code).toBe(0);
  const proxy = start(['proxy', '--proxy-port', '0']);
  const line = await proxy.untilOutput(/\n/);
  const [, port] = /^drive proxy: 127\.0\.0\.1:(\d+), shards: 2, workers: \d+\n$/.exec(line) ?? [];
  const api = start(['api', '--api-port', '0'], { DRIVE_API_PROXY_PORT: port ?? '' });
  const [, url] = /^drive api: (\S+), proxy: /.exec(await api.untilOutput(/\n/)) ?? [];
  const answer = await fetch(url ?? '');
  expect(await answer.json()).toMatchObject({ status: 'running', num_shards: 2 });
  api.signal('SIGTERM');
  expect((await api.ended()).code).toBe(0);
  proxy.signal('SIGINT');
  expect((await proxy.ended()).code).toBe(0);
});

it('drive proxy that waits for its first shard can be stopped', async () => {
  const proxy = start(['proxy', '--proxy-port', '0'], { DB_SHARD_0_PORT: '1' });
  await proxy.untilError(/waiting for the home shard/);
  proxy.signal('SIGTERM');
  expect((await proxy.ended()).code).toBe(0);
});

it('drive explain prints what the proxy makes of a statement, or why it refuses it', async () => {
  expect((await runDrive(['install'], env)).code).toBe(0);
  const proxy = start(['proxy', '--proxy-port', '0']);
  const line = await proxy.untilOutput(/\n/);
  const [, port] = /^drive proxy: 127\.0\.0\.1:(\d+), shards: 2, workers: \d+\n$/.exec(line) ?? [];
  const explain = (...args: string[]) => runDrive(['explain', '--proxy-port', port!, ...args], env);
  const text = await explain('SELECT count(*) FROM file_metadata');
  expect(text).toMatchObject({ code: 0, err: '' });
  expect(text.out).toMatch(/^Drive \(class 2\) on shards 0, 1 {2}\(cost=/);
  expect(text.out).toMatch(/Statement on shard 1\n +Aggregate /);
  const json = await explain('--format', 'json', '--analyze', 'SELECT 1 FROM file_metadata');
  expect(JSON.parse(json.out)).toMatchObject([{ Plan: { Class: 1, Shards: [0, 1] } }]);
  const refused = await explain('SELECT max(xmin::text) FROM file_metadata');
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toMatch(/^drive: ERROR 0A000: not supported over several shards: a system/);
});

it('drive table shows the kinds of tables, and gives one another', async () => {
  expect((await runDrive(['install'], env)).code).toBe(0);
  const proxy = start(['proxy', '--proxy-port', '0']);
  const line = await proxy.untilOutput(/\n/);
  const [, port] = /^drive proxy: 127\.0\.0\.1:(\d+), shards: 2, workers: \d+\n$/.exec(line) ?? [];
  const table = (...args: string[]) => runDrive(['table', ...args, '--proxy-port', port!], env);
  const name = 'public.file_metadata';
  expect(await table()).toMatchObject({ code: 0, out: `${name}: sharded by user_id\n` });
  expect((await table('file_metadata', 'reference')).out).toBe(`${name}: reference\n`);
  expect((await table('file_metadata', 'sharded', '--key', 'created_at')).err).toMatch(
    /cannot be a sharding key/,
  );
  expect((await table(name, 'home')).out).toBe(`${name}: home\n`);
  expect((await table(name, 'sharded')).out).toBe(`${name}: sharded by user_id\n`);
  expect(await table('nothing')).toMatchObject({
    code: 1,
    err: 'drive: there is no table nothing\n',
  });
  expect((await table('nothing', 'reference')).err).toMatch(/42P01/);
  expect((await table('nothing', 'odd')).code).not.toBe(0);
});

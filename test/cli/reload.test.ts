// `drive proxy` as a process: SIGHUP reads the configuration again, SHUTDOWN ends it with code 0.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { freshDatabases } from '../support/cluster.ts';
import { DriveProcess } from '../support/drive-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const file = join(temporaryDirectory(), 'drive.yaml');

// It starts three processes: two workers and what watches over them.
it('SIGHUP lets a new user in, a mistake in the file changes nothing, SHUTDOWN ends it', async () => {
  const databases = await freshDatabases(1);
  const write = (users: readonly string[]) => {
    const shards = databases.shards.map(({ id: _, ...shard }) => shard);
    const logins = users.map((name) => ({ name, password: 'secret' }));
    writeFileSync(file, JSON.stringify({ shards, proxy: { port: 0, users: logins } }));
  };
  write(['first']);
  const drive = new DriveProcess(['proxy', '--config', file]);
  const [, port] = /127\.0\.0\.1:(\d+)/.exec(await drive.untilOutput(/127\.0\.0\.1:\d+/))!;
  const logIn = (user: string, database = 'drive') =>
    connectAsText({ host: '127.0.0.1', port: Number(port), database, user, password: 'secret' });
  const first = await logIn('first');
  await expect(logIn('second')).rejects.toMatchObject({ code: '28P01' });

  write(['first', 'second']);
  drive.signal('SIGHUP');
  await drive.untilError(/has been read again/);
  // Each of several workers reads it for itself.
  const second = await vi.waitFor(() => logIn('second'), 10_000);
  expect(await textRows(second, 'SELECT 1')).toEqual([['1']]);
  await second.end();

  writeFileSync(file, '{ nonsense: true }');
  drive.signal('SIGHUP');
  await drive.untilError(/nonsense is no setting/);
  expect(await textRows(first, 'SELECT 1')).toEqual([['1']]);
  await first.end();

  const operator = await logIn('first', 'admin');
  operator.on('error', () => undefined);
  await operator.query('SHUTDOWN');
  expect((await drive.ended()).code).toBe(0);
  await databases.drop();
}, 90_000);

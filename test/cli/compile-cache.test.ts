// Compiled code is kept for the next start.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DriveProcess, runDrive } from '../support/drive-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const PACKAGES = join(import.meta.dirname, '../../node_modules');

const kept = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());

it('by a command, with the packages', async () => {
  expect((await runDrive(['--version'])).code).toBe(0);
  expect(kept(join(PACKAGES, '.cache/drive-clone')).length).toBeGreaterThan(10);
});

it('by what serves, once it does, however it ends', async () => {
  const folder = join(directory, 'cache');
  const data = ['--data', join(directory, 'data'), '--shards', '1', '--shard-port', '0'];
  const ports = ['--proxy-port', '0', '--api-port', '0'];
  const drive = new DriveProcess(['up', ...data, ...ports], { NODE_COMPILE_CACHE: folder });
  await drive.untilOutput(/the data stays/);
  await expect.poll(() => kept(folder).length).toBeGreaterThan(300);
  drive.signal('SIGTERM');
  expect((await drive.ended()).code).toBe(0);
});

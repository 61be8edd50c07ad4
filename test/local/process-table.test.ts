// Telling processes apart, also when their pids are used again.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { isAlive, processIdentity, serverProcesses } from '../../src/local/process-table.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();

it('a process keeps its identity, another one has another', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
  await once(child, 'spawn');
  const identity = processIdentity(child.pid!);
  expect(identity).not.toBeNull();
  expect(processIdentity(child.pid!)).toBe(identity);
  expect(processIdentity(process.pid)).not.toBe(identity);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(child.pid!)).toBe(false);
  expect(processIdentity(child.pid!)).toBeNull();
});

it('a process that only works in a data directory is not taken for its server', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { cwd: directory });
  await once(child, 'spawn');
  expect(serverProcesses(directory)).toEqual([]);
  child.kill('SIGKILL');
  await once(child, 'exit');
});

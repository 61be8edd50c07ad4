// bin/: what runs on the Node that a machine has, before the project's own Node is there.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serverProcesses } from '../../src/local/process-table.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const BIN = join(import.meta.dirname, '..', '..', 'bin');

/** Makes a Node believe that it is an older one. */
const AS_NODE_20 = [
  '--import',
  `data:text/javascript,Object.defineProperty(process, 'versions', {
    value: { ...process.versions, node: '20.1.0' } })`,
];

describe('bin/drive.js', () => {
  const drive = join(BIN, 'drive.js');
  const stop = ['stop', '--data', join(directory, 'none')];

  it.each([
    ['the running Node', []],
    ["the project's Node, where the running one is too old", AS_NODE_20],
  ])('runs the command with %s', (_which, flags) => {
    const good = spawnSync(process.execPath, [...flags, drive, ...stop], { encoding: 'utf8' });
    expect([good.status, good.stdout]).toEqual([0, `nothing runs in ${stop[2]}\n`]);
    const bad = spawnSync(process.execPath, [...flags, drive, 'upp'], { encoding: 'utf8' });
    expect([bad.status, bad.stderr.split('\n')[0]]).toEqual([1, "drive: unknown command 'upp'"]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('passes %s on and waits for the end', async (signal) => {
    const args = ['up', '--data', join(directory, signal), '--shards', '1'];
    const ports = ['--shard-port', '0', '--proxy-port', '0', '--api-port', '0'];
    const child = spawn(process.execPath, [...AS_NODE_20, drive, ...args, ...ports]);
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await expect.poll(() => out, { timeout: 20_000 }).toContain('the data stays');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

describe('npm start', () => {
  it('ends with everything it began when npm gets SIGTERM', async () => {
    const data = join(directory, 'npm');
    const ports = ['--shard-port', '0', '--proxy-port', '0', '--api-port', '0'];
    // Without the installation before it: the packages are there.
    const args = ['start', '--ignore-scripts', '--', '--data', data, '--shards', '1', ...ports];
    const npm = spawn('npm', args, { cwd: join(BIN, '..') });
    let out = '';
    npm.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await expect.poll(() => out, { timeout: 20_000 }).toContain('the data stays');
    npm.kill('SIGTERM');
    await once(npm, 'close');
    expect(out).toContain('Stopped. The data is in');
    expect(serverProcesses(join(data, 'shard-0'))).toEqual([]);
  });
});

describe('bin/bootstrap.js', () => {
  /** A copy of the project with a scripted npm that notes how it was called. */
  function project(name: string, npm: string) {
    const root = join(directory, name);
    mkdirSync(join(root, 'bin'), { recursive: true });
    mkdirSync(join(root, 'node_modules'));
    copyFileSync(join(BIN, 'bootstrap.js'), join(root, 'bin', 'bootstrap.js'));
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    writeFileSync(join(root, 'package-lock.json'), '{}');
    writeFileSync(join(root, 'npm.js'), npm);
    const env = { ...process.env, npm_execpath: join(root, 'npm.js') };
    const run = () =>
      spawnSync(process.execPath, [join(root, 'bin', 'bootstrap.js')], { encoding: 'utf8', env });
    return { root, run };
  }

  const NOTES = `import { writeFileSync } from 'node:fs';
    writeFileSync('called', process.argv.slice(2).join(' '));
    writeFileSync('node_modules/.package-lock.json', '{}');`;

  it('installs where packages are missing, and only then', () => {
    const { root, run } = project('missing', NOTES);
    const first = run();
    expect([first.status, first.stderr]).toEqual([
      0,
      'Installing packages (npm ci), once; this takes a minute …\n',
    ]);
    expect(readFileSync(join(root, 'called'), 'utf8')).toBe(
      'ci --no-audit --no-fund --loglevel=error',
    );
    expect(run()).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  it('installs again where the lock file is newer', () => {
    const { root, run } = project('older', NOTES);
    run();
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(root, 'package-lock.json'), later, later);
    expect(run().stderr).toContain('Installing packages');
  });

  it("passes npm's failure on", () => {
    const { run } = project('failing', "console.error('npm error E404'); process.exit(7);");
    const { status, stderr } = run();
    expect([status, stderr.split('\n')[1]]).toEqual([7, 'npm error E404']);
  });
});

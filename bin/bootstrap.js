#!/usr/bin/env node
// Installs the project's packages when they are missing or older than the lock file (Node >= 20).
// With --optional also those that npm has left out because they want a newer Node than runs it.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = join(root, 'package-lock.json');
// npm writes this file at the end of an installation: a broken one does not have it.
const installed = join(root, 'node_modules', '.package-lock.json');

// npm names itself to the scripts it runs; without it, the one on the path.
const npm = process.env.npm_execpath;
// Warnings about the versions that packages would like are nothing to act on here.
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];

/** Runs npm by the Node at `node`. */
function runNpm(node, args) {
  const options = { cwd: root, stdio: 'inherit' };
  const result = npm?.endsWith('.js')
    ? spawnSync(node, [npm, ...args, ...QUIET], options)
    : spawnSync('npm', [...args, ...QUIET], options);
  if (result.error) console.error(`npm could not be run: ${result.error.message}`);
  if (result.status !== 0) process.exitCode = result.status ?? 1;
}

const isCurrent = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
if (!isCurrent) {
  console.error('Installing packages (npm ci), once; this takes a minute …');
  runNpm(process.execPath, ['ci']);
}

if (process.argv.includes('--optional') && process.exitCode === undefined) {
  const { optionalDependencies = {} } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const missing = Object.entries(optionalDependencies)
    .filter(([name]) => !existsSync(join(root, 'node_modules', name)))
    .map(([name, version]) => `${name}@${version}`);
  if (missing.length > 0) {
    console.error(`Installing ${missing.join(', ')} by the project's own Node, once …`);
    // Of the same file as `node` in npm's scripts: node_modules/.bin comes first there.
    const own = join(root, 'node_modules', 'node', 'bin', 'node');
    runNpm(own, ['install', '--no-save', '--ignore-scripts', ...missing]);
  }
}

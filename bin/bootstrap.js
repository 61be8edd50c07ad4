#!/usr/bin/env node
// Installs the project's packages when they are missing or older than the lock file (Node >= 20).

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = join(root, 'package-lock.json');
// npm writes this file at the end of an installation: a broken one does not have it.
const installed = join(root, 'node_modules', '.package-lock.json');

const isCurrent = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
if (!isCurrent) {
  console.error('Installing packages (npm ci), once; this takes a minute …');
  // npm names itself to the scripts it runs; without it, the one on the path.
  const npm = process.env.npm_execpath;
  // Warnings about the versions that packages would like are nothing to act on here.
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit' });
  if (result.error) console.error(`npm could not be run: ${result.error.message}`);
  process.exitCode = result.status ?? 1;
}

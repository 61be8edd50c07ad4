#!/usr/bin/env node
// `drive`: runs src/main.ts, with the project's own Node where the running one is too old for it.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR = 26;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) {
  await import('../src/main.ts');
} else {
  // Beside the project when it is checked out, beside all packages when it is installed as one.
  const places = [join(root, 'node_modules', '.bin', 'node'), join(root, '..', '.bin', 'node')];
  const node = places.find((path) => existsSync(path));
  if (node === undefined) {
    console.error(`drive: needs Node ${NODE_MAJOR}, this is ${process.version}: run npm ci first`);
    process.exit(1);
  }
  const main = join(root, 'src', 'main.ts');
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // The child decides when it is over. It may get Ctrl-C twice, from the terminal and from here, and
  // takes both for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`drive: ${node} could not be run: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1;
    if (signal === null) return;
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

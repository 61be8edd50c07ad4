// `drive status` and `drive stop`: what `drive up` runs in a data directory.

import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEFTOVER_STOP_MS, SERVER_POLL_MS, STATUS_TIMEOUT_MS } from '../base/limits.ts';
import { findOwner } from '../local/cluster-file.ts';
import { clearLeftovers, signalProcess } from '../local/data-directory.ts';
import { LocalError } from '../local/local-error.ts';
import { existingHome } from '../local/reachable.ts';

export interface DataOptions {
  readonly data: string;
}

/** As of pg_ctl status: nothing is running. */
const NOT_RUNNING = 3;

/** Prints a line per part; exit code 3 if nothing runs, 1 if a part does not answer. */
export async function status({ data }: DataOptions): Promise<number> {
  const owner = findOwner(data);
  if (owner === null) {
    process.stdout.write(`nothing runs in ${data}\n`);
    return NOT_RUNNING;
  }
  const parts = Object.entries(owner.addresses);
  const state = parts.length === 0 ? 'is starting' : 'runs';
  process.stdout.write(`drive up ${state} in ${data} (process ${owner.pid})\n`);
  const answers = await Promise.all(parts.map(([, address]) => answersAt(address)));
  for (const [i, [name, address]] of parts.entries()) {
    const word = answers[i] === true ? 'answers' : 'does not answer';
    process.stdout.write(`  ${name.padEnd(9)} ${address.padEnd(21)} ${word}\n`);
  }
  for (const [name, pid] of Object.entries(owner.processes ?? {})) {
    process.stdout.write(`  ${name.padEnd(9)} process ${pid}\n`);
  }
  return answers.every(Boolean) ? 0 : 1;
}

/** Ends the owner, or the servers that a killed owner left behind, and waits for that. */
export async function stop({ data }: DataOptions): Promise<number> {
  const owner = findOwner(data);
  if (owner !== null) {
    signalProcess(owner.pid, 'SIGTERM');
    const deadline = Date.now() + 2 * LEFTOVER_STOP_MS;
    while (findOwner(data) !== null) {
      if (Date.now() > deadline) {
        throw new LocalError(
          `process ${owner.pid} does not stop: end it with kill -9 ${owner.pid}`,
        );
      }
      await sleep(SERVER_POLL_MS);
    }
    process.stdout.write(`stopped what ran in ${data} (process ${owner.pid})\n`);
    return 0;
  }
  const cleared = await Promise.all(shardDirectories(data).map(clearLeftovers));
  const what = cleared.includes(true) ? 'stopped the servers left behind in' : 'nothing runs in';
  process.stdout.write(`${what} ${data}\n`);
  return 0;
}

function shardDirectories(data: string): string[] {
  const home = existingHome(data);
  if (home === null) return [];
  return readdirSync(home)
    .filter((name) => /^shard-\d+$/.test(name))
    .map((name) => join(home, name))
    .filter((directory) => existsSync(join(directory, 'PG_VERSION')));
}

function answersAt(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  return new Promise((resolve) => {
    const socket = connect({ host: address.slice(0, colon), port, timeout: STATUS_TIMEOUT_MS });
    const done = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', done(true)).once('error', done(false)).once('timeout', done(false));
  });
}

// Load generator: opens clients, says so, and keeps them until its standard input ends.
//   node bench/idle-load.ts <clients> <login as JSON>

import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Login } from './endpoint.ts';
import { openConnection } from './wire-client.ts';

/** Logins under way at once: below the listen backlog of every target. */
const OPENING_MAX = 50;

const [clients, login] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown);
const sockets: Socket[] = [];

async function openSome(): Promise<void> {
  while (sockets.length + pending < (clients as number)) {
    pending += 1;
    const socket = await openConnection(login as Login);
    pending -= 1;
    // One that is closed from the other side is no idle client any more.
    socket.once('close', () => process.exit(1));
    socket.resume();
    sockets.push(socket);
  }
}

let pending = 0;
await Promise.all(Array.from({ length: OPENING_MAX }, openSome));
process.stdout.write(`${sockets.length} clients are open\n`);
process.stdin.resume();
await once(process.stdin, 'end');
process.exit(0);

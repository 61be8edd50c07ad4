// A fuzzing client: one connection after the other, each with a damaged conversation.

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Login } from '../support/proxy.ts';
import type { Random } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { mutate, split } from './mutation.ts';
import { conversation, preludeOf, startupOf } from './sessions.ts';

/** How a connection ends: the client says no word, resets, or closes only its sending side. */
const ENDINGS = ['destroy', 'reset', 'half-open', 'wait'] as const;

/** A connection that the proxy keeps open lives so long, then the client drops it. */
const LINGER_MS = 60;

export interface AttackerCounts {
  connections: number;
  bytesSent: number;
  bytesReceived: number;
}

/** Attacks until `over`; never rejects because of what the proxy does to its connections. */
export async function attack(
  login: Login,
  random: Random,
  over: () => boolean,
  counts: AttackerCounts,
): Promise<void> {
  while (!over()) {
    counts.connections += 1;
    // What one connection draws depends on timing; the next one's choices do not.
    const own = random.fork();
    const choice = own.int(0, 19);
    if (choice === 0) await cancelOwn(login, own);
    else if (choice === 1) await neverRead(login, own, counts);
    else await garble(login, own, counts);
  }
}

/** Sends a whole conversation, login included, and takes whatever comes. */
async function garble(login: Login, random: Random, counts: AttackerCounts): Promise<void> {
  const startup = startupOf(random, login);
  const opening = random.chance(0.08) ? [preludeOf(random), startup] : [startup];
  // Mostly the login is whole, so that the damage is met behind it.
  const before = random.chance(0.15) ? mutate(opening, random, 1) : opening;
  const after = mutate(conversation(random), random, random.pick([0, 1, 1, 2, 4]));
  const bytes = Buffer.concat([...before, ...after]);
  const socket = await open(login);
  socket.on('data', (chunk: Buffer) => {
    counts.bytesReceived += chunk.length;
  });
  for (const piece of split(bytes, random)) {
    if (socket.destroyed) break;
    counts.bytesSent += piece.length;
    socket.write(piece);
    if (random.chance(0.1)) await sleep(random.int(0, 3));
  }
  if (random.chance(0.7)) await sleep(random.int(0, 15));
  await finish(socket, random);
}

/** Asks for much and reads nothing, for a while. */
async function neverRead(login: Login, random: Random, counts: AttackerCounts): Promise<void> {
  const socket = await open(login);
  socket.pause();
  const messages = Array.from({ length: 3 }, () => conversation(random)).flat();
  socket.write(Buffer.concat([startupOf(random, login), ...messages]));
  counts.bytesSent += socket.bytesWritten;
  await sleep(random.int(50, 400));
  await finish(socket, random);
}

/** Cancels its own statement, early or late, and another's with a wrong secret. */
async function cancelOwn(login: Login, random: Random): Promise<void> {
  const client = await RawClient.login(login);
  const { processId, secret } = client.key;
  client.send(...conversation(random));
  await sleep(random.int(0, 5));
  for (const [id, key] of [
    [processId, secret],
    [processId, random.bytes(secret.length)],
    [random.int(1, 0x7fffffff), secret],
  ] as const) {
    const packet = Buffer.alloc(12 + key.length);
    packet.writeInt32BE(packet.length, 0);
    packet.writeInt32BE(80877102, 4);
    packet.writeInt32BE(id, 8);
    key.copy(packet, 12);
    const canceller = await open(login);
    canceller.end(packet);
    await finish(canceller, random);
  }
  client.destroy();
}

async function open({ host, port }: Login): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
  // A reset is an answer like any other; 'close' follows.
  socket.on('error', () => socket.destroy());
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  return socket;
}

async function finish(socket: Socket, random: Random): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
  switch (random.pick(ENDINGS)) {
    case 'destroy':
      socket.destroy();
      break;
    case 'reset':
      // A side that has said its end can only be destroyed.
      if (!socket.writableEnded) socket.resetAndDestroy();
      break;
    case 'half-open':
      socket.end();
      await Promise.race([closed, sleep(random.int(0, LINGER_MS))]);
      break;
    case 'wait':
      await Promise.race([closed, sleep(random.int(0, LINGER_MS))]);
  }
  socket.destroy();
  await closed;
}

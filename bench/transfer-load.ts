// Load generator: one bulk transfer over one connection; prints its seconds as JSON.
//   node bench/transfer-load.ts <result|copyOut|copyIn> <bytes> <login as JSON>

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { MessageWriter } from '../src/wire/bytes.ts';
import { FrameReader } from '../src/wire/frame.ts';
import { encodeQuery } from '../src/wire/query.ts';
import type { TransferLoad } from './cases.ts';
import type { Login } from './endpoint.ts';
import { errorText, openConnection } from './wire-client.ts';

/** Bytes of payload in a row, the line's end not counted. */
const ROW_BYTES = 1_000;
/** Rows of one CopyData message; psql sends 8 kB, pg_dump's peers up to 64 kB. */
const ROWS_PER_MESSAGE = 64;
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const ERROR = 'E'.charCodeAt(0);
const COPY_DATA = 'd'.charCodeAt(0);
const COPY_DONE = 'c'.charCodeAt(0);

/** Reads and forgets until ReadyForQuery; rejects with the first error. */
async function untilReady(socket: Socket): Promise<void> {
  let tail = Buffer.alloc(0);
  let isFirst = true;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Buffer): void => {
    // The payload has no such bytes, so the end of what has arrived tells.
    tail = Buffer.concat([tail, chunk.subarray(-READY.length)]).subarray(-READY.length);
    const isReady = tail.equals(READY);
    if ((isFirst || isReady) && chunk[0] === ERROR) reject(new Error(firstError(chunk)));
    if (isReady) resolve();
    isFirst = false;
  };
  socket.on('data', onData);
  socket.resume();
  socket.once('close', () => reject(new Error('the server closed the connection')));
  await promise;
  socket.off('data', onData);
}

function firstError(chunk: Buffer): string {
  const reader = new FrameReader(65_536);
  reader.push(chunk);
  return reader.next() ? errorText(reader) : 'an error too long for its first packet';
}

async function receive(socket: Socket, sql: string): Promise<void> {
  socket.write(encodeQuery(sql));
  await untilReady(socket);
}

async function send(socket: Socket, rows: number): Promise<void> {
  // Read from the beginning, or an error in the middle would be missed.
  const ready = untilReady(socket);
  socket.write(encodeQuery('COPY bench_sink FROM STDIN'));
  await once(socket, 'data');
  const line = `${'x'.repeat(ROW_BYTES)}\n`;
  const message = new MessageWriter(COPY_DATA)
    .bytes(Buffer.from(line.repeat(ROWS_PER_MESSAGE)))
    .finish();
  for (let left = rows; left > 0; left -= ROWS_PER_MESSAGE) {
    if (!socket.write(message)) await once(socket, 'drain');
  }
  socket.write(new MessageWriter(COPY_DONE).finish());
  await ready;
}

const [what, bytes, login] = process.argv.slice(2) as [TransferLoad['what'], string, string];
const rows = Math.ceil(Number(bytes) / ROW_BYTES);
const query = `SELECT repeat('x', ${ROW_BYTES}) FROM generate_series(1, ${rows})`;
const socket = await openConnection(JSON.parse(login) as Login);
const begun = performance.now();
if (what === 'copyIn') await send(socket, rows);
else await receive(socket, what === 'result' ? query : `COPY (${query}) TO STDOUT`);
const seconds = (performance.now() - begun) / 1000;
socket.destroy();
process.stdout.write(JSON.stringify({ seconds, bytes: rows * ROW_BYTES }));

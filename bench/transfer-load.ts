// Load generator: one bulk transfer over one connection; prints its seconds as JSON.
//   node bench/transfer-load.ts <result|copyOut|copyIn|…> <bytes> <login as JSON>

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
const NARROW_ROWS_PER_MESSAGE = 1_200;
/** Small rows cost a server much more for each byte: so much less of them is enough. */
const NARROW_SHARE = 5;
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

/** Resolves with the bytes that have come. */
async function receive(socket: Socket, sql: string): Promise<number> {
  const before = socket.bytesRead;
  socket.write(encodeQuery(sql));
  await untilReady(socket);
  return socket.bytesRead - before;
}

/** Sends `message` until it has been `bytes`; resolves with what has been sent when it is stored. */
async function send(
  socket: Socket,
  table: string,
  lines: readonly string[],
  bytes: number,
): Promise<number> {
  // Read from the beginning, or an error in the middle would be missed.
  const ready = untilReady(socket);
  socket.write(encodeQuery(`COPY ${table} FROM STDIN`));
  await once(socket, 'data');
  const payload = Buffer.from(lines.join(''));
  const message = new MessageWriter(COPY_DATA).bytes(payload).finish();
  let sent = 0;
  for (; sent < bytes; sent += payload.length) {
    if (!socket.write(message)) await once(socket, 'drain');
  }
  socket.write(new MessageWriter(COPY_DONE).finish());
  await ready;
  return sent;
}

const wide = Array.from({ length: ROWS_PER_MESSAGE }, () => `${'x'.repeat(ROW_BYTES)}\n`);
/** As many bytes, in rows whose keys are of all shards in no order. */
const narrow = Array.from({ length: NARROW_ROWS_PER_MESSAGE }, (_, i) => {
  const key = 1_000_000_000 + ((i * 7_919) % 100_003);
  return `${key}\tfile-${key}.txt\t2025-01-01 12:00:00+00\n`;
});

const [what, bytes, login] = process.argv.slice(2) as [TransferLoad['what'], string, string];
const rows = Math.ceil(Number(bytes) / ROW_BYTES);
const query = `SELECT repeat('x', ${ROW_BYTES}) FROM generate_series(1, ${rows})`;

function transfer(socket: Socket): Promise<number> {
  switch (what) {
    case 'copyIn':
      return send(socket, 'bench_sink', wide, rows * ROW_BYTES);
    case 'copyInSpread':
      return send(socket, 'bench_spread', narrow, Number(bytes) / NARROW_SHARE);
    case 'copyOutSpread':
      return receive(socket, 'COPY bench_wide TO STDOUT');
    case 'copyOut':
      return receive(socket, `COPY (${query}) TO STDOUT`);
    case 'result':
      return receive(socket, query);
  }
}

const socket = await openConnection(JSON.parse(login) as Login);
const begun = performance.now();
const moved = await transfer(socket);
const seconds = (performance.now() - begun) / 1000;
socket.destroy();
process.stdout.write(JSON.stringify({ seconds, bytes: moved }));

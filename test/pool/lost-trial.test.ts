// A statement on trial whose server is lost behind an error that nobody was told.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { SERVER_MESSAGE_BYTES_MAX } from '../../src/base/limits.ts';
import { ServerRequest, type Trial } from '../../src/pool/request.ts';
import { ServerConnection } from '../../src/pool/server-connection.ts';
import { encodeErrorResponse } from '../../src/wire/error-response.ts';
import { FrameReader } from '../../src/wire/frame.ts';
import { encodeQuery } from '../../src/wire/query.ts';

const SHARD = {
  id: 0,
  host: '127.0.0.1',
  port: 0,
  database: '',
  user: '',
  password: '',
  tls: null,
};
const REFUSAL = new SqlError({ code: '42501', message: 'permission denied for table notes' });

/** What a client has been told of its statement when its server has said this and closed. */
async function toldWhenLost(trial: Trial): Promise<{ relayed: number; failed: boolean }> {
  const server = createServer((socket: Socket) => {
    socket.once('data', () => socket.end(encodeErrorResponse(REFUSAL)));
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port });
  const identity = { processId: 1, secret: Buffer.alloc(4), parameters: new Map() };
  const reader = new FrameReader(SERVER_MESSAGE_BYTES_MAX);
  const connection = new ServerConnection(SHARD, socket, reader, identity, 0);
  let relayed = 0;
  const failed = await new Promise<boolean>((resolve) => {
    const receiver = {
      relay: (bytes: Buffer) => {
        relayed += bytes.length;
        return true;
      },
      frame: () => undefined,
      copyInStarted: () => undefined,
      finished: () => undefined,
      lost: (_: unknown, told: boolean) => resolve(told),
    };
    const steps = [{ do: 'forward', done: null } as const];
    const request = new ServerRequest(receiver, true).reset('forward', steps, [], trial);
    connection.send(encodeQuery('UPDATE notes SET body = body'), request);
  });
  await new Promise((resolve) => server.close(resolve));
  return { relayed, failed };
}

it('is told of the loss, for its error was kept back', async () => {
  for (const trial of ['once', 'again'] as const) {
    expect(await toldWhenLost(trial)).toEqual({ relayed: 0, failed: false });
  }
});

it('is told of the error alone where it was passed on', async () => {
  const { relayed, failed } = await toldWhenLost('none');
  expect(relayed).toBeGreaterThan(0);
  expect(failed).toBe(true);
});

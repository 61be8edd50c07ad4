// A statement on trial whose server is lost behind an error that nobody was told.

import { expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { ServerRequest, type Trial } from '../../src/pool/request.ts';
import { encodeErrorResponse } from '../../src/wire/error-response.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const REFUSAL = new SqlError({ code: '42501', message: 'permission denied for table notes' });

/** What a client has been told of its statement when its server has said this and closed. */
async function toldWhenLost(trial: Trial): Promise<{ relayed: number; failed: boolean }> {
  const server = new ScriptedServer((_, socket) => socket.end(encodeErrorResponse(REFUSAL)));
  const connection = await server.connect();
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
  await server.close();
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

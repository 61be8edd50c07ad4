// A connection is used where its server says that it is the shard it is taken for, and is open then.

import { afterEach, describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { SQLSTATE } from '../../src/base/sqlstate.ts';
import { atItsPlace } from '../../src/execute/place-check.ts';
import { encodeErrorResponse } from '../../src/wire/error-response.ts';
import { encodeCommandComplete } from '../../src/wire/query.ts';
import { encodeDataRow } from '../../src/wire/row.ts';
import { READY_IDLE } from '../../src/wire/status.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const SHARD = 1;
const COUNT = 2;
const TIMEOUT_MS = 300;

const servers: ScriptedServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function connectionTo(answer: readonly Buffer[]) {
  const server = new ScriptedServer((message, socket) => {
    if (!message.equals(TERMINATE)) socket.write(Buffer.concat(answer));
  });
  servers.push(server);
  return server.connect(SHARD);
}

const numbers = (shard: number, count: number) => [
  encodeDataRow([Buffer.from(String(shard)), Buffer.from(String(count))]),
  encodeCommandComplete('SELECT 1'),
  READY_IDLE,
];

const error = (code: typeof SQLSTATE.adminShutdown, severity: 'ERROR' | 'FATAL') =>
  encodeErrorResponse(new SqlError({ code, message: code, severity }));

describe('A connection to a shard', () => {
  it('is used where the server is that shard', async () => {
    const connection = await connectionTo(numbers(SHARD, COUNT));
    expect(await atItsPlace(connection, COUNT, TIMEOUT_MS)).toBe(connection);
    expect(connection.closed).toBe(false);
    connection.close(TERMINATE);
  });

  it.each([
    ['is another shard', numbers(0, COUNT), 'F0000'],
    ['is one of more', numbers(SHARD, 3), 'F0000'],
    ['does not answer', [], '08006'],
    ['cannot answer', [error(SQLSTATE.adminShutdown, 'ERROR'), READY_IDLE], '08006'],
    [
      'ends it behind its answer',
      [...numbers(SHARD, COUNT), error(SQLSTATE.adminShutdown, 'FATAL')],
      '08006',
    ],
  ] as const)('is closed where the server %s', async (_, answer, code) => {
    const connection = await connectionTo(answer);
    await expect(atItsPlace(connection, COUNT, TIMEOUT_MS)).rejects.toMatchObject({ code });
    expect(connection.closed).toBe(true);
  });
});

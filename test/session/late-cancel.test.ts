// A cancel that comes when the statement is done meets what the proxy asks behind it: nobody is told of it.

import { afterEach, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { SQLSTATE, type SqlState } from '../../src/base/sqlstate.ts';
import type { Transaction } from '../../src/execute/transaction.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { Pins } from '../../src/session/pins.ts';
import { learnPath } from '../../src/session/set-config.ts';
import { SessionSettings } from '../../src/session/settings.ts';
import { encodeErrorResponse } from '../../src/wire/error-response.ts';
import { encodeCommandComplete } from '../../src/wire/query.ts';
import { encodeDataRow } from '../../src/wire/row.ts';
import { READY_IDLE } from '../../src/wire/status.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const answered = (value: string): Buffer =>
  Buffer.concat([
    encodeDataRow([Buffer.from(value)]),
    encodeCommandComplete('SELECT 1'),
    READY_IDLE,
  ]);

const failed = (code: SqlState): Buffer =>
  Buffer.concat([encodeErrorResponse(new SqlError({ code, message: code })), READY_IDLE]);

const CANCELED = failed(SQLSTATE.queryCanceled);
/** The server closes the connection instead. */
const LOST = null;

const servers: ScriptedServer[] = [];
const connections: ServerConnection[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close(TERMINATE);
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** Pins of one connection, on which an advisory lock is doubted, and whose server answers so. */
async function pinsOf(...answers: readonly (Buffer | typeof LOST)[]): Promise<Pins> {
  const left = [...answers];
  const server = new ScriptedServer((_, socket) => {
    const answer = left.shift() ?? LOST;
    if (answer === LOST) socket.end();
    else socket.write(answer);
  });
  servers.push(server);
  const connection = await server.connect();
  connections.push(connection);
  const pins = new Pins({ pools: [], refused: new Map() } as never);
  pins.add(connection, ['advisory lock'], { asynchronousMessage: () => undefined });
  pins.doubtAll();
  return pins;
}

/** The search path of a session behind a transaction in which a routine has set it on shard 0. */
async function pathBehind(pins: Pins): Promise<readonly string[] | null> {
  const settings = new SessionSettings(new Map());
  await learnPath({ pathKnownBy: 0 } as Transaction, { pins, settings });
  return settings.searchPath;
}

it('the search path is asked for again', async () => {
  const pins = await pinsOf(CANCELED, CANCELED, answered('mine, public'));
  expect(await pathBehind(pins)).toEqual(['mine', 'public']);
});

it('a search path that was lost with its server is what it was', async () => {
  expect(await pathBehind(await pinsOf(LOST))).toBeNull();
});

it('any other error of the question is told', async () => {
  await expect(pathBehind(await pinsOf(failed(SQLSTATE.internalError)))).rejects.toThrow(
    SQLSTATE.internalError,
  );
});

it('what a connection is kept for is asked for again', async () => {
  const pins = await pinsOf(CANCELED, answered('t'));
  await pins.settle();
  expect(pins.has('advisory lock')).toBe(true);
});

it('nothing is kept on a server that is lost by then', async () => {
  const pins = await pinsOf(LOST);
  await pins.settle();
  expect(pins.connections()).toEqual([]);
});

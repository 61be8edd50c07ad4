// What a server has committed is committed, whatever error it sends behind that: atomic over shards, too.

import { afterEach, describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { createLog } from '../../src/base/log.ts';
import { SQLSTATE, type SqlState } from '../../src/base/sqlstate.ts';
import { Beside } from '../../src/execute/beside.ts';
import type { Cluster } from '../../src/execute/cluster.ts';
import { commit } from '../../src/execute/commit.ts';
import { Participants } from '../../src/execute/participants.ts';
import { Gids, type UnfinishedPart } from '../../src/execute/two-phase.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { NO_SETTINGS } from '../../src/pool/settings.ts';
import { encodeErrorResponse } from '../../src/wire/error-response.ts';
import { encodeCommandComplete } from '../../src/wire/query.ts';
import { encodeDataRow } from '../../src/wire/row.ts';
import { READY_IDLE, READY_IN_TRANSACTION } from '../../src/wire/status.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

/** What a server answers a statement that begins so; null: it closes the connection behind that. */
type Script = readonly (readonly [begin: string, ...answer: readonly (Buffer | null)[]])[];

const log = createLog('silent');
const servers: ScriptedServer[] = [];
const connections: ServerConnection[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close(TERMINATE);
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const error = (code: SqlState, severity: 'ERROR' | 'FATAL' = 'ERROR'): Buffer =>
  encodeErrorResponse(new SqlError({ code, message: code, severity }));

/** A cancel that comes when COMMIT is done, and a server that then logs how long it took. */
const CANCELED = [error(SQLSTATE.queryCanceled), READY_IDLE];
/** The same of pg_terminate_backend(). */
const TERMINATED = [error(SQLSTATE.adminShutdown, 'FATAL'), null];
const LATE = { canceled: CANCELED, terminated: TERMINATED, lost: [null] };

const tag = (words: string): Buffer => encodeCommandComplete(words);

/** A participant that answers by `script`, all else with success, and what it has been sent. */
async function participant(
  shard: number,
  script: Script,
): Promise<{ connection: ServerConnection; heard: string[] }> {
  const heard: string[] = [];
  const server = new ScriptedServer((message, socket) => {
    if (message.equals(TERMINATE)) return;
    const sql = message.toString('utf8', 5, message.length - 1);
    heard.push(sql);
    const [, ...answer] = script.find(([begin]) => sql.startsWith(begin)) ?? ['', ...done(sql)];
    for (const each of answer) if (each !== null) socket.write(each);
    if (answer.at(-1) === null) socket.end();
  });
  servers.push(server);
  const connection = await server.connect(shard);
  connections.push(connection);
  return { connection, heard };
}

function done(sql: string): readonly Buffer[] {
  const words = /^(PREPARE TRANSACTION|(COMMIT|ROLLBACK) PREPARED|\w+)/.exec(sql)![0];
  return [tag(words), words === 'INSERT' ? READY_IN_TRANSACTION : READY_IDLE];
}

/** Commits on those; gives what is unfinished. The decider's log is asked on `logKeeper`. */
async function committed(
  participating: readonly ServerConnection[],
  { mayBeReadOnly = false, logKeeper = null as ServerConnection | null } = {},
): Promise<UnfinishedPart[]> {
  const participants = new Participants(NO_SETTINGS, {
    giveBack: () => undefined,
    report: () => undefined,
  });
  for (const each of participating) participants.join(each);
  const pool = { tryAcquire: () => null, downBecause: null, operated: 'open' };
  const beside = new Beside(pool as never, () =>
    logKeeper === null ? Promise.reject(new Error('nobody is asked')) : Promise.resolve(logKeeper),
  );
  const cluster = { pools: [pool], beside: [beside], oids: [] } as unknown as Cluster;
  const unfinished: UnfinishedPart[] = [];
  await commit({
    participants,
    writers: new Set(participating.map(({ shard }) => shard.id)),
    settings: NO_SETTINGS,
    doubts: () => ({ asLogin: false, mayBeReadOnly }),
    twoPhase: {
      cluster,
      gids: new Gids('test'),
      decisions: null as never,
      tickets: null as never,
      log,
    },
    giveBack: () => undefined,
    unfinished: (part) => unfinished.push(part),
  });
  return unfinished;
}

describe.each(Object.entries(LATE))('An end that comes behind it: %s', (_, late) => {
  it('COMMIT of one shard', async () => {
    const only = await participant(0, [['COMMIT', tag('COMMIT'), ...late]]);
    expect(await committed([only.connection])).toEqual([]);
    expect(only.heard).toEqual(['COMMIT']);
  });

  it('COMMIT of the decider', async () => {
    const decider = await participant(0, [['COMMIT', tag('COMMIT'), ...late]]);
    const other = await participant(1, []);
    expect(await committed([decider.connection, other.connection])).toEqual([]);
    expect(other.heard.at(-1)).toBe(`COMMIT PREPARED 'drive_0_test_1_1'`);
  });

  it('COMMIT PREPARED', async () => {
    const decider = await participant(0, []);
    const other = await participant(1, [['COMMIT PREPARED', tag('COMMIT PREPARED'), ...late]]);
    expect(await committed([decider.connection, other.connection])).toEqual([]);
    expect(decider.heard.at(-1)).toMatch(/^DELETE FROM drive.txlog/);
  });

  it('the decision of a READ ONLY transaction, which the log then tells', async () => {
    const decider = await participant(0, [
      ['SHOW', encodeDataRow([Buffer.from('on')]), tag('SHOW'), READY_IDLE],
      ['SET TRANSACTION READ WRITE; INSERT', tag('SET'), tag('INSERT 0 1'), ...late],
    ]);
    const other = await participant(1, []);
    const logKeeper = await participant(0, [
      ['SELECT state', encodeDataRow([Buffer.from('commit')]), tag('SELECT 1'), READY_IDLE],
    ]);
    await committed([decider.connection, other.connection], {
      mayBeReadOnly: true,
      logKeeper: logKeeper.connection,
    });
    expect(other.heard.at(-1)).toBe(`COMMIT PREPARED 'drive_0_test_1_1'`);
  });
});

it('A part that is prepared before its error comes is rolled back at once', async () => {
  const prepared = tag('PREPARE TRANSACTION');
  const decider = await participant(0, [
    ['INSERT INTO drive.txlog', error(SQLSTATE.queryCanceled), READY_IN_TRANSACTION],
  ]);
  const other = await participant(1, [['PREPARE TRANSACTION', prepared, ...CANCELED]]);
  await expect(committed([decider.connection, other.connection])).rejects.toThrow('57014');
  expect(other.heard.at(-1)).toBe(`ROLLBACK PREPARED 'drive_0_test_1_1'`);
});

it('A COMMIT that is cancelled before it is done has failed', async () => {
  const decider = await participant(0, [['COMMIT', ...CANCELED]]);
  const other = await participant(1, []);
  await expect(committed([decider.connection, other.connection])).rejects.toThrow('57014');
  expect(other.heard.at(-1)).toBe(`ROLLBACK PREPARED 'drive_0_test_1_1'`);
});

it('A COMMIT that cannot be sent any more has failed, and is not in doubt', async () => {
  const only = await participant(0, []);
  only.connection.close(TERMINATE);
  await expect(committed([only.connection])).rejects.toMatchObject({ code: '08006' });
});

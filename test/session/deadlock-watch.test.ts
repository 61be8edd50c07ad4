// Which transaction of a circle over two proxies each of them breaks, and what it is told.

import { afterEach, describe, expect, it } from 'vitest';
import type { SqlError } from '../../src/base/errors.ts';
import { createLog } from '../../src/base/log.ts';
import type { Client } from '../../src/session/client.ts';
import { DeadlockWatch } from '../../src/session/deadlock-watch.ts';
import { type OpenTransaction, serverKey } from '../../src/session/wait-graph.ts';
import { encodeCommandComplete } from '../../src/wire/query.ts';
import { encodeDataRow } from '../../src/wire/row.ts';
import { READY_IDLE } from '../../src/wire/status.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const servers: ScriptedServer[] = [];

afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

type Wait = readonly [waits: number, holds: number];

/** A shard on which those processes wait for ever. */
function shardWith(waits: readonly Wait[]): ScriptedServer {
  const rows = waits.map((pids) => encodeDataRow(pids.map((pid) => Buffer.from(String(pid)))));
  const answer = Buffer.concat([...rows, encodeCommandComplete('SELECT'), READY_IDLE]);
  const server = new ScriptedServer((message, socket) => {
    if (!message.equals(TERMINATE)) socket.write(answer);
  });
  servers.push(server);
  return server;
}

/** This proxy has client 7, another one client 8; each has a server process on both shards. */
const OURS = { client: 7, servers: [serverKey(0, 10), serverKey(1, 11)] };
const THEIRS = { client: 'client 8 of elsewhere', servers: [serverKey(0, 20), serverKey(1, 21)] };

/** The detail of the error that client 7 gets; null: it is not broken. */
async function detailOf(
  transactions: readonly OpenTransaction[],
  waits: readonly (readonly Wait[])[] = [[[20, 10]], [[11, 21]]],
): Promise<string | null> {
  const broken: SqlError[] = [];
  const participants = new Map(waits.map((_, shard) => [shard, {}]));
  const session = {
    ...{ phase: 'busy', waitsFor: null, sinceMs: 0 },
    state: {
      transaction: { participants, apart: null },
      ...{ borrowed: new Set(), pins: { connections: () => [] } },
    },
    breakDeadlock: (error: SqlError) => broken.push(error),
  };
  const client = { identity: { id: OURS.client }, session } as unknown as Client;
  const shards = waits.map(shardWith);
  const watch = new DeadlockWatch({
    clients: () => [client],
    transactions: () => Promise.resolve(transactions),
    shards: shards.map((_, id) => ({ id })) as never,
    connect: ({ id }) => shards[id]!.connect(id),
    pools: [],
    nowMs: () => 10_000,
    log: createLog('silent'),
  });
  await watch.watch();
  return broken[0]?.detail ?? null;
}

const CIRCLE =
  'Over several shards: Client 7 waits for client 8 of elsewhere. ' +
  'Client 8 of elsewhere waits for client 7.';

describe('A circle through a transaction of another proxy', () => {
  it('is broken where the younger is', async () => {
    const older = { ...THEIRS, begunMs: 1 };
    expect(await detailOf([{ ...OURS, begunMs: 2 }, older])).toBe(CIRCLE);
    const younger = { ...THEIRS, begunMs: 3 };
    expect(await detailOf([{ ...OURS, begunMs: 2 }, younger])).toBeNull();
  });

  it('is broken once when both began in one millisecond', async () => {
    const same = [OURS, THEIRS].map((each) => ({ ...each, begunMs: 1 }));
    const exchanged = [
      { ...same[0]!, servers: THEIRS.servers },
      { ...same[1]!, servers: OURS.servers },
    ];
    expect(await detailOf(same)).toBeNull();
    expect(await detailOf(exchanged, [[[10, 20]], [[21, 11]]])).toBe(CIRCLE);
  });

  it('tells the processes of nobody that is known', async () => {
    const both = [
      { ...OURS, begunMs: 2 },
      { ...THEIRS, begunMs: 1 },
    ];
    const detail = await detailOf(both, [
      [
        [20, 30],
        [30, 10],
      ],
      [[11, 21]],
    ]);
    expect(detail).toBe(
      'Over several shards: Client 7 waits for client 8 of elsewhere. ' +
        'Client 8 of elsewhere waits for process 30 of shard 0. Process 30 of shard 0 waits for client 7.',
    );
  });
});

// What a proxy in this process holds: sessions, server connections, sockets, open transactions.

import { queryObjects } from 'node:v8';
import { ServerConnection } from '../../src/pool/server-connection.ts';
import { Session } from '../../src/session/session.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { connectAsText, textRows } from './text-client.ts';

export interface Holdings {
  /** Backends that do or wait for something, and prepared transactions, in words. */
  readonly busy: readonly (string | null)[];
  /** Objects that are still reachable. */
  readonly sessions: number;
  /**
   * Server connections and TCP sockets beyond one a shard, which the housekeeping may have, and the one
   * that listens to other proxies.
   */
  readonly surplusConnections: number;
  readonly surplusSockets: number;
}

/** Nobody is connected, and the pools have closed what was idle. */
export const NOTHING_HELD: Holdings = {
  busy: [],
  sessions: 0,
  surplusConnections: 0,
  surplusSockets: 0,
};

const BUSY = `
  SELECT concat_ws(' ', state, wait_event, now() - state_change, query) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
  UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = current_database()`;

/** Milliseconds until all is given back: a stuck statement has 10 s, a look at the heap takes some. */
export const GIVEN_BACK_MS = 60_000;

export async function holdings(shards: readonly Shard[]): Promise<Holdings> {
  const busy: (string | null)[] = [];
  for (const shard of shards) busy.push(...(await asked(shard, BUSY)));
  const kept = shards.length + 1;
  const connections = queryObjects(ServerConnection, { format: 'count' });
  const sockets = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap');
  return {
    busy,
    sessions: queryObjects(Session, { format: 'count' }),
    surplusConnections: Math.max(0, connections - kept),
    surplusSockets: Math.max(0, sockets.length - kept),
  };
}

/** All values of a query on the shard itself, in one row. */
export async function asked(shard: Shard, sql: string): Promise<(string | null)[]> {
  const client = await connectAsText(shard);
  try {
    return (await textRows(client, sql)).flat();
  } finally {
    await client.end();
  }
}

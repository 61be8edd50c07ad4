// What a proxy in this process holds: sessions, server connections, sockets, open transactions.

import { queryObjects } from 'node:v8';
import { ServerConnection } from '../../src/pool/server-connection.ts';
import { ClientStream } from '../../src/session/client-stream.ts';
import { Session } from '../../src/session/session.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { connectAsText, textRows } from './text-client.ts';

export interface Holdings {
  /** Backends and prepared transactions in each shard's database, in words. */
  readonly servers: readonly (readonly (string | null)[])[];
  /** Objects that are still reachable. */
  readonly sessions: number;
  readonly clients: number;
  readonly connections: number;
  /** TCP sockets of this process. */
  readonly sockets: number;
}

const LEFT = `
  SELECT concat_ws(' ', state, wait_event, now() - state_change, query) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
  UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = current_database()`;

/** Nobody is connected, and the pools have closed what was idle. */
export function nothingHeld(shards: readonly Shard[]): Holdings {
  const servers = shards.map(() => []);
  return { servers, sessions: 0, clients: 0, connections: 0, sockets: 0 };
}

export async function holdings(shards: readonly Shard[]): Promise<Holdings> {
  const servers: (string | null)[][] = [];
  for (const shard of shards) servers.push(await asked(shard, LEFT));
  return {
    servers,
    sessions: queryObjects(Session, { format: 'count' }),
    clients: queryObjects(ClientStream, { format: 'count' }),
    connections: queryObjects(ServerConnection, { format: 'count' }),
    sockets: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length,
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

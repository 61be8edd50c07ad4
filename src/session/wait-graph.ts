// Wait graph: who waits for whom, over all shards.

import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

/** A transaction by its client: a number, or of another proxy a text that no other has. */
export interface OpenTransaction {
  readonly client: ClientName;
  /** Date.now() of its process, at its begin. */
  readonly begunMs: number;
  /** Its server processes, as serverKey gives them. */
  readonly servers: readonly string[];
}

export type ClientName = number | string;

/** One server process of one shard. */
export const serverKey = (shard: number, processId: number): string => `s${shard}:${processId}`;

const SERVER_KEY = /^s(\d+):(\d+)$/;

// pg_blocking_pids gives 0 for a prepared transaction, which waits for nobody.
const WAITS_SQL = `
  SELECT a.pid, b.pid
  FROM pg_catalog.pg_stat_activity a, pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS b (pid)
  WHERE a.datname = pg_catalog.current_database() AND a.wait_event_type = 'Lock' AND b.pid <> 0`;

/** A transaction's client, or the serverKey of a server process of nobody that is known. */
export type Waiter = ClientName;

export type WaitGraph = ReadonlyMap<Waiter, ReadonlySet<Waiter>>;

/** `connections`: one a shard. Rejects with ServerError or SqlError. */
export async function waitGraph(
  connections: readonly ServerConnection[],
  transactions: readonly OpenTransaction[],
): Promise<WaitGraph> {
  const owners = new Map<string, ClientName>();
  for (const { client, servers } of transactions) {
    for (const server of servers) owners.set(server, client);
  }
  const graph = new Map<Waiter, Set<Waiter>>();
  const answers = connections.map(async (connection) => {
    const { rows } = await query(connection, WAITS_SQL);
    for (const row of rows) {
      const [waits, holds] = row.map((pid): Waiter => {
        const key = serverKey(connection.shard.id, Number(pid));
        return owners.get(key) ?? key;
      }) as [Waiter, Waiter];
      const known = graph.get(waits) ?? new Set();
      graph.set(waits, known.add(holds));
    }
  });
  await Promise.all(answers);
  return graph;
}

/** A circle that begins and ends with `client`; null: it does not wait for itself. */
export function circleOf(client: ClientName, graph: WaitGraph): readonly Waiter[] | null {
  const cameFrom = new Map<Waiter, Waiter>();
  const open: Waiter[] = [client];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const waiter of graph.get(next) ?? []) {
      if (waiter === client) return pathTo(next, cameFrom);
      if (cameFrom.has(waiter)) continue;
      cameFrom.set(waiter, next);
      open.push(waiter);
    }
  }
  return null;
}

function pathTo(last: Waiter, cameFrom: ReadonlyMap<Waiter, Waiter>): Waiter[] {
  const path: Waiter[] = [];
  for (let at: Waiter | undefined = last; at !== undefined; at = cameFrom.get(at)) path.unshift(at);
  return path;
}

/** For an error's detail: `client 7`, `process 4711 of shard 0`. */
export function waiterText(waiter: Waiter): string {
  if (typeof waiter === 'number') return `client ${waiter}`;
  return waiter.replace(SERVER_KEY, 'process $2 of shard $1');
}

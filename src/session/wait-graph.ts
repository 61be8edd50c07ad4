// Wait graph: who waits for whom, over all shards.

import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';

/** A transaction of some process of the proxy, by its client. */
export interface OpenTransaction {
  readonly client: number;
  /** Date.now() of its process, at its begin. */
  readonly begunMs: number;
  /** Its server processes, as serverKey gives them. */
  readonly servers: readonly string[];
}

/** One server process of one shard. */
export const serverKey = (shard: number, processId: number): string => `s${shard}:${processId}`;

// pg_blocking_pids gives 0 for a prepared transaction, which waits for nobody.
const WAITS_SQL = `
  SELECT a.pid, b.pid
  FROM pg_catalog.pg_stat_activity a, pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS b (pid)
  WHERE a.datname = pg_catalog.current_database() AND a.wait_event_type = 'Lock' AND b.pid <> 0`;

/** A node is a transaction's client, or a server process of nobody that is known. */
type Node = number | string;

export type WaitGraph = ReadonlyMap<Node, ReadonlySet<Node>>;

/** `connections`: one a shard. Rejects with ServerError or SqlError. */
export async function waitGraph(
  connections: readonly ServerConnection[],
  transactions: readonly OpenTransaction[],
): Promise<WaitGraph> {
  const owners = new Map<string, number>();
  for (const { client, servers } of transactions) {
    for (const server of servers) owners.set(server, client);
  }
  const graph = new Map<Node, Set<Node>>();
  const answers = connections.map(async (connection) => {
    const { rows } = await query(connection, WAITS_SQL);
    for (const row of rows) {
      const [waits, holds] = row.map((pid): Node => {
        const key = serverKey(connection.shard.id, Number(pid));
        return owners.get(key) ?? key;
      }) as [Node, Node];
      const known = graph.get(waits) ?? new Set();
      graph.set(waits, known.add(holds));
    }
  });
  await Promise.all(answers);
  return graph;
}

/** The clients of a circle that begins and ends with `client`; null: it does not wait for itself. */
export function circleOf(client: number, graph: WaitGraph): readonly number[] | null {
  const cameFrom = new Map<Node, Node>();
  const open: Node[] = [client];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const node of graph.get(next) ?? []) {
      if (node === client) return pathTo(next, cameFrom);
      if (cameFrom.has(node)) continue;
      cameFrom.set(node, next);
      open.push(node);
    }
  }
  return null;
}

function pathTo(last: Node, cameFrom: ReadonlyMap<Node, Node>): number[] {
  const path: number[] = [];
  for (let at: Node | undefined = last; at !== undefined; at = cameFrom.get(at)) {
    if (typeof at === 'number') path.unshift(at);
  }
  return path;
}

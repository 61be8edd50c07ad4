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

const SERVER_KEY = /^s\d+:\d+$/;

// pg_blocking_pids gives 0 for a prepared transaction, which waits for nobody.
const WAITS_SQL = `
  SELECT a.pid, b.pid
  FROM pg_catalog.pg_stat_activity a, pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS b (pid)
  WHERE a.datname = pg_catalog.current_database() AND a.wait_event_type = 'Lock' AND b.pid <> 0`;

/** A node is a transaction's client, or a server process of nobody that is known. */
type Node = ClientName;

export type WaitGraph = ReadonlyMap<Node, ReadonlySet<Node>>;

/** `connections`: one a shard. Rejects with ServerError or SqlError. */
export async function waitGraph(
  connections: readonly ServerConnection[],
  transactions: readonly OpenTransaction[],
): Promise<WaitGraph> {
  const owners = new Map<string, ClientName>();
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
export function circleOf(client: ClientName, graph: WaitGraph): readonly ClientName[] | null {
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

function pathTo(last: Node, cameFrom: ReadonlyMap<Node, Node>): ClientName[] {
  const path: ClientName[] = [];
  for (let at: Node | undefined = last; at !== undefined; at = cameFrom.get(at)) {
    if (typeof at === 'number' || !SERVER_KEY.test(at)) path.unshift(at);
  }
  return path;
}

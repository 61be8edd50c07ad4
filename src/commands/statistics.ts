// Statistics: pgbouncer's totals, for the cluster and for each shard, and their averages.

import type { ShardPool } from '../pool/shard-pool.ts';
import type { Client } from '../session/client.ts';
import type { SessionCounters } from '../session/session-counters.ts';

/** In pgbouncer's order; times in microseconds. */
export const TOTAL_NAMES = [
  'server_assignment_count',
  'xact_count',
  'query_count',
  'bytes_received',
  'bytes_sent',
  'xact_time',
  'query_time',
  'wait_time',
  'client_parse_count',
  'server_parse_count',
  'bind_count',
] as const;

export type Totals = Readonly<Record<(typeof TOTAL_NAMES)[number], number>>;

export interface StatisticsSource {
  readonly counters: SessionCounters;
  readonly pools: readonly ShardPool[];
  clients(): Iterable<Client>;
  /** The database name of the sharded whole. */
  readonly database: string;
}

interface Sample {
  readonly atMs: number;
  readonly totals: ReadonlyMap<string, Totals>;
}

/** Totals by database name: first that of the whole, then each shard's. */
export class Statistics {
  #source: StatisticsSource;
  /** The samples of the last two period ends, the older first. */
  #samples: readonly [Sample, Sample];

  constructor(source: StatisticsSource) {
    this.#source = source;
    const sample = { atMs: performance.now(), totals: new Map<string, Totals>() };
    this.#samples = [sample, sample];
  }

  totals(): ReadonlyMap<string, Totals> {
    const { pools, database } = this.#source;
    const shards = pools.map((pool) => totalsOfShard(pool));
    return new Map([
      [database, this.#ofCluster(shards)],
      ...pools.map((pool, i) => [pool.shard.database, shards[i]!] as const),
    ]);
  }

  /** To be called every STATS_PERIOD_MS. */
  tick(): void {
    const [, newer] = this.#samples;
    this.#samples = [newer, { atMs: performance.now(), totals: this.totals() }];
  }

  /**
   * Counts and bytes a second since the end of the last period but one; times as the mean of one
   * query, of one transaction, and of one second for waits.
   */
  averages(): ReadonlyMap<string, Totals> {
    const [older] = this.#samples;
    const seconds = Math.max(performance.now() - older.atMs, 1) / 1000;
    return new Map(
      [...this.totals()].map(([name, now]) => [
        name,
        average(now, older.totals.get(name), seconds),
      ]),
    );
  }

  #ofCluster(shards: readonly Totals[]): Totals {
    const { counters } = this.#source;
    const { routes } = counters;
    let received = counters.goneBytesReceived;
    let sent = counters.goneBytesSent;
    for (const { session } of this.#source.clients()) {
      received += session.traffic.bytesRead;
      sent += session.traffic.bytesWritten;
    }
    const sum = (name: keyof Totals) => shards.reduce((total, shard) => total + shard[name], 0);
    return {
      server_assignment_count: sum('server_assignment_count'),
      xact_count: counters.transactions + routes.pipelined + routes.grouped + routes.leased,
      query_count: counters.statements,
      bytes_received: received,
      bytes_sent: sent,
      xact_time: sum('xact_time'),
      query_time: sum('query_time'),
      wait_time: sum('wait_time'),
      client_parse_count: counters.parses,
      server_parse_count: sum('server_parse_count'),
      bind_count: counters.binds,
    };
  }
}

/** What one shard has been asked for; a request of the proxy's own counts like a client's. */
function totalsOfShard(pool: ShardPool): Totals {
  const { counters } = pool;
  let received = counters.closedBytesSent;
  let sent = counters.closedBytesReceived;
  for (const connection of Object.values(pool.connections()).flat()) {
    received += connection.traffic.bytesWritten;
    sent += connection.traffic.bytesRead;
  }
  const assignments = counters.assignments + counters.sharedAssignments;
  const queryMicroseconds = Math.round(counters.service.sumMs * 1000);
  return {
    server_assignment_count: assignments,
    xact_count: assignments,
    query_count: counters.service.count,
    bytes_received: received,
    bytes_sent: sent,
    xact_time: queryMicroseconds,
    query_time: queryMicroseconds,
    wait_time: Math.round(counters.wait.sumMs * 1000),
    client_parse_count: 0,
    server_parse_count: counters.parses,
    bind_count: 0,
  };
}

function average(now: Totals, before: Totals | undefined, seconds: number): Totals {
  const grown = (name: keyof Totals) => now[name] - (before?.[name] ?? 0);
  const each = (time: keyof Totals, count: keyof Totals) =>
    grown(count) === 0 ? 0 : Math.round(grown(time) / grown(count));
  const entries = TOTAL_NAMES.map((name) => {
    if (name === 'xact_time') return [name, each('xact_time', 'xact_count')];
    if (name === 'query_time') return [name, each('query_time', 'query_count')];
    return [name, Math.round(grown(name) / seconds)];
  });
  return Object.fromEntries(entries) as Totals;
}

// Metrics: what is measured of a proxy, by name, help and labels.

import type { Operations } from '../commands/operations.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { LatencyMetric, Metric, Reading } from './prometheus.ts';

const NO_LABELS = {};

const labelOf = (pool: ShardPool) => ({ shard: String(pool.shard.id) });

/** One reading a shard. */
function perShard(
  { pools }: Operations,
  type: Metric['type'],
  name: string,
  help: string,
  read: (pool: ShardPool) => number,
  combine: Metric['combine'] = 'sum',
): Metric {
  const readings = () => pools.map((pool) => ({ labels: labelOf(pool), value: read(pool) }));
  return { type, name, help, labels: ['shard'], combine, read: readings };
}

/** One reading for each of some names. */
function byName(
  type: Metric['type'],
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number>>,
): Metric {
  const readings = () =>
    Object.entries(read()).map(([key, value]) => ({ labels: { [label]: key }, value }));
  return { type, name, help, labels: [label], read: readings };
}

function single(type: Metric['type'], name: string, help: string, read: () => number): Metric {
  return { type, name, help, labels: [], read: () => [{ labels: NO_LABELS, value: read() }] };
}

function clientStates(operations: Operations): Record<string, number> {
  const states = { idle: 0, active: 0, waiting: 0, in_transaction: 0 };
  for (const { session } of operations.clients()) {
    if (session.waitsFor !== null) states.waiting += 1;
    else if (session.phase !== 'ready') states.active += 1;
    else if (session.state.transaction !== null) states.in_transaction += 1;
    else states.idle += 1;
  }
  return { ...states, login: operations.strangerCount() };
}

function pins(operations: Operations): number {
  let count = 0;
  for (const { session } of operations.clients()) count += session.state.pins.size;
  return count;
}

function errors({ counters, pools }: Operations): Reading[] {
  const own = [...counters.errors.byCode].map(([sqlstate, value]) => ({
    labels: { source: 'proxy', sqlstate },
    value,
  }));
  const shards = pools.flatMap((pool) =>
    [...pool.counters.errors.byCode].map(([sqlstate, value]) => ({
      labels: { source: `shard ${pool.shard.id}`, sqlstate },
      value,
    })),
  );
  return [...own, ...shards];
}

function connections({ pools }: Operations): Reading[] {
  return pools.flatMap((pool) => {
    const { idle, leased, shared, connecting } = pool.counts;
    return Object.entries({ idle, leased, shared, connecting }).map(([state, value]) => ({
      labels: { ...labelOf(pool), state },
      value,
    }));
  });
}

function clientMetrics(operations: Operations): Metric[] {
  const { counters, planner } = operations;
  const total = () => [...operations.statistics.totals().values()][0]!;
  return [
    byName('gauge', 'drive_clients', 'Clients by what they are doing.', 'state', () =>
      clientStates(operations),
    ),
    single('gauge', 'drive_pins', 'Server connections that clients must keep.', () =>
      pins(operations),
    ),
    byName('counter', 'drive_logins_total', 'Clients let in and turned away.', 'outcome', () => ({
      accepted: counters.logins,
      refused: counters.loginsRefused,
    })),
    byName('counter', 'drive_statements_total', 'Statements by their way.', 'route', () => ({
      ...counters.routes,
    })),
    single('counter', 'drive_transactions_total', 'Transactions that have ended.', () =>
      Math.max(total().xact_count, 0),
    ),
    byName(
      'counter',
      'drive_client_bytes_total',
      'Bytes from and to clients.',
      'direction',
      () => ({
        received: total().bytes_received,
        sent: total().bytes_sent,
      }),
    ),
    byName(
      'counter',
      'drive_plans_total',
      'Statements by whether a plan was known.',
      'cache',
      () => ({
        hit: planner.hits,
        miss: planner.misses,
      }),
    ),
    single('gauge', 'drive_plan_cache_entries', 'Plans in the cache.', () => planner.cacheSize),
    single(
      'gauge',
      'drive_plan_cache_bytes',
      'Estimated size of the plan cache.',
      () => planner.cacheBytes,
    ),
    {
      type: 'counter',
      name: 'drive_errors_total',
      help: 'Errors by SQLSTATE and by who raised them.',
      labels: ['source', 'sqlstate'],
      read: () => errors(operations),
    },
  ];
}

function shardMetrics(operations: Operations): Metric[] {
  const shard = perShard.bind(null, operations);
  return [
    {
      type: 'gauge',
      name: 'drive_server_connections',
      help: 'Connections to the shards by what they are used for.',
      labels: ['shard', 'state'],
      read: () => connections(operations),
    },
    shard('gauge', 'drive_pool_waiting', 'Statements that wait for a connection.', (pool) => {
      return pool.counts.waiting;
    }),
    shard(
      'gauge',
      'drive_shard_up',
      '1 unless the shard is down or disabled.',
      (pool) => (pool.downBecause === null ? 1 : 0),
      'min',
    ),
    shard(
      'gauge',
      'drive_shard_paused',
      '1 while the shard is paused.',
      (pool) => (pool.operated === 'paused' ? 1 : 0),
      'max',
    ),
    shard('counter', 'drive_server_requests_total', 'Requests a shard has answered.', (pool) => {
      return pool.counters.service.count;
    }),
    shard('counter', 'drive_server_connects_total', 'Connections opened.', (pool) => {
      return pool.counters.connectionsOpened;
    }),
    shard('counter', 'drive_server_connect_failures_total', 'Failed attempts.', (pool) => {
      return pool.counters.connectionsFailed;
    }),
    shard('counter', 'drive_server_parses_total', 'Statements prepared on a shard.', (pool) => {
      return pool.counters.parses;
    }),
  ];
}

export function metricsOf(operations: Operations): readonly Metric[] {
  return [...clientMetrics(operations), ...shardMetrics(operations)];
}

/** The stages of a statement: planning, waiting for a connection, the server's work. */
export function latenciesOf(operations: Operations): readonly LatencyMetric[] {
  const { pools, planner, counters } = operations;
  const perPool = (stage: 'wait' | 'service') => () =>
    pools.map((pool) => ({ labels: labelOf(pool), latency: pool.counters[stage] }));
  return [
    {
      name: 'drive_plan_seconds',
      help: 'Planning of statements that were not in the cache.',
      read: () => [{ labels: NO_LABELS, latency: planner.planning }],
    },
    {
      name: 'drive_wait_seconds',
      help: 'Waits for a server connection where none was free.',
      read: perPool('wait'),
    },
    {
      name: 'drive_server_seconds',
      help: 'Requests at a shard, from their turn on the connection to ReadyForQuery.',
      read: perPool('service'),
    },
    {
      name: 'drive_careful_seconds',
      help: 'Client requests that took the careful way, merges above all, as a whole.',
      read: () => [{ labels: NO_LABELS, latency: counters.carefulWay }],
    },
  ];
}

// SHOW POOLS, DATABASES and SHARDS: the server connections of each shard and what state it is in.

import { poolOf } from '../control/reload.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import { columns, show } from './command.ts';
import type { Operations } from './operations.ts';

const POOLS = columns(
  'database user cl_active:int4+ cl_waiting:int4+ cl_active_cancel_req:int4+ ' +
    'cl_waiting_cancel_req:int4+ sv_active:int4+ sv_active_cancel:int4+ sv_being_canceled:int4+ ' +
    'sv_idle:int4+ sv_used:int4+ sv_tested:int4+ sv_login:int4+ maxwait:int4> maxwait_us:int4> ' +
    'pool_mode load_balance_hosts',
);

const DATABASES = columns(
  'name host port:int4 database force_user pool_size:int4 min_pool_size:int4 ' +
    'reserve_pool_size:int4 server_lifetime:int4 pool_mode load_balance_hosts ' +
    'max_connections:int4 current_connections:int4+ max_client_connections:int4 ' +
    'current_client_connections:int4+ paused:int4 disabled:int4',
);

const SHARDS = columns(
  'shard_id:int4 database host port:int4 status< error< connections:int4+ waiting:int4+ errors:int8+',
);

/** pgbouncer splits a duration into seconds and the microseconds beyond them. */
export function splitWait(ms: number): [seconds: number, microseconds: number] {
  const microseconds = Math.round(Math.max(ms, 0) * 1000);
  return [Math.floor(microseconds / 1_000_000), microseconds % 1_000_000];
}

const totalOf = ({ counts }: ShardPool): number =>
  counts.idle + counts.leased + counts.shared + counts.connecting;

/** A shared connection without anything to answer is as good as idle. */
function poolRow(pool: ShardPool, mode: string) {
  const { counts } = pool;
  const all = Object.values(pool.connections()).flat();
  const restingShared = pool.connections().shared.filter((each) => each.owedCount === 0).length;
  const cancels = all.filter((each) => each.cancelsUnderWay > 0).length;
  return [
    pool.shard.database,
    pool.shard.user,
    counts.leased + pool.connections().shared.reduce((sum, each) => sum + each.owedCount, 0),
    counts.waiting,
    cancels,
    0,
    counts.leased + counts.shared - restingShared,
    cancels,
    cancels,
    counts.idle + restingShared,
    0,
    0,
    counts.connecting,
    ...splitWait(pool.waitedMs),
    mode,
    null,
  ];
}

function databaseRows(operations: Operations) {
  const config = operations.config();
  const { pool, proxy } = config;
  const lifetimeSeconds = Math.round(pool.lifetimeMs / 1000);
  const clients = [...operations.clients()];
  const on = (name: string) => clients.filter(({ identity }) => identity.database === name).length;
  const { pools } = operations;
  const every = (state: string) => (pools.every((each) => each.operated === state) ? 1 : 0);
  const total = pools.reduce((sum, each) => sum + totalOf(each), 0);
  const sizeOf = (each: ShardPool) => poolOf(config, each.shard.id).size;
  const size = pools.reduce((sum, each) => sum + sizeOf(each), 0);
  const tail = [size, 0, 0, lifetimeSeconds, pool.mode, null, size];
  const whole = [
    ...[proxy.database, null, proxy.port, proxy.database, null, ...tail, total],
    ...[proxy.clientsMax, on(proxy.database), every('paused'), every('disabled')],
  ];
  const shards = pools.map((each) => {
    const { host, port, database, user } = each.shard;
    const mode = config.shards[each.shard.id]?.poolMode ?? pool.mode;
    const own = [sizeOf(each), 0, 0, lifetimeSeconds, mode, null, sizeOf(each)];
    return [
      ...[database, host, port, database, user, ...own, totalOf(each)],
      ...[proxy.clientsMax, on(database)],
      ...[each.operated === 'paused' ? 1 : 0, each.operated === 'disabled' ? 1 : 0],
    ];
  });
  return [whole, ...shards];
}

/** `up` is what the last attempt to connect says, or that none was needed. */
function statusOf(pool: ShardPool): 'up' | 'down' | 'paused' | 'disabled' {
  if (pool.operated !== 'open') return pool.operated;
  return pool.downBecause === null ? 'up' : 'down';
}

export const POOL_COMMANDS = [
  show(
    'POOLS',
    'clients and server connections of each shard',
    'combined',
    POOLS,
    ({ pools, config }) => pools.map((pool) => poolRow(pool, config().pool.mode)),
  ),
  show('DATABASES', 'the database names clients may use', 'combined', DATABASES, databaseRows),
  show('SHARDS', 'where the shards are and whether they answer', 'combined', SHARDS, ({ pools }) =>
    pools.map((pool) => {
      const { id, database, host, port } = pool.shard;
      return [
        ...[id, database, host, port, statusOf(pool), pool.downBecause?.message ?? null],
        ...[totalOf(pool), pool.counts.waiting, pool.counters.errors.total],
      ];
    }),
  ),
];

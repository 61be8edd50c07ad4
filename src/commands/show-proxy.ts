// SHOW VERSION, CONFIG, LISTS, MEM, STATE, USERS and TABLES: the proxy as a whole.

import { type Column, columns, show, type Value } from './command.ts';
import type { Operations } from './operations.ts';
import { isReloadable, listSettings } from './settings.ts';

const CONFIG = columns('key value default changeable');
const LISTS: readonly Column[] = [
  ...columns('list'),
  { name: 'items', type: 'int4', combine: { sumBut: ['databases', 'users', 'pools'] } },
];
const MEM = columns('name size:int8 used:int8 free:int8 memtotal:int8 worker:int4');
const USERS = columns(
  'name pool_size reserve_pool_size pool_mode max_user_connections:int4 current_connections:int4+ ' +
    'max_user_client_connections:int4 current_client_connections:int4+',
);
const TABLES = columns('schema table kind key columns:int4');

function listRows(operations: Operations): Value[][] {
  const { pools } = operations;
  const servers = pools.flatMap((pool) => Object.values(pool.connections()).flat());
  const idle = pools.reduce((sum, pool) => sum + pool.counts.idle, 0);
  return [
    ['databases', pools.length + 1],
    ['users', operations.config().proxy.users.length],
    ['peers', 0],
    ['pools', pools.length],
    ['peer_pools', 0],
    ['free_clients', 0],
    ['used_clients', [...operations.clients()].length],
    ['login_clients', operations.strangerCount()],
    ['free_servers', idle],
    ['used_servers', servers.length - idle],
    ['dns_names', 0],
    ['dns_zones', 0],
    ['dns_queries', 0],
    ['dns_pending', 0],
  ];
}

/** pgbouncer's are slabs of one size; here the sizes are those of what Node reports in bytes. */
function memoryRows({ planner, statementNames, worker }: Operations): Value[][] {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const whole = (name: string, used: number, total: number) => [
    ...[name, 1, used, total - used, total, worker],
  ];
  const plans = planner.cacheSize;
  const planBytes = planner.cacheBytes;
  return [
    whole('process', rss, rss),
    whole('heap', heapUsed, heapTotal),
    whole('external', external, external),
    whole('buffers', arrayBuffers, arrayBuffers),
    ['plan_cache', plans === 0 ? 0 : Math.round(planBytes / plans), plans, 0, planBytes, worker],
    ['statement_names', null, statementNames.size, 0, null, worker],
  ];
}

function userRows(operations: Operations): Value[][] {
  const { proxy, pool } = operations.config();
  const { users, clientsMax } = proxy;
  const clients = [...operations.clients()];
  return users.map(({ name, clientsMax: own, poolMode }) => [
    ...[name, '', '', poolMode ?? pool.mode, 0, 0, own ?? clientsMax],
    clients.filter(({ identity }) => identity.user === name).length,
  ]);
}

function stateRows({ pools }: Operations): Value[][] {
  const all = (state: string) => (pools.every(({ operated }) => operated === state) ? 'yes' : 'no');
  return [
    ['active', all('open')],
    ['paused', all('paused')],
    ['suspended', 'no'],
  ];
}

export const PROXY_COMMANDS = [
  show('VERSION', 'the version of the proxy', 'here', columns('version'), ({ version }) => [
    [`Drive Clone ${version}`],
  ]),
  show(
    'CONFIG',
    'every setting, its default, and whether RELOAD changes it',
    'here',
    CONFIG,
    (operations) =>
      listSettings(operations.config()).map(({ key, value, preset }) => [
        ...[key, value, preset, isReloadable(key) ? 'yes' : 'no'],
      ]),
  ),
  show('LISTS', 'how many there are of everything', 'combined', LISTS, listRows),
  show('MEM', 'memory, in bytes', 'rows', MEM, memoryRows),
  show('STATE', 'whether the shards are paused', 'here', columns('key value'), stateRows),
  show('USERS', 'who may log in, and how often', 'combined', USERS, userRows),
  show('TABLES', 'the tables and how they are spread', 'here', TABLES, (operations) =>
    [...operations.topology().catalog.tables()].map((table) => [
      ...[table.schema, table.name, table.kind, table.keyColumn, table.columns.length],
    ]),
  ),
];

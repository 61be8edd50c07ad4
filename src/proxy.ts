// The composition root of the proxy: builds the rooms and connects them, and nothing else.

import { randomBytes } from 'node:crypto';
import { Console } from './admin/console.ts';
import { CoarseClock } from './base/clock.ts';
import { SqlError } from './base/errors.ts';
import {
  HOME_SHARD_START_MS,
  HOUSEKEEPING_INTERVAL_MS,
  SESSION_WATCH_MS,
  SHARED_WATCH_MS,
  STATS_PERIOD_MS,
} from './base/limits.ts';
import type { Logger } from './base/log.ts';
import { SQLSTATE } from './base/sqlstate.ts';
import { VERSION } from './base/version.ts';
import type { Operations } from './commands/operations.ts';
import { changedSettings, isReloadable } from './commands/settings.ts';
import { Statistics } from './commands/statistics.ts';
import type { Config } from './control/config.ts';
import { Recovery } from './control/recovery.ts';
import { poolOf, reloaded } from './control/reload.ts';
import { TopologyStore } from './control/topology-store.ts';
import type { Cluster } from './execute/cluster.ts';
import { gidSource } from './execute/two-phase.ts';
import { MetricsServer } from './observe/metrics-server.ts';
import { Planner } from './plan/planner.ts';
import { login } from './pool/login.ts';
import { ShardPool } from './pool/shard-pool.ts';
import { Authenticator } from './session/authenticator.ts';
import { ClientTls } from './session/client-tls.ts';
import type { SessionContext } from './session/context.ts';
import { Listener, type ListenerRules } from './session/listener.ts';
import { StatementNames } from './session/prepared.ts';
import { SessionCounters } from './session/session-counters.ts';
import { StatementCosts } from './session/statement-cost.ts';
import { UserLookup } from './session/user-lookup.ts';
import { loadParser } from './sql/parser.ts';
import { moduloPlacement } from './topology/placement.ts';
import type { Shard } from './topology/shard.ts';
import { HOME_SHARD } from './topology/shard.ts';
import { TERMINATE } from './wire/terminate.ts';

export interface RunningProxy {
  readonly port: number;
  /** null: the configuration asks for none. */
  readonly metricsPort: number | null;
  /** As the console's RELOAD: resolves with what needs a new start, a line each. */
  reload(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Texts kept for prepared statements and plans; beyond it the least recently used are forgotten. */
const PLAN_CACHE_BYTES = 64 * 1024 * 1024;
const STATEMENT_NAMES_MAX = 10_000;
const POOL_TICK_MS = 250;

/** What the proxy asks of the process it runs in. */
export interface ProxyHost {
  /** The configuration as it is now. Throws ConfigError. Without it RELOAD finds no change. */
  readConfig?(): Config;
  /** Begins to end the process. Without it SHUTDOWN closes the proxy alone. */
  shutdown?(): void;
  /** Tests: one server computes what is otherwise merged in a stream. */
  readonly forceEngine?: boolean;
}

/**
 * Resolves when clients are served. Rejects with SqlError when the home shard cannot be reached,
 * with the system's error when a port is taken or a TLS file cannot be read.
 */
export async function startProxy(
  config: Config,
  log: Logger,
  host: ProxyHost = {},
): Promise<RunningProxy> {
  await loadParser();
  let current = config;
  const cluster = makeCluster(config, () => current);
  const clock = new CoarseClock();
  const topology = new TopologyStore({
    shards: config.shards,
    placement: moduloPlacement(config.shards.length),
    rules: config.sharding,
    cluster,
    log,
  });
  const planner = new Planner({
    cacheBytesMax: PLAN_CACHE_BYTES,
    forceEngine: host.forceEngine ?? false,
  });
  const context = makeContext(planner, cluster, topology, clock, () => current, log);
  const { counters } = context;
  const clients = () => listener.clients();
  const { database } = config.proxy;
  const statistics = new Statistics({ counters, pools: cluster.pools, clients, database });
  const reload = async (): Promise<readonly string[]> => {
    const next = readAgain(host, config, log);
    listener.reconfigure(listenerRules(next, log));
    for (const pool of cluster.pools) pool.reconfigure(poolOf(next, pool.shard.id));
    // A level that somebody else has set stays until the configuration has another.
    if (next.log.level !== current.log.level) log.level = next.log.level;
    const waiting = changedSettings(current, next).filter((key) => !isReloadable(key));
    current = reloaded(current, next);
    log.info({ needStart: waiting }, 'the configuration has been read again');
    return waiting.map((key) => `${key} takes effect when the proxy is started anew`);
  };
  const operations: Operations = {
    ...{ version: VERSION, pools: cluster.pools, planner: context.planner },
    ...{ statementNames: context.statementNames, counters, statistics, clients, reload },
    config: () => current,
    topology: () => topology.current,
    strangerCount: () => listener.strangerCount,
    nowMs: () => clock.nowMs,
    // The operator is to be answered first.
    shutdown: () => void setImmediate(host.shutdown ?? (() => void close())),
  };
  const timers: NodeJS.Timeout[] = [
    setInterval(() => tick(cluster), POOL_TICK_MS),
    setInterval(() => watch(cluster, clock), SHARED_WATCH_MS),
    setInterval(() => statistics.tick(), STATS_PERIOD_MS),
  ];
  const metrics = config.metrics === null ? null : new MetricsServer(operations, log);
  const stop = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    for (const pool of cluster.pools) pool.close();
    await metrics?.close();
  };
  const listener = new Listener(context, listenerRules(config, log), {
    host: config.proxy.host,
    port: config.proxy.port,
    console: new Console(operations, log),
  });
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= listener.close().then(stop);
    return closing;
  };
  try {
    await firstLoad(topology, log);
    const recovery = new Recovery(cluster, log);
    void recovery.run();
    timers.push(setInterval(() => listener.watch(), SESSION_WATCH_MS));
    timers.push(
      setInterval(() => void housekeeping(topology, recovery, log), HOUSEKEEPING_INTERVAL_MS),
    );
    const { metrics: place } = config;
    const metricsPort = place === null ? null : await metrics!.listen(place.host, place.port);
    const port = await listener.listen();
    return { port, metricsPort, reload, close };
  } catch (error) {
    await stop();
    throw error;
  }
}

function makeContext(
  planner: Planner,
  cluster: Cluster,
  topology: TopologyStore,
  clock: CoarseClock,
  config: () => Config,
  log: Logger,
): SessionContext {
  return {
    topology: () => topology.current,
    planner,
    cluster,
    twoPhase: { cluster, nextGid: gidSource(randomBytes(8).toString('hex')), log },
    statementNames: new StatementNames(STATEMENT_NAMES_MAX),
    costs: new StatementCosts(),
    counters: new SessionCounters(),
    clock,
    serverParameters: () => topology.serverParameters,
    schemaChanged: () => topology.load(),
    topologyWithin: (connection) => topology.within(connection),
    database: config().proxy.database,
    get mergeRowsMax() {
      return config().merge.rowsMax;
    },
    get mergeBytesMax() {
      return config().merge.bytesMax;
    },
    get spillBytesMax() {
      return config().merge.spillBytesMax;
    },
    log,
  };
}

/** What of the configuration the listener goes by. Throws when a TLS file cannot be read. */
function listenerRules(config: Config, log: Logger): ListenerRules {
  const { users, auth, trust, tls, authQuery } = config.proxy;
  const lookup = authQuery === null ? null : makeLookup(config, authQuery, log);
  const modes = new Map(users.map(({ name, poolMode }) => [name, poolMode]));
  const bounded = users.flatMap(({ name, clientsMax }) =>
    clientsMax === undefined ? [] : [[name, clientsMax] as const],
  );
  return {
    authenticator: new Authenticator({
      ...{ users, method: auth, trust },
      lookUp: lookup === null ? null : (user) => lookup.find(user),
      clientCert: tls?.clientCert ?? 'optional',
    }),
    tls: tls === null ? null : { clients: new ClientTls(tls), required: tls.required },
    clientsMax: config.proxy.clientsMax,
    authTimeoutMs: config.proxy.authTimeoutMs,
    clientsMaxOf: new Map(bounded),
    timeouts: config.proxy,
    poolsBySession: (user) => (modes.get(user) ?? config.pool.mode) === 'session',
  };
}

/** The lookup's role is its own where one is given: the shards' user runs what clients like. */
function makeLookup(
  { shards, pool }: Config,
  { query, cacheMs, user, password }: NonNullable<Config['proxy']['authQuery']>,
  log: Logger,
): UserLookup {
  const nowMs = () => performance.now();
  const home = shards[HOME_SHARD]!;
  const place = user === undefined ? home : { ...home, user, password: password ?? '' };
  const connect = () => login(place, { timeoutMs: pool.connectTimeoutMs, nowMs });
  return new UserLookup({ connect, query, cacheMs, nowMs, log });
}

/** Throws SqlError F0000 with what is wrong: nothing has changed then. */
function readAgain(host: ProxyHost, config: Config, log: Logger): Config {
  try {
    const next = host.readConfig?.() ?? config;
    // All that can fail comes before anything is put in force.
    listenerRules(next, log);
    return next;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new SqlError({ code: SQLSTATE.configFileError, message }, { cause: error });
  }
}

function makeCluster(config: Config, now: () => Config): Cluster {
  const nowMs = () => performance.now();
  const connect = (shard: Shard) => login(shard, { timeoutMs: now().pool.connectTimeoutMs, nowMs });
  const dependencies = { connect, nowMs, random: Math.random, terminate: TERMINATE };
  const poolFor = (shard: Shard) => new ShardPool(shard, poolOf(config, shard.id), dependencies);
  return { pools: config.shards.map(poolFor) };
}

function tick(cluster: Cluster): void {
  for (const pool of cluster.pools) pool.tick();
}

function watch(cluster: Cluster, clock: CoarseClock): void {
  clock.tick();
  for (const pool of cluster.pools) pool.watch();
}

/** Servers that start together with the proxy get some time to be ready. */
async function firstLoad(topology: TopologyStore, log: Logger): Promise<void> {
  const deadlineMs = performance.now() + HOME_SHARD_START_MS;
  for (let first = true; ; first = false) {
    try {
      await topology.load();
      return;
    } catch (error) {
      if (!(error instanceof SqlError) || performance.now() > deadlineMs) throw error;
      if (first) log.warn(`waiting for the home shard: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function housekeeping(
  topology: TopologyStore,
  recovery: Recovery,
  log: Logger,
): Promise<void> {
  await recovery.run();
  try {
    await topology.load();
  } catch (error) {
    log.debug({ err: error }, 'the home shard could not be asked for its schema');
  }
}

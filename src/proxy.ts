// The composition root of the proxy: builds the rooms and connects them, and nothing else.

import { randomBytes } from 'node:crypto';
import { Console } from './admin/console.ts';
import { CoarseClock } from './base/clock.ts';
import {
  DEADLOCK_WATCH_MS,
  HOUSEKEEPING_INTERVAL_MS,
  SESSION_WATCH_MS,
  SHARED_WATCH_MS,
  STATS_PERIOD_MS,
} from './base/limits.ts';
import type { Logger } from './base/log.ts';
import { VERSION } from './base/version.ts';
import type { Answer, Command } from './commands/command.ts';
import { nothingToRestart } from './commands/operate-proxy.ts';
import type { Operations } from './commands/operations.ts';
import type { RunCommand } from './commands/over-workers.ts';
import { readAgain, seatRules, waitingSettings } from './commands/settings.ts';
import {
  openTransactions,
  ownTransactions,
  SHOW_TRANSACTIONS,
} from './commands/show-transactions.ts';
import { Statistics } from './commands/statistics.ts';
import type { Config } from './control/config.ts';
import { ProxyChannel } from './control/proxy-channel.ts';
import { Recovery } from './control/recovery.ts';
import { poolOf, reloaded, type Share, WHOLE } from './control/reload.ts';
import { SchemaNews } from './control/schema-news.ts';
import { TopologyStore } from './control/topology-store.ts';
import { TRANSACTIONS, toldOf, transactionsElsewhere } from './control/transactions-elsewhere.ts';
import { firstLoad, housekeeping, loadCommitted } from './control/upkeep.ts';
import { type Cluster, makeCluster } from './execute/cluster.ts';
import { decisionHold } from './execute/decision-hold.ts';
import { atItsPlace } from './execute/place-check.ts';
import { SchemaHold } from './execute/schema-hold.ts';
import { ticketHold } from './execute/ticket.ts';
import { Gids } from './execute/two-phase.ts';
import { latenciesOf, metricsOf } from './observe/metrics.ts';
import { MetricsServer } from './observe/metrics-server.ts';
import { Exposition, type Snapshot } from './observe/prometheus.ts';
import { Planner } from './plan/planner.ts';
import { login } from './pool/login.ts';
import { ShardPool } from './pool/shard-pool.ts';
import { Authenticator } from './session/authenticator.ts';
import { ClientTls } from './session/client-tls.ts';
import type { SessionContext } from './session/context.ts';
import { DeadlockWatch } from './session/deadlock-watch.ts';
import { GroupCommit } from './session/group-commit.ts';
import { Listener, type ListenerRules } from './session/listener.ts';
import { operateTable } from './session/operate-table.ts';
import { StatementNames } from './session/prepared.ts';
import { Seats } from './session/seats.ts';
import { SessionCounters } from './session/session-counters.ts';
import { noSiblings, type Siblings, type Signal } from './session/siblings.ts';
import { StatementCosts } from './session/statement-cost.ts';
import { UserLookup } from './session/user-lookup.ts';
import { loadParser } from './sql/parser.ts';
import { moduloPlacement } from './topology/placement.ts';
import { HOME_SHARD, type Shard } from './topology/shard.ts';
import type { BackendKey } from './wire/status.ts';
import { TERMINATE } from './wire/terminate.ts';

export interface RunningProxy {
  readonly port: number;
  /** null: the configuration asks for none. */
  readonly metricsPort: number | null;
  readonly operations: Operations;
  /** As the console's RELOAD: resolves with what needs a new start, a line each. */
  reload(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** What a worker does when its siblings, or the primary, ask for it. */
export interface ProxyWorker extends RunningProxy {
  /** Puts a configuration in force; returns what needs a new start. Throws SqlError. */
  apply(config: Config): readonly string[];
  cancel(key: BackendKey): Promise<void>;
  /** null: there is no such client. Rejects with SqlError. */
  signal(signal: Signal): Promise<true | null>;
  /** Resolves when the schema of now is known. */
  loadSchema(): Promise<void>;
  resize(share: Share): void;
  /** Takes no more clients; resolves when the last has gone. */
  drain(): Promise<void>;
  measure(): Promise<Snapshot>;
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
  /** This process is one of several; null or not given: it is all of the proxy. */
  readonly worker?: WorkerHost | null;
}

/** What a worker has from the primary, and asks of it. */
export interface WorkerHost {
  /** In the gids of its transactions. */
  readonly name: string;
  readonly siblings: Siblings;
  /** The bound socket of all workers. */
  readonly fd: number;
  readonly share: Share;
  /** Called once the schema is known and before the first client; `loadSchema` reads it again. */
  beforeClients(operations: Operations, loadSchema: () => Promise<void>): Promise<void>;
  /** Runs a command in all workers. Rejects with SqlError. */
  run(command: Command, argument: string, operations: Operations): Promise<Answer>;
  reload(): Promise<readonly string[]>;
  restart(): Promise<readonly string[]>;
}

/**
 * Resolves when clients are served. Rejects with SqlError when the home shard cannot be reached,
 * with the system's error when a port is taken or a TLS file cannot be read.
 */
export async function startProxy(
  config: Config,
  log: Logger,
  host: ProxyHost = {},
): Promise<ProxyWorker> {
  await loadParser();
  const { worker = null } = host;
  const name = worker?.name ?? randomBytes(8).toString('hex');
  const seats = new Seats(seatRules(config));
  const siblings =
    worker?.siblings ?? noSiblings(name, { take: (isConsole) => seats.seat(isConsole) });
  let current = config;
  let share = worker?.share ?? WHOLE;
  const cluster = clusterOf(config, share, () => current);
  const clock = new CoarseClock();
  const topology = makeTopology(config, cluster, log);
  const hold = new SchemaHold();
  const channel = new ProxyChannel({
    connect: () => connector(() => current)(config.shards[HOME_SHARD]!),
    asked: async (message) =>
      message.what === TRANSACTIONS
        ? toldOf(name, await ownTransactions(operations))
        : ((await news.asked(message)) ?? ''),
    reopened: () => news.reopened(),
    secret: config.shards[HOME_SHARD]!.password,
    ...{ terminate: TERMINATE, log },
  });
  const news = new SchemaNews({
    ask: (what, waitMs) => (channel.isOpen ? channel.ask(what, waitMs) : null),
    cutOff: (ids) => channel.cutOff(ids),
    load: () => topology.loadNow(),
    ...{ hold, log },
  });
  const gids = new Gids(name);
  const planner = new Planner({
    cacheBytesMax: PLAN_CACHE_BYTES,
    forceEngine: host.forceEngine ?? false,
  });
  const context = makeContext(
    { planner, cluster, topology, news, hold, clock, gids, siblings, log },
    () => current,
  );
  const { counters } = context;
  const clients = () => listener.clients();
  const { database } = config.proxy;
  const statistics = new Statistics({ counters, pools: cluster.pools, clients, database });
  const resize = (next: Share): void => {
    share = next;
    for (const pool of cluster.pools) pool.reconfigure(poolOf(current, pool.shard.id, share));
  };
  const apply = (next: Config): readonly string[] => {
    // All that can fail comes first.
    listener.reconfigure(listenerRules(next, log));
    seats.rules = seatRules(next);
    // A level that somebody else has set stays until the configuration has another.
    if (next.log.level !== current.log.level) log.level = next.log.level;
    const waiting = waitingSettings(current, next);
    current = reloaded(current, next);
    resize(share);
    log.info({ needStart: waiting }, 'the configuration has been read again');
    return waiting;
  };
  const reload =
    worker?.reload ?? (async () => readAgain(() => apply(host.readConfig?.() ?? config)));
  const operations: Operations = {
    ...{ version: VERSION, pools: cluster.pools, planner: context.planner },
    ...{ statementNames: context.statementNames, counters, statistics, clients, reload },
    worker: siblings.number,
    isDraining: () => listener.isDraining,
    config: () => current,
    topology: () => topology.current,
    strangerCount: () => listener.strangerCount,
    nowMs: () => clock.nowMs,
    changeTable: (change) => operateTable(context, change),
    restart: worker?.restart ?? (() => Promise.reject(nothingToRestart())),
    // The operator is to be answered first.
    shutdown: () => void setImmediate(host.shutdown ?? (() => void close())),
  };
  const timers: NodeJS.Timeout[] = [
    setInterval(() => tick(cluster), POOL_TICK_MS),
    setInterval(() => watch(context, clock), SHARED_WATCH_MS),
    setInterval(() => statistics.tick(), STATS_PERIOD_MS),
  ];
  const exposition = new Exposition(metricsOf(operations), latenciesOf(operations));
  // Those of several workers are served by the primary.
  const place = worker === null ? config.metrics : null;
  const metrics = place === null ? null : new MetricsServer(() => exposition.text(), log);
  const stop = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    channel.close();
    for (const pool of cluster.pools) pool.close();
    await metrics?.close();
  };
  const run: RunCommand = async (command, argument) =>
    worker === null ? command.run(argument, operations) : worker.run(command, argument, operations);
  const { host: address, port: wanted } = config.proxy;
  const listener = new Listener(context, listenerRules(config, log), {
    place: worker === null ? { host: address, port: wanted } : { fd: worker.fd },
    console: new Console(run, () => current, log),
    siblings,
  });
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= listener.close().then(stop);
    return closing;
  };
  try {
    await firstLoad(topology, channel, log);
    const recovery = new Recovery({ cluster, gids, living: () => siblings.living(), log });
    void recovery.run();
    timers.push(setInterval(() => listener.watch(), SESSION_WATCH_MS));
    const deadlocks = new DeadlockWatch({
      clients,
      transactions: async () => [
        ...openTransactions(await run(SHOW_TRANSACTIONS, '')),
        ...(await transactionsElsewhere(
          (what, waitMs) => channel.ask(what, waitMs),
          await siblings.living(),
        )),
      ],
      ...{ shards: config.shards, pools: cluster.pools, connect: connector(() => current) },
      nowMs: () => clock.nowMs,
      log,
    });
    timers.push(setInterval(() => void deadlocks.watch(), DEADLOCK_WATCH_MS));
    timers.push(
      setInterval(() => void housekeeping(topology, recovery, log), HOUSEKEEPING_INTERVAL_MS),
    );
    await worker?.beforeClients(operations, () => topology.loadNow());
    const metricsPort = place === null ? null : await metrics!.listen(place.host, place.port);
    const port = await listener.listen();
    return {
      ...{ port, metricsPort, operations, reload, close, apply, resize },
      cancel: (key) => listener.cancel(key),
      signal: (signal) => listener.signal(signal),
      loadSchema: () => topology.loadNow(),
      drain: () => listener.drain(),
      measure: () => exposition.snapshot(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface ContextParts {
  readonly planner: Planner;
  readonly cluster: Cluster;
  readonly topology: TopologyStore;
  readonly news: SchemaNews;
  readonly hold: SchemaHold;
  readonly clock: CoarseClock;
  readonly gids: Gids;
  readonly siblings: Siblings;
  readonly log: Logger;
}

function makeContext(
  { planner, cluster, topology, news, hold, clock, gids, siblings, log }: ContextParts,
  config: () => Config,
): SessionContext {
  const decisions = decisionHold(config().shards, connector(config));
  const tickets = ticketHold(config().shards, connector(config));
  return {
    topology: () => topology.current,
    ...{ planner, cluster, clock, log },
    groups: cluster.pools.map(
      (_, shard) => new GroupCommit(cluster, shard, () => config().pool.groupMax),
    ),
    twoPhase: { cluster, gids, decisions, tickets, log },
    statementNames: new StatementNames(STATEMENT_NAMES_MAX),
    ...{ costs: new StatementCosts(), counters: new SessionCounters() },
    serverParameters: () => topology.serverParameters,
    hold,
    holdPlanning: () => news.hold(),
    schemaChanged: async () => {
      await Promise.all([loadCommitted(topology, log), siblings.schemaChanged(), news.announce()]);
    },
    lookFor: (tables) => topology.lookFor(tables),
    topologyWithin: (participants) => topology.within(participants),
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
    get inlineRowsMax() {
      return config().merge.inlineRowsMax;
    },
    largeInputs: new WeakSet(),
  };
}

/** What of the configuration the listener goes by. Throws when a TLS file cannot be read. */
function listenerRules(config: Config, log: Logger): ListenerRules {
  const { users, auth, trust, tls, authQuery } = config.proxy;
  const lookup = authQuery === null ? null : makeLookup(config, authQuery, log);
  const modes = new Map(users.map(({ name, poolMode }) => [name, poolMode]));
  const databases = new Map(config.shards.map(({ database, poolMode }) => [database, poolMode]));
  return {
    authenticator: new Authenticator({
      ...{ users, method: auth, trust },
      lookUp: lookup === null ? null : (user) => lookup.find(user),
      clientCert: tls?.clientCert ?? 'optional',
    }),
    tls: tls === null ? null : { clients: new ClientTls(tls), required: tls.required },
    authTimeoutMs: config.proxy.authTimeoutMs,
    timeouts: config.proxy,
    poolsBySession: (user, database) =>
      (modes.get(user) ?? databases.get(database) ?? config.pool.mode) === 'session',
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

function clusterOf(config: Config, share: Share, now: () => Config): Cluster {
  const nowMs = () => performance.now();
  const dependencies = { nowMs, random: Math.random, terminate: TERMINATE };
  return makeCluster(config.shards, connector(now), (shard, connect) => {
    return new ShardPool(shard, poolOf(config, shard.id, share), { ...dependencies, connect });
  });
}

const connector = (now: () => Config) => async (shard: Shard) => {
  const { pool, shards } = now();
  const { connectTimeoutMs: timeoutMs } = pool;
  const connection = await login(shard, { timeoutMs, nowMs: () => performance.now() });
  return atItsPlace(connection, shards.length, timeoutMs);
};

function makeTopology(config: Config, cluster: Cluster, log: Logger): TopologyStore {
  return new TopologyStore({
    shards: config.shards,
    placement: moduloPlacement(config.shards.length),
    rules: config.sharding,
    ...{ cluster, log },
  });
}

function tick(cluster: Cluster): void {
  for (const pool of cluster.pools) pool.tick();
}

function watch({ cluster, groups }: SessionContext, clock: CoarseClock): void {
  clock.tick();
  for (const pool of cluster.pools) pool.watch();
  for (const group of groups) group.watch();
}

// The composition root of the proxy: builds the rooms and connects them, and nothing else.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SqlError } from './base/errors.ts';
import { HOME_SHARD_START_MS, HOUSEKEEPING_INTERVAL_MS, SHARED_WATCH_MS } from './base/limits.ts';
import type { Logger } from './base/log.ts';
import type { Config } from './control/config.ts';
import { Recovery } from './control/recovery.ts';
import { TopologyStore } from './control/topology-store.ts';
import type { Cluster } from './execute/cluster.ts';
import { gidSource } from './execute/two-phase.ts';
import { Planner } from './plan/planner.ts';
import { login } from './pool/login.ts';
import { ShardPool } from './pool/shard-pool.ts';
import { Authenticator } from './session/authenticator.ts';
import type { SessionContext } from './session/context.ts';
import { Listener } from './session/listener.ts';
import { StatementNames } from './session/prepared.ts';
import { StatementCosts } from './session/statement-cost.ts';
import { loadParser } from './sql/parser.ts';
import { moduloPlacement } from './topology/placement.ts';
import { TERMINATE } from './wire/terminate.ts';

export interface RunningProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Texts kept for prepared statements and plans; beyond it the least recently used are forgotten. */
const PLAN_CACHE_BYTES = 64 * 1024 * 1024;
const STATEMENT_NAMES_MAX = 10_000;
const POOL_TICK_MS = 250;

/**
 * Resolves when clients are served. Rejects with SqlError when the home shard cannot be reached,
 * with the system's error when the port is taken or a TLS file cannot be read.
 */
export async function startProxy(config: Config, log: Logger): Promise<RunningProxy> {
  await loadParser();
  const cluster = makeCluster(config);
  const timers: NodeJS.Timeout[] = [
    setInterval(() => tick(cluster), POOL_TICK_MS),
    setInterval(() => watch(cluster), SHARED_WATCH_MS),
  ];
  const topology = new TopologyStore({
    shards: config.shards,
    placement: moduloPlacement(config.shards.length),
    rules: config.sharding,
    cluster,
    log,
  });
  const context: SessionContext = {
    topology: () => topology.current,
    planner: new Planner({ cacheBytesMax: PLAN_CACHE_BYTES }),
    cluster,
    twoPhase: { cluster, nextGid: gidSource(randomBytes(8).toString('hex')), log },
    statementNames: new StatementNames(STATEMENT_NAMES_MAX),
    costs: new StatementCosts(),
    serverParameters: () => topology.serverParameters,
    schemaChanged: () => topology.load(),
    database: config.proxy.database,
    mergeRowsMax: config.merge.rowsMax,
    mergeBytesMax: config.merge.bytesMax,
    log,
  };
  const { users, auth, trust } = config.proxy;
  const stop = (): void => {
    for (const timer of timers) clearInterval(timer);
    for (const pool of cluster.pools) pool.close();
  };
  try {
    const authenticator = new Authenticator({ users, method: auth, trust });
    const listener = new Listener(context, authenticator, {
      ...config.proxy,
      tls: tlsRules(config),
    });
    await firstLoad(topology, log);
    const recovery = new Recovery(cluster, log);
    void recovery.run();
    timers.push(
      setInterval(() => void housekeeping(topology, recovery, log), HOUSEKEEPING_INTERVAL_MS),
    );
    const port = await listener.listen();
    const close = async (): Promise<void> => {
      await listener.close();
      stop();
    };
    return { port, close };
  } catch (error) {
    stop();
    throw error;
  }
}

function makeCluster(config: Config): Cluster {
  const nowMs = () => performance.now();
  const { connectTimeoutMs } = config.pool;
  const connect = (shard: Parameters<typeof login>[0]) =>
    login(shard, { timeoutMs: connectTimeoutMs, nowMs });
  const dependencies = { connect, nowMs, terminate: TERMINATE };
  return { pools: config.shards.map((shard) => new ShardPool(shard, config.pool, dependencies)) };
}

function tick(cluster: Cluster): void {
  for (const pool of cluster.pools) pool.tick();
}

function watch(cluster: Cluster): void {
  for (const pool of cluster.pools) pool.watch();
}

function tlsRules(config: Config) {
  const { tls } = config.proxy;
  if (tls === null) return null;
  const [cert, key] = [readFileSync(tls.cert), readFileSync(tls.key)];
  return { context: createSecureContext({ cert, key }), required: tls.required };
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

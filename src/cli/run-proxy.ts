// Runs the proxy: as the primary of its workers, or in this process if it is to have none.

import { availableParallelism } from 'node:os';
import { WORKER_CONNECTIONS_MIN, WORKERS_MAX } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../control/config.ts';
import type { Lifetime } from './lifetime.ts';

export interface ProxyService {
  readonly port: number;
  /** null: the configuration asks for none. */
  readonly metricsPort: number | null;
  readonly workers: number;
  /** "worker 0" → its process id; none where there is no process but this. */
  processes(): Readonly<Record<string, number>>;
  reload(): Promise<readonly string[]>;
}

export interface ProxyServiceOptions {
  /** The configuration as it is now. Throws ConfigError. */
  readConfig(): Config;
  /** What it is a part of. */
  readonly lifetime: Lifetime;
  /** Called whenever workers have come or gone. */
  onWorkers?(): void;
}

/** Resolves when clients are served. Rejects as startProxy does. */
export async function runProxy(
  config: Config,
  log: Logger,
  options: ProxyServiceOptions,
): Promise<ProxyService> {
  return workersOf(config) === 0
    ? runAlone(config, log, options)
    : runWorkers(config, log, options);
}

async function runAlone(
  config: Config,
  log: Logger,
  { readConfig, lifetime }: ProxyServiceOptions,
): Promise<ProxyService> {
  const { startProxy } = await import('../proxy.ts');
  const shutdown = () => lifetime.requestStop();
  const { port, metricsPort, reload, close, operations } = await startProxy(config, log, {
    readConfig,
    shutdown,
  });
  lifetime.add({ name: 'the proxy', close });
  lifetime.onRestart(() => {
    operations.restart().catch((error: Error) => log.warn(error.message));
  });
  return { port, metricsPort, reload, workers: 0, processes: () => ({}) };
}

async function runWorkers(
  config: Config,
  log: Logger,
  { readConfig, lifetime, onWorkers }: ProxyServiceOptions,
): Promise<ProxyService> {
  const { startWorkers } = await import('../workers/start.ts');
  const shutdown = () => lifetime.requestStop();
  const workers = await startWorkers(config, log, {
    ...{ readConfig, workersOf, shutdown },
    onWorkers: onWorkers ?? (() => undefined),
  });
  lifetime.add({ name: 'the proxy', close: () => workers.close(), kill: () => workers.kill() });
  lifetime.onRestart(() => {
    workers.restart().catch((error: Error) => log.error(`no restart: ${error.message}`));
  });
  const { port, metricsPort, count } = workers;
  return {
    ...{ port, metricsPort, workers: count },
    processes: () => workers.processes(),
    reload: () => workers.reload(),
  };
}

/** By default one per core, but each with connections enough to keep its pipelines apart. */
function workersOf({ proxy, pool, shards }: Config): number {
  if (proxy.workers !== null) return proxy.workers;
  const smallest = Math.min(...shards.map(({ poolSize }) => poolSize ?? pool.size));
  const fed = Math.floor(smallest / WORKER_CONNECTIONS_MIN);
  return Math.max(1, Math.min(availableParallelism(), fed, WORKERS_MAX));
}

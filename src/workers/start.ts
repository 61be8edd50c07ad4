// Start: the primary with its workers, and /metrics of them all.

import type { Logger } from '../base/log.ts';
import type { Config } from '../control/config.ts';
import { MetricsServer } from '../observe/metrics-server.ts';
import { Primary, type PrimaryHost } from './primary.ts';

export interface RunningWorkers {
  readonly port: number;
  /** null: the configuration asks for none. */
  readonly metricsPort: number | null;
  readonly count: number;
  /** "worker 0" → its process id. */
  processes(): Readonly<Record<string, number>>;
  /** As the console's RELOAD: resolves with what needs a new start, a line each. */
  reload(): Promise<readonly string[]>;
  /** As the console's RESTART. */
  restart(): Promise<readonly string[]>;
  close(): Promise<void>;
  /** Without waiting. */
  kill(): void;
}

/** Resolves when clients are served. Rejects as Primary.start does, or when a port is taken. */
export async function startWorkers(
  config: Config,
  log: Logger,
  host: PrimaryHost,
): Promise<RunningWorkers> {
  const primary = await Primary.start(config, log, host);
  const { metrics: place } = config;
  const metrics = place === null ? null : new MetricsServer(() => primary.measure(), log);
  const close = async (): Promise<void> => {
    await primary.close();
    await metrics?.close();
  };
  let metricsPort: number | null = null;
  try {
    if (place !== null) metricsPort = await metrics!.listen(place.host, place.port);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    port: primary.port,
    metricsPort,
    count: primary.count,
    processes: () => primary.processes(),
    reload: () => primary.reload(),
    restart: () => primary.restart(),
    close,
    kill: () => primary.kill(),
  };
}

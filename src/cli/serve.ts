// `drive proxy` and `drive api`: one part each, against servers that run elsewhere.

import { createLog } from '../base/log.ts';
import { type Config, loadConfig, requireApiLogin, requireShards } from '../control/config.ts';
import { requireFreePort } from '../local/port.ts';
import { serve } from './lifetime.ts';
import { runProxy } from './run-proxy.ts';

export interface ServeOptions {
  readonly config?: string;
  readonly proxyPort?: number;
  readonly apiPort?: number;
  readonly workers?: number;
}

/** The config of a command: the file, the environment and the ports of the command line. */
export function configFor(
  { config: file, proxyPort, apiPort, workers }: ServeOptions,
  defaults: Readonly<Record<string, unknown>> = {},
) {
  const proxy = {
    ...(proxyPort === undefined ? {} : { port: proxyPort }),
    ...(workers === undefined ? {} : { workers }),
  };
  const overrides = {
    proxy,
    ...(apiPort === undefined ? {} : { api: { port: apiPort } }),
  };
  return loadConfig({ file, env: process.env, overrides, defaults });
}

export async function serveProxy(options: ServeOptions): Promise<number> {
  const readConfig = (): Config => {
    const config = configFor(options);
    requireShards(config);
    return config;
  };
  const config = readConfig();
  const { host, port } = config.proxy;
  await requireFreePort(port, host, 'the proxy', '--proxy-port');
  return serve(async (lifetime) => {
    const log = createLog(config.log.level, config.log.pretty);
    const starting = runProxy(config, log, { readConfig, lifetime });
    // It may be waiting for a shard that does not come up.
    const proxy = await Promise.race([starting, lifetime.stopRequested]);
    if (proxy === undefined) return;
    lifetime.onHangup(() => {
      proxy.reload().catch((error: unknown) => log.error({ err: error }, 'the reload has failed'));
    });
    const { port: own, workers, metricsPort } = proxy;
    const parts = [`${host}:${own}`, `shards: ${config.shards.length}`, `workers: ${workers}`];
    if (metricsPort !== null) {
      parts.push(`metrics: http://${config.metrics?.host}:${metricsPort}/metrics`);
    }
    process.stdout.write(`drive proxy: ${parts.join(', ')}\n`);
  });
}

export async function serveApi(options: ServeOptions): Promise<number> {
  const config = configFor(options);
  requireApiLogin(config);
  const { host, port, proxyHost, proxyPort } = config.api;
  await requireFreePort(port, host, 'the API', '--api-port');
  return serve(async (lifetime) => {
    const { startApi } = await import('../api/server.ts');
    const api = await startApi(config, createLog(config.log.level, config.log.pretty));
    lifetime.add({ name: 'the API', close: () => api.close() });
    const behind = `${proxyHost}:${proxyPort}`;
    process.stdout.write(`drive api: http://${host}:${api.port}, proxy: ${behind}\n`);
  });
}

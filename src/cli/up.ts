// `drive up`: embedded shards, the proxy and the API in one process, until Ctrl-C.

import { relative } from 'node:path';
import { createLog } from '../base/log.ts';
import { type Config, requireApiLogin } from '../control/config.ts';
import { startCluster } from '../local/cluster.ts';
import { requireNoOwner } from '../local/cluster-file.ts';
import { requireDistinctPorts, requireFreePort, type WantedPort } from '../local/port.ts';
import { banner } from './banner.ts';
import { type Lifetime, serve } from './lifetime.ts';
import { runProxy } from './run-proxy.ts';
import { configFor, type ServeOptions } from './serve.ts';

export interface UpOptions extends ServeOptions {
  readonly shards: number;
  readonly shardPort: number;
  readonly data: string;
}

/** The banner should stay readable: the log is for what is wrong, unless the config says else. */
const UP_DEFAULTS = {
  log: { level: 'warn', pretty: process.stderr.isTTY === true },
  // The servers and the load want the cores, too.
  proxy: { workers: 0 },
};

export async function up(options: UpOptions): Promise<number> {
  const config = configFor(options, UP_DEFAULTS);
  requireApiLogin(config);
  requireNoOwner(options.data);
  requireDistinctPorts(portsOf(options, config));
  await requireFreePort(config.proxy.port, config.proxy.host, 'the proxy', '--proxy-port');
  await requireFreePort(config.api.port, config.api.host, 'the API', '--api-port');
  let home: string | null = null;
  const exitCode = await serve(async (lifetime) => {
    home = await start(options, config, lifetime);
  });
  if (home !== null) process.stdout.write(`\n  Stopped. The data is in ${home}.\n`);
  return exitCode;
}

/** All that one start listens on. */
function portsOf({ shards, shardPort }: UpOptions, { proxy, api, metrics }: Config): WantedPort[] {
  const shardPorts = Array.from({ length: shards }, (_, id) => ({
    port: shardPort === 0 ? 0 : shardPort + id,
    what: `shard ${id}`,
    flag: '--shard-port',
  }));
  return [
    ...shardPorts,
    { port: proxy.port, what: 'the proxy', flag: '--proxy-port' },
    { port: api.port, what: 'the API', flag: '--api-port' },
    { port: metrics?.port ?? 0, what: 'the metrics', flag: 'metrics.port' },
  ];
}

/** Resolves when all is up with the place of the data as people are shown it; null: stopped before. */
async function start(
  options: UpOptions,
  config: Config,
  lifetime: Lifetime,
): Promise<string | null> {
  const begun = performance.now();
  const log = createLog(config.log.level, config.log.pretty);
  const cluster = await startCluster({
    dataDirectory: options.data,
    shards: options.shards,
    firstPort: options.shardPort,
    clientDatabase: config.proxy.database,
    log,
  });
  lifetime.add({
    name: 'the embedded cluster',
    close: () => cluster.close(),
    kill: () => cluster.kill(),
  });
  for (const server of cluster.servers) {
    server.onUnexpectedExit((reason) => {
      log.error({ server: server.name, reason }, 'a shard has stopped; the others go on');
    });
  }
  const { startApi } = await import('../api/server.ts');
  const readConfig = (): Config => ({
    ...configFor(options, UP_DEFAULTS),
    shards: cluster.shards,
  });
  const withShards: Config = { ...config, shards: cluster.shards };
  let announce = (): void => undefined;
  const proxy = await runProxy(withShards, log, {
    ...{ readConfig, lifetime },
    onWorkers: () => announce(),
  });
  const proxyPort = config.api.proxyPort === config.proxy.port ? proxy.port : config.api.proxyPort;
  const api = await startApi({ ...withShards, api: { ...config.api, proxyPort } }, log);
  lifetime.add({ name: 'the API', close: () => api.close() });
  const addresses = {
    proxy: `${config.proxy.host}:${proxy.port}`,
    API: `${config.api.host}:${api.port}`,
  };
  announce = () => cluster.announce(addresses, proxy.processes());
  announce();
  if (lifetime.isStopping) return null;
  const data = shortest(cluster.home);
  const text = banner({
    config: withShards,
    proxyPort: proxy.port,
    apiPort: api.port,
    data,
    seconds: (performance.now() - begun) / 1000,
    isColoured: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
  });
  process.stdout.write(text);
  return data;
}

/** A path below the working directory is shown from there, any other in full. */
function shortest(path: string): string {
  const below = relative('', path);
  return below === '' || below.startsWith('..') ? path : below;
}

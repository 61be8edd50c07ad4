// A proxy of one test file, over fresh databases on the test run's servers.

import { createLog, type Logger } from '../../src/base/log.ts';
import { type ConfigPart, loadConfig } from '../../src/control/config.ts';
import { startProxy } from '../../src/proxy.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { type FreshDatabases, freshDatabases, superusers } from './cluster.ts';

/** How a client logs in. */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

export interface TestProxy {
  readonly login: Login;
  readonly shards: readonly Shard[];
  /** An ordinary database on one server, empty: the oracle. */
  readonly plain: Shard;
  readonly metricsPort: number | null;
  /** What the next RELOAD finds in the configuration, in place of `config`. */
  changeConfig(config: ConfigPart): void;
  /** Another proxy over the same databases; its close() leaves them. */
  beside(options: TestProxyOptions): Promise<TestProxy>;
  /** Ends the proxy and drops the databases. */
  close(): Promise<void>;
}

export interface TestProxyOptions {
  readonly shards?: number;
  /** With the application's tables. */
  readonly application?: boolean;
  /** More of the configuration, as in its file. */
  readonly config?: ConfigPart;
  /** Where the proxy's log goes; by default nowhere. */
  readonly log?: Logger;
  /** The proxy logs in as the servers' superuser, which may make roles and become anybody. */
  readonly superuser?: boolean;
  /** One server computes what is otherwise merged in a stream. */
  readonly forceEngine?: boolean;
  /** Makes tables before the proxy looks at the schema. */
  readonly prepare?: (databases: FreshDatabases) => Promise<void>;
}

export async function startTestProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const { shards = 2, application = false } = options;
  const databases = await freshDatabases(shards, { application });
  await options.prepare?.(databases);
  return proxyOver(databases, options);
}

async function proxyOver(
  databases: FreshDatabases,
  { config: part = {}, log, forceEngine = false, superuser = false }: TestProxyOptions,
): Promise<TestProxy> {
  let current = part;
  const loginAs = superuser ? superusers().shards : {};
  const readConfig = () => {
    const { proxy: proxyPart = {}, ...rest } = current as { proxy?: object };
    return loadConfig({
      env: {},
      overrides: {
        shards: databases.shards.map(({ id: _, ...shard }) => ({ ...shard, ...loginAs })),
        proxy: { port: 0, ...proxyPart },
        ...rest,
      },
    });
  };
  const config = readConfig();
  const proxy = await startProxy(
    config,
    log ?? createLog((process.env.TEST_LOG ?? 'silent') as 'info'),
    { readConfig, forceEngine },
  );
  const [user] = config.proxy.users;
  return {
    login: {
      host: config.proxy.host,
      port: proxy.port,
      database: config.proxy.database,
      user: user!.name,
      password: user!.password,
    },
    shards: databases.shards,
    plain: databases.plain,
    metricsPort: proxy.metricsPort,
    changeConfig(next) {
      current = next;
    },
    beside: (options) =>
      proxyOver(
        { ...databases, drop: async () => undefined },
        { config: part, superuser, ...options },
      ),
    async close() {
      await proxy.close();
      await databases.drop();
    },
  };
}

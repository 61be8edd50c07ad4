// The proxy as a process of its own: `node src/main.ts proxy --config …`.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Shard } from '../src/topology/shard.ts';
import { type Service, startService } from './service.ts';

const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');

export interface ProxyOptions {
  readonly shards: readonly Shard[];
  /** As pg_authid has it. */
  readonly verifier: string;
  /** Clients without a password. */
  readonly trust: boolean;
  readonly clientsMax: number;
  readonly directory: string;
  /** Where a processor profile goes when the process ends; null: none is made. */
  readonly profileDirectory: string | null;
}

export interface RunningProxyProcess extends Service {
  readonly port: number;
}

export async function startProxyProcess(options: ProxyOptions): Promise<RunningProxyProcess> {
  const { shards, trust, clientsMax, verifier, profileDirectory } = options;
  const config = join(options.directory, 'drive.json');
  const content = {
    shards: shards.map(({ id: _, ...shard }) => shard),
    proxy: {
      port: 0,
      // One process: it is measured as one, and shares the cores with the servers and the load.
      workers: 0,
      users: [{ name: shards[0]?.user, password: verifier }],
      trust: trust ? ['127.0.0.1/32'] : [],
      clientsMax,
    },
    log: { level: 'warn' },
  };
  writeFileSync(config, JSON.stringify(content), { mode: 0o600 });
  const profiling =
    profileDirectory === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
  const service = await startService({
    name: 'the proxy',
    program: process.execPath,
    args: [...profiling, MAIN, 'proxy', '--config', config],
    env: ownEnvironment(),
    ready: /drive proxy: [^:\n]+:(\d+)/,
  });
  return { ...service, port: Number(service.match[1]) };
}

/** Without the variables that would change the proxy's settings. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(DRIVE|DB)_/.test(name)),
  );
}

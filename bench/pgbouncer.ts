// pgbouncer in front of shard 0, in transaction mode, with the same accounts as the others.

import { chownSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverAccount } from '../src/local/account.ts';
import { freePort } from '../src/local/port.ts';
import type { Shard } from '../src/topology/shard.ts';
import { type Service, startService } from './service.ts';

export interface PgbouncerOptions {
  readonly program: string;
  readonly shard: Shard;
  /** As pg_authid has it: pgbouncer can then log in to the server without deriving keys. */
  readonly verifier: string;
  /** Clients without a password. */
  readonly trust: boolean;
  readonly poolSize: number;
  readonly clientsMax: number;
  /** A folder for its files, which its account can enter. */
  readonly directory: string;
}

export interface RunningPgbouncer extends Service {
  readonly port: number;
}

export async function startPgbouncer(options: PgbouncerOptions): Promise<RunningPgbouncer> {
  const account = serverAccount();
  const directory = mkdtempSync(join(options.directory, 'pgbouncer-'));
  const port = await freePort();
  const { shard, trust } = options;
  const secret = trust ? shard.password : options.verifier;
  const users = join(directory, 'users.txt');
  const settings = join(directory, 'pgbouncer.ini');
  writeFileSync(users, `"${shard.user}" "${secret}"\n`, { mode: 0o600 });
  writeFileSync(settings, settingsText(options, port, users), { mode: 0o600 });
  if (account !== null) {
    for (const path of [directory, users, settings]) chownSync(path, account.uid, account.gid);
  }
  const { program } = options;
  const ready = /process up/;
  const service = await startService({
    name: 'pgbouncer',
    program,
    args: [settings],
    account,
    ready,
  });
  return { ...service, port };
}

function settingsText(options: PgbouncerOptions, port: number, users: string): string {
  const { shard } = options;
  return `[databases]
${shard.database} = host=${shard.host} port=${shard.port} dbname=${shard.database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = ${options.trust ? 'trust' : 'scram-sha-256'}
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${options.poolSize}
max_client_conn = ${options.clientsMax}
log_connections = 0
log_disconnections = 0
`;
}

/** True for releases that keep prepared statements in transaction mode: 1.21 on. */
export function keepsPrepared(version: string): boolean {
  const match = /(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > 1 || minor >= 21;
}

// Servers of an installed release of PostgreSQL: the shards of a proxy, and one by itself.

import { join } from 'node:path';
import { serverAccount } from '../../src/local/account.ts';
import type { Binaries } from '../../src/local/binaries.ts';
import { clearLeftovers } from '../../src/local/data-directory.ts';
import { ensureDatabase } from '../../src/local/database.ts';
import { freePort, LOOPBACK } from '../../src/local/port.ts';
import { runProgram } from '../../src/local/program.ts';
import { makePrivate } from '../../src/local/reachable.ts';
import { installSchema } from '../../src/local/schema.ts';
import { LocalServer } from '../../src/local/server.ts';
import type { Shard } from '../../src/topology/shard.ts';

const ROLE = { user: 'shard_user', password: 'shard_pass' };

/** The one superuser; nobody but the test can reach the server's port. */
const SUPERUSER = { user: 'postgres', password: '' };

export interface InstalledServers {
  /** Databases for shards, with schema drive; all on one server. */
  shards(n: number, name: string): Promise<readonly Shard[]>;
  /** An empty database. */
  single(name: string): Promise<Shard>;
  close(): Promise<void>;
}

/** `bin`: the folder of its programs. */
export async function startInstalled(directory: string, bin: string): Promise<InstalledServers> {
  const account = serverAccount();
  const binaries: Binaries = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
  const data = join(directory, 'installed');
  makePrivate(data, account);
  const made = await runProgram(
    binaries.initdb,
    ['-D', data, '-U', SUPERUSER.user, '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '-N'],
    account,
  );
  if (made.code !== 0) throw new Error(made.output);
  await clearLeftovers(data);
  const port = await freePort();
  const settings = { fsync: 'off', autovacuum: 'off' };
  const server = await LocalServer.start({
    ...{ name: 'the installed server', directory: data, port, binaries, account, settings },
  });
  const database = async (id: number, name: string): Promise<Shard> => {
    const shard = { id, host: LOOPBACK, port, database: name, ...ROLE };
    await ensureDatabase(shard, SUPERUSER);
    return shard;
  };
  return {
    async shards(n, name) {
      const all = [];
      for (let id = 0; id < n; id++) all.push(await database(id, `${name}_${id}`));
      await installSchema(all, { only: 'drive' });
      return all;
    },
    single: (name) => database(0, name),
    close: () => server.stop('immediate'),
  };
}

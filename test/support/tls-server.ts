// A PostgreSQL server with TLS, for one test file.

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../../src/base/pg.ts';
import { type LocalCluster, startCluster } from '../../src/local/cluster.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { Authority, type Certificate } from './certificate.ts';
import { CertificateFiles } from './certificate-files.ts';

export interface TlsServer {
  readonly authority: Authority;
  /** Path of the authority's certificate. */
  readonly root: string;
  readonly files: CertificateFiles;
  /** The server's own: for the name localhost, and no address. */
  readonly certificate: Certificate;
  /** By its address, and without an sslmode. */
  readonly shard: Shard;
  /** Runs SQL as the superuser. */
  run(sql: string): Promise<void>;
  close(): Promise<void>;
}

/** `rules`: lines of pg_hba.conf that come before its own. */
export async function startTlsServer(
  directory: string,
  rules: readonly string[] = [],
): Promise<TlsServer> {
  const files = new CertificateFiles(directory);
  const authority = new Authority();
  const root = files.write('root.crt', authority.cert);
  const certificate = authority.issue({ commonName: 'a shard', names: ['localhost'] });
  const settings = { ...files.serverSettings('shard', certificate), ssl_ca_file: root };
  const dataDirectory = join(directory, 'data');
  const options = { dataDirectory, shards: 1, firstPort: 0, durable: false, settings };
  const cluster = await startCluster(options);
  const shard = cluster.shards[0]!;
  const server = { authority, root, files, certificate, shard };
  const run = (sql: string): Promise<void> => runAsSuperuser(cluster, sql);
  prepend(join(cluster.home, 'shard-0', 'pg_hba.conf'), rules);
  await run('SELECT pg_reload_conf()');
  return { ...server, run, close: () => cluster.close() };
}

/** In place: the file keeps its owner. */
function prepend(path: string, rules: readonly string[]): void {
  const own = readFileSync(path, 'utf8');
  writeFileSync(path, '');
  appendFileSync(path, `${rules.join('\n')}\n${own}`);
}

async function runAsSuperuser({ shards, superuser }: LocalCluster, sql: string): Promise<void> {
  const { host, port, database } = shards[0]!;
  const client = new Client({ host, port, database, ...superuser });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

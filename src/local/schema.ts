// The files of sql/ on shards: installed in order, as often as one likes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEMA_CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import type { Client } from '../base/pg.ts';
import type { Shard } from '../topology/shard.ts';
import { connectToShard, shardFailure } from './shard-client.ts';

/** The folder of the SQL files, from this file's place. */
const SQL_DIRECTORY = join(import.meta.dirname, '..', '..', 'sql');

export interface SchemaOptions {
  /** Leaves the application's tables out. */
  readonly only?: 'drive';
}

/** The SQL files in the order in which they are run: by name. */
function schemaFiles({ only }: SchemaOptions): string[] {
  return readdirSync(SQL_DIRECTORY)
    .filter((name) =>
      (only === undefined ? /^\d+-.*\.sql$/ : /^\d+-drive(-[a-z]+)?\.sql$/).test(name),
    )
    .sort()
    .map((name) => join(SQL_DIRECTORY, name));
}

/**
 * Runs the SQL files on each shard, each shard in one transaction. Throws a LocalError that names
 * the shard and the reason.
 */
export async function installSchema(
  shards: readonly Shard[],
  options: SchemaOptions = {},
): Promise<void> {
  const files = schemaFiles(options).map((path) => readFileSync(path, 'utf8'));
  const results = await Promise.allSettled(
    shards.map((shard) => installOn(shard, shards.length, files)),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function installOn(shard: Shard, count: number, files: readonly string[]): Promise<void> {
  let client: Client | null = null;
  try {
    client = await connectToShard(shard, {
      application_name: 'drive install',
      connectionTimeoutMillis: SCHEMA_CONNECT_TIMEOUT_MS,
      options: `-c drive.install_as=${shard.id} -c drive.install_of=${count} -c client_min_messages=warning`,
    });
    await client.query('BEGIN');
    for (const text of files) await client.query(text);
    await client.query('COMMIT');
  } catch (error) {
    throw shardFailure(shard, error);
  } finally {
    await client?.end();
  }
}

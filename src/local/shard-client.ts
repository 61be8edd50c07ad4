// Shard client: a connected pg client on a shard, encrypted as its sslmode asks for.

import { Client } from '../base/pg.ts';
import type { Shard } from '../topology/shard.ts';
import { tlsOptions } from '../topology/shard-trust.ts';
import { LocalError } from './local-error.ts';

/** What pg says to the N of a server without TLS. */
const NO_TLS = 'The server does not support SSL connections';

export interface ShardClientOptions {
  readonly application_name: string;
  readonly connectionTimeoutMillis: number;
  readonly options: string;
}

/** The caller ends it. Rejects as pg does. */
export async function connectToShard(shard: Shard, rest: ShardClientOptions): Promise<Client> {
  const { host, port, database, user, password } = shard;
  const place = { host, port, database, user, password, ...rest };
  const ssl = await tlsOptions(shard);
  if (ssl === null) return connected(new Client(place));
  try {
    return await connected(new Client({ ...place, ssl }));
  } catch (error) {
    const isRefused = error instanceof Error && error.message === NO_TLS;
    if (shard.sslmode !== 'prefer' || !isRefused) throw error;
    return connected(new Client(place));
  }
}

async function connected(client: Client): Promise<Client> {
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

/** What a shard has failed with, in one line that says which. */
export function shardFailure({ id, database, host, port }: Shard, error: unknown): LocalError {
  // A name with several addresses fails with an error per address and no message of its own.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const reason = first instanceof Error ? first.message : String(first);
  return new LocalError(`shard ${id} (${database} on ${host}:${port}): ${reason}`, {
    cause: error,
  });
}

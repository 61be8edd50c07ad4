// Shard client: a connected pg client on a shard, encrypted as its sslmode asks for.

import { Client } from '../base/pg.ts';
import type { Shard } from '../topology/shard.ts';
import { tlsOptions } from '../topology/shard-trust.ts';

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

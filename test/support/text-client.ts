// A pg client that leaves values as the text the server sent, so that nothing is lost in decoding.

import { Client, type QueryResult } from '../../src/base/pg.ts';
import type { Shard } from '../../src/topology/shard.ts';

/** Connects; the caller ends it. */
export async function connectAsText(place: Omit<Shard, 'id'>): Promise<Client> {
  const { host, port, database, user, password } = place;
  const client = new Client({
    ...{ host, port, database, user, password },
    types: { getTypeParser: () => (text: string) => text },
  });
  await client.connect();
  return client;
}

/** The rows of a query, every value as text. */
export async function textRows(
  client: Client,
  text: string,
  values: readonly unknown[] = [],
): Promise<(string | null)[][]> {
  const result: QueryResult<(string | null)[]> = await client.query({
    text,
    values: [...values],
    rowMode: 'array',
  });
  return result.rows;
}

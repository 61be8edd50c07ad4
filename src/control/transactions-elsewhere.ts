// Transactions elsewhere: what other proxies have open over several shards, for the deadlock watch.

import { NEWS_TRANSACTIONS_BYTES_MAX, NEWS_TRANSACTIONS_MS } from '../base/limits.ts';
import type { Answers } from './proxy-channel.ts';

/** A transaction of another proxy, or of this one as others are told of it. */
export interface ToldTransaction {
  readonly client: number | string;
  /** Date.now() of its process, at its begin. */
  readonly begunMs: number;
  /** Its server processes, by shard. */
  readonly servers: readonly string[];
}

/** What a process says of itself. */
interface Told {
  /** In its gids. */
  readonly name: string;
  readonly transactions: readonly ToldTransaction[];
}

export const TRANSACTIONS = 'transactions';

/** The answer to TRANSACTIONS: those of several shards, as many as a notification holds. */
export function toldOf(name: string, transactions: readonly ToldTransaction[]): string {
  const told: ToldTransaction[] = [];
  let bytes = 0;
  for (const each of transactions) {
    if (each.servers.length < 2) continue;
    bytes += JSON.stringify(JSON.stringify(each)).length;
    if (bytes > NEWS_TRANSACTIONS_BYTES_MAX) break;
    told.push(each);
  }
  return JSON.stringify({ name, transactions: told } satisfies Told);
}

/**
 * Of all processes but those whose names are in `own`; the clients have names that no other has. Rejects
 * with SqlError or ServerError.
 */
export async function transactionsElsewhere(
  ask: (what: string, waitMs: number) => Promise<Answers>,
  own: readonly string[],
): Promise<ToldTransaction[]> {
  const { bodies } = await ask(TRANSACTIONS, NEWS_TRANSACTIONS_MS);
  return bodies.flatMap((body) => {
    const { name, transactions } = JSON.parse(body) as Told;
    if (own.includes(name)) return [];
    return transactions.map((each) => ({ ...each, client: `client ${each.client} of ${name}` }));
  });
}

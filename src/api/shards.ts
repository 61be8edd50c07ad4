// The shards as the proxy sees them: their names, whether they answer, and how many records each has.

import type { Database, Row } from './database.ts';
import { ApiFailure } from './failure.ts';
import { API_HEALTH_TIMEOUT_MS } from './limits.ts';
import { countOf, intOf, onlyRow, textOf } from './row.ts';
import type { Stats } from './schema.ts';

/** One shard; `error` says why it does not answer, null when it does. */
export interface ShardState {
  readonly id: number;
  readonly database: string;
  readonly error: string | null;
}

function shardState(row: Row): ShardState {
  const up = textOf(row, 'status') === 'up';
  const error = up ? null : row.error === null ? 'it does not answer' : textOf(row, 'error');
  return { id: intOf(row, 'shard_id'), database: textOf(row, 'database'), error };
}

/** Every shard in the order of its number. @throws ApiFailure 503 when the proxy does not answer. */
export async function shardStates(database: Database): Promise<readonly ShardState[]> {
  const rows = await database.rows({ text: 'SHOW drive.shards' }, [], API_HEALTH_TIMEOUT_MS);
  return rows.map(shardState).sort((a, b) => a.id - b.id);
}

/** What is wrong with the cluster in words, or null; `shards` is null when the proxy is away. */
export async function clusterHealth(
  database: Database,
): Promise<{ readonly shards: readonly ShardState[] | null; readonly trouble: string | null }> {
  let shards: readonly ShardState[];
  try {
    shards = await shardStates(database);
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status === 500) throw error;
    return { shards: null, trouble: 'the proxy does not answer' };
  }
  const down = shards.filter((shard) => shard.error !== null);
  if (down.length === 0) return { shards, trouble: null };
  const names = down.map((shard) => `${shard.id} (${shard.database})`).join(', ');
  const trouble = `${down.length === 1 ? 'shard' : 'shards'} ${names} down`;
  return { shards, trouble };
}

type Count = { readonly count: number } | { readonly error: string };

async function countOn(database: Database, shard: ShardState): Promise<Count> {
  if (shard.error !== null) return { error: shard.error };
  const text = `/* drive.shard=${shard.id} */ SELECT count(*) AS records FROM file_metadata`;
  try {
    return { count: countOf(onlyRow(await database.rows({ text })), 'records') };
  } catch (error) {
    // The others' numbers are worth having; only our own faults (500) are not an answer.
    if (!(error instanceof ApiFailure) || error.status === 500) throw error;
    const detail = error.status === 504 ? 'it did not answer in time' : 'it does not answer';
    return { error: detail };
  }
}

function percentage(count: number, total: number): number {
  return total === 0 ? 0 : Math.round((count / total) * 10_000) / 100;
}

/** Records per shard, each counted on the shard itself. @throws ApiFailure 503 without the proxy. */
export async function statistics(database: Database): Promise<Stats> {
  const states = await shardStates(database);
  const counts = await Promise.all(states.map((shard) => countOn(database, shard)));
  const total = counts.reduce((sum, count) => sum + ('count' in count ? count.count : 0), 0);
  const shards = states.map(({ id, database: name }, index) => {
    const count = counts[index]!;
    return 'count' in count
      ? {
          shard_id: id,
          record_count: count.count,
          database: name,
          percentage: percentage(count.count, total),
        }
      : {
          shard_id: id,
          record_count: null,
          database: name,
          percentage: null,
          error: count.error,
        };
  });
  return { success: true, shards, total_shards: states.length, total_records: total };
}

// Computed keys: sharding keys that are expressions or defaults, evaluated once before their rows go.

import { SqlError } from '../base/errors.ts';
import { KEYS_COMPUTED_AT_ONCE } from '../base/limits.ts';
import { defaultKeyValues, integerKeys } from '../execute/default-values.ts';
import type { InsertMerge, KeySource } from '../plan/plan.ts';
import { keysOf } from '../plan/route.ts';
import type { ComputedKeys, RowsKey } from '../plan/staged.ts';
import { refused } from '../plan/unsupported.ts';
import { withConnectionOf } from './everywhere.ts';
import type { RunnerDependencies } from './execution.ts';
import { readRows, type StagedRun, sourceOf } from './row-source.ts';

/** The INSERT with all its keys known. Rejects with SqlError or ServerError. */
export async function withComputedKeys(
  run: StagedRun,
  merge: InsertMerge,
  computed: ComputedKeys,
): Promise<InsertMerge> {
  const { key, rows, table } = computed;
  const count = rows.filter((row) => row.key === 'default').length;
  const defaults = [...(await defaultKeys(run.d, table, key, count))];
  const texts = rows.flatMap((row) =>
    typeof row.key === 'object' && 'sql' in row.key ? [row.key.sql] : [],
  );
  const values = await evaluate(run, texts, key);
  const sources = rows.map((row): KeySource => {
    if (typeof row.key === 'object' && 'from' in row.key) return row.key;
    const value = (row.key === 'default' ? defaults.shift() : values.shift()) ?? null;
    if (value === null && !key.notNull) throw new SqlError(refused('insertDefault'));
    return { from: 'constant', value };
  });
  return {
    ...merge,
    keys: sources,
    computed: null,
    rows: rows.map(({ before, after }, i) => {
      const [value] = keysOf([sources[i]!], run.execution.values);
      return `(${[...before, value === undefined ? 'NULL' : `(${value})`, ...after].join(', ')})`;
    }),
  };
}

/** Expressions as PostgreSQL assigns them to the key's column. */
async function evaluate(
  run: StagedRun,
  texts: readonly string[],
  { type }: RowsKey,
): Promise<(bigint | null)[]> {
  const values: (bigint | null)[] = [];
  for (let at = 0; at < texts.length; at += KEYS_COMPUTED_AT_ONCE) {
    const items = texts.slice(at, at + KEYS_COMPUTED_AT_ONCE);
    const casts = items.map((sql) => `(${sql})::pg_catalog.${type}::pg_catalog.int8`);
    const { set } = await readRows(run, await sourceOf(run, `SELECT ${casts.join(', ')}`));
    values.push(...integerKeys(set.rows[0]!, items.length));
  }
  return values;
}

/**
 * Of rows that leave the key to the column's default. By turns on every shard: a sequence gives each
 * shard numbers of its own, which would all be keys of one.
 */
export async function defaultKeys(
  { state, context }: RunnerDependencies,
  table: string,
  key: RowsKey,
  count: number,
): Promise<readonly (bigint | null)[]> {
  if (count === 0) return [];
  const shard = context.counters.transactions % context.topology().shards.length;
  return withConnectionOf(state)(shard, async (connection) => {
    const values = await defaultKeyValues(connection, table, key, count);
    state.lastIds.taken(shard, null);
    return values;
  });
}

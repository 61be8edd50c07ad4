// Plan settings: what makes PostgreSQL plan a statement in another way.

import type { Random } from './random.ts';

const SETTINGS = [
  'enable_hashagg = off',
  'enable_sort = off',
  'enable_incremental_sort = off',
  'enable_hashjoin = off',
  'enable_mergejoin = off',
  'enable_nestloop = off',
  'enable_material = off',
  'enable_memoize = off',
  'enable_seqscan = off',
  'enable_indexscan = off; SET LOCAL enable_indexonlyscan = off',
  'enable_bitmapscan = off',
  'enable_partition_pruning = off',
  'join_collapse_limit = 1',
  'from_collapse_limit = 1',
  'parallel_setup_cost = 0; SET LOCAL min_parallel_table_scan_size = 0',
];

/** Some of them, for the transaction. */
export const someSettings = (random: Random): string[] =>
  SETTINGS.filter(() => random.chance(0.3)).map((setting) => `SET LOCAL ${setting}`);

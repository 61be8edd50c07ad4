// Keep view merge: a materialized view that the home shard fills from the rows of all shards.

import type { RelationName } from '../sql/statement.ts';

/** CREATE or REFRESH MATERIALIZED VIEW on the home shard, which has all rows of `tables` for as long. */
export interface KeepViewMerge {
  readonly how: 'keepView';
  readonly tables: readonly CompletedTable[];
  /** The view that is made; null: it is there. */
  readonly made: RelationName | null;
}

/** A sharded table that the home shard is given the other shards' rows of. */
export interface CompletedTable {
  /** Qualified and quoted. */
  readonly name: string;
  /** Those that can be given a value, quoted. `isUnsteady`: its text may lose digits, or its time zone. */
  readonly columns: readonly { readonly name: string; readonly isUnsteady: boolean }[];
  /** How its rows travel. */
  readonly format: 'binary' | 'text';
}

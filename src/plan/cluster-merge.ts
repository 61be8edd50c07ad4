// Cluster merge: how a SELECT at home reads what each shard tells of its own part.

/**
 * A SELECT that reads where sequences are, or statistics: every shard is asked for its places in `sequences` (null: in
 * all) and every other one for what it has counted, then the home shard answers `marked`, in which the marks of
 * SEQUENCE_LEAF and STATISTICS_LEAF stand for what they have told, as the functions of schema drive take it.
 */
export interface ClusterMerge {
  readonly how: 'cluster';
  /** Qualified and quoted. */
  readonly sequences: readonly string[] | null;
  /** Names of views and tables of pg_catalog. */
  readonly statistics: readonly string[];
  readonly marked: string;
}

export const SEQUENCE_LEAF = 1;
export const STATISTICS_LEAF = 2;

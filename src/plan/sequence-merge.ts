// Sequences over several shards: how a SELECT reads where they are, or sets them.

import type { EverywhereMerge } from './plan.ts';

/**
 * A SELECT that reads where sequences are: every shard is asked for its places in `sequences` (null:
 * in all), then the home shard answers `marked`, in which the first leaf's mark stands for the places of
 * the cluster, as drive.sequence_row() takes them.
 */
export interface SequencesMerge {
  readonly how: 'sequences';
  /** Qualified and quoted. */
  readonly sequences: readonly string[] | null;
  readonly marked: string;
}

/**
 * SELECT setval(…) of computed arguments: `query` gives them, the sequence's name and its place, as
 * text; then every shard is sent each row's call, by `call`.
 */
export interface SetvalMerge {
  readonly how: 'setval';
  readonly query: string;
  readonly call: EverywhereMerge;
}

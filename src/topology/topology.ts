// Topology: a frozen snapshot of what lives where; one is used for the whole of a statement.

import type { Placement } from './placement.ts';
import type { Shard } from './shard.ts';
import type { Catalog } from './table.ts';

export interface Topology {
  /** Grows with every change of shards, placement or catalog: part of every plan cache key. */
  readonly version: number;
  /** shards[i].id === i. */
  readonly shards: readonly Shard[];
  readonly placement: Placement;
  readonly catalog: Catalog;
}

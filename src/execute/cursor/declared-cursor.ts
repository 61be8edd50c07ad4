// DeclaredCursor: where a cursor of SQL is, and whether it outlives its transaction.

import type { MergedCursor } from './merged-cursor.ts';

export type DeclaredCursor =
  | { readonly on: 'shard'; readonly shard: number; readonly hold: boolean }
  /** The merge engine's, on the connection beside the transaction. */
  | { readonly on: 'engine'; readonly hold: boolean }
  /** Rows of several shards, each of which has a cursor of that name. */
  | { readonly on: 'shards'; readonly merged: MergedCursor };

// MergeRequest: what a merge is given, and what it asks of the shards that feed it.

import type { AggregateMerge, ConcatMerge } from '../../plan/plan.ts';
import type { OutputStyle } from '../../value/output-style.ts';
import type { FieldDescription } from '../../wire/row.ts';

/** The rows one shard sends. */
export interface ShardRows {
  /** As the shard described the portal, its hidden and partial columns included. */
  readonly fields: readonly FieldDescription[];
  /** The shard's id, for messages; its position among the inputs where it is missing. */
  readonly shard?: number | undefined;
  /** The next DataRow bodies, null at the end. The bytes are the merge's to keep, not to change. */
  next(): Promise<readonly Buffer[] | null>;
}

/** A bound parameter; typeOid as the server resolved it. */
export interface MergeParameter {
  readonly value: Buffer | null;
  readonly format: 0 | 1;
  readonly typeOid: number;
}

export interface MergeRequest {
  readonly merge: ConcatMerge | AggregateMerge;
  /** In shard order: rows that sort equally come in this order. */
  readonly inputs: readonly ShardRows[];
  /** What one server describes for the client's statement; `format` is what the client asked. */
  readonly output: readonly FieldDescription[];
  /** Resolved from the plan's bounds; null is no limit. */
  readonly limit: bigint | null;
  readonly offset: bigint;
  /** The index-th bound parameter, 0-based. */
  readonly parameter: (index: number) => MergeParameter;
  /** Rows and bytes that DISTINCT or aggregation may hold in memory; beyond them 53400. */
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** Session settings that shape computed text; PostgreSQL's defaults where missing. */
  readonly style?: OutputStyle | undefined;
}

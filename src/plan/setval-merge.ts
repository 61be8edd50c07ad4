// Setting sequences over several shards: how a SELECT does it.

import type { EverywhereMerge } from './plan.ts';

/**
 * SELECT setval(…) of computed arguments: `query` gives them, the sequence's name and its place, as
 * text; then every shard is sent each row's call, by `call`.
 */
export interface SetvalMerge {
  readonly how: 'setval';
  readonly query: string;
  readonly call: EverywhereMerge;
}

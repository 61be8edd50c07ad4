// mergeRows: the rows of several shards made into the one answer PostgreSQL would give.

import type { AggregateMerge, ConcatMerge } from '../../plan/plan.ts';
import { DEFAULT_OUTPUT_STYLE } from '../../value/output-style.ts';
import { aggregateRows } from './aggregate.ts';
import { concatRows } from './concat.ts';
import type { MergeRequest } from './merge-request.ts';
import { checkOutput, checkShards } from './shard-fields.ts';
import { aggregateColumnCount, textColumns } from './shard-layout.ts';

/**
 * Yields the answer in batches of DataRow bodies, ready to frame; they are the caller's. Stops
 * asking the shards once LIMIT is reached and may be closed early with return(): what the shards
 * still owe is the caller's to discard. Throws SqlError: 42804 when shards disagree on columns,
 * 0A000 for types without a proven merge, 53400 past the bounds; rethrows what next() threw.
 */
export async function* mergeRows(request: MergeRequest): AsyncGenerator<readonly Buffer[]> {
  const { merge, inputs } = request;
  checkShards(inputs);
  checkOutput(request);
  const style = request.style ?? DEFAULT_OUTPUT_STYLE;
  if (merge.how === 'concat') yield* concatRows(merge, request, style);
  else yield* aggregateRows(merge, request, style);
}

/**
 * Result format codes to bind on the shards, one for each column of a shard's row: the client's
 * (`outputFormats`, one for each output column) for what is passed on, binary for the rest.
 */
export function shardFormats(
  merge: ConcatMerge | AggregateMerge,
  outputFormats: readonly number[],
): readonly number[] {
  if (merge.how === 'concat') {
    return [...outputFormats, ...new Array<number>(merge.hiddenColumns).fill(1)];
  }
  const text = textColumns(merge, outputFormats);
  return Array.from({ length: aggregateColumnCount(merge) }, (_, i) => (text.has(i) ? 0 : 1));
}

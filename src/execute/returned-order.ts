// Returned order: the rows of an INSERT over shards in the order in which they were given, by their keys.

import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import { formatAt } from './parameters.ts';
import { type GivenRows, integerOf } from './row-set.ts';

/** The formats of RETURNING with the key as its last column. */
export const formatsWithKey = (formats: readonly number[]): readonly number[] =>
  formats.length > 1 ? [...formats, 0] : formats;

/**
 * Rows that ON CONFLICT passes over give none, so that it is the keys that tell which row is which. Each shard
 * answers in the order it was given them: of several with one key it is the first that is left. `answers`: with
 * the key as the last column. Shard by shard where the keys are others, as triggers may set them.
 */
export function inKeyOrder(
  { rowShards, rowKeys }: GivenRows,
  answers: ReadonlyMap<number, { readonly rows: readonly Buffer[] }>,
  formats: readonly number[],
): Buffer[] {
  const placed: { readonly at: number; readonly row: Buffer }[] = [];
  for (const [shard, { rows }] of answers) {
    let at = 0;
    for (const body of rows) {
      const values = decodeDataRow(body);
      const key = keyOf(values.pop()!, formatAt(formats, values.length));
      while (at < rowShards.length && (rowShards[at] !== shard || rowKeys[at] !== key)) at += 1;
      placed.push({ at, row: encodeDataRowBody(values) });
      at += 1;
    }
  }
  const isCertain = placed.every(({ at }) => at < rowShards.length);
  if (isCertain) placed.sort((a, b) => a.at - b.at);
  return placed.map(({ row }) => row);
}

function keyOf(value: Buffer | null, format: 0 | 1): bigint | null {
  if (value === null) return null;
  return format === 1 ? integerOf(value) : BigInt(value.toString('latin1'));
}

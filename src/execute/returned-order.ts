// Returned order: the rows of an INSERT over shards in the order in which they were given, by their keys.

import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import { formatAt } from './parameters.ts';
import { type GivenRows, integerOf } from './row-set.ts';

/** The formats of RETURNING with the key as its last column. */
export const formatsWithKey = (formats: readonly number[]): readonly number[] =>
  formats.length > 1 ? [...formats, 0] : formats;

/** What a shard has answered, and the keys of these rows. */
export interface KeyedRows {
  readonly rows: readonly Buffer[];
  readonly keys: readonly (bigint | null)[];
}

/** Of rows with the key as their last column; `formats`: of the others, as the client wants them. */
export function withoutKeys(bodies: readonly Buffer[], formats: readonly number[]): KeyedRows {
  const split = bodies.map((body) => {
    const values = decodeDataRow(body);
    const key = keyOf(values.pop()!, formatAt(formatsWithKey(formats), values.length));
    return { row: encodeDataRowBody(values), key };
  });
  return { rows: split.map(({ row }) => row), keys: split.map(({ key }) => key) };
}

/**
 * Rows that ON CONFLICT passes over give none, so that it is the keys that tell which row is which. Each shard
 * answers in the order it was given them: of several with one key it is the first that is left. Shard by shard where the
 * keys are others, as triggers may set them.
 */
export function inKeyOrder(
  { rowShards, rowKeys }: GivenRows,
  answers: ReadonlyMap<number, KeyedRows>,
): Buffer[] {
  const placed: { readonly at: number; readonly row: Buffer }[] = [];
  for (const [shard, { rows, keys }] of answers) {
    let at = 0;
    for (const [i, row] of rows.entries()) {
      while (at < rowShards.length && (rowShards[at] !== shard || rowKeys[at] !== keys[i])) at += 1;
      placed.push({ at, row });
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

// Placement: which shard holds a sharding key. The one place that knows how keys map to shards.

/** An integer key. A `number` only within ±(2^53 - 1): beyond that callers must pass a bigint. */
export type PlacementKey = number | bigint;

export interface Placement {
  readonly method: 'modulo';
  readonly shardCount: number;
  /** The id of the shard that holds `key`. */
  shardOf(key: PlacementKey): number;
}

/**
 * Floor modulo, `((key % n) + n) % n` as in Python, so that negative keys work; exact on the whole
 * int8 range.
 */
export function moduloPlacement(shardCount: number): Placement {
  const wide = BigInt(shardCount);
  return Object.freeze({
    method: 'modulo',
    shardCount,
    shardOf(key: PlacementKey): number {
      if (typeof key === 'number') {
        const rest = key % shardCount;
        return rest < 0 ? rest + shardCount : rest + 0;
      }
      return Number(((key % wide) + wide) % wide);
    },
  });
}

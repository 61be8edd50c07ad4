// Shard oids: the numbers one shard has for tables and users' types where the home shard has others.

/**
 * What the binary form of a value holds: `array`, `composite` and `record` name types by their oids,
 * `range` and `multirange` have values of the type `of` in them.
 */
export type Carrier =
  | { readonly kind: 'array' }
  | { readonly kind: 'composite' }
  | { readonly kind: 'range'; readonly of: number }
  | { readonly kind: 'multirange'; readonly of: number };

/** record and record[]. Source: pg_type.dat. */
export const BUILT_IN_CARRIERS: ReadonlyMap<number, Carrier> = new Map<number, Carrier>([
  [2249, { kind: 'composite' }],
  [2287, { kind: 'array' }],
]);

/** One shard beside the home shard; names are the same on both. */
export interface OidMapping {
  /** The shard's oid of a relation → the home shard's, where they differ. */
  readonly tables: ReadonlyMap<number, number>;
  /** By the shard's oid of a relation: its number of a column → the home shard's, where they may differ. */
  readonly columns?: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** The same of types. */
  readonly types: ReadonlyMap<number, number>;
  /** The home shard's oid of a user's type → the shard's, of every type that both have. */
  readonly typesThere: ReadonlyMap<number, number>;
  /** By the home shard's oid of the type, domains among them. */
  readonly carriers: ReadonlyMap<number, Carrier>;
}

/** What all connections to a shard go by. */
export interface ShardOids {
  /** null: no number is known to differ. */
  mapping: OidMapping | null;
  /** The shard has been asked for its numbers. */
  isKnown: boolean;
}

export const UNKNOWN_OIDS: ShardOids = Object.freeze({ mapping: null, isKnown: false });

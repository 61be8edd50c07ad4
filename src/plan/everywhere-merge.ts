// Everywhere merge: DDL that all shards run, and what is to be known of it.

import type { SqlErrorFields } from '../base/errors.ts';
import type { RelationName } from '../sql/statement.ts';
import type { TableKind } from '../topology/table.ts';

/** A table or view that a statement makes, to be remembered as what it is. */
export interface NewTable {
  readonly relation: RelationName;
  readonly kind: TableKind;
  readonly keyColumn: string | null;
}

/** A home table, and what it is to be. */
export interface ConvertedTable extends NewTable {
  readonly kind: 'sharded' | 'reference';
}

/** A table by its name, and its key; null: a reference table. */
export interface AlteredTable {
  readonly relation: RelationName;
  readonly keyColumn: string | null;
  /** Columns that it gets, each with a value for the rows that are there. */
  readonly added: readonly string[];
}

/**
 * The same statement on every shard, in shard order, answered once. transaction: in one transaction
 * over all of them. each: shard by shard, because PostgreSQL wants no transaction block. either: as
 * part of a transaction block where there is one, else shard by shard. apart: shard by shard, and refused
 * in a transaction block. block: only in a transaction block. servers: once on each server that holds shards, for what databases share.
 */
export interface EverywhereMerge {
  readonly how: 'everywhere';
  readonly mode: 'transaction' | 'each' | 'either' | 'apart' | 'block' | 'servers';
  /** What it names may exist on the home shard only: then it is done there only. */
  readonly homeMayBeAlone: boolean;
  /** Home tables are remembered on the home shard only, the others everywhere. */
  readonly creates: readonly NewTable[];
  /** Home tables that become partitions of another kind of table: they are made of that kind first. */
  readonly converts: readonly ConvertedTable[];
  /** Tables that it may leave with rows, or keys, that are wrong over the shards. */
  readonly alters: readonly AlteredTable[];
  /** It gives rows that are there the time of its transaction: see timedAlter. */
  readonly tellsTime: boolean;
  /** It may have set sequences to the same value on every shard. */
  readonly restarts: boolean;
  /** Refused with this unless the home shard turns out to be alone. */
  readonly onlyAtHome: SqlErrorFields | null;
  /** What every shard but home is sent, which does not have all that the statement names; null: the same. */
  readonly elsewhere: string | null;
  /** A statement for each thing that it names, for shards that do not have all of them; none: they have all or nothing. */
  readonly pieces: readonly string[];
}

// Engine plan: what one server computes over copies of the tables' rows of all shards.

import type { SqlErrorFields } from '../base/errors.ts';
import type { TextRange } from '../sql/cursor-text.ts';
import type { CursorOptions } from '../sql/statement.ts';
import type { CopyOutMerge } from './copy-merge.ts';
import type {
  AggregateMerge,
  ConcatMerge,
  KeySource,
  LockedTable,
  Route,
  RowBound,
} from './plan.ts';

/** A table whose rows the engine gets a copy of: the n-th is pg_temp.drive_leaf_<n>, from 1. */
export interface EngineLeaf {
  /** The table's qualified name, quoted. */
  readonly table: string;
  readonly only: boolean;
  /** TABLESAMPLE …, or ''. */
  readonly sample: string;
  /** Quoted, in the table's order; empty: all, and not known. */
  readonly columns: readonly string[];
  /** How its rows are copied. */
  readonly format: 'binary' | 'text';
  /** Those of the columns whose text depends on what the session has set; none of the binary format. */
  readonly unsteady: ReadonlySet<string>;
  /** False: its rows are those of the home shard. */
  readonly isSharded: boolean;
  /** Quoted; null: no column tells a row's shard. */
  readonly keyColumn: string | null;
  /** Only rows of the shards, and where there is a column of the keys, of these keys; null: all. */
  readonly keys: readonly KeySource[] | null;
  /** Only rows that fulfil all of these conditions on its own columns; the engine checks them, too. */
  readonly filters: readonly EngineFilter[];
  /** Its rows are to be locked: behind its columns come those of IDENTITY. */
  readonly identified: boolean;
  /** Behind its columns comes the name of each row's table. */
  readonly named: boolean;
  /** How its columns travel where the rows are parameters instead of a table; null: they cannot. */
  readonly elements: readonly LeafElement[] | null;
}

/** Rows of a leaf, from 0, count only where `column` has a value that `from` has in `fromColumn`, of the same type. */
export interface LeafJoin {
  readonly leaf: number;
  readonly column: string;
  readonly from: number;
  readonly fromColumn: string;
}

/** A column of which all values are one array. */
export interface LeafElement {
  /** Of the array's elements: a built-in type's name and number. */
  readonly type: string;
  readonly typeOid: number;
  /** What the elements, which are text then, are cast to; null: they are the column's values. */
  readonly cast: string | null;
}

/** The column of a copy with the name of each row's table. */
export const TABLE_NAME = '"drive.name"';

/** Columns of a copy that tell each row, as it was, from all others. `from`: null: the shard. */
export const IDENTITY = [
  { name: '"drive.shard"', from: null, type: 'int4', typeOid: 23, cast: null },
  { name: '"drive.table"', from: 'tableoid', type: 'oid', typeOid: 26, cast: null },
  { name: '"drive.ctid"', from: 'ctid', type: 'tid', typeOid: 27, cast: null },
  { name: '"drive.xmin"', from: 'xmin', type: 'xid', typeOid: 28, cast: null },
] as const satisfies readonly (LeafElement & {
  readonly name: string;
  readonly from: string | null;
})[];

/** What tells a row of a shard, as it is, from all others there. */
export const PLACE = ['tableoid', 'ctid', 'xmin'] as const;

/**
 * FOR UPDATE and its kin. The statement has neither them nor LIMIT and OFFSET; behind its columns come
 * those of IDENTITY for each of `tables`.
 */
export interface EngineLocks {
  readonly tables: readonly LockedTable[];
  readonly limit: RowBound;
  readonly offset: RowBound;
}

/** SQL in pieces; a number is a parameter of the statement, 0-based. */
export type EngineFilter = readonly (string | number)[];

/**
 * Another way, where some leaves turn out to be small and the others not: the rows of the small ones
 * are parameters of what every shard is sent, in which `pg_temp.drive_leaf_<n>` stands for the n-th
 * leaf, and the shards' rows are merged.
 */
export interface Broadcast {
  /** Positions of leaves, from 0. */
  readonly small: readonly number[];
  readonly route: Route;
  readonly merge: ConcatMerge | AggregateMerge;
}

/** The client's statement with its tables replaced by the leaves. */
export interface EngineInput {
  readonly sql: string;
  /** The same with a mark in place of each leaf's name, for `withLeaves`. */
  readonly marked: string;
  readonly leaves: readonly EngineLeaf[];
  readonly joins: readonly LeafJoin[];
}

/**
 * The home shard computes the whole statement over copies of the rows of all shards. In a
 * transaction, whose changes the engine's own connection does not see, home and reference tables
 * are copied, too.
 */
export interface EngineMerge {
  readonly how: 'engine';
  readonly alone: EngineInput;
  /** null: not in a transaction, because of what only its own connection may see or do. */
  readonly within: EngineInput | null;
  /** Views whose queries have taken their place; the user must be allowed to read them. */
  readonly views: readonly string[];
  /** now() and its kin: not in a transaction, which began at another time than the engine's. */
  readonly tellsTime: boolean;
  /** A routine tells it: only where the transaction's time is the home shard's. */
  readonly asksRoutineTime: boolean;
  readonly readsHome: boolean;
  readonly broadcasts: readonly Broadcast[];
  /** Home tables that broadcasts give to the shards: leaves behind those of `alone`. */
  readonly beside: readonly EngineLeaf[];
  /** null: no rows are locked. */
  readonly locks: EngineLocks | null;
  /** For a statement that may not run in a transaction. */
  readonly refusal: SqlErrorFields;
}

/** COPY of a query that the engine computes: it is sent `before`, the query, `after`. */
export interface EngineCopyMerge {
  readonly how: 'engineCopy';
  readonly engine: EngineMerge;
  readonly before: string;
  readonly after: string;
  readonly out: CopyOutMerge;
}

/** DECLARE: each shard has a cursor of its own rows, or the engine has one over copies of now. */
export interface CursorMerge {
  readonly how: 'cursor';
  readonly name: string;
  readonly options: CursorOptions;
  /** What stands before the query. */
  readonly before: string;
  /** Of the name, in `before`. */
  readonly nameAt: TextRange;
  /** DECLARE on each shard, and how the rows of these cursors are merged; null: not possible. */
  readonly streamed: ConcatMerge | null;
  /** Also where the streamed rows turn out to be of types that cannot be merged. */
  readonly engine: EngineMerge | null;
}

const MARK = /\0(\d+)\0/g;

/** What stands for the n-th leaf, from 1, in a text that is being made: no text has zero bytes. */
export const leafMark = (n: number): string => `\0${n}\0`;

/** The leaf, from 1, of each place in the text where one stands. */
export const leavesIn = (marked: string): readonly number[] =>
  [...marked.matchAll(MARK)].map(([, n]) => Number(n));

/** The text with each mark replaced by what stands for its leaf. */
export const withLeaves = (marked: string, stand: (n: number) => string): string =>
  marked.replace(MARK, (_, n: string) => stand(Number(n)));

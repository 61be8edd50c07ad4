// Staged writes: rows are computed by a query of their own, then written where they belong.

import type { MergeAction } from '../sql/statement.ts';
import type { KeySource } from './plan.ts';

/** A table that rows are written to, as SQL and by its kind. */
export interface WrittenTable {
  /** Quoted; qualified where the schema is known. */
  readonly name: string;
  /** What the statement calls it behind its rows; quoted. */
  readonly alias: string;
  readonly kind: 'sharded' | 'reference' | 'home';
  /** All columns that can be given a value, quoted, in the table's order; empty: not known. */
  readonly columns: readonly string[];
  /** It is a view: the table at its bottom, as SQL, and the view's columns by those of the table, unquoted. */
  readonly shown: { readonly name: string; readonly columns: ReadonlyMap<string, string> } | null;
}

/**
 * INSERT of rows that a query of its own computes first; then they are written to the shards of
 * their keys, or to all of a reference table, or to home, in one transaction.
 */
export interface InsertRowsMerge {
  readonly how: 'insertRows';
  readonly source: string | ValuesQuery;
  readonly table: WrittenTable;
  /** INSERT INTO and the table. */
  readonly target: string;
  /** A shard is sent `before`, a query that gives its rows, `after`. */
  readonly before: string;
  readonly after: string;
  /** The key, to be asked for behind the items of RETURNING, where ON CONFLICT may pass over rows. */
  readonly keyReturned: string | null;
  /** The target column of each column of the query, unquoted; null: the table's own order. */
  readonly given: readonly string[] | null;
  /** A column of the query for which there is none, 0-based; null: none. */
  readonly ignored: number | null;
  /**
   * Columns with a default that is evaluated once, before, and so is what is DEFAULT: every copy of the table
   * would evaluate its own. null: that is left to who writes the row.
   */
  readonly defaulted: {
    readonly columns: readonly string[];
    /** OVERRIDING … VALUE and a space, or ''. */
    readonly overriding: string;
  } | null;
  /** null: the table is not sharded. */
  readonly key: RowsKey | null;
  /** ON CONFLICT DO UPDATE: a row must not be met twice, so that each shard gets one statement. */
  readonly whole: boolean;
}

/** The sharding key among the columns of a query. */
export interface RowsKey {
  /** 0-based; null: it is left out. */
  readonly index: number | null;
  readonly column: string;
  /** What a row without it gets; else no server takes that row. */
  readonly hasDefault: boolean;
  readonly type: 'int2' | 'int4' | 'int8';
  /** The servers themselves refuse a NULL. */
  readonly notNull: boolean;
}

/** VALUES whose items are cast to the types of the columns that they are for. */
export interface ValuesQuery {
  /** WITH …, or ''. */
  readonly with: string;
  /** null: DEFAULT, of which the query knows nothing. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The columns they are for, unquoted. */
  readonly columns: readonly string[];
}

/** The keys of an INSERT … VALUES of which some are expressions or defaults. */
export interface ComputedKeys {
  /** The table, as SQL. */
  readonly table: string;
  readonly key: RowsKey;
  readonly rows: readonly ComputedRow[];
}

export interface ComputedRow {
  /** The items of the row on both sides of its key. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly key: KeySource | 'default' | { readonly sql: string };
}

/**
 * UPDATE or DELETE whose rows, and their new values, a query of its own computes first. Rows are
 * found again by their primary key.
 */
export interface ModifyRowsMerge {
  readonly how: 'modifyRows';
  readonly verb: 'UPDATE' | 'DELETE';
  readonly table: WrittenTable;
  /** WITH …, or ''. */
  readonly with: string;
  /** [ONLY] t [*] [AS a] */
  readonly target: string;
  /** FROM or USING, or ''. */
  readonly from: string;
  /** WHERE …, or ''. */
  readonly where: string;
  readonly assignments: readonly AssignedColumn[];
  /** Those of them that get their column's default, evaluated before; their SQL is NULL. */
  readonly evaluated: readonly string[];
  readonly returning: readonly ReturnedItem[];
  /** Some column has a collation of its own, which what is found must keep. */
  readonly collated: boolean;
  /** Chance decides which rows of a reference table: what is found must not be asked again. */
  readonly once: boolean;
  /** Instead, where items of RETURNING ask for the new row and something beside it may change that. */
  readonly behind: WithWritesMerge | null;
  /** The sharding key's column; null: the table is not sharded. */
  readonly key: RowsKey | null;
}

/** An item of RETURNING. */
export type ReturnedItem =
  /** All columns of the table's row. */
  | { readonly shows: 'own'; readonly sql: string }
  /** One column, which the row's shard computes. */
  | { readonly shows: 'parts'; readonly parts: readonly ReturnedPart[] }
  /**
   * What is found with the row, shown as it is. others: all columns but the table's own, which come first.
   */
  | {
      readonly shows: 'one' | 'all' | 'others';
      readonly sql: string;
      readonly of: RowVersion;
    };

/** Text as it is, or what a column was when it was found. */
export type ReturnedPart = string | { readonly found: string };

/**
 * What the table's names mean in an item that is found: the row that is found, the row that it becomes, or
 * that and both as `old` and `new`.
 */
export type RowVersion = 'found' | 'written' | 'versions';

export interface AssignedColumn {
  /** Unquoted. */
  readonly column: string;
  /** null: DEFAULT. */
  readonly sql: string | null;
}

/** What ends the columns of one relation of a source that joins several: whether that has a row there. */
export const SOURCE_END = 'drive.end';

/** The relations of a source, each row of which is one of each of them. */
export interface MergeSource {
  /** Quoted; of several, each has the columns of the query up to one that is called SOURCE_END. */
  readonly aliases: readonly string[];
  /** How they are joined where some columns are of two of them; null: side by side. */
  readonly joined: JoinedRow | null;
}

/** A relation by its place among the aliases, or a join. */
export type JoinedRow =
  | number
  | {
      readonly type: 'CROSS' | 'LEFT' | 'RIGHT' | 'FULL';
      readonly left: JoinedRow;
      readonly right: JoinedRow;
      /** With a space in front; '': by no columns, null: NATURAL. */
      readonly using: string | null;
    };

/** MERGE whose source's rows a query of its own computes first. */
export interface MergeRowsMerge extends MergeSource {
  readonly how: 'mergeRows';
  readonly source: string;
  readonly table: WrittenTable;
  /** A shard is sent `before`, its rows as relations of the aliases, `after`. */
  readonly before: string;
  readonly after: string;
  /**
   * A row goes to the shard of the key that this column of the source has, as it may be inserted.
   * null: all rows go everywhere, because rows are inserted nowhere.
   */
  readonly split: { readonly column: string; readonly key: RowsKey } | null;
  /** Rows that the source does not have are looked for, on every shard. */
  readonly bySource: boolean;
  /** Instead of `split` and `after`, where what is inserted belongs to any shard. */
  readonly apart: ApartMerge | null;
  /** Instead of these, where no shard can tell by itself what matches or what becomes of it. */
  readonly found: FoundMerge | null;
  /** As of ModifyRowsMerge. */
  readonly behind: WithWritesMerge | null;
  /** Some column has a collation of its own, which the source's must keep. */
  readonly collated: boolean;
}

/** The parts of a MERGE into a sharded table whose inserted rows have other keys than those of ON. */
export interface ApartMerge {
  /** [ONLY] t [*] [AS a] */
  readonly target: string;
  /** The condition of ON. */
  readonly on: string;
  /** WHEN MATCHED and WHEN NOT MATCHED BY SOURCE, or ''. */
  readonly matched: string;
  /** What matches may be changed. */
  readonly changes: boolean;
  /** WHEN NOT MATCHED, in their order. */
  readonly unmatched: readonly UnmatchedClause[];
  /** RETURNING …, or ''. */
  readonly returning: string;
  readonly key: RowsKey;
}

export interface UnmatchedClause {
  /** null: none. */
  readonly condition: string | null;
  /** INSERT, on both sides of the key; null: DO NOTHING. */
  readonly insert: {
    readonly before: string;
    /** null: its default, evaluated before. */
    readonly key: string | null;
    readonly after: string;
  } | null;
}

/** The parts of a MERGE for which queries of their own find which rows match, and what becomes of them. */
export interface FoundMerge {
  /** WITH … of the statement where the queries need it, or ''. */
  readonly with: string;
  /** [ONLY] t [*] [AS a] */
  readonly target: string;
  /** The condition of ON. */
  readonly on: string;
  /** In their order. */
  readonly clauses: readonly FoundClause[];
  /** Which clause is taken may be another when asked again: all that match are locked. */
  readonly chance: boolean;
  /** Chance decides what matches: what is found must not be asked again, but where rows have changed. */
  readonly once: boolean;
  /** RETURNING …, or ''; of a row that moves, which its new shard inserts. */
  readonly returning: readonly MergeReturned[];
  readonly returningMoved: readonly MergeReturned[];
  /** null: the table is not sharded. */
  readonly key: RowsKey | null;
}

/**
 * Text as it is; columns of the row before it moved; or an item that is found with the row, by its place among those
 * of the clauses.
 */
export type MergeReturned = string | { readonly old: OldPart } | { readonly found: number };

/** One column, all of them, or the row itself. */
export type OldPart = { readonly column: string } | 'columns' | 'row';

/** One WHEN. */
export interface FoundClause extends Pick<MergeAction, 'when' | 'command'> {
  /** null: none. */
  readonly condition: string | null;
  /** Of UPDATE and INSERT, in their order. */
  readonly values: readonly AssignedColumn[];
  /** Those of them that get their column's default, evaluated before; their SQL is NULL. */
  readonly evaluated: readonly string[];
  /** The items of RETURNING that are found with the row: as many of each clause. */
  readonly returned: readonly { readonly sql: string; readonly of: RowVersion }[];
  /** INSERT, on both sides of its values. */
  readonly before: string;
  readonly after: string;
}

/** CREATE TABLE AS and SELECT INTO: the home shard makes the table, then gets the query's rows. */
export interface MakeTableMerge {
  readonly how: 'makeTable';
  /** Makes the table without rows. */
  readonly create: string;
  readonly temporary: boolean;
  readonly rows: InsertRowsMerge;
}

/**
 * A WITH that writes: each part is run as a statement of its own, in one transaction and in this order,
 * in which none sees what another has written but by its rows.
 */
export interface WithWritesMerge {
  readonly how: 'withWrites';
  readonly parts: readonly WithPart[];
  /** The part whose rows are the answer. */
  readonly main: number;
  /** The part whose command tag is. */
  readonly counted: number;
  /**
   * The same with all that parts read that write nothing read before anything is written: for where a server would
   * react to what is written. null: it would not do.
   */
  readonly readBefore: WithWritesMerge | null;
  /** Some column has a collation of its own, which its rows must keep. */
  readonly collated: boolean;
}

export interface WithPart {
  /** The names of its rows' columns, unquoted, as far as the statement gives them. */
  readonly names: readonly string[];
  /** What stands behind WITH: queries as they are, and the rows of parts that ran before. */
  readonly defs: readonly (string | PartRows)[];
  readonly recursive: boolean;
  readonly body: string;
  /** It writes and others follow. */
  readonly watch: WithWatch | null;
}

/** The rows of a part, quoted; `inPlace`: where the body has their `standIn`, instead of a WITH query. */
export interface PartRows {
  readonly name: string;
  readonly part: number;
  readonly inPlace: boolean;
}

/** What must not react to a part, as SQL names: PostgreSQL would let it react later. */
export interface WithWatch {
  readonly table: string;
  readonly inserts: boolean;
  /** What later parts read, and look for rows in. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

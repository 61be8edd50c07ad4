// Staged writes: rows are computed by a query of their own, then written where they belong.

/** A table that rows are written to, as SQL and by its kind. */
export interface WrittenTable {
  /** Quoted; qualified where the schema is known. */
  readonly name: string;
  /** What the statement calls it behind its rows; quoted. */
  readonly alias: string;
  readonly kind: 'sharded' | 'reference' | 'home';
  /** All columns that can be given a value, quoted, in the table's order; empty: not known. */
  readonly columns: readonly string[];
}

/**
 * INSERT of rows that a query of its own computes first; then they are written to the shards of
 * their keys, or to all of a reference table, or to home, in one transaction.
 */
export interface InsertRowsMerge {
  readonly how: 'insertRows';
  readonly source: string;
  readonly table: WrittenTable;
  /** A shard is sent `before`, a query that gives its rows, `after`. */
  readonly before: string;
  readonly after: string;
  /** The target column of each column of the query, unquoted; null: the table's own order. */
  readonly given: readonly string[] | null;
  /** null: the table is not sharded. */
  readonly key: RowsKey | null;
  /** ON CONFLICT DO UPDATE: a row must not be met twice, so that each shard gets one statement. */
  readonly whole: boolean;
}

/** The sharding key among the columns of a query. */
export interface RowsKey {
  /** 0-based; null: it is left out, and no server takes a row without it. */
  readonly index: number | null;
  readonly type: 'int2' | 'int4' | 'int8';
  /** The servers themselves refuse a NULL. */
  readonly notNull: boolean;
}

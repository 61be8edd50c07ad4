// Statement: the project's own, compact form of one parsed SQL statement. Data only.

import type { DdlFacts } from './ddl.ts';
import type { Expression, OrderItem, TypeReference, Window } from './expression.ts';

export interface RelationName {
  readonly catalog: string | null;
  readonly schema: string | null;
  readonly name: string;
}

export type FromItem =
  | {
      readonly kind: 'table';
      readonly relation: RelationName;
      readonly alias: string | null;
      readonly columnAliases: readonly string[];
      readonly sampled: boolean;
      /** By a number of rows, as SYSTEM_ROWS does. */
      readonly sampledRows: boolean;
      /** ONLY: without the tables that inherit from it. */
      readonly only: boolean;
      /** Index of the name's first character in the statement's text; -1: not known. */
      readonly at: number;
    }
  | {
      readonly kind: 'join';
      readonly type: 'inner' | 'left' | 'right' | 'full';
      readonly left: FromItem;
      readonly right: FromItem;
      readonly on: Expression | null;
      readonly using: readonly string[];
      /** What the columns of USING are called together. */
      readonly usingAlias: string | null;
      readonly natural: boolean;
      readonly alias: string | null;
    }
  | {
      readonly kind: 'query';
      readonly query: SelectStatement;
      readonly alias: string | null;
      readonly columnAliases: readonly string[];
      readonly lateral: boolean;
    }
  /** A function, XMLTABLE, JSON_TABLE. */
  | {
      readonly kind: 'function';
      readonly parts: readonly Expression[];
      readonly alias: string | null;
      readonly columnAliases: readonly string[];
    };

export interface Target {
  readonly name: string | null;
  readonly expression: Expression;
}

export interface CommonTable {
  readonly name: string;
  readonly columnAliases: readonly string[];
  readonly statement: RowStatement;
}

export interface With {
  readonly recursive: boolean;
  readonly tables: readonly CommonTable[];
}

export interface SimpleSelect {
  readonly kind: 'simple';
  readonly distinct: 'no' | 'all' | 'on';
  readonly distinctOn: readonly Expression[];
  readonly targets: readonly Target[];
  readonly from: readonly FromItem[];
  readonly where: Expression | null;
  readonly group: readonly Expression[];
  /** GROUPING SETS, ROLLUP, CUBE or GROUP BY DISTINCT. */
  readonly groupingSets: boolean;
  readonly having: Expression | null;
  readonly windows: readonly Window[];
  readonly into: { readonly relation: RelationName; readonly temporary: boolean } | null;
}

export type SelectBody =
  | SimpleSelect
  | { readonly kind: 'values'; readonly rows: readonly (readonly Expression[])[] }
  | {
      readonly kind: 'set';
      readonly operation: 'UNION' | 'INTERSECT' | 'EXCEPT';
      readonly all: boolean;
      readonly left: SelectStatement;
      readonly right: SelectStatement;
    };

export interface SelectStatement {
  readonly kind: 'select';
  readonly with: With | null;
  readonly body: SelectBody;
  readonly order: readonly OrderItem[];
  readonly limit: Expression | null;
  readonly offset: Expression | null;
  readonly withTies: boolean;
  /** FOR UPDATE, FOR SHARE, … */
  readonly locks: readonly LockingClause[];
}

/** One of FOR UPDATE and its kin. */
export interface LockingClause {
  readonly strength: LockStrength;
  readonly wait: LockWait;
  /** The names of FROM that it is about; empty: all. */
  readonly of: readonly string[];
}

export type LockStrength = 'KEY SHARE' | 'SHARE' | 'NO KEY UPDATE' | 'UPDATE';

/** What becomes of a row that somebody else has locked. */
export type LockWait = 'wait' | 'skip' | 'error';

export interface Assignment {
  readonly column: string;
  /** An element or field of the column is assigned. */
  readonly partial: boolean;
  /** null: one of several columns assigned from a row. */
  readonly value: Expression | null;
}

interface Writing {
  readonly with: With | null;
  readonly relation: RelationName;
  readonly alias: string | null;
  readonly returning: readonly Target[];
}

export interface InsertStatement extends Writing {
  readonly kind: 'insert';
  readonly columns: readonly string[] | null;
  /** null: DEFAULT VALUES. */
  readonly source: SelectStatement | null;
  readonly conflict: {
    readonly assignments: readonly Assignment[];
    readonly parts: readonly Expression[];
  } | null;
}

export interface UpdateStatement extends Writing {
  readonly kind: 'update';
  readonly assignments: readonly Assignment[];
  /** The sources of assignments from a row. */
  readonly rowSources: readonly Expression[];
  readonly from: readonly FromItem[];
  readonly where: Expression | null;
  /** The cursor of WHERE CURRENT OF. */
  readonly cursor: string | null;
}

export interface DeleteStatement extends Writing {
  readonly kind: 'delete';
  readonly from: readonly FromItem[];
  readonly where: Expression | null;
  /** The cursor of WHERE CURRENT OF. */
  readonly cursor: string | null;
}

export interface MergeStatement extends Writing {
  readonly kind: 'merge';
  readonly source: FromItem;
  readonly on: Expression;
  readonly parts: readonly Expression[];
  readonly actions: readonly MergeAction[];
}

/** A WHEN of MERGE. */
export interface MergeAction {
  readonly when: 'matched' | 'notMatched' | 'notMatchedBySource';
  readonly command: 'insert' | 'update' | 'delete' | 'nothing';
  /** The columns that are given values, with those; INSERT without a list: null. */
  readonly columns: readonly string[] | null;
  readonly values: readonly Expression[];
  /** An element or field of a column is given a value. */
  readonly partial: boolean;
}

export type WritingStatement = InsertStatement | UpdateStatement | DeleteStatement | MergeStatement;

export type RowStatement = SelectStatement | WritingStatement;

/** A value of SET: the assignment's text is taken from the statement's own. */
export interface SetStatement {
  readonly kind: 'set';
  readonly form: 'value' | 'default' | 'current' | 'multi' | 'reset' | 'resetAll';
  readonly name: string;
  readonly values: readonly string[];
  /** Transaction modes, each as the setting that it is: `transaction_isolation`, `serializable`. */
  readonly modes: readonly (readonly [name: string, value: string])[];
  readonly local: boolean;
}

export interface TransactionStatement {
  readonly kind: 'transaction';
  readonly verb: string;
  readonly savepoint: string | null;
  readonly chain: boolean;
  /** BEGIN says an isolation level or another mode. */
  readonly modes: boolean;
}

export interface CopyStatement {
  readonly kind: 'copy';
  readonly relation: RelationName | null;
  readonly query: RowStatement | null;
  readonly from: boolean;
  /** A file or program on the server instead of the client. */
  readonly onServer: boolean;
  /** null: no list, which means all columns that are not generated. */
  readonly columns: readonly string[] | null;
  /** COPY FROM … WHERE. */
  readonly filtered: boolean;
  /** In the order written; also those of the syntax before PostgreSQL 9.0. */
  readonly options: readonly CopyOption[];
}

export interface CopyOption {
  readonly name: string;
  /** A list of columns as strings, `*` for all; numbers as text; null where there is no value. */
  readonly value: string | boolean | readonly string[] | null;
}

export interface CreateTableStatement {
  readonly kind: 'createTable';
  readonly relation: RelationName;
  readonly temporary: boolean;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Parents, LIKE sources, referenced tables. */
  readonly mentions: readonly RelationName[];
  readonly ddl: DdlFacts;
}

export interface CursorOptions {
  readonly binary: boolean;
  readonly hold: boolean;
  /** null: what the plan can do without more effort. */
  readonly scroll: boolean | null;
}

/** Which rows FETCH gives, or MOVE passes over. `count` null: ALL. */
export interface FetchClause {
  readonly direction: 'forward' | 'backward' | 'absolute' | 'relative';
  readonly count: number | null;
  readonly isMove: boolean;
}

/** Every other statement, by the parser's name for it. */
export interface UtilityStatement {
  readonly kind: 'utility';
  readonly node: string;
  /** All relations it names anywhere, also as dropped objects. */
  readonly relations: readonly RelationName[];
  readonly temporary: boolean;
  /** What kind of object it is about, in the parser's words: OBJECT_INDEX, REINDEX_OBJECT_SCHEMA. */
  readonly objectType: string | null;
  /** A string that names what it is about: a channel, cursor, setting, DISCARD's target, … */
  readonly name: string | null;
  /** Source text of a routine or DO block. */
  readonly body: string | null;
  /** The statement inside: of EXPLAIN, DECLARE, PREPARE, CREATE TABLE AS, CREATE VIEW. */
  readonly inner: RowStatement | null;
  /** The options of DECLARE. */
  readonly cursor: CursorOptions | null;
  /** Of FETCH and MOVE. */
  readonly fetch: FetchClause | null;
  readonly calls: readonly Expression[];
  /** PREPARE: the types declared for its parameters. */
  readonly parameterTypes: readonly TypeReference[];
  /** EXECUTE: its arguments. */
  readonly args: readonly Expression[];
  readonly ddl: DdlFacts;
}

export type Statement =
  | RowStatement
  | SetStatement
  | TransactionStatement
  | CopyStatement
  | CreateTableStatement
  | UtilityStatement;

// DdlFacts: what a statement that changes the schema says about columns, constraints and sequences.

import type { Expression } from './expression.ts';
import type { RelationName } from './statement.ts';

export interface NewColumn {
  readonly name: string;
  readonly type: string;
  /** serial, an identity, or a default that gives every row a value of its own. */
  readonly generated: boolean;
  /** It has a default that is more than a constant; serial and identity among them. */
  readonly computed: boolean;
}

/** PRIMARY KEY, UNIQUE, EXCLUDE or a unique index; `columns` leaves expressions out. */
export interface UniqueRule {
  readonly what: 'PRIMARY KEY' | 'UNIQUE' | 'EXCLUDE' | 'UNIQUE INDEX';
  readonly columns: readonly string[];
}

export interface ForeignKey {
  readonly columns: readonly string[];
  readonly table: RelationName;
  /** Empty: the primary key of `table`. */
  readonly referenced: readonly string[];
}

export interface DdlFacts {
  /** Of CREATE TABLE and ADD COLUMN. */
  readonly columns: readonly NewColumn[];
  readonly uniques: readonly UniqueRule[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Columns that get 'now' or the like as their default: those of dates, and any of ALTER COLUMN. */
  readonly timeWords: readonly string[];
  /** Columns that are dropped, renamed or get another type. */
  readonly changed: readonly string[];
  /** What USING makes of the rows of columns that get another type. */
  readonly conversions: readonly Expression[];
  /** Tables the new or altered one becomes a partition or child of. */
  readonly parents: readonly RelationName[];
  /** Tables that become partitions of the altered one. */
  readonly attached: readonly RelationName[];
  /** Of ALTER TABLE, VIEW, SEQUENCE or INDEX: the name, or the schema, that it gets. */
  readonly renamed: { readonly schema: string | null; readonly name: string | null } | null;
  /** Options that CREATE or ALTER SEQUENCE, or an identity, names: increment, restart, cycle, … */
  readonly sequenceOptions: readonly string[];
  /** The table of OWNED BY. */
  readonly ownedBy: RelationName | null;
  /** CONCURRENTLY, where it cannot run in a transaction block. */
  readonly concurrently: boolean;
}

export const NO_FACTS: DdlFacts = Object.freeze({
  columns: [],
  uniques: [],
  foreignKeys: [],
  timeWords: [],
  changed: [],
  conversions: [],
  parents: [],
  attached: [],
  renamed: null,
  sequenceOptions: [],
  ownedBy: null,
  concurrently: false,
});

// Tables as the proxy knows them: their kind, their key and the column facts that planning needs.

import type { SettingRoutines } from './routine-settings.ts';
import type { StateRoutines } from './routine-state.ts';
import type { ScalarRoutines } from './scalar-routines.ts';
import type { SchemaRights } from './schema-rights.ts';
import type { TimeRoutines } from './time-routines.ts';

/**
 * sharded: rows live on the shard of their key. reference: a full copy on every shard.
 * home: only on shard 0. shardedView: a view that reads a sharded table, directly or not.
 */
export type TableKind = 'sharded' | 'reference' | 'home' | 'shardedView';

export interface Column {
  readonly name: string;
  readonly typeOid: number;
  /** pg_collation's name where it is not the database's default; null otherwise. */
  readonly collation: string | null;
  /** It, or its type. */
  readonly hasDefault: boolean;
  /** Its own default is a constant. */
  readonly constantDefault?: boolean;
  readonly notNull: boolean;
  /** GENERATED ALWAYS AS an expression: nobody can give it a value. */
  readonly generated: boolean;
  /** The default as SQL where it tells the time of its transaction, by functions of PostgreSQL's own. */
  readonly timeDefault?: string | null;
  /** Of a column with a default: its built-in type as SQL, without length and precision. */
  readonly defaultType?: string | null;
  /** An identity, or a default of its own for each row: a sequence, a UUID. */
  readonly distinctDefault?: boolean;
  /** An identity, or the next value of a sequence. */
  readonly sequenceDefault?: boolean;
  /** An identity: OVERRIDING USER VALUE leaves it to its default. */
  readonly identity?: boolean;
}

/** What the rules make of a table that does not exist yet. */
export interface TableRule {
  readonly kind: TableKind;
  readonly keyColumn: string | null;
}

export interface Table {
  readonly schema: string;
  readonly name: string;
  readonly kind: TableKind;
  /** The sharding key's column; null unless the kind is sharded. */
  readonly keyColumn: string | null;
  readonly columns: readonly Column[];
  /** Of a view. */
  readonly view?: View | undefined;
  /** Of a view that is written as the table whose rows it shows: that table. */
  readonly shown?: ShownTable | undefined;
  /** Its rows are in its partitions: ONLY it has none. */
  readonly partitioned?: boolean | undefined;
  /** Row-level security is enabled. */
  readonly rowSecurity?: boolean | undefined;
  /** False: an INSERT runs no code of users, neither a trigger nor a function of a default. */
  readonly runsCode?: boolean | undefined;
  /** TRUNCATE of it fires a trigger, of its own or of a table that is truncated with it. */
  readonly firesOnTruncate?: boolean | undefined;
  /** False: no foreign key has rows of another table changed along with an UPDATE of its own. */
  readonly updatesCascade?: boolean | undefined;
  readonly deletesCascade?: boolean | undefined;
  /** Of a sharded one: triggers BEFORE these may give a row another sharding key than the statement has; absent: none. */
  readonly keyGivenOn?: KeyGivenOn | undefined;
  /**
   * Its triggers, defaults, constraints or policies run, of a home table, what reads or writes sharded tables, of
   * a reference table what inserts into one.
   */
  readonly touchesSharded?: boolean | undefined;
  /** Its triggers, defaults, constraints or policies may make tables with the key column, or give them one. */
  readonly makesTables?: boolean | undefined;
  /** Writes of it that fire what must not run on one shard or each, as far as is seen; absent: none. */
  readonly reachesOn?: readonly ReachingWrite[] | undefined;
  /** Of a reference table: its triggers, which fire on every shard by themselves; absent: it has nothing to do with any. */
  readonly copyTriggers?: CopyTriggers | undefined;
}

export interface WriteEvents {
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
}

/** Writes of a table that fire a trigger, of its own or of a table that a foreign key changes along. */
export interface FiringWrite extends WriteEvents {
  /** An UPDATE that sets one of these; null: any. */
  readonly columns: readonly string[] | null;
}

export interface ReachingWrite extends FiringWrite {
  /**
   * The trigger writes one copy of a reference table, or what is not on its shard alone; beyond: one of a sharded table
   * reads or writes rows of any shard.
   */
  readonly reaches: 'copy' | 'sharded' | 'beyond';
}

export interface CopyTriggers {
  /** It, or a table that a foreign key changes along, has some of users. */
  readonly fires: boolean;
  /** Some of them are BEFORE INSERT or UPDATE FOR EACH ROW: they may change its rows. */
  readonly changesRows: boolean;
  /** The function of a trigger, of whatever table, names it: it may write it. */
  readonly named: boolean;
}

export interface KeyGivenOn {
  readonly insert: boolean;
  readonly update: boolean;
}

export interface View {
  /** A SELECT with the view's own column names and every name qualified; null: it could not be read. */
  readonly query: string | null;
  /** Where an operator must be found by its name alone, which the query cannot qualify; empty: it does so. */
  readonly operatorSchemas: readonly string[];
  /** Its rows are kept: on each shard what the query gave there. */
  readonly materialized: boolean;
  /** It reads sharded tables and what is on the home shard alone, directly or not; so it is there alone, too. */
  readonly atHome: boolean;
}

/** Only the home shard has it. */
export const isAtHome = ({ kind, view }: Table): boolean =>
  kind === 'home' || view?.atHome === true;

/** A table by the columns that a view shows of it. */
export interface ShownTable {
  readonly schema: string;
  readonly name: string;
  /** The view's columns by the table's own. */
  readonly columns: ReadonlyMap<string, string>;
  /** Which rows the view shows depends on when it is asked. */
  readonly tellsTime: boolean;
  /** Columns that it does not show have defaults that each server evaluates by itself. */
  readonly hidesDefaults: boolean;
}

/** What a transaction is that says nothing of it, by the settings of server, database and role. */
export interface TransactionDefaults {
  /** The strictest that connections of the proxy may have, as old ones and new ones may differ. */
  readonly isolation: string;
  readonly mayBeReadOnly: boolean;
}

/** The tables and routines of the cluster at one schema version; frozen. */
export interface Catalog {
  /** The default collation of every shard sorts text by bytes (C, POSIX, C.UTF-8). */
  readonly sortsTextByBytes: boolean;
  /** Schema names in the server's default search_path, `pg_catalog` not included. */
  readonly searchPath: readonly string[];
  readonly schemaRights: SchemaRights;
  readonly transactionDefaults: TransactionDefaults;
  /** The table a name means; `schema` null looks along `searchPath` (default: the server's). */
  table(schema: string | null, name: string, searchPath?: readonly string[]): Table | null;
  tables(): Iterable<Table>;
  /** The column that makes a new table a sharded one. */
  readonly defaultKey: string;
  /** The shards have drive.tables, where the kinds of tables are kept. */
  readonly remembersKinds: boolean;
  /** The shards have drive.columns() and the functions about sequences that came before it. */
  readonly knowsSequences: boolean;
  /** The shards have drive.relation_sizes() and the functions beside it. */
  readonly knowsSizes: boolean;
  /** The shards have drive.statistics() and the functions beside it. */
  readonly knowsStatistics: boolean;
  /** The qualified and quoted name of a sequence whose ids the shards share; null for any other. */
  sequence(schema: string | null, name: string, searchPath?: readonly string[]): string | null;
  /** What the configuration says of a table of that name, whatever it is; null: nothing. */
  configured(schema: string, name: string): TableRule | null;
  /** The kind of a table to be made with these columns. */
  newTable(
    schema: string,
    name: string,
    columns: readonly { readonly name: string; readonly isInteger: boolean }[],
  ): TableRule;
  /** True where a user's routine of that name reads or writes sharded tables in its body, or writes reference tables. */
  routineTouchesSharded(name: string): boolean;
  /** A user's routine has that name. */
  hasRoutine(name: string): boolean;
  /**
   * Functions of users and extensions that give one value of their arguments alone, the same on any shard: of all
   * that have the name.
   */
  readonly scalarRoutines: ScalarRoutines;
  readonly settingRoutines: SettingRoutines;
  readonly stateRoutines: StateRoutines;
  /** Routines that ask for the session's last id, in lower case. */
  readonly rememberingRoutines: ReadonlySet<string>;
  /** Routines that may make tables, or change them, in lower case. */
  readonly makingRoutines: ReadonlySet<string>;
  /** Users' routines that may run a text that they are given, in lower case. */
  readonly textRoutines: ReadonlySet<string>;
  /** A user's routine notifies, on the server of the rows that it is run for. */
  readonly notifiesOnRows: boolean;
  readonly timeRoutines: TimeRoutines;
  /**
   * Of count, sum, min, max and avg those that functions of users' own are called, too: of some type they are
   * meant by the name. Without min and max of an extension's kind of text, which is not sorted by bytes.
   */
  readonly ownAggregates: ReadonlySet<string>;
  /**
   * Schemas with functions of the names and arguments of PostgreSQL's own, operators, or types of such names: they are
   * meant where a search path names `pg_catalog` behind the schema.
   */
  readonly standIns: ReadonlySet<string>;
}

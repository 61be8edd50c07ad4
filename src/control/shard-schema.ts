// Shard schema: what a shard's system catalogs say about its tables, views, routines and collation.

import type { ScalarRoutine } from '../topology/scalar-routines.ts';
import type { RestrictedSchemas } from '../topology/schema-rights.ts';
import type { ViewQuery } from '../topology/view-text.ts';

/** One shard's schema, as its system catalogs have it. */
export interface ShardSchema {
  readonly relations: readonly Relation[];
  readonly routines: readonly Routine[];
  /** The names of functions of extensions in C that are not IMMUTABLE: what they do with what they are given is not seen. */
  readonly foreign: readonly string[];
  /**
   * The names that only IMMUTABLE functions of one value have, in any language. None gives a type of users' own that
   * has a collation.
   */
  readonly immutable: Readonly<Record<string, ScalarRoutine>>;
  /** As of Catalog. */
  readonly ownAggregates: readonly string[];
  /** The names of schemas, as of Catalog. */
  readonly standIns: readonly string[];
  /** Of relations that have a name of one of pg_catalog. */
  readonly systemNames: readonly string[];
  /** `current_schemas(false)` of the shard's user. */
  readonly searchPath: readonly string[];
  readonly restricted: RestrictedSchemas;
  /** What connections of the shard's user have for these, those that are there and those to come. */
  readonly transactionDefaults: {
    readonly isolation: readonly string[];
    readonly readOnly: readonly string[];
  };
  readonly collation: DatabaseCollation;
  /** Those that count in steps of the shards; null: the shard lacks what tells where they are. */
  readonly sequences: readonly SpreadSequence[] | null;
  /** The shard has drive.relation_sizes() and the functions beside it. */
  readonly hasSizes: boolean;
  /** The shard has drive.statistics() and the functions beside it. */
  readonly hasStatistics: boolean;
  /** The shard has drive.tables: kinds can be remembered. */
  readonly hasKinds: boolean;
  /** drive.tables, by the oid of the relation. */
  readonly kinds: Readonly<Record<string, RememberedKind>>;
}

/** By the oid of the view. */
export type ViewQueries = Readonly<Record<string, ViewQuery>>;

export interface RememberedKind {
  readonly kind: 'sharded' | 'reference' | 'home';
  readonly key: string | null;
}

export interface SpreadSequence {
  readonly schema: string;
  readonly name: string;
  /** Both, quoted where they must be. */
  readonly quoted: string;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r table, p partitioned table, f foreign table, v view, m materialized view. */
  readonly kind: string;
  readonly columns: readonly RelationColumn[];
  /** Views: the oids of what they read. */
  readonly reads: readonly number[];
  /** Views: changes with the view's query. */
  readonly rule: string | null;
  readonly rowSecurity: boolean;
  /** An INSERT may run code of users: a trigger, a rule, a policy, a function that a default calls. */
  readonly runsCode: boolean;
  /** Those BEFORE INSERT or UPDATE FOR EACH ROW, of it and of what inherits from it. */
  readonly triggers: readonly RowTrigger[];
  /** Triggers of users that an INSERT, UPDATE or DELETE of it fires, or of what inherits from it. */
  readonly fired: readonly FiredTrigger[];
  /** Users' routines, in lower case, that its triggers, defaults, constraints and policies call. */
  readonly calls: readonly {
    readonly routine: string;
    readonly by: 'trigger' | 'default' | 'constraint' | 'policy';
  }[];
  /** TRUNCATE of it fires a trigger, or one of a table that is truncated with it. */
  readonly firesOnTruncate: boolean;
  /** Foreign keys to it, or to what inherits from it, that have rows changed along with its own. */
  readonly actions: readonly ReferentialAction[];
}

export interface ReferentialAction {
  /** The oid of the table that refers to it, and its columns. */
  readonly table: number;
  readonly columns: readonly string[];
  readonly referred: readonly string[];
  /** pg_constraint.confupdtype and confdeltype: a no action, r restrict, c cascade, n set null, d set default. */
  readonly onUpdate: string;
  readonly onDelete: string;
}

export interface RowTrigger {
  readonly insert: boolean;
  readonly update: boolean;
  /** Its function, behind pg_catalog or the extension that it is of; null: users'. */
  readonly routine: string | null;
  /** Of its function; null: not in PL/pgSQL. */
  readonly body: string | null;
}

export interface FiredTrigger {
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  /** Its function, without schema. */
  readonly routine: string;
  /** What its function is given, each behind the other. */
  readonly given: string;
}

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly collation: string | null;
  readonly hasDefault: boolean;
  readonly constantDefault: boolean;
  readonly notNull: boolean;
  readonly generated: boolean;
  readonly distinctDefault: boolean;
  readonly sequenceDefault: boolean;
  readonly identity: boolean;
  readonly timeDefault: string | null;
  readonly defaultType: string | null;
}

export interface Routine {
  readonly name: string;
  readonly body: string;
  /** pg_language.lanname. */
  readonly language: string;
  readonly usedBy?: 'trigger' | 'other' | null;
  readonly isVolatile?: boolean;
}

export interface DatabaseCollation {
  /** pg_database.datlocprovider: c libc, i ICU, b built in. */
  readonly provider: string;
  readonly collate: string;
  /** Of ICU and the built-in provider; null for libc. */
  readonly locale: string | null;
}

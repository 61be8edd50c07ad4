// Plan: what a statement will do, as frozen data that can be printed, compared and cached.

import type { SqlErrorFields } from '../base/errors.ts';
import type { LockStrength, LockWait } from '../sql/statement.ts';
import type { Column } from '../topology/table.ts';
import type { SessionAction } from './action.ts';
import type { ClusterQuestion } from './cluster-question.ts';
import type { CopiedTable } from './copies-alike.ts';
import type { CopyInMerge, CopyOutMerge } from './copy-merge.ts';
import type { CursorMerge, EngineCopyMerge, EngineMerge } from './engine-plan.ts';
import type { EverywhereMerge } from './everywhere-merge.ts';
import type { KeepViewMerge } from './keep-view-merge.ts';
import type { SetvalMerge } from './setval-merge.ts';
import type {
  ComputedKeys,
  InsertRowsMerge,
  MakeTableMerge,
  MergeRowsMerge,
  ModifyRowsMerge,
  WithWritesMerge,
} from './staged.ts';
import type { StrayKeys } from './stray-keys.ts';

export type { HandRoute } from '../sql/hand-route.ts';
export type { CursorMerge, EngineInput, EngineLeaf, EngineMerge } from './engine-plan.ts';
export type {
  AlteredTable,
  ConvertedTable,
  EverywhereMerge,
  NewTable,
} from './everywhere-merge.ts';

/** Where a sharding key's value comes from once literals and parameters are known. */
export type KeySource =
  /** Known when the plan was made. null is SQL's NULL: no shard. */
  | { readonly from: 'constant'; readonly value: bigint | null }
  /** The slot-th literal lifted out of the text by the shape scanner, `negated` by a unary minus. */
  | { readonly from: 'literal'; readonly slot: number; readonly negated: boolean }
  /** A bound parameter, 0-based; `array`: of `= ANY($n)`, every element is a key. */
  | { readonly from: 'parameter'; readonly index: number; readonly array: boolean };

/** The shards a statement needs, before parameters are known. */
export type Route =
  | { readonly kind: 'home' }
  /** Any one shard gives the same answer (a reference table, `SELECT 1`). */
  | { readonly kind: 'any' }
  | { readonly kind: 'all' }
  /** Routed by hand. */
  | { readonly kind: 'shard'; readonly shard: number }
  /** The shards of these keys; none at all (NULL, a contradiction) runs on any one shard. */
  | { readonly kind: 'keys'; readonly keys: readonly KeySource[] };

/** Why a session must keep its server connection: state that lives on the server. */
export type PinReason =
  | 'temporary table'
  | 'advisory lock'
  | 'listen'
  | 'cursor with hold'
  | 'set_config'
  | 'session state'
  /** Not the statement's doing: the operator has given the user session pooling. */
  | 'session pooling';

/** A LIMIT or OFFSET. null where there is none. */
export type RowBound =
  | { readonly from: 'constant'; readonly value: bigint | null }
  | { readonly from: 'parameter'; readonly index: number }
  | null;

/**
 * What each shard is sent when a statement runs on several: `before`, then ` LIMIT <limit + offset>`
 * when `pushLimit` and the limit is not NULL, then `after`; without it ` LIMIT 0` behind all for a limit of none.
 * Parameters keep their numbers.
 */
export interface ShardSql {
  readonly before: string;
  readonly after: string;
  readonly pushLimit: boolean;
}

/** A column of a shard's row by position. `fromEnd` counts back from the last: 0 is the last. */
export type ShardColumn = { readonly index: number } | { readonly fromEnd: number };

export interface SortKey<Place = ShardColumn> {
  readonly column: Place;
  readonly descending: boolean;
  /** Resolved: PostgreSQL's default is NULLS LAST ascending, NULLS FIRST descending. */
  readonly nullsFirst: boolean;
}

/**
 * The shards' rows are concatenated, or merged by `sort` when each shard sends them sorted. The last
 * `hiddenColumns` columns of a shard's row are asked for in binary format and not passed on; all
 * sort keys are among them.
 */
export interface ConcatMerge {
  readonly how: 'concat';
  readonly shardSql: ShardSql;
  readonly hiddenColumns: number;
  readonly sort: readonly SortKey[];
  /** Drop rows whose visible columns equal those of an earlier row (SELECT DISTINCT). */
  readonly distinct: boolean;
  readonly limit: RowBound;
  readonly offset: RowBound;
  /**
   * FOR UPDATE and its kin; null: none. byShard: each shard's statement locks its rows, one shard
   * after the other, and no more rows than are put out. Else the rows are found first, in order, and
   * then locked.
   */
  readonly locks: 'byShard' | readonly LockedTable[] | null;
}

/**
 * A table of which rows that have been found are locked. Each has three hidden columns, before those
 * of `sort`: the tableoid, ctid and xmin of its row, by which the row is found as it was.
 */
export interface LockedTable {
  /** Qualified and quoted, behind ONLY where that was said. */
  readonly table: string;
  readonly strength: LockStrength;
  readonly wait: LockWait;
}

/** How partial results of one aggregate combine; `column` is the first of its partials' columns. */
export type AggregateState = PartialState | AverageState;

interface PartialState {
  /** min and max have two partials, the client's format then binary. */
  readonly combine: 'count' | 'sum' | 'min' | 'max';
  readonly column: number;
}

/** Two partials, sum then count, and of floating-point numbers a third: their variance. */
export interface AverageState {
  readonly combine: 'avg';
  readonly column: number;
  /** As SQL. */
  readonly variance: string;
  /** null: it is not asked for, as in every plan, which does not know the type of the numbers. */
  readonly varianceColumn: number | null;
}

/** A value of a merged group. */
export type GroupValue =
  | { readonly from: 'group'; readonly index: number }
  | { readonly from: 'state'; readonly index: number };

/** A HAVING condition over a merged group, with SQL's three-valued logic. */
export type Condition =
  | { readonly op: 'and' | 'or'; readonly args: readonly Condition[] }
  | { readonly op: 'not'; readonly arg: Condition }
  | { readonly op: 'isNull'; readonly value: GroupValue }
  | {
      readonly op: '=' | '<>' | '<' | '<=' | '>' | '>=';
      readonly left: ConditionOperand;
      readonly right: ConditionOperand;
    };

export type ConditionOperand =
  | GroupValue
  /** A literal as written; `kind` is its SQL class, which decides the type it is compared as. */
  | {
      readonly from: 'literal';
      readonly kind: 'integer' | 'decimal' | 'string' | 'boolean' | 'null';
      readonly text: string;
    }
  | { readonly from: 'parameter'; readonly index: number };

/**
 * Each shard aggregates its own rows, the merge combines the groups. A shard's row is, for each of
 * the `groupCount` grouping expressions, its value in the client's format and then the same value in
 * binary; then the partials of `states`, binary but for the first column of min and max. More columns fit
 * between the two parts of `shardSql`.
 */
export interface AggregateMerge {
  readonly how: 'aggregate';
  readonly shardSql: ShardSql;
  readonly groupCount: number;
  readonly states: readonly AggregateState[];
  readonly output: readonly GroupValue[];
  readonly having: Condition | null;
  readonly sort: readonly SortKey<GroupValue>[];
  readonly distinct: boolean;
  readonly limit: RowBound;
  readonly offset: RowBound;
}

/** UPDATE or DELETE on several shards, unchanged: the counts are added, RETURNING concatenated. */
export interface WriteMerge {
  readonly how: 'write';
}

/**
 * INSERT … VALUES whose rows go to several shards. A shard is sent `before`, its rows joined by
 * commas, `after`. Row i belongs to the shard of keys[i]; the route's keys are these keys.
 */
export interface InsertMerge {
  readonly how: 'insert';
  readonly before: string;
  readonly rows: readonly string[];
  readonly keys: readonly KeySource[];
  readonly after: string;
  /** The key, to be asked for behind the items of RETURNING, where ON CONFLICT may pass over rows. */
  readonly keyReturned: string | null;
  /** Keys that must be computed before the rows can be told apart: `rows` and `keys` are empty. */
  readonly computed: ComputedKeys | null;
  /** Where nothing else tells the time: the columns left to defaults that do. */
  readonly timeDefaults: TimeDefaults | null;
}

export interface TimeDefaults {
  /** As of the merge, for rows that end in the defaults. */
  readonly before: string;
  readonly columns: readonly Column[];
}

/**
 * A reference table is written on every shard in one transaction. `rows` null: each shard runs the
 * statement, which does the same on each. Else an INSERT that the home shard alone evaluates, by
 * `homeSql`; the last column it returns is the row as text, which goes to the other shards.
 */
export interface ReferenceMerge {
  readonly how: 'reference';
  readonly rows: {
    readonly homeSql: string;
    /** Qualified and quoted; so are the columns, all but those that nobody can give a value. */
    readonly table: string;
    readonly columns: readonly string[];
  } | null;
}

/**
 * EXPLAIN: every server is asked for its plan of what it would be sent, and the plans are put
 * together. `prefix` is what stands before the statement that is explained, `sql`; its FORMAT is
 * JSON unless the plan is wanted as text.
 */
export interface ExplainMerge {
  readonly how: 'explain';
  readonly prefix: string;
  /** The same for a plan of what is not to be run. */
  readonly planPrefix: string;
  readonly sql: string;
  readonly inner: RoutedPlan;
  /** ANALYZE: the statement is run. */
  readonly analyzes: boolean;
  readonly format: 'text' | 'json' | 'yaml' | 'xml';
}

/** SELECT pg_export_snapshot(): every shard exports its part of one snapshot. */
export interface ExportSnapshotMerge {
  readonly how: 'exportSnapshot';
}

export type Merge =
  | ExportSnapshotMerge
  | SetvalMerge
  | ExplainMerge
  | EngineCopyMerge
  | CursorMerge
  | ReferenceMerge
  | EngineMerge
  | EverywhereMerge
  | ConcatMerge
  | AggregateMerge
  | WriteMerge
  | InsertMerge
  | InsertRowsMerge
  | ModifyRowsMerge
  | MergeRowsMerge
  | MakeTableMerge
  | KeepViewMerge
  | WithWritesMerge
  | CopyInMerge
  | CopyOutMerge;

export type Effect = 'read' | 'write' | 'ddl';

interface PlanCommon {
  /** First word(s) of the command tag, for logs and metrics: SELECT, INSERT, SET, … */
  readonly verb: string;
}

export interface TakenIds {
  readonly when: 'there' | 'before';
  /** Of which the columns get their defaults; as SQL. Without columns nothing is taken. */
  readonly table: string;
  readonly columns: readonly string[];
  /** What it runs takes no others. */
  readonly noOthers: boolean;
}

/** The statement goes to the servers of `route`: as it is to one, by `merge` to several. */
export interface RoutedPlan extends PlanCommon {
  readonly op: 'routed';
  readonly route: Route;
  /** null: cannot run on several shards; `refusal` then says why. */
  readonly merge: Merge | null;
  readonly refusal: SqlErrorFields | null;
  /** Instead of `merge` when that meets types it cannot combine, before any row is sent. */
  readonly fallback: EngineMerge | null;
  /**
   * `merge` and `fallback` have one parameter more, this one, 0-based: the time at which the
   * transaction began, as timestamptz.
   */
  readonly clock: number | null;
  /** What it does depends on when its transaction began: see tellsTimeOf. */
  readonly tellsTime: boolean;
  readonly effect: Effect;
  readonly pins: readonly PinReason[];
  /** What may have been the reason of a pin and may be no more. */
  readonly releases: readonly PinReason[];
  readonly action: SessionAction | null;
  /** COPY … FROM STDIN / TO STDOUT, COPY (query) TO STDOUT. */
  readonly copy: 'in' | 'out' | null;
  /**
   * The plan was cached by the statement's shape and is enough for one target only: where several
   * come out, Planner.planExact gives the plan of this very text. `merge` and `refusal` are null.
   */
  readonly replan: boolean;
  /**
   * Names, without schemas, of tables that the catalog does not know and that are none of the system's: such a
   * table may be temporary, or missing, or made a moment ago past this proxy.
   */
  readonly unknownTables: readonly string[];
  /** Not null: another text is run, in which is what the shards have told. */
  readonly asked: ClusterQuestion | null;
  /** For a plan by shape: the statement with the shape's literals as parameters, in their order. */
  readonly parameterized: ParameterizedSql | null;
  readonly keeping: Keeping;
  /** null: it must be sent as a Query, because it copies. */
  readonly answers: AnswerForm | null;
  /** No other shard is sent it as it is: it locks rows of reference tables, or reads tableoid. */
  readonly asIsAtHome: boolean;
  /** Not null: no server is sent it as it is, however few shards it needs. */
  readonly strays: StrayKeys | null;
  /** Reference tables whose copies triggers may have made different: they are made alike behind it. */
  readonly alike: readonly CopiedTable[];
  /**
   * An INSERT that surely takes values of sequences by defaults: where its rows go, or before that, for their
   * keys, and none behind them; or surely none. null: not surely.
   */
  readonly takesIds: TakenIds | null;
  /** A small INSERT that does nothing but what its text says: see isGroupable. */
  readonly groupable: boolean;
}

export interface ParameterizedSql {
  readonly sql: string;
  /** The oid of each parameter; 0 leaves it to the server, as with a string literal. */
  readonly types: readonly number[];
  /** Where each parameter stands in the text. */
  readonly starts: readonly number[];
  /** Whatever the literals are, they are values of the parameters' types. */
  readonly fits: boolean;
}

/**
 * Whether servers can keep a statement. `retried`: only where it can be sent once more as its client
 * wrote it when the server does not take it; `anywhere`: also within a transaction, whose end that
 * would be, for it is taken unless its tables change.
 */
export type Keeping = 'never' | 'retried' | 'anywhere';

/** How the answer to a Query comes when it is sent as a batch, see Step. */
export type AnswerForm = 'rows' | 'returning';

/** The session answers by itself, or decides where its action goes (BEGIN, SET drive.shard, …). */
export interface SessionPlan extends PlanCommon {
  readonly op: 'session';
  readonly action: SessionAction;
}

/** The text holds several statements. As one PostgreSQL: one implicit transaction. */
export interface SequencePlan extends PlanCommon {
  readonly op: 'sequence';
  readonly parts: readonly { readonly sql: string; readonly plan: Plan }[];
}

/** Nothing but white space, comments and semicolons. */
export interface EmptyPlan extends PlanCommon {
  readonly op: 'empty';
}

/** Understood and refused. */
export interface RefusedPlan extends PlanCommon {
  readonly op: 'refused';
  readonly error: SqlErrorFields;
}

export type Plan = RoutedPlan | SessionPlan | SequencePlan | EmptyPlan | RefusedPlan;

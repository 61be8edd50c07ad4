// Survey: what a statement touches, collected over all of its query levels.

import type { Call, Expression } from '../sql/expression.ts';
import { childrenOf } from '../sql/expression.ts';
import type { RelationName, SelectStatement, WritingStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { isAtHome, type Table } from '../topology/table.ts';
import { asksCluster, clusterAnswer } from './cluster-question.ts';
import type { CommonTables, InSight } from './common-tables.ts';
import type { PlanContext } from './context.ts';
import { Refusal } from './context.ts';
import type { TableUse } from './engine-place.ts';
import {
  exportsSnapshot,
  isBuiltInType,
  isPerRow,
  isScalar,
  isScalarOf,
  isSequenceCall,
  isUnknown,
  mayWrite,
  pinOf,
  readsNames,
  relationIn,
  releasesLock,
  remembersSequence,
  runsText,
  setsSequence,
  tellsOfConnection,
  tellsStatement,
  tellsText,
} from './functions.ts';
import { HomeOnly, type HomeOnlyReason } from './home-only.ts';
import { testsInsertion } from './insertion-test.ts';
import type { KeyClass } from './key-class.ts';
import { noteLastId } from './last-ids.ts';
import type { KeySource } from './plan.ts';
import { mayReadShardedByText, mayTouchShardedByText } from './query-text.ts';
import type { Scope } from './scope.ts';
import { configCallOf } from './set-config.ts';
import { tellsTime } from './splice.ts';
import type { StrayKeys } from './stray-keys.ts';
import { SYSTEM_COLUMNS } from './system-columns.ts';
import { readsMoreThanTime } from './time-text.ts';
import { refused, type SeveralShardsReason } from './unsupported.ts';
import type { WrittenRows } from './written-rows.ts';

/** Where in a statement an expression stands. */
export interface Place {
  /** A condition on rows: it decides about one row at a time. */
  readonly inCondition: boolean;
  /** The query level gives its rows shard by shard. */
  readonly anchored: boolean;
  /** What names mean there. */
  readonly scope: Scope;
  /** RETURNING of an INSERT. */
  readonly ofInserted?: boolean;
}

/** Surveys an INSERT, UPDATE, DELETE or MERGE inside a WITH. */
export type SurveyWriting = (
  statement: WritingStatement,
  survey: Survey,
  tables: CommonTables,
) => SurveyedWriting;

export interface SurveyedWriting {
  /** null: of no sharded table. */
  readonly rows: WrittenRows | null;
  /** Each shard writes its own rows, from its own, if the statement's tables are tied by the key. */
  readonly byShard: boolean;
}

/** A view whose query tells the time. */
export interface TimedView {
  readonly item: TableUse['item'];
  readonly table: Table;
  readonly sql: string;
  readonly tokens: readonly Token[];
  /** Those in its query. */
  readonly views: readonly TimedView[];
  /** It reads a table with row-level security, by the rights of its owner. */
  readonly secured: boolean;
  /** The path leads to all operators that have their bare names in it and the views in it. */
  readonly findsOperators: boolean;
}

export class Survey {
  readonly context: PlanContext;
  readonly surveyWriting: SurveyWriting;
  /** One class for each use of a sharded table. */
  readonly classes: KeyClass[] = [];
  readsReference = false;
  readsHome = false;
  /** Some function or type is not known to be the same on every shard. */
  needsHome = false;
  mayWrite = false;
  /** The same, as far as it is not known to read only. */
  mayChange = false;
  writesInWith = false;
  /** Of a query that does so. */
  straysInWith: StrayKeys | null = null;
  /** The statement itself writes a reference table, and may. */
  targetsReference = false;
  /** Levels with FOR UPDATE and its kin. */
  lockingLevels = 0;
  /** They are about a table's rows where it is a reference table, or about any that are read within. */
  readonly locked = new Set<'reference' | 'within'>();
  readonly homeOnly = new HomeOnly();
  /** A join has a name: for its row, or with names for all of its columns. */
  namesJoin = false;
  /** now() and its kin, but for queries that write within WITH. */
  tellsTime = false;
  /** Those in the text at hand, at each visit. */
  timedViews: TimedView[] = [];
  /** A function of the users' own tells the time: of the server that computes it. */
  asksRoutineTime = false;
  /** The same as a relation, where no value can stand for it. */
  timeInFrom = false;
  /** Some system column but tableoid is read. */
  readsPlace = false;
  readsTableoid = false;
  /** A function that is not PostgreSQL's own: what it reads is not known. */
  callsUnknown = false;
  /** Of nextval() or setval(). */
  callsSequence = false;
  /** drive.shard_id() and its kin, which tell where they are computed. */
  asksShard = false;
  /** Every place in the text at hand that names a table, at each visit. */
  uses: TableUse[] = [];
  /** Query levels visited; a WITH query is visited again for each use. */
  levels = 0;
  /** WITH queries of the text at hand that nothing has used so far, each with what surveys it. */
  unused = new Map<InSight, () => void>();
  /** The classes of each query that writes within WITH. */
  readonly #parts: (readonly KeyClass[])[] = [];
  readonly #reasons: { readonly reason: SeveralShardsReason; readonly classes: KeyClass[] }[] = [];

  constructor(context: PlanContext, surveyWriting: SurveyWriting) {
    this.context = context;
    this.surveyWriting = surveyWriting;
  }

  /**
   * The statement cannot run on several shards, unless all of `classes` turn out to be tied to an
   * outer query: then they are looked at for one key at a time.
   */
  onlyOneShard(reason: SeveralShardsReason, classes: readonly KeyClass[] = []): void {
    this.#reasons.push({ reason, classes: [...classes] });
  }

  /** Whether this is among the reasons, tied to an outer query or not. */
  hasReason(reason: SeveralShardsReason): boolean {
    return this.#reasons.some((each) => each.reason === reason);
  }

  /** Rows of a reference table are locked, whose copies would be locked each by itself. */
  get locksReference(): boolean {
    return this.locked.has('reference') || (this.locked.has('within') && this.readsReference);
  }

  /** Why the home shard must compute it, whatever its keys are; null: it need not. */
  get onlyAtHome(): 'lockReference' | HomeOnlyReason | null {
    return this.locksReference ? 'lockReference' : this.homeOnly.reason;
  }

  /** Why the statement cannot run on several shards as it is; null when it can. */
  get severalShardsReason(): SeveralShardsReason | null {
    return this.reasonSince(0);
  }

  /** How many reasons have been found. */
  get reasonCount(): number {
    return this.#reasons.length;
  }

  /** The first reason that holds among those found after `count` others. */
  reasonSince(count: number): SeveralShardsReason | null {
    const holds = this.#reasons
      .slice(count)
      .find(({ classes }) => classes.length === 0 || !classes.every((each) => each.isTiedToOuter));
    return holds?.reason ?? null;
  }

  /** The classes that decide, each once. */
  get roots(): readonly KeyClass[] {
    return rootsOf(this.classes);
  }

  /**
   * All tables of the statement are tied by their keys, and so are those of each query that writes
   * within WITH, which is a statement of its own but for the rows that it gives to others.
   */
  get isColocated(): boolean {
    const apart = new Set(this.#parts.flat());
    const main = this.classes.filter((each) => !apart.has(each));
    return [main, ...this.#parts].every((classes) => rootsOf(classes).length <= 1);
  }

  /** What `survey` finds is of one query that writes within WITH. */
  part<T>(survey: () => T): T {
    const { tellsTime: told } = this;
    const before = this.classes.length;
    this.tellsTime = false;
    const found = survey();
    this.#parts.push(this.classes.slice(before));
    this.tellsTime = told;
    return found;
  }

  /** The keys of all tables together; null when one of them is not restricted. */
  get keys(): readonly KeySource[] | null {
    const lists = this.roots.map((root) => root.keys);
    return lists.every((list) => list !== null) ? [...new Set(lists.flat())] : null;
  }

  call(call: Call, place: Place): void {
    const { rememberingRoutines } = this.context.input.catalog;
    if (rememberingRoutines.has(call.name.toLowerCase())) {
      throw new Refusal(refused('sequenceMemory'));
    }
    if (setsSequence(call) && this.#isShared(call)) throw new Refusal(refused('setval'));
    if (runsText(call) || mayReadShardedByText(call, this.context)) {
      throw new Refusal(refused('queryFunction'));
    }
    if (tellsOfConnection(call)) throw new Refusal(refused('connectionView'));
    if (exportsSnapshot(call)) throw new Refusal(refused('exportSnapshot'));
    if (call.name === 'set_config') {
      const config = configCallOf(call);
      if (config === null) throw new Refusal(refused('setConfig'));
      this.context.dependsOnValue = true;
      this.context.configs.push(config);
      this.onlyOneShard('sequenceFunction');
    }
    const touches = this.context.input.catalog.routineTouchesSharded(call.name);
    if (touches || mayTouchShardedByText(call, this.context)) throw new Refusal(refused('routine'));
    this.homeOnly.call(call, this.context.input.catalog);
    const pin = pinOf(call);
    if (pin !== null) this.context.pins.add(pin);
    this.callsSequence ||= isSequenceCall(call);
    if (pin !== null || isSequenceCall(call) || tellsText(call)) {
      this.onlyOneShard('sequenceFunction');
    }
    if (releasesLock(call)) this.context.releases.add('advisory lock');
    const isKnown = isScalarOf(call, this.context.input.catalog);
    if (!isKnown || call.schema === 'drive') this.needsHome ||= !isPerRow(call);
    if (tellsStatement(call)) this.onlyOneShard('statementTime');
    if (readsNames(call)) for (const arg of call.args) this.#text(arg);
    const { clusterCalls, isInViewText, input } = this.context;
    if (!isInViewText && asksCluster(call, input.catalog)) clusterCalls.push(call);
    const answer = clusterAnswer(call);
    if (answer === 'home') this.readsHome = true;
    const isOfShard = call.schema === 'drive' && answer === null;
    this.asksShard ||= isOfShard || call.name.startsWith('shard_');
    this.callsUnknown ||= isUnknown(call);
    if (!isKnown) this.#unknown(call, place);
    if (isPerRow(call) && !place.anchored) this.onlyOneShard('unknownFunction');
  }

  #unknown(call: Call, place: Place): void {
    const isNamed = isUnknown(call) || isScalar(call);
    const isOwn = isNamed && this.context.input.catalog.hasRoutine(call.name);
    if (isOwn || mayWrite(call)) this.#mayWrite(call.name.toLowerCase(), isOwn);
    if (isNamed && !place.inCondition) this.onlyOneShard('unknownFunction');
  }

  #mayWrite(name: string, isOwn: boolean): void {
    const { telling, steady } = this.context.input.catalog.timeRoutines;
    this.mayWrite = true;
    this.mayChange ||= !(isOwn && steady.has(name));
    if (!isOwn || !telling.has(name)) return;
    this.asksRoutineTime = true;
    this.onlyOneShard('routineTime');
  }

  /** The sequence that setval() sets is on every shard, or may be. */
  #isShared({ args }: Call): boolean {
    this.context.dependsOnValue = true;
    const name = args[0] === undefined ? null : relationIn(args[0]);
    return name === null || this.context.sequence(name) !== null;
  }

  /** Notes calls and types; gives the sub-queries to `query`. */
  expression(expression: Expression, place: Place, query: (select: SelectStatement) => void): void {
    const open = [expression];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (place.ofInserted === true && testsInsertion(next)) continue;
      this.tellsTime ||= tellsTime(next);
      if (next.kind === 'call' && remembersSequence(next)) {
        noteLastId(next, this.context);
        this.onlyOneShard('sequenceFunction');
        continue;
      }
      if (next.kind === 'call') this.call(next, place);
      else if (next.kind === 'column') this.#column(next.path, place);
      else if (next.kind === 'star') this.#relationNamed(next.path, place);
      else if (next.kind === 'cast') {
        this.#type(next);
        this.homeOnly.name(next.type.schema);
        if (readsMoreThanTime(next)) this.onlyOneShard('timeWord');
      } else if (next.kind === 'query') query(next.query);
      else if (next.kind === 'other') this.needsHome ||= !PLAIN_NODES.has(next.node);
      open.push(...childrenOf(next));
    }
  }

  /** The rows of a home table are of a type that no other shard has, and its name means nothing there. */
  #type({ type, arg }: Extract<Expression, { kind: 'cast' }>): void {
    if (type.name === 'regclass') this.#text(arg);
    if (isBuiltInType(type.schema, type.name)) return;
    this.needsHome = true;
    this.#names({ ...type, catalog: null });
  }

  /** Of a constant that names a relation. */
  #text(text: Expression): void {
    if (text.kind !== 'constant' || text.type !== 'string') return;
    this.context.dependsOnValue = true;
    const relation = relationIn(text);
    if (relation !== null) this.#names(relation);
  }

  #names({ schema, name }: RelationName): void {
    const { catalog, searchPath } = this.context.input;
    const table = catalog.table(schema, name, searchPath ?? undefined);
    if (table !== null && isAtHome(table)) this.readsHome = true;
  }

  /** Where a row lies means something on its own server only; its table has a name on all of them. */
  #column(path: readonly string[], place: Place): void {
    const name = path.at(-1)!;
    this.#relationNamed(path.slice(0, -1), place);
    const isRoutine = this.context.input.catalog.hasRoutine(name);
    if (isRoutine && place.scope.lacks(path)) this.call(callOfRow(path), place);
    if (!SYSTEM_COLUMNS.has(name) || this.context.input.findsPlaces) return;
    if (name === 'tableoid') this.readsTableoid = true;
    else this.readsPlace = true;
    this.onlyOneShard('systemColumn');
  }

  #relationNamed(path: readonly string[], { scope }: Place): void {
    const [name, schema] = [path.at(-1), path.at(-2)];
    if (schema !== undefined && scope.hides(schema, name!)) this.context.sharedNames.add(name!);
  }

  /** A relation that is no sharded table. */
  relation(relation: RelationName): void {
    const table = this.context.table(relation);
    if (table === null && isOfConnection(relation)) throw new Refusal(refused('connectionView'));
    if (table?.kind === 'shardedView') throw new Refusal(refused('view'));
    if (table?.kind === 'reference') this.readsReference = true;
    else this.readsHome = true;
  }
}

const rootsOf = (classes: readonly KeyClass[]): readonly KeyClass[] => [
  ...new Set(classes.map((each) => each.resolved)),
];

/** What they show belongs to a server connection, which the proxy shares and prepares for itself on. */
const isOfConnection = ({ schema, name }: RelationName): boolean =>
  (name === 'pg_prepared_statements' || name === 'pg_cursors') &&
  (schema === null || schema === 'pg_catalog');

/** `t.f` for `f(t)` (rowtypes.sgml, "Using Composite Types in Queries"). */
const callOfRow = (path: readonly string[]): Call => ({
  kind: 'call',
  schema: null,
  name: path.at(-1)!,
  args: [{ kind: 'column', path: path.slice(0, -1) }],
  star: false,
  distinct: false,
  order: [],
  withinGroup: false,
  filter: null,
  over: null,
  at: -1,
});

/** Nodes without an effect or memory of their own. */
const PLAIN_NODES = new Set([
  'CaseExpr',
  'CaseWhen',
  'CoalesceExpr',
  'MinMaxExpr',
  'BooleanTest',
  'A_Indirection',
  'A_Indices',
  'AEXPR_NULLIF',
  'AEXPR_LIKE',
  'AEXPR_ILIKE',
  'AEXPR_SIMILAR',
  'RangeFunction',
]);

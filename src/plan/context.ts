// PlanContext: what the planning of one statement looks at, and what it found out on the way.

import type { SqlErrorFields } from '../base/errors.ts';
import type { Call, Constant } from '../sql/expression.ts';
import { skipBlank } from '../sql/lexeme.ts';
import type { RelationName } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { type Catalog, isAtHome, type Table } from '../topology/table.ts';
import type { ArgumentSource, ConfigCall } from './action.ts';
import type { ClusterQuestion } from './cluster-question.ts';
import type { KeySource, PinReason } from './plan.ts';

export interface PlanInput {
  /** One statement, without its semicolon. */
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly catalog: Catalog;
  readonly searchPath: readonly string[] | null;
  /** Where the shape scanner lifted literals out; empty when the text has no shape. */
  readonly literalStarts: readonly number[];
  /**
   * The query by which a write finds its rows: it begins with the PLACE of the first table of its FROM, and
   * has no other system columns.
   */
  readonly findsPlaces?: boolean;
  /** The time of its transaction has been written out, as far as the text tells it. */
  readonly isTimed?: boolean;
}

/** Thrown inside the planner: the statement is refused whatever its keys are. */
export class Refusal extends Error {
  readonly fields: SqlErrorFields;
  constructor(fields: SqlErrorFields) {
    super(fields.message);
    this.fields = fields;
  }
}

/** A relation of the server's catalogs. */
export const isSystem = ({ schema, name }: RelationName): boolean =>
  schema === null ? name.startsWith('pg_') : schema === 'information_schema' || /^pg_/.test(schema);

export class PlanContext {
  readonly input: PlanInput;
  /** The lifted form of constants that stand in the text. */
  readonly lifted = new Map<KeySource, KeySource>();
  /** Keys that every text of a shape has: they stand in a view's query. */
  readonly fixed = new Set<KeySource>();
  /** True once the plan depends on the value of a literal: it then holds for this text only. */
  dependsOnValue = false;
  /** Parameters that may be no integers and so cannot be read as a key. */
  uncertain: ReadonlySet<number> = new Set();
  readonly pins = new Set<PinReason>();
  /** Reasons of pins that may be no more once the statement has run. */
  readonly releases = new Set<PinReason>();
  /** Calls of set_config(). */
  readonly configs: ConfigCall[] = [];
  /** The statement is run as a whole, and may tell of the last ids where these were taken. */
  mayTellLastIds = false;
  /** The sequences of its calls of currval(); null: of lastval(). */
  readonly lastIds: (ArgumentSource | null)[] = [];
  /** Names of tables that are neither in the catalog nor the system's. */
  readonly unknownTables = new Set<string>();
  /** Of tables that the statement tells from others of that name by their schemas. */
  readonly sharedNames = new Set<string>();
  /** A name means a temporary table, and by its kind one that is on every shard. */
  namesHidden = false;
  /** Names of PostgreSQL's own may mean something else, in a statement on rows of shards. */
  meetsStandIns = false;
  /** A routine is called that may make tables on the home shard. */
  makesTables = false;
  /** Calls in its text of functions that tell of what the shards have parts of. */
  readonly clusterCalls: Call[] = [];
  /** What the shards are asked before it is run; null: nothing. */
  asked: ClusterQuestion | null = null;
  /** A view is read whose query tells the time. */
  readsTimedView = false;
  /** False for a statement inside another (EXPLAIN, COPY, …): only its route is wanted. */
  mergeable = true;
  /** False for a text in which no parameter can stand for the time, or one does already. */
  tellsOneTime = true;
  /** True for what is left to the shards of a statement of the merge engine. */
  streamsOnly = false;
  /** Tests: the engine computes whatever needs a merge and can be computed by it. */
  readonly forceEngine: boolean;
  #inViewText = false;

  constructor(input: PlanInput, forceEngine = false) {
    this.input = input;
    this.forceEngine = forceEngine;
  }

  /** The table a name means; null for an unknown one, a catalog's among them. */
  table(relation: RelationName): Table | null {
    const { catalog, searchPath } = this.input;
    const table = catalog.table(relation.schema, relation.name, searchPath ?? undefined);
    const isUnknown = table === null && !isSystem(relation) && this.sequence(relation) === null;
    if (isUnknown) this.unknownTables.add(relation.name);
    if (table !== null && this.#isHidden(relation, table)) this.namesHidden = true;
    if (table !== null && !isAtHome(table)) this.meetsStandIns ||= this.#leadsToStandIns();
    return table;
  }

  /** The path leads to everything that the query of the view has by its bare name. */
  findsOperators({ view }: Table): boolean {
    const path = this.input.searchPath ?? this.input.catalog.searchPath;
    return view?.operatorSchemas.every((schema) => path.includes(schema)) ?? true;
  }

  /** A temporary table of the session may stand before the one of home that the name was found to mean. */
  mayBeHidden(relation: RelationName, { kind, schema }: Table): boolean {
    const path = this.input.searchPath ?? [];
    const temporary = path.indexOf('pg_temp');
    if (relation.schema !== null || kind !== 'home' || temporary < 0) return false;
    return temporary < path.indexOf(schema);
  }

  #leadsToStandIns(): boolean {
    const { catalog } = this.input;
    const path = this.input.searchPath ?? catalog.searchPath;
    const before = path.slice(0, Math.max(0, path.indexOf('pg_catalog')));
    return before.some((schema) => catalog.standIns.has(schema));
  }

  #isHidden(relation: RelationName, { schema }: Table): boolean {
    const path = this.input.searchPath ?? [];
    const temporary = path.indexOf(`pg_temp.${relation.name}`);
    return relation.schema === null && temporary >= 0 && temporary < path.indexOf(schema);
  }

  /** The quoted name of a sequence whose ids the shards share; null for any other relation. */
  sequence({ schema, name }: RelationName): string | null {
    const { catalog, searchPath } = this.input;
    return catalog.sequence(schema, name, searchPath ?? undefined);
  }

  /** Runs `survey` over a text of its own, which is the same for all texts of the statement's shape. */
  inViewText<T>(survey: () => T): T {
    const outside = this.#inViewText;
    this.#inViewText = true;
    try {
      return survey();
    } finally {
      this.#inViewText = outside;
    }
  }

  get isInViewText(): boolean {
    return this.#inViewText;
  }

  /** A key with a known value, remembered with the slot its literal has in the shape. */
  constantKey(value: bigint | null, constant: Constant): KeySource {
    const source: KeySource = { from: 'constant', value };
    if (this.#inViewText) {
      this.fixed.add(source);
      return source;
    }
    const slot = this.#slotOf(constant);
    if (slot === null) this.dependsOnValue = true;
    else this.lifted.set(source, { from: 'literal', ...slot });
    return source;
  }

  /** The grammar folds signs into the constant and gives the first sign's place. */
  #slotOf(constant: Constant): { slot: number; negated: boolean } | null {
    const { sql, literalStarts } = this.input;
    let at = constant.at;
    let negated = false;
    while (sql[at] === '-') {
      negated = !negated;
      at = skipBlank(sql, at + 1);
    }
    const slot = literalStarts.indexOf(at);
    if (slot < 0) return null;
    const first = sql[at]!;
    return first === "'" || first === '.' || (first >= '0' && first <= '9')
      ? { slot, negated }
      : null;
  }
}

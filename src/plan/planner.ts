// Planner: SQL text to plan, from the cache where it can be.

import { Latency } from '../base/latency.ts';
import { parseSql } from '../sql/parser.ts';
import { type Shape, shapeOf } from '../sql/shape.ts';
import type { Statement } from '../sql/statement.ts';
import { withoutSemicolons } from '../sql/token.ts';
import type { Topology } from '../topology/topology.ts';
import { planByHand } from './by-hand.ts';
import { PlanCache } from './cache.ts';
import { PlanContext, type PlanInput } from './context.ts';
import { isGroupable } from './groupable.ts';
import { keepingOf, keepingWith } from './keeping.ts';
import { parameterizedSql } from './parameterized.ts';
import type { KeySource, Plan, RoutedPlan } from './plan.ts';
import { refusedFor, routedPlan } from './routed.ts';
import { planRows } from './rows.ts';
import { planOwn } from './select-command.ts';
import { planSet, planTransaction } from './session-command.ts';
import { keptSettings } from './setting-pin.ts';
import { tellsTimeOf } from './timed-statement.ts';
import { planUtility } from './utility.ts';

/** `literals`: as written, for key sources from literals; null when the plan has none. */
export interface Planned {
  readonly plan: Plan;
  readonly literals: readonly string[] | null;
}

export interface PlannerOptions {
  /** Estimated bytes the plan cache may hold. */
  readonly cacheBytesMax: number;
  /** Tests: one server computes every SELECT over several shards that it can. */
  readonly forceEngine?: boolean;
}

interface Made {
  readonly plan: Plan;
  /** For every text of this shape; null where the plan holds for this text only. */
  readonly shapePlan: RoutedPlan | null;
}

/** Stands for a shape's plan where each text of the shape has a plan of its own. */
const BY_TEXT: Plan = Object.freeze({ op: 'empty', verb: '' });

/**
 * Plans hold for one topology version and search path, which are part of the cache's keys. All
 * methods throw SqlError 54000 and 54001 for text that is too long or nests too deep, 22023 for a bad
 * value of SET drive.shard.
 */
export class Planner {
  readonly #cache: PlanCache;
  readonly #forceEngine: boolean;
  /** The topology version of everything in the cache. */
  #version = -1;
  #searchPath: readonly string[] | null = null;
  /** What keys of `#searchPath` start with; empty for the server's default. */
  #prefix = '';
  /** Statements whose plan was in the cache, and those that had to be planned. */
  hits = 0;
  misses = 0;
  /** How long planning took where it had to be done. */
  readonly planning = new Latency();

  constructor(options: PlannerOptions) {
    this.#cache = new PlanCache(options.cacheBytesMax);
    this.#forceEngine = options.forceEngine ?? false;
  }

  /** Plans in the cache, by the text they stand for; `?` marks what any literal may take. */
  *cached(): Generator<{ text: string; isShape: boolean; plan: Plan }> {
    for (const [key, plan] of this.#cache.entries()) {
      if (plan === BY_TEXT) continue;
      const text = key.replace(/^\0[^\0]*\0/, '');
      const isShape = text.startsWith('\x02');
      const isMarked = ['\x02', '\x03', '\x04'].includes(text[0] ?? '');
      yield { text: isMarked ? text.slice(1) : text, isShape, plan };
    }
  }

  get cacheSize(): number {
    return this.#cache.size;
  }

  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  /** `searchPath`: null for the server's default. The same array means the same path. */
  plan(sql: string, topology: Topology, searchPath: readonly string[] | null): Planned {
    this.#enter(topology, searchPath);
    const shape = shapeOf(sql);
    const shaped = shape === null || shape.literals.length === 0 ? null : shape;
    const shapePlanned = shaped === null ? BY_TEXT : this.#cache.get(this.#shapeKey(shaped));
    if (shapePlanned !== undefined && shapePlanned !== BY_TEXT) {
      this.hits += 1;
      return { plan: shapePlanned, literals: shaped!.literals };
    }
    const known = shapePlanned && this.#cache.get(this.#prefix + sql);
    if (known !== undefined) {
      this.hits += 1;
      return { plan: known, literals: null };
    }
    this.misses += 1;
    const begunMs = performance.now();
    const { plan, shapePlan } = make(sql, topology, searchPath, shaped !== null, this.#forceEngine);
    this.planning.observe(performance.now() - begunMs);
    if (shaped !== null && shapePlan !== null) {
      this.#cache.set(this.#shapeKey(shaped), shapePlan);
      return { plan: shapePlan, literals: shaped.literals };
    }
    if (shaped !== null) this.#cache.set(this.#shapeKey(shaped), BY_TEXT);
    this.#cache.set(this.#prefix + sql, plan);
    return { plan, literals: null };
  }

  /** The plan of this very text, good for any number of targets; it has no key from a literal. */
  planExact(
    sql: string,
    topology: Topology,
    searchPath: readonly string[] | null,
    findsPlaces = false,
  ): Plan {
    this.#enter(topology, searchPath);
    const key = `${this.#prefix}${findsPlaces ? '\x04' : ''}${sql}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const { plan } = make(sql, topology, searchPath, false, this.#forceEngine, { findsPlaces });
    this.#cache.set(key, plan);
    return plan;
  }

  /** The same for a text that will not come again: it is not kept. `isTimed` as of PlanInput. */
  planOnce(
    sql: string,
    topology: Topology,
    searchPath: readonly string[] | null,
    isTimed = false,
  ): Plan {
    return make(sql, topology, searchPath, false, this.#forceEngine, { isTimed }).plan;
  }

  /**
   * The plan of a statement whose shard the user has chosen: nothing is refused that one PostgreSQL
   * can run, and the caller replaces the route (home) by its own. Cached as other plans are.
   */
  planByHand(sql: string, topology: Topology, searchPath: readonly string[] | null): Plan {
    this.#enter(topology, searchPath);
    const key = `${this.#prefix}\x03${sql}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const plan = planByHand(sql, topology, searchPath);
    this.#cache.set(key, plan);
    return plan;
  }

  #enter(topology: Topology, searchPath: readonly string[] | null): void {
    if (topology.version !== this.#version) {
      this.#cache.clear();
      this.#version = topology.version;
    }
    if (searchPath !== this.#searchPath) {
      this.#searchPath = searchPath;
      // No text contains a zero byte, so a prefix cannot be mistaken for one.
      this.#prefix = searchPath === null ? '' : `\0${JSON.stringify(searchPath)}\0`;
    }
  }

  #shapeKey(shape: Shape): string {
    return `${this.#prefix}\x02${shape.key}`;
  }
}

function make(
  sql: string,
  topology: Topology,
  searchPath: readonly string[] | null,
  lift: boolean,
  forceEngine: boolean,
  known: Pick<PlanInput, 'findsPlaces' | 'isTimed'> = {},
): Made {
  const parsed = parseSql(sql);
  // The server is to say what is wrong, with its own code and position.
  if (parsed === null) return exactOnly(routedPlan('', { kind: 'home' }, 'read'));
  const { statements, tokens } = parsed;
  const [only] = statements;
  if (only === undefined) return exactOnly({ op: 'empty', verb: '' });
  if (statements.length > 1) {
    return exactOnly(
      planSequence(
        statements.map(({ text }) => text),
        topology,
        searchPath,
        forceEngine,
      ),
    );
  }
  const literalStarts: number[] = [];
  if (lift) shapeOf(sql, literalStarts);
  const { catalog } = topology;
  const text = { sql, tokens: withoutSemicolons(tokens), literalStarts };
  const input = { ...text, catalog, searchPath, ...known };
  const context = new PlanContext(input, forceEngine);
  const found = withFindings(planStatement(only.statement, context), context);
  if (context.namesHidden) return exactOnly(refusedFor(found.verb, 'shadow'));
  const isDdl = found.op === 'routed' && found.effect === 'ddl';
  if (context.meetsStandIns && !isDdl) return exactOnly(refusedFor(found.verb, 'standIn'));
  const kept = keptSettings(found, only.statement, context);
  const plan = withForm(only.statement, kept, context);
  const shapePlan = lift && plan.op === 'routed' ? shapePlanOf(plan, context) : null;
  if (shapePlan === null) return { plan, shapePlan };
  const parameterized = parameterizedSql(only.statement, context);
  const keeping = keepingWith(shapePlan.keeping, parameterized);
  return { plan, shapePlan: { ...shapePlan, parameterized, keeping } };
}

/** What the statement allows to be made of its text on the way to a server. */
function withForm(statement: Statement, plan: Plan, context: PlanContext): Plan {
  if (plan.op !== 'routed') return plan;
  const tellsTime = tellsTimeOf(statement, context.input);
  const kept = { ...plan, tellsTime, ...keepingOf(statement, plan, context) };
  return { ...kept, groupable: isGroupable(statement, kept) };
}

const exactOnly = (plan: Plan): Made => ({ plan, shapePlan: null });

/** A refused part is met when the ones before it have run, as one PostgreSQL meets its errors. */
function planSequence(
  texts: readonly string[],
  topology: Topology,
  searchPath: readonly string[] | null,
  forceEngine: boolean,
): Plan {
  const parts = texts.map((sql) => ({
    sql,
    plan: make(sql, topology, searchPath, false, forceEngine).plan,
  }));
  return { op: 'sequence', verb: parts[0]!.plan.verb, parts };
}

/** What was found out on the way and holds for the whole statement. */
function withFindings(made: Plan, context: PlanContext): Plan {
  if (made.op !== 'routed') return made;
  const makes = context.makesTables && made.route.kind === 'home' && made.merge === null;
  const plan: RoutedPlan = makes ? { ...made, effect: 'ddl' } : made;
  const { configs, lastIds, asked } = context;
  const unknownTables = [...context.unknownTables];
  const releases = [...plan.releases, ...context.releases];
  const found = { ...plan, unknownTables, releases, asked };
  if (lastIds.length > 0) {
    if (plan.action !== null || configs.length > 0) return refusedFor(plan.verb, 'sequenceMemory');
    const action = { action: 'lastIds', sequences: lastIds } as const;
    return { ...found, action };
  }
  if (configs.length === 0) return found;
  if (plan.action !== null) return refusedFor(plan.verb, 'setConfig');
  const action = { action: 'setConfig', calls: configs } as const;
  return { ...found, action };
}

function planStatement(statement: Statement, context: PlanContext): Plan {
  switch (statement.kind) {
    case 'set':
      return planSet(statement, context.input);
    case 'transaction':
      return planTransaction(statement);
    case 'copy':
    case 'createTable':
    case 'utility':
      return planUtility(statement, context);
    default:
      context.mayTellLastIds = true;
      return planOwn(statement) ?? planRows(statement, context);
  }
}

const NOT_PLANNED = { merge: null, refusal: null, fallback: null, clock: null } as const;

/** The plan with its keys taken from literals; null where it depends on one in another way. */
function shapePlanOf(plan: RoutedPlan, context: PlanContext): RoutedPlan | null {
  // What is run instead has the literals in it.
  if (plan.asked !== null) return null;
  if (context.dependsOnValue || plan.route.kind === 'all') return null;
  if (plan.route.kind !== 'keys') return plan.merge === null ? plan : null;
  const keys: KeySource[] = [];
  for (const key of plan.route.keys) {
    if (context.fixed.has(key)) {
      keys.push(key);
      continue;
    }
    const lifted = key.from === 'constant' && key.value !== null ? context.lifted.get(key) : key;
    // A NULL that was written as text that is no key may be a key in the next text.
    const source = lifted ?? context.lifted.get(key);
    if (source === undefined) return null;
    keys.push(context.lifted.get(key) ?? source);
  }
  return { ...plan, route: { kind: 'keys', keys }, ...NOT_PLANNED, replan: true };
}

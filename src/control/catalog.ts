// Catalog: the table kinds of the cluster, derived from the home shard's schema and the config.

import { routinesBeyond } from '../topology/beyond-routines.ts';
import { wordsOf } from '../topology/calling-routines.ts';
import { makingRoutines } from '../topology/making-routines.ts';
import { type RoutineReach, routineReach } from '../topology/routine-reach.ts';
import { settingRoutines } from '../topology/routine-settings.ts';
import {
  notifies,
  rememberingRoutines,
  routinesInC,
  stateRoutines,
} from '../topology/routine-state.ts';
import { scalarRoutines } from '../topology/scalar-routines.ts';
import { SchemaRights } from '../topology/schema-rights.ts';
import type {
  Catalog,
  ReachingWrite,
  Table,
  TableKind,
  TableRule,
  TransactionDefaults,
} from '../topology/table.ts';
import { timeRoutines } from '../topology/time-routines.ts';
import { mayGiveValue, OWN_ROW_ONLY } from '../topology/trigger-value.ts';
import { viewText } from '../topology/view-text.ts';
import { acts, type Firing, firings, routinesFired } from './fired-triggers.ts';
import type { DatabaseCollation, Relation, ShardSchema, ViewQueries } from './shard-schema.ts';
import { triggerReach } from './trigger-reach.ts';

export interface ShardingRules {
  /** A table with a column of this name is sharded by it. */
  readonly key: string;
  /** Exceptions, by `name` or `schema.name`. */
  readonly tables: Readonly<
    Record<string, { readonly kind: TableKindByRule; readonly key?: string | undefined }>
  >;
}

type TableKindByRule = 'sharded' | 'reference' | 'home';

/** int2, int4, int8. Source: pg_type.dat. */
const INTEGER_OIDS = new Set([21, 23, 20]);

export interface MadeCatalog {
  readonly catalog: Catalog;
  /** What an operator should know: a key of the wrong type, a rule for no table. */
  readonly warnings: readonly string[];
}

const READ_COMMITTED = 'read committed';

/** As parse_bool (bool.c) takes them: prefixes too. */
const ON = /^(?:on|tr?u?e?|ye?s?|1)$/i;

function transactionDefaultsOf({ transactionDefaults }: ShardSchema): TransactionDefaults {
  const { isolation, readOnly } = transactionDefaults;
  return {
    isolation: isolation.find((level) => !/^read/i.test(level)) ?? READ_COMMITTED,
    mayBeReadOnly: readOnly.some((value) => ON.test(value)),
  };
}

const NOTHING: ReadonlySet<string> = new Set();

/** A default, or a constraint, of a row that is new reads rows of any shard. */
const FILLED_BEYOND: ReachingWrite = Object.freeze({
  insert: true,
  update: false,
  delete: false,
  columns: null,
  reaches: 'beyond',
});

/** The same of a constraint of one that changes. */
const CHECKED_BEYOND: ReachingWrite = Object.freeze({ ...FILLED_BEYOND, update: true });

/**
 * `collations`: of every shard that could be asked; `views`: of the home shard, where they are known; `shards`: how many
 * there are.
 */
export function makeCatalog(
  schema: ShardSchema,
  rules: ShardingRules,
  collations: readonly DatabaseCollation[],
  views: ViewQueries,
  shards: number,
): MadeCatalog {
  const warnings: string[] = [];
  const tables = new Map<string, Table>();
  const given = schema.kinds;
  const fired = firings(schema.relations);
  const { relations, routines, foreign } = schema;
  const reach = routineReach(routines, foreign, routinesFired(relations, fired));
  const { spread, touching } = spreadRelations(schema, rules, views, reach);
  const atHome = homeRelations(schema, rules, spread);
  const named = new Set(reach.words);
  for (const { trigger } of [...fired.values()].flat()) {
    for (const word of wordsOf(trigger.given)) named.add(word);
  }
  const facts = { rules, given, spread, atHome, fired, named, views };
  for (const relation of relations) {
    const table = tableOf(relation, facts, warnings);
    tables.set(keyOf(relation.schema, relation.name), table);
  }
  const of = (relation: Relation) => tables.get(keyOf(relation.schema, relation.name))!;
  const beyond = shards > 1 ? routinesBeyond(routines, relations.map(of)) : NOTHING;
  const reached = triggerReach(relations.map(of), reach, touching, beyond);
  // Those of triggers are looked at by what fires them.
  const valued = routines.filter(
    ({ name, usedBy }) => usedBy === 'other' && beyond.has(name.toLowerCase()),
  );
  const filling = new Set(valued.map(({ name }) => name.toLowerCase()));
  // Who writes a table often is not to have the schema read each time for tables that cannot look sharded.
  const keyed = makingRoutines(routines.filter(({ body }) => wordsOf(body).includes(rules.key)));
  for (const relation of relations) {
    const table = of(relation);
    const { calls } = relation;
    const touchesSharded = calls.some(({ routine }) => reached.touches(routine, table.kind));
    const beyondBy = calls.filter(({ routine }) => filling.has(routine)).map(({ by }) => by);
    const writing = beyondBy.includes('constraint') ? CHECKED_BEYOND : FILLED_BEYOND;
    const isFilled = table.kind === 'sharded' && beyondBy.length > 0;
    const reachesOn = [
      ...fired.get(relation.oid)!.flatMap((each) => reached.reachingOf(each, of(each.owner)) ?? []),
      ...(isFilled ? [writing] : []),
    ];
    const makesTables = calls.some(({ routine }) => keyed.has(routine));
    const flags = {
      ...(touchesSharded && { touchesSharded }),
      ...(makesTables && { makesTables }),
    };
    const known = { ...table, ...flags, reachesOn };
    tables.set(keyOf(relation.schema, relation.name), Object.freeze(known));
  }
  for (const name of Object.keys(rules.tables)) {
    if (![...tables.values()].some((table) => isNamed(table, name))) {
      warnings.push(`the config has a rule for table "${name}", which does not exist`);
    }
  }
  const sequences = new Map(
    (schema.sequences ?? []).map((each) => [keyOf(each.schema, each.name), each.quoted]),
  );
  const leaving = [...routines, ...routinesInC(foreign)];
  const systemNames = new Set(schema.systemNames);
  const routineNames = new Set(routines.map(({ name }) => name.toLowerCase()));
  const catalog: Catalog = {
    sortsTextByBytes: collations.every(sortsByBytes),
    searchPath: schema.searchPath,
    schemaRights: new SchemaRights(schema.restricted),
    transactionDefaults: transactionDefaultsOf(schema),
    table(inSchema, name, searchPath = schema.searchPath) {
      if (inSchema !== null) return tables.get(keyOf(inSchema, name)) ?? null;
      for (const each of systemNames.has(name) ? beforeCatalog(searchPath) : searchPath) {
        const table = tables.get(keyOf(each, name));
        if (table !== undefined) return table;
      }
      return null;
    },
    knowsSequences: schema.sequences !== null,
    knowsSizes: schema.hasSizes,
    knowsStatistics: schema.hasStatistics,
    sequence(inSchema, name, searchPath = schema.searchPath) {
      const path = inSchema === null ? searchPath : [inSchema];
      const found = path.map((each) => sequences.get(keyOf(each, name)));
      return found.find((each) => each !== undefined) ?? null;
    },
    tables: () => tables.values(),
    defaultKey: rules.key,
    remembersKinds: schema.hasKinds,
    configured(inSchema, name) {
      const rule = ruleOf({ schema: inSchema, name }, rules);
      if (rule === undefined) return null;
      const keyColumn = rule.kind === 'sharded' ? (rule.key ?? rules.key) : null;
      return { kind: rule.kind, keyColumn };
    },
    newTable: (inSchema, name, columns) => ruleOfNew(inSchema, name, columns, rules),
    routineTouchesSharded(name) {
      const routine = name.toLowerCase();
      return touching.has(routine) || reached.writesCopy(routine);
    },
    hasRoutine: (name) => routineNames.has(name.toLowerCase()),
    scalarRoutines: scalarRoutines(schema.immutable, routines),
    settingRoutines: settingRoutines(leaving),
    stateRoutines: stateRoutines(leaving),
    rememberingRoutines: rememberingRoutines(routines),
    makingRoutines: makingRoutines(routines),
    textRoutines: new Set([...routineNames].filter((name) => reach.runningText.has(name))),
    notifiesOnRows: routines.some(notifies),
    timeRoutines: timeRoutines(routines),
    ownAggregates: new Set(schema.ownAggregates),
    standIns: new Set(schema.standIns),
  };
  return { catalog: Object.freeze(catalog), warnings };
}

/** pg_catalog is the first of a path that does not name it. */
const beforeCatalog = (path: readonly string[]): readonly string[] =>
  path.slice(0, Math.max(0, path.indexOf('pg_catalog')));

const keyOf = (schema: string, name: string): string => `${schema}\0${name}`;

const isNamed = (table: { schema: string; name: string }, name: string): boolean =>
  name === table.name || name === `${table.schema}.${table.name}`;

const isView = (relation: Relation): boolean => relation.kind === 'v' || relation.kind === 'm';

/** What the configuration says of a table. */
export function ruleOf(
  { schema, name }: { schema: string; name: string },
  { tables }: ShardingRules,
) {
  // Not what every object has: a table may be called constructor.
  const own = [`${schema}.${name}`, name].find((each) => Object.hasOwn(tables, each));
  return own === undefined ? undefined : tables[own];
}

/** What the rules make of a relation that is no view, before its key column is looked at. */
function kindOf(
  relation: Relation,
  rules: ShardingRules,
  given: ShardSchema['kinds'],
): { kind: TableKindByRule; key: string } {
  const remembered = given[relation.oid];
  const rule =
    ruleOf(relation, rules) ??
    (remembered === undefined
      ? undefined
      : { kind: remembered.kind, key: remembered.key ?? undefined });
  const key = rule?.key ?? rules.key;
  // The proxy's own schema is on every shard, each with its own contents.
  if (relation.schema === 'drive') return { kind: 'home', key };
  if (rule !== undefined) return { kind: rule.kind, key };
  return { kind: relation.columns.some((column) => column.name === key) ? 'sharded' : 'home', key };
}

/** The same for a table that is to be made. */
function ruleOfNew(
  schema: string,
  name: string,
  columns: readonly { readonly name: string; readonly isInteger: boolean }[],
  rules: ShardingRules,
): TableRule {
  const rule = ruleOf({ schema, name }, rules);
  const key = rule?.key ?? rules.key;
  const hasKey = columns.some((column) => column.name === key && column.isInteger);
  const kind = rule?.kind ?? (hasKey ? 'sharded' : 'home');
  if (kind === 'sharded') return hasKey ? { kind, keyColumn: key } : NEW_HOME;
  return { kind, keyColumn: null };
}

const NEW_HOME: TableRule = { kind: 'home', keyColumn: null };

/** One whose key column is none is a home table. */
function isSharded(relation: Relation, rules: ShardingRules, given: ShardSchema['kinds']): boolean {
  const { kind, key } = kindOf(relation, rules, given);
  const column = relation.columns.find(({ name }) => name === key);
  return kind === 'sharded' && column !== undefined && INTEGER_OIDS.has(column.typeOid);
}

interface Spread {
  /** The oids of sharded tables and of the views that read one, directly or not. */
  readonly spread: ReadonlySet<number>;
  /** Routines that do, by name. */
  readonly touching: ReadonlySet<string>;
}

function spreadRelations(
  { relations, kinds }: ShardSchema,
  rules: ShardingRules,
  views: ViewQueries,
  reach: RoutineReach,
): Spread {
  const spread = new Set<number>();
  let touching: ReadonlySet<string> = new Set();
  const calls = (text: string | undefined): boolean =>
    touching.size > 0 && wordsOf(text ?? '').some((word) => touching.has(word));
  for (const relation of relations) {
    if (!isView(relation) && isSharded(relation, rules, kinds)) spread.add(relation.oid);
  }
  for (let before = -1; before !== spread.size; ) {
    before = spread.size;
    const found = relations.filter(({ oid }) => spread.has(oid));
    const names = found.map(({ name }) => name.toLowerCase());
    touching = reach.reaching(({ words }) => names.some((name) => words.has(name)));
    for (const { oid, reads } of relations) {
      // The home shard keeps the rows that it had of all shards.
      if (kinds[oid]?.kind === 'home') continue;
      if (reads.some((each) => spread.has(each)) || calls(views[oid]?.text)) spread.add(oid);
    }
  }
  return { spread, touching };
}

/** The oids of what only the home shard has: home tables, and the views that read one, directly or not. */
function homeRelations(
  { relations, kinds }: ShardSchema,
  rules: ShardingRules,
  spread: ReadonlySet<number>,
): ReadonlySet<number> {
  const isHome = (relation: Relation) =>
    !spread.has(relation.oid) && kindOf(relation, rules, kinds).kind !== 'reference';
  const found = new Set(relations.filter(isHome).map(({ oid }) => oid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { oid, reads } of relations)
      if (reads.some((each) => found.has(each))) found.add(oid);
  }
  return found;
}

interface SchemaFacts {
  readonly rules: ShardingRules;
  readonly given: ShardSchema['kinds'];
  /** The oids of sharded tables and of the views that read one. */
  readonly spread: ReadonlySet<number>;
  /** The oids of what only the home shard has. */
  readonly atHome: ReadonlySet<number>;
  readonly fired: ReadonlyMap<number, readonly Firing[]>;
  /** What routines name, and triggers are given. */
  readonly named: ReadonlySet<string>;
  readonly views: ViewQueries;
}

function tableOf(
  relation: Relation,
  { rules, given, spread, atHome, fired, named, views }: SchemaFacts,
  warnings: string[],
): Table {
  const { schema, name, columns, rowSecurity } = relation;
  const { runsCode, firesOnTruncate, actions } = relation;
  const updatesCascade = actions.some(({ onUpdate }) => acts(onUpdate));
  const deletesCascade = actions.some(({ onDelete }) => acts(onDelete));
  const code = { runsCode, firesOnTruncate, updatesCascade, deletesCascade };
  const partitioned = relation.kind === 'p';
  const base = { schema, name, columns, partitioned, rowSecurity, ...code };
  const as = (kind: TableKind, keyColumn: string | null): Table =>
    Object.freeze({ ...base, kind, keyColumn });
  if (isView(relation)) {
    // A view of reference tables that was made on every shard.
    const isReference = given[relation.oid]?.kind === 'reference';
    const kind = spread.has(relation.oid) ? 'shardedView' : isReference ? 'reference' : 'home';
    const view = {
      ...viewText(views[relation.oid] ?? null),
      materialized: relation.kind === 'm',
      atHome: atHome.has(relation.oid),
    };
    return Object.freeze({ ...as(kind, null), view });
  }
  const { kind, key } = kindOf(relation, rules, given);
  if (kind === 'reference') {
    const copyTriggers = copyTriggersOf(relation, fired, named);
    return Object.freeze({ ...as(kind, null), copyTriggers });
  }
  if (kind !== 'sharded') return as(kind, null);
  const column = columns.find((each) => each.name === key);
  if (column === undefined || !INTEGER_OIDS.has(column.typeOid)) {
    warnings.push(
      `table ${schema}.${name} is taken as a home table: ` +
        (column === undefined
          ? `it has no column "${key}" to be sharded by`
          : `its column "${key}" is not smallint, integer or bigint`),
    );
    return as('home', null);
  }
  return Object.freeze({ ...as('sharded', key), keyGivenOn: keyGivenOn(relation, key) });
}

function copyTriggersOf(
  { oid, name, triggers }: Relation,
  fired: SchemaFacts['fired'],
  namedByTriggers: SchemaFacts['named'],
): Table['copyTriggers'] {
  const named = namedByTriggers.has(name.toLowerCase());
  const fires = fired.get(oid)!.length > 0;
  if (!fires && !named) return undefined;
  return { fires, changesRows: triggers.length > 0, named };
}

function keyGivenOn({ triggers }: Relation, key: string): Table['keyGivenOn'] {
  const giving = triggers.filter(
    ({ routine, body }) => !OWN_ROW_ONLY.has(routine ?? '') && mayGiveValue(body, key),
  );
  if (giving.length === 0) return undefined;
  return {
    insert: giving.some(({ insert }) => insert),
    update: giving.some(({ update }) => update),
  };
}

/** UTF-8 keeps the order of code points, so C.UTF-8 and C agree on it. */
function sortsByBytes({ provider, collate, locale }: DatabaseCollation): boolean {
  if (provider === 'b') return locale === 'C' || locale === 'C.UTF-8';
  return provider === 'c' && /^(C|POSIX|C\.UTF-?8)$/i.test(collate);
}

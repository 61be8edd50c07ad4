// Catalog: the table kinds of the cluster, derived from the home shard's schema and the config.

import { settingRoutines } from '../topology/routine-settings.ts';
import { scalarRoutines } from '../topology/scalar-routines.ts';
import { SchemaRights } from '../topology/schema-rights.ts';
import type {
  Catalog,
  Table,
  TableKind,
  TableRule,
  TransactionDefaults,
} from '../topology/table.ts';
import { timeRoutines } from '../topology/time-routines.ts';
import { mayGiveValue, OWN_ROW_ONLY } from '../topology/trigger-value.ts';
import { tablesWritten } from '../topology/trigger-writes.ts';
import type {
  DatabaseCollation,
  Relation,
  Routine,
  ShardSchema,
  ViewQueries,
} from './schema-query.ts';

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

/** `collations`: of every shard that could be asked; `views`: of the home shard, where they are known. */
export function makeCatalog(
  schema: ShardSchema,
  rules: ShardingRules,
  collations: readonly DatabaseCollation[],
  views: ViewQueries,
): MadeCatalog {
  const warnings: string[] = [];
  const tables = new Map<string, Table>();
  const given = schema.kinds;
  const { spread, touching } = spreadRelations(schema, rules, views);
  const atHome = homeRelations(schema, rules, spread);
  const inserting = new Set(
    schema.routines
      .filter(({ body }) => wordsOf(body).includes('insert'))
      .map(({ name }) => name.toLowerCase())
      .filter((name) => touching.has(name)),
  );
  const named = new Set(schema.routines.flatMap(({ body }) => wordsOf(body)));
  const facts = { rules, given, spread, atHome, named, views };
  // What a reference table's trigger changes and deletes on every shard are each shard's own rows.
  const routinesOf: Partial<Record<TableKind, ReadonlySet<string>>> = {
    home: touching,
    reference: inserting,
  };
  for (const relation of schema.relations) {
    const table = tableOf(relation, facts, warnings);
    const reaches = relation.calls.some((name) => routinesOf[table.kind]?.has(name));
    const known = reaches ? Object.freeze({ ...table, touchesSharded: true }) : table;
    tables.set(keyOf(relation.schema, relation.name), known);
  }
  const writesCopies = routinesThatWriteCopies(schema, tables);
  for (const { schema: inSchema, name, fired } of schema.relations) {
    const table = tables.get(keyOf(inSchema, name))!;
    // Those of a reference table fire on every shard.
    if (table.kind === 'reference') continue;
    const writesCopiesOn = fired.filter(({ routine }) => writesCopies(routine));
    if (writesCopiesOn.length === 0) continue;
    tables.set(keyOf(inSchema, name), Object.freeze({ ...table, writesCopiesOn }));
  }
  for (const name of Object.keys(rules.tables)) {
    if (![...tables.values()].some((table) => isNamed(table, name))) {
      warnings.push(`the config has a rule for table "${name}", which does not exist`);
    }
  }
  const sequences = new Map(
    (schema.sequences ?? []).map((each) => [keyOf(each.schema, each.name), each.quoted]),
  );
  const routines = new Set(schema.routines.map(({ name }) => name.toLowerCase()));
  const catalog: Catalog = {
    sortsTextByBytes: collations.every(sortsByBytes),
    searchPath: schema.searchPath,
    schemaRights: new SchemaRights(schema.restricted),
    transactionDefaults: transactionDefaultsOf(schema),
    table(inSchema, name, searchPath = schema.searchPath) {
      if (inSchema !== null) return tables.get(keyOf(inSchema, name)) ?? null;
      for (const each of searchPath) {
        const table = tables.get(keyOf(each, name));
        if (table !== undefined) return table;
      }
      return null;
    },
    knowsSequences: schema.sequences !== null,
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
    routineTouchesSharded: (name) => touching.has(name.toLowerCase()) || writesCopies(name),
    hasRoutine: (name) => routines.has(name.toLowerCase()),
    scalarRoutines: scalarRoutines(schema.immutable, schema.routines),
    settingRoutines: settingRoutines(schema.routines),
    timeRoutines: timeRoutines(schema.routines),
    ownAggregates: new Set(schema.ownAggregates),
  };
  return { catalog: Object.freeze(catalog), warnings };
}

const keyOf = (schema: string, name: string): string => `${schema}\0${name}`;

const isNamed = (table: { schema: string; name: string }, name: string): boolean =>
  name === table.name || name === `${table.schema}.${table.name}`;

const isView = (relation: Relation): boolean => relation.kind === 'v' || relation.kind === 'm';

function ruleOf({ schema, name }: { schema: string; name: string }, { tables }: ShardingRules) {
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
  { relations, kinds, routines }: ShardSchema,
  rules: ShardingRules,
  views: ViewQueries,
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
    touching = touchingRoutines(
      routines,
      relations.filter(({ oid }) => spread.has(oid)).map(({ name }) => name),
    );
    for (const { oid, reads } of relations) {
      if (reads.some((each) => spread.has(each)) || calls(views[oid])) spread.add(oid);
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
  /** The words of routines' bodies. */
  readonly named: ReadonlySet<string>;
  readonly views: ViewQueries;
}

function tableOf(
  relation: Relation,
  { rules, given, spread, atHome, named, views }: SchemaFacts,
  warnings: string[],
): Table {
  const { schema, name, columns, rowSecurity } = relation;
  const { runsCode, firesOnTruncate, updatesCascade, deletesCascade } = relation;
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
      query: views[relation.oid] ?? null,
      materialized: relation.kind === 'm',
      atHome: atHome.has(relation.oid),
    };
    return Object.freeze({ ...as(kind, null), view });
  }
  const { kind, key } = kindOf(relation, rules, given);
  if (kind === 'reference') {
    const copyTriggers = copyTriggersOf(relation, named);
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

/** Whether a routine writes a reference table, of which it would write the copy of one shard. */
function routinesThatWriteCopies(
  { routines }: ShardSchema,
  tables: ReadonlyMap<string, Table>,
): (routine: string) => boolean {
  const written = tablesWritten(routines);
  const copied = new Set<string>();
  for (const { name, kind } of tables.values()) {
    if (kind === 'reference') copied.add(name.toLowerCase());
  }
  return (routine) =>
    [...(written.get(routine.toLowerCase()) ?? [])].some((name) => copied.has(name));
}

function copyTriggersOf(
  { name, fired, triggers }: Relation,
  namedByRoutines: ReadonlySet<string>,
): Table['copyTriggers'] {
  const named = namedByRoutines.has(name.toLowerCase());
  const fires = fired.length > 0;
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

const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(WORD) ?? [];

const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g;

/**
 * Routines whose body names a spread table or another such routine. A name in a comment counts,
 * too: refusing one statement too many is better than running it on one shard only.
 */
function touchingRoutines(
  routines: readonly Routine[],
  spread: readonly string[],
): ReadonlySet<string> {
  const names = new Set(spread.map((name) => name.toLowerCase()));
  const words = routines.map((routine) => ({
    name: routine.name.toLowerCase(),
    words: new Set(wordsOf(routine.body)),
  }));
  const touching = new Set<string>();
  for (let before = -1; before !== touching.size; ) {
    before = touching.size;
    for (const routine of words) {
      if (touching.has(routine.name)) continue;
      const meets = (set: ReadonlySet<string>) => [...set].some((name) => routine.words.has(name));
      if (meets(names) || meets(touching)) touching.add(routine.name);
    }
  }
  return touching;
}

/** UTF-8 keeps the order of code points, so C.UTF-8 and C agree on it. */
function sortsByBytes({ provider, collate, locale }: DatabaseCollation): boolean {
  if (provider === 'b') return locale === 'C' || locale === 'C.UTF-8';
  return provider === 'c' && /^(C|POSIX|C\.UTF-?8)$/i.test(collate);
}

// DDL: on which shards a change of the schema is made, and what it may not ask for.

import type {
  CreateTableStatement,
  RelationName,
  SelectStatement,
  UtilityStatement,
} from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { isAtHome, type Table } from '../topology/table.ts';
import { codeWords } from './body-words.ts';
import { checkSharded, checkTimeWords, checkUnsharded } from './constraints.ts';
import { type PlanContext, Refusal } from './context.ts';
import {
  ALTERING,
  DATABASE_NODES,
  DATABASE_OBJECTS,
  MAINTENANCE,
  NOT_DDL,
  ROLE_NODES,
} from './ddl-nodes.ts';
import { dropWherePresent } from './drop-list.ts';
import { isName, nameOf } from './engine-text.ts';
import { checkFamily, conversions, ruleByParents } from './family.ts';
import { grantPieces } from './grant-list.ts';
import { createAs, planMakeTable } from './make-table.ts';
import { isSpread, type Places, placesOf, sourcesOf, withTemporary } from './places.ts';
import type { EverywhereMerge, NewTable, Plan, RoutedPlan } from './plan.ts';
import { relationsIn } from './query-relations.ts';
import { checkRenamed } from './renamed.ts';
import { dropReplaced } from './replaced.ts';
import { refusedFor, refusedPlan } from './routed.ts';
import { hidesRenamed, hidesTable, mayShowCopy } from './shadow.ts';
import { isSteady } from './steady.ts';
import { withoutHomeTables } from './table-list.ts';
import { alterTellsTime } from './timed-alter.ts';
import { type RefusedReason, refused } from './unsupported.ts';

const ALL = { kind: 'all' } as const;

const IN_TRANSACTION: EverywhereMerge = Object.freeze({
  how: 'everywhere',
  mode: 'transaction',
  homeMayBeAlone: false,
  creates: [],
  converts: [],
  alters: [],
  tellsTime: false,
  restarts: false,
  onlyAtHome: null,
  elsewhere: null,
  pieces: [],
});

/** The statement on every shard. */
export function everywhere(traits: RoutedPlan, fields: Partial<EverywhereMerge> = {}): RoutedPlan {
  return { ...traits, route: ALL, merge: everywhereMerge(fields) };
}

export const everywhereMerge = (fields: Partial<EverywhereMerge>): EverywhereMerge => ({
  ...IN_TRANSACTION,
  ...fields,
});

/** TRUNCATE, LOCK, DROP, GRANT, REVOKE, ANALYZE and VACUUM. */
const LISTING = new Set(['TruncateStmt', 'LockStmt', 'DropStmt', 'GrantStmt', 'VacuumStmt']);

const listsTables = ({ node, relations }: UtilityStatement): boolean =>
  relations.length > 1 && LISTING.has(node);

/** null: the statement is no DDL. */
export function planDdl(
  statement: UtilityStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan | null {
  const { node, objectType, relations, ddl } = statement;
  const [first] = relations;
  if (first !== undefined && hidesRenamed(first, ddl, context)) {
    return refusedFor(traits.verb, 'shadow');
  }
  if (NOT_DDL.has(node) || statement.temporary) return null;
  if (ROLE_NODES.has(node) || objectType === 'OBJECT_ROLE') {
    return everywhere(traits, { mode: 'servers' });
  }
  if (DATABASE_NODES.has(node) || DATABASE_OBJECTS.has(objectType ?? '')) {
    return refusedFor(traits.verb, 'database');
  }
  if (statement.inner !== null) return planFromQuery(statement, traits, context);
  const reason = refusalOf(statement, context);
  if (reason !== null) return refusedFor(traits.verb, reason);
  const places = listsTables(statement)
    ? withTemporary(statement, context)
    : placesOf(relations, context);
  if (MAINTENANCE.has(node)) return planMaintenance(statement, traits, places, context);
  if (node === 'LockStmt' || node === 'TruncateStmt') {
    if (!isSpread(places)) return traits;
    if (node === 'TruncateStmt' && firesTrigger(relations, context)) {
      return refusedFor(traits.verb, 'truncateTrigger');
    }
    const mode = node === 'LockStmt' ? 'block' : 'transaction';
    return places.home ? mixed(statement, traits, context, mode) : everywhere(traits, { mode });
  }
  if (ALTERING.has(node) || ddl.renamed !== null) {
    const altered = planAlterTable(statement, traits, context);
    if (altered !== null) return altered;
  }
  return planObject(statement, traits, places, context);
}

/** Home tables and others: the home shard has all of them. */
function mixed(
  statement: UtilityStatement,
  traits: RoutedPlan,
  context: PlanContext,
  mode: EverywhereMerge['mode'],
): Plan {
  const elsewhere = withoutHomeTables(statement, context);
  if (elsewhere === null) return refusedFor(traits.verb, 'mixedDdl');
  return everywhere(traits, { mode, elsewhere });
}

/** On more than the home shard. CASCADE may reach any table. */
function firesTrigger(relations: readonly RelationName[], context: PlanContext): boolean {
  const { catalog, tokens } = context.input;
  const isCascading = tokens.at(-1)?.text === 'cascade';
  const tables = isCascading ? [...catalog.tables()] : relations.map((each) => context.table(each));
  return tables.some((table) => table?.firesOnTruncate === true && table.kind !== 'home');
}

function refusalOf(
  { node, relations, ddl }: UtilityStatement,
  context: PlanContext,
): RefusedReason | null {
  const { input } = context;
  const callsSharded = (token: Token) => touchesSharded(token, input);
  if (HIDES_CALLS.has(node) && input.tokens.some(callsSharded)) return 'routine';
  const isStrided = ddl.sequenceOptions.includes('cycle') && node === 'CreateSeqStmt';
  if (isStrided && !placesOf(ownerOf(ddl.ownedBy), context).home) return 'sequenceCycle';
  // A rule makes another statement of one, behind the planner's back.
  if (node === 'RuleStmt' && isSpread(placesOf(relations, context))) return 'rule';
  return null;
}

const ownerOf = (relation: RelationName | null) => (relation === null ? [] : [relation]);

function planMaintenance(
  statement: UtilityStatement,
  traits: RoutedPlan,
  places: Places,
  context: PlanContext,
): Plan {
  const mode = traits.verb === 'ANALYZE' ? 'either' : 'each';
  if (isSpread(places)) {
    return places.home ? mixed(statement, traits, context, mode) : everywhere(traits, { mode });
  }
  if (places.home) return traits;
  return everywhere(traits, { mode, homeMayBeAlone: statement.relations.length > 0 });
}

/** A statement that changes one table; null when that table is not known. */
function planAlterTable(
  statement: UtilityStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan | null {
  const [target, ...mentioned] = statement.relations;
  const table = target === undefined ? null : context.table(target);
  if (table === null) return null;
  const { ddl } = statement;
  const isUnlinked = (each: RelationName) =>
    !ddl.foreignKeys.some(({ table: to }) => same(to, each));
  let creates: readonly NewTable[];
  try {
    checkFamily(table, ddl, context);
    creates = checkRenamed(table, ddl, context);
    if (isAtHome(table)) {
      checkUnsharded(ddl, 'home', context);
      const places = placesOf(mentioned.filter(isUnlinked), context);
      return isSpread(places) ? refusedFor(traits.verb, 'mixedDdl') : traits;
    }
    const others = mentioned.filter((each) => !ddl.attached.some((to) => same(to, each)));
    const isMixed = placesOf(others.filter(isUnlinked), context).home;
    if (isMixed) return refusedFor(traits.verb, 'mixedDdl');
    checkTimeWords(ddl, table);
    checkFilled(ddl, context);
    if (table.kind === 'sharded') checkSharded(ddl, table, context);
    else checkReference(table, statement, context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan(traits.verb, error.fields);
  }
  const restarts = ddl.sequenceOptions.includes('restart');
  const { keyColumn } = table;
  const added = ddl.columns.map(({ name }) => name);
  const alters =
    statement.node === 'AlterTableStmt' ? [{ relation: target!, keyColumn, added }] : [];
  const converts = conversions(table, ddl, context);
  const mode = ddl.concurrently ? 'each' : 'transaction';
  const tellsTime = alters.length > 0 && alterTellsTime(context.input.tokens);
  return everywhere(traits, { mode, restarts, alters, converts, creates, tellsTime });
}

/** What rows that are there get by a default, or by another type, each shard computes, over rows of its own. */
function checkFilled({ columns }: UtilityStatement['ddl'], { input }: PlanContext): void {
  const { tokens } = input;
  const fills =
    columns.some(({ computed }) => computed) ||
    tokens.some(({ kind, text }) => kind === 'word' && text === 'using');
  const calls = (token: Token, i: number) =>
    tokens[i + 1]?.text === '(' && touchesSharded(token, input);
  if (fills && tokens.some(calls)) throw new Refusal(refused('routine'));
}

const touchesSharded = (token: Token, { catalog }: PlanContext['input']): boolean =>
  isName(token) && catalog.routineTouchesSharded(nameOf(token));

/** What they make calls routines that a statement does not name. */
const HIDES_CALLS: ReadonlySet<string> = new Set([
  ...['AlterDomainStmt', 'AlterOpFamilyStmt', 'CreateCastStmt', 'CreateDomainStmt'],
  ...['CreateOpClassStmt', 'DefineStmt'],
]);

/** Columns of a reference table must be filled alike on every shard. */
function checkReference(table: Table, { ddl }: UtilityStatement, context: PlanContext): void {
  checkUnsharded(ddl, table.kind, context);
  if (table.kind === 'reference' && ddl.columns.some((column) => column.computed)) {
    throw new Refusal(refused('referenceColumn'));
  }
  if (table.kind === 'reference' && !isSteady(ddl.conversions, context)) {
    throw new Refusal(refused('referenceType'));
  }
}

const same = (a: RelationName, b: RelationName) => a.schema === b.schema && a.name === b.name;

/** What a new object of any other kind, or a change of one, needs. */
function planObject(
  statement: UtilityStatement,
  traits: RoutedPlan,
  places: Places,
  context: PlanContext,
): Plan {
  const { ddl, node } = statement;
  const mode = ddl.concurrently
    ? 'each'
    : comparesRows(statement, context)
      ? 'apart'
      : 'transaction';
  const all = [places, placesOf(ownerOf(ddl.ownedBy), context)];
  const onHome = all.some((each) => each.home) || namesHomeTable(statement, context);
  if (all.some(isSpread)) {
    return onHome ? mixed(statement, traits, context, mode) : everywhere(traits, { mode });
  }
  if (onHome && node === 'CreateFunctionStmt') return alone(statement, traits, context);
  if (onHome || FOREIGN_NODES.has(node)) return traits;
  const strides = ['increment', 'start', 'cycle', 'as'];
  const changesStride =
    node === 'AlterSeqStmt' && ddl.sequenceOptions.some((option) => strides.includes(option));
  return everywhere(traits, {
    mode,
    homeMayBeAlone: true,
    restarts: ddl.sequenceOptions.includes('restart'),
    elsewhere: dropWherePresent(statement, context),
    pieces: grantPieces(statement, context),
    onlyAtHome: changesStride ? refused('sequenceOptions') : null,
  });
}

/** On the home shard alone, also where the other shards have what it replaces. */
function alone(statement: UtilityStatement, traits: RoutedPlan, context: PlanContext): RoutedPlan {
  const elsewhere = dropReplaced(statement, context);
  return elsewhere === null ? traits : everywhere(traits, { elsewhere });
}

/** REFRESH … CONCURRENTLY needs a temporary table, with which no part of a transaction is prepared. */
const comparesRows = ({ node }: UtilityStatement, { input }: PlanContext): boolean =>
  node === 'RefreshMatViewStmt' && input.tokens.some(({ text }) => text === 'concurrently');

/** The same foreign table on every shard would give its rows several times. */
const FOREIGN_NODES = new Set(['CreateForeignTableStmt', 'ImportForeignSchemaStmt']);

/** A routine is where the tables are that its code names. */
function namesHomeTable({ body }: UtilityStatement, { input }: PlanContext): boolean {
  if (body === null) return false;
  const home = new Set<string>();
  for (const table of input.catalog.tables()) {
    if (isAtHome(table) && table.schema !== 'drive') home.add(table.name.toLowerCase());
  }
  return codeWords(body, input.tokens).some((word) => home.has(word));
}

/** CREATE VIEW, CREATE MATERIALIZED VIEW and CREATE TABLE AS. */
function planFromQuery(
  statement: UtilityStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan {
  const { inner, node, objectType } = statement;
  const [target] = statement.relations;
  if (target !== undefined && hidesTable(target, context) && node !== 'ViewStmt') {
    return refusedFor(traits.verb, 'createAs');
  }
  const query = inner as SelectStatement;
  const read = relationsIn(query);
  const places = sourcesOf(read, context);
  const unknown = read.some((relation) => context.table(relation) === null);
  const isView = node === 'ViewStmt';
  if (isView && mayShowCopy(query, read, context)) return refusedFor(traits.verb, 'temporaryView');
  const isTable = !isView && objectType !== 'OBJECT_MATVIEW';
  const { catalog, tokens } = context.input;
  const callsRoutine = tokens.some((t) => isName(t) && catalog.routineTouchesSharded(nameOf(t)));
  if (!isTable && callsRoutine) return refusedFor(traits.verb, 'routine');
  if (places.sharded && isTable && target !== undefined) {
    return planMakeTable(createAs(context), target, statement.temporary, traits);
  }
  if (isView && places.home && target !== undefined) {
    return isSpread(placesOf([target], context)) ? alone(statement, traits, context) : traits;
  }
  if (places.sharded) return everywhere(traits);
  if (places.home || unknown || isTable || !places.reference || target === undefined) return traits;
  // What each shard might fill with other rows one shard fills for all.
  if (!isView && !isSteady(query, context)) return traits;
  const creates: NewTable = { relation: target, kind: 'reference', keyColumn: null };
  return everywhere(traits, { creates: [creates] });
}

const INTEGER_TYPES = new Set([
  'int2',
  'int4',
  'int8',
  'smallserial',
  'serial',
  'bigserial',
  'serial2',
  'serial4',
  'serial8',
]);

/** A table of whichever kind: by its parents, its LIKE sources, its columns and the rules. */
export function planNewTable(
  statement: CreateTableStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan {
  const { catalog } = context.input;
  const { relation, ddl } = statement;
  const schema = relation.schema ?? creationSchema(context);
  const present = context.table(relation);
  if (present !== null && hidesTable(relation, context)) {
    // The server says that it exists, or skips it; in another schema it would be hidden.
    if (present.schema === schema) return everywhere(traits);
    return refusedFor(traits.verb, 'shadow');
  }
  if (present?.schema === schema) return traits;
  const isLinked = (each: RelationName) => ddl.foreignKeys.some(({ table }) => same(table, each));
  const sources = statement.mentions.filter((each) => !isLinked(each));
  const inherited = sources.flatMap((each) => context.table(each) ?? []);
  const columns = [
    ...statement.columns.map(({ name, type }) => ({ name, isInteger: INTEGER_TYPES.has(type) })),
    ...inherited.flatMap((table) =>
      table.kind === 'sharded' ? [{ name: table.keyColumn!, isInteger: true }] : [],
    ),
  ];
  try {
    const byColumns = catalog.newTable(schema, relation.name, columns);
    const { kind, keyColumn } = ruleByParents(ddl.parents, context) ?? byColumns;
    if (kind === 'sharded') checkSharded(ddl, { keyColumn, columns: [] }, context);
    else checkUnsharded(ddl, kind, context);
    if (kind === 'home') return traits;
    checkTimeWords(ddl, { columns: [] });
    if (placesOf(statement.mentions, context).home) throw new Refusal(refused('mixedDdl'));
    // What it takes over from another table may be a constraint that it cannot have.
    const takesOver = sources.length > 0 && kind === 'sharded' && keyColumn !== null;
    const alters = takesOver ? [{ relation, keyColumn, added: [] }] : [];
    return everywhere(traits, { creates: [{ relation, kind, keyColumn }], alters });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan(traits.verb, error.fields);
  }
}

/** Where a table without a schema in its name is made. */
export function creationSchema({ input }: PlanContext): string {
  const path = input.searchPath ?? input.catalog.searchPath;
  return path.find((schema) => !schema.startsWith('pg_')) ?? 'public';
}

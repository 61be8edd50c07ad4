// Cluster questions: what a statement asks of PostgreSQL's catalogs of which each shard has its own part.

import type { Call } from '../sql/expression.ts';
import type { Token } from '../sql/token.ts';
import { type Catalog, isAtHome, type Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import type { TableUse } from './engine-place.ts';
import { leafMark } from './engine-plan.ts';
import {
  type Cut,
  engineText,
  isName,
  nameOf,
  type Stand,
  type TableItem,
  tableSpan,
} from './engine-text.ts';
import { relationIn } from './functions.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { SYSTEM_COLUMNS } from './system-columns.ts';
import { isStar, namesRow } from './whole-row.ts';

/** What all shards are asked before the statement is run. */
export interface ClusterQuestion {
  /** Where these sequences are, qualified and quoted; null: all. */
  readonly sequences: readonly string[] | null;
  /** What has been counted for these views and tables of pg_catalog. */
  readonly statistics: readonly string[];
  /** How large these tables are; null: all that are on several shards. */
  readonly sizes: readonly Table[] | null;
  /** How large the database is. */
  readonly database: boolean;
  /** The statement by functions of schema drive, in which the marks of ANSWERS stand for what the shards have told. */
  readonly marked: string;
}

/** By their numbers, as marks of leaves: what drive.sequence_states(), .statistics() and .relation_sizes() have told. */
export const ANSWERS = { sequences: 1, statistics: 2, sizes: 3 } as const;

const markOf = (answer: keyof typeof ANSWERS): string => `'${leafMark(ANSWERS[answer])}'::jsonb`;

/** What stands for a relation of the catalogs that tells of sequences. */
interface SequenceStand {
  readonly text: string;
  /** It takes the places of all sequences. */
  readonly places: boolean;
}

/** By schema and name. */
const SEQUENCES: ReadonlyMap<string, SequenceStand> = new Map([
  ['pg_catalog.pg_sequence', { text: 'drive.pg_sequence()', places: false }],
  ['pg_catalog.pg_sequences', { text: `drive.pg_sequences(${markOf('sequences')})`, places: true }],
  ['information_schema.sequences', { text: 'drive.sequences()', places: false }],
  ['information_schema.columns', { text: 'drive.columns()', places: false }],
]);
const OF_SEQUENCE = 'pg_get_sequence_data';
const STATISTICS = /^pg_stat(?:io)?_(?:all|user)_(?:tables|indexes)$/;
/** Columns of pg_class. */
const ESTIMATES = new Set(['reltuples', 'relpages', 'relallvisible', 'relallfrozen']);
const OF_RELATION: ReadonlySet<string> = new Set([
  'pg_relation_size',
  'pg_table_size',
  'pg_indexes_size',
  'pg_total_relation_size',
]);
const OF_DATABASE = 'pg_database_size';

/** A relation of pg_catalog for which something else may stand. */
export const isReplaced = (name: string): boolean =>
  name === 'pg_class' || SEQUENCES.has(`pg_catalog.${name}`) || STATISTICS.test(name);

const isOfSize = (name: string): boolean => OF_RELATION.has(name) || name === OF_DATABASE;

/**
 * A function of schema drive that is given what all shards have told. home: it adds that to what the home shard's
 * catalogs have. null: any other function.
 */
export function clusterAnswer({ schema, name }: Call): 'home' | 'anywhere' | null {
  if (schema !== 'drive') return null;
  if (isOfSize(name)) return 'anywhere';
  return OF_HOME.has(name) || STATISTICS.test(name) ? 'home' : null;
}

const OF_HOME: ReadonlySet<string> = new Set([
  ...['sequence_row', 'pg_sequence', 'pg_sequences', 'sequences', 'columns'],
  ...[OF_SEQUENCE, 'pg_class'],
]);

/** PostgreSQL's own function may be called, and what it tells has parts on the shards. */
export function asksCluster({ schema, name }: Call, catalog: Catalog): boolean {
  if (schema !== null && schema !== 'pg_catalog') return false;
  return name === OF_SEQUENCE ? catalog.knowsSequences : catalog.knowsSizes && isOfSize(name);
}

/** Its rows are on several shards. One copy of a reference table is what one server has. */
export const hasParts = (table: Table): boolean =>
  table.kind === 'sharded' || (table.view?.materialized === true && !isAtHome(table));

/** null: the statement asks for nothing of which the shards have parts. Throws NoMerge where that cannot be told in its text. */
export function clusterQuestion(survey: Survey, context: PlanContext): ClusterQuestion | null {
  const { sql, tokens } = context.input;
  const { clusterCalls: calls, sharedNames } = context;
  const relations = relationsOf(survey, context);
  const sizes = sizesOf(calls, context);
  const told = calls.filter((call) => isTold(call, sizes));
  if (relations.stands.length === 0 && told.length === 0) return null;
  const cuts = new Map(told.map((call) => [call.at, cutOf(call, context)]));
  const { stands, statistics } = relations;
  const marked = engineText({ sql, tokens, sharedNames }, stands, [...cuts.values()]);
  const asksAll = relations.readsAll || told.some(({ name }) => name === OF_SEQUENCE);
  const sequences = asksAll ? null : relations.sequences;
  const database = told.some(({ name }) => name === OF_DATABASE);
  return { sequences, statistics, sizes, database, marked };
}

/** Of tables on one shard a server tells itself. */
const isTold = ({ name }: Call, sizes: ClusterQuestion['sizes']): boolean =>
  !OF_RELATION.has(name) || sizes === null || sizes.length > 0;

function relationsOf({ uses }: Survey, context: PlanContext) {
  const { catalog, tokens } = context.input;
  const stands = new Map<number, Stand>();
  const sequences: string[] = [];
  const statistics = new Set<string>();
  let readsAll = false;
  for (const { item, table } of catalog.knowsSequences ? uses : []) {
    // One of the user's, that is found before the catalog's.
    if (table !== null) continue;
    const { relation, at } = item;
    const { schema, name } = relation;
    const sequence = context.sequence(relation);
    const stand = SEQUENCES.get(`${schema ?? 'pg_catalog'}.${name}`);
    let text: string;
    if (sequence !== null) {
      sequences.push(sequence);
      text = rowOf(sequence);
    } else if (stand !== undefined) {
      readsAll ||= stand.places;
      ({ text } = stand);
    } else if (isCounted(item, uses, context.input)) {
      statistics.add(name);
      text = `drive.${name}(${markOf('statistics')})`;
    } else continue;
    stands.set(at, standOf(item, text, tokens));
  }
  return { stands: [...stands.values()], sequences, statistics: [...statistics], readsAll };
}

/** `text`: a function or a query. Throws NoMerge. */
function standOf(item: TableItem, text: string, tokens: readonly Token[]): Stand {
  const span = tableSpan(item, tokens);
  // Behind ONLY, and before a star or TABLESAMPLE, no function may stand; nor any query but behind ONLY.
  const isPlain = !item.only && !item.sampled && span.end === span.last;
  const isQuery = text.startsWith('(');
  const stand = isPlain || isQuery ? text : `(SELECT * FROM ${text})`;
  return { item, schema: item.relation.schema, span, text: stand };
}

/** What a function gives has no system columns. */
function isCounted(
  item: TableItem,
  uses: readonly TableUse[],
  { catalog, tokens }: PlanContext['input'],
): boolean {
  const { schema, name } = item.relation;
  if (!catalog.knowsStatistics || (schema ?? 'pg_catalog') !== 'pg_catalog') return false;
  if (name !== 'pg_class') return STATISTICS.test(name);
  const names = new Set(tokens.flatMap((token) => (isName(token) ? [nameOf(token)] : [])));
  if (!SYSTEM_COLUMNS.isDisjointFrom(names)) return false;
  return !ESTIMATES.isDisjointFrom(names) || mayGiveAll(item, uses, tokens);
}

/** Its columns may be read without being named. */
function mayGiveAll(item: TableItem, uses: readonly TableUse[], tokens: readonly Token[]): boolean {
  const isRenamed = item.columnAliases.length > 0;
  if (isRenamed || tokens.some(isStar)) return true;
  const places = uses.map((use) => ({
    item: use.item,
    table: null,
    span: tableSpan(use.item, tokens),
  }));
  return namesRow(
    places,
    tokens,
    places.filter((place) => place.item === item),
  );
}

const rowOf = (sequence: string): string => {
  const name = sequence.replaceAll("'", "''");
  return `(SELECT * FROM drive.sequence_row(${markOf('sequences')}, '${name}'::regclass))`;
};

/** Those that the calls are about, where all name one. */
function sizesOf(
  calls: readonly Call[],
  { input: { catalog, searchPath } }: PlanContext,
): ClusterQuestion['sizes'] {
  const tables = new Set<Table>();
  for (const { name, args } of calls) {
    if (!OF_RELATION.has(name)) continue;
    const named = args[0] === undefined ? null : relationIn(args[0]);
    const table = named && catalog.table(named.schema, named.name, searchPath ?? undefined);
    if (table === null) return null;
    if (hasParts(table)) tables.add(table);
  }
  return [...tables];
}

/** The function of schema drive, which gets one argument more, the first. Throws NoMerge. */
function cutOf({ at, schema, name }: Call, { input: { tokens, catalog } }: PlanContext): Cut {
  // By its arguments one of the user's may be meant.
  if (schema === null && catalog.hasRoutine(name)) throw new NoMerge('text');
  let last = tokens.findIndex(({ start }) => start === at);
  while (last >= 0 && tokens[last + 1]?.text === '.') last += 2;
  const bracket = tokens[last + 1];
  if (last < 0 || bracket?.text !== '(') throw new NoMerge('text');
  const mark = markOf(name === OF_SEQUENCE ? 'sequences' : 'sizes');
  return { start: at, end: bracket.end, text: `drive.${name}(${mark}, ` };
}

// Engine: a SELECT that one PostgreSQL computes over copies of the tables' rows of all shards.

import { quoteName } from '../base/quote.ts';
import type { FromItem } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Column, Table } from '../topology/table.ts';
import { broadcastsOf, orNone, type SpreadPlace, type StreamPlanner } from './broadcast.ts';
import { isSystem, type PlanContext } from './context.ts';
import { elementOf, hasBinaryForm, isUnsteady } from './engine-element.ts';
import { filterText } from './engine-filter.ts';
import type { EngineLocking } from './engine-locks.ts';
import {
  type EngineFilter,
  type LeafElement,
  leafMark,
  TABLE_NAME,
  withLeaves,
} from './engine-plan.ts';
import {
  type Cut,
  engineText,
  groupedQuery,
  isName,
  nameOf,
  type Stand,
  type TableSpan,
  tableSpan,
} from './engine-text.ts';
import type { KeyClass } from './key-class.ts';
import type { EngineInput, EngineLeaf, EngineMerge, KeySource } from './plan.ts';
import type { Leaf } from './scope.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { severalShards } from './unsupported.ts';
import { castsRow, isStar, namesRow } from './whole-row.ts';

/** One place where a statement names a table; `key` is the class of one with rows on every shard. */
export interface TableUse {
  readonly item: Extract<FromItem, { kind: 'table' }>;
  readonly table: Table | null;
  readonly key: KeyClass | null;
  /** The column of the sharding key; null: there is none to tell a row's shard by. */
  readonly keyColumn: string | null;
  /** What stands for it in its scope. */
  readonly leaf: Leaf;
  /** An outer join may put NULLs in place of its rows. */
  readonly nullable: boolean;
  /** Conditions on its own columns that every row that counts fulfils. */
  readonly filters: EngineFilter[];
  /** Of a view whose rows are not those of the shards' views together: the query it stands for. */
  readonly view: ViewText | null;
}

export interface ViewText {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly uses: readonly TableUse[];
}

/** What must be computed where the row is, or holds rows or numbers of one server. */
const NEVER = ['sequenceFunction', 'writingWith'] as const;

/** Throws NoMerge where one server over copies of the rows would not answer the same. */
export function planEngine(
  survey: Survey,
  context: PlanContext,
  streamed: StreamPlanner,
  locking: EngineLocking | null,
  stars: () => readonly Cut[],
): EngineMerge {
  if (survey.readsPlace) throw new NoMerge('systemColumn');
  for (const reason of NEVER) if (survey.hasReason(reason)) throw new NoMerge(reason);
  if (survey.lockingLevels > (locking === null ? 0 : 1)) throw new NoMerge('lockLimit');
  if (survey.asksShard) throw new NoMerge('shardFunction');
  const whole = textOf({ ...context.input, uses: survey.uses }, survey.callsUnknown);
  const texts = textsIn(whole);
  if (texts.some(asksType) && (survey.namesJoin || texts.some(meansRow))) throw new NoMerge('text');
  const places = texts.flatMap((text) => text.places);
  const views = places.filter((place) => place.inside !== null);
  const tables = places.filter((place) => place.inside === null);
  // A view reads by the rights of its owner, whose rows may be others than the user's.
  const isSecured = ({ places: inside }: Text) => inside.some((place) => place.table?.rowSecurity);
  if (texts.slice(1).some(isSecured)) throw new NoMerge('viewSecurity');
  const sharded = (place: Place) => place.key !== null;
  const copied = (place: Place) => !isSystem(place.item.relation);
  const { readsTableoid, namesJoin } = survey;
  if (readsTableoid && (namesJoin || locking !== null)) throw new NoMerge('systemColumn');
  const tableoid = readsTableoid ? { stars: starsOf(texts, stars) } : null;
  const rest = { namesJoin, locking, tableoid };
  const alone = inputOf(whole, texts, { copied: sharded, ...rest });
  const mayBroadcast =
    texts.length === 1 &&
    !context.forceEngine &&
    locking === null &&
    !readsTableoid &&
    !survey.asksRoutineTime;
  const ownServer = !tables.every(copied) || survey.callsUnknown || survey.mayWrite;
  const isSame = tables.every(sharded);
  return {
    how: 'engine',
    alone: alone.input,
    within: ownServer
      ? null
      : isSame
        ? alone.input
        : inputOf(whole, texts, { copied, ...rest }).input,
    views: [...new Set(views.map((place) => quotedName(place)))],
    tellsTime: survey.tellsTime || survey.asksRoutineTime,
    asksRoutineTime: survey.asksRoutineTime,
    readsHome: survey.readsHome,
    ...(mayBroadcast ? spreadOf(whole, alone, survey.namesJoin, streamed) : NOT_SPREAD),
    locks: locking?.locks ?? null,
    refusal: severalShards('engineInTransaction'),
  };
}

/**
 * A copy of a table shows the number of the table as a column, which a star would show, too: at the top it
 * is written as the columns it stands for. Throws NoMerge where anything else may mean all columns.
 */
function starsOf([whole, ...views]: readonly Text[], stars: () => readonly Cut[]): readonly Cut[] {
  const { tokens, places } = whole!;
  const cuts = tokens.some(isStar) ? stars() : [];
  const isCut = ({ start, end }: Token) => cuts.some((cut) => start >= cut.start && end <= cut.end);
  const left = tokens.map(
    (token): Token => (isCut(token) ? { ...token, kind: 'mark', text: '' } : token),
  );
  const isListed = places.some(({ item }) => item.columnAliases.length > 0);
  const isNatural = tokens.some(({ kind, text }) => kind === 'word' && text === 'natural');
  const meansMore = isListed || isNatural || left.some(isStar) || namesRow(places, left);
  if (views.length > 0 || meansMore) throw new NoMerge('systemColumn');
  return cuts;
}

const NOT_SPREAD = { broadcasts: [], beside: [] };

interface Place extends TableUse {
  /** null: all keys, or not a sharded table. */
  readonly keys: readonly KeySource[] | null;
  /** Of each visit; none of a table that is not sharded. */
  readonly classes: readonly KeyClass[];
  readonly span: TableSpan;
  /** TABLESAMPLE …, or ''. */
  readonly sample: string;
  readonly inside: Text | null;
  /**
   * Its whole row may be asked for, and its columns have other names here: a table's row has the table's
   * names for them, a query's row those of here.
   */
  readonly isRenamedRow: boolean;
  /**
   * Its whole row is to be of the table's type, as a function takes it and the query of a view shows it: that
   * of a query can be, a row of the copy not.
   */
  readonly isTypedRow: boolean;
}

const asksType = ({ tokens }: Text): boolean =>
  tokens.some((token) => isName(token) && nameOf(token) === 'pg_typeof');

/** Some table's whole row, whose type would be the copy's. */
const meansRow = ({ tokens, places }: Text): boolean =>
  namesRow(places, tokens) || places.some(({ item }) => castsRow(item, tokens));

/** A statement, or the query of a view in it. */
interface Text {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly places: readonly Place[];
}

/** A WITH query is surveyed at each of its uses: what all of them need is read. */
function textOf({ sql, tokens, uses }: ViewText, callsUnknown: boolean): Text {
  const visits = new Map<number, TableUse[]>();
  for (const use of uses) {
    const { at } = use.item;
    visits.set(at, [...(visits.get(at) ?? []), use]);
  }
  const places = [...visits.values()].map((all): Place => {
    const [first] = all;
    const { item, view, filters } = first!;
    const span = tableSpan(item, tokens);
    const lists = all.map(({ key }) => key?.keys ?? null);
    const isRow = namesRow([{ item, span, table: first!.table }], tokens);
    const isRenamedRow = item.columnAliases.length > 0 && isRow;
    if (view && isRenamedRow) throw new NoMerge('text');
    const isTypedRow = !item.sampled && (castsRow(item, tokens) || (isRow && callsUnknown));
    // Cast to the type, the NULL that an outer join puts in a row's place would be a row of NULLs.
    if (isTypedRow && all.some(({ nullable }) => nullable)) throw new NoMerge('text');
    return {
      ...first!,
      isRenamedRow,
      isTypedRow,
      keys: lists.every((list) => list !== null) ? [...new Set(lists.flat())] : null,
      filters: filters.filter((each) => all.every((use) => hasFilter(use, each))),
      classes: [...new Set(all.flatMap(({ key }) => key?.resolved ?? []))],
      span,
      sample: span.sample === null ? '' : textBetween(sql, tokens, span.sample),
      inside: view && textOf(queryOf(view, all), callsUnknown),
    };
  });
  return { sql, tokens, places: places.sort((a, b) => a.item.at - b.item.at) };
}

const queryOf = (view: ViewText, all: readonly TableUse[]): ViewText => ({
  ...view,
  uses: all.flatMap((use) => use.view?.uses ?? []),
});

const textBetween = (
  sql: string,
  tokens: readonly Token[],
  { first, last }: { readonly first: number; readonly last: number },
): string => sql.slice(tokens[first]!.start, tokens[last]!.end);

const hasFilter = ({ filters }: TableUse, filter: EngineFilter): boolean =>
  filters.some((each) => filterText(each) === filterText(filter));

/** The text, then those of the views in it. */
const textsIn = (text: Text): readonly Text[] => [
  text,
  ...text.places.flatMap(({ inside }) => (inside === null ? [] : textsIn(inside))),
];

interface MadeInput {
  readonly input: EngineInput;
  /** The leaf of each place that is copied, from 1. */
  readonly numbers: ReadonlyMap<Place, number>;
}

/** How else the statement may run; `beside`: the leaves of home tables, behind those of `made`. */
function spreadOf(
  whole: Text,
  made: MadeInput,
  namesJoin: boolean,
  streamed: StreamPlanner,
): Pick<EngineMerge, 'broadcasts' | 'beside'> {
  const beside: EngineLeaf[] = [];
  const { leaves } = made.input;
  const isHome = ({ table, key }: Place) => key === null && table?.kind === 'home';
  const copied = (place: Place) => place.key !== null || isHome(place);
  const needed = columnsNeeded([whole], { copied, namesJoin, locking: null, tableoid: null });
  const places = whole.places.flatMap((place): SpreadPlace[] => {
    const { item, span, table, classes } = place;
    if (table === null || !copied(place)) return [];
    const number =
      made.numbers.get(place) ?? leaves.length + beside.push(leafOf(place, needed, NOTHING_MORE));
    return [{ stand: { item, schema: table.schema, span }, table, classes, leaf: number - 1 }];
  });
  const { sql, tokens } = whole;
  const text = { sql, tokens, places, leaves: [...leaves, ...beside] };
  const broadcasts = orNone(() => broadcastsOf(text, streamed));
  return { broadcasts, beside: broadcasts.length > 0 ? beside : [] };
}

/** Uses that need the same rows share a leaf. */
function inputOf(whole: Text, texts: readonly Text[], need: Need): MadeInput {
  const leaves: EngineLeaf[] = [];
  const byText = new Map<string, number>();
  const numbers = new Map<Place, number>();
  const { copied, locking, tableoid } = need;
  const needed = columnsNeeded(texts, need);
  const leafNumber = (place: Place, around: Text): number => {
    // Places in the query of a view are counted from its own start.
    const identified = whole.places.includes(place) && locking?.places.has(place.item.at) === true;
    const leaf = leafOf(place, needed, { identified, named: tableoid !== null });
    const text = JSON.stringify(leaf, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    // Each use of a table draws a sample of its own, unless it can be drawn again.
    const isDrawn = leaf.sample !== '' && !/\brepeatable\b/i.test(leaf.sample);
    const key = isDrawn ? `${text}${groupedQuery(around, place.item.at) ?? leaves.length}` : text;
    const known = byText.get(key) ?? leaves.push(leaf);
    byText.set(key, known);
    return known;
  };
  const built = (around: Text): string => {
    const { sql, tokens, places } = around;
    const stands = places.flatMap((place): Stand[] => {
      const { item, span, inside } = place;
      const schema = place.table?.schema ?? null;
      if (inside !== null) return [{ item, schema, span, text: `(${built(inside)})` }];
      if (!copied(place)) return [];
      const number = leafNumber(place, around);
      numbers.set(place, number);
      const mark = leafMark(number);
      const copy = copyOf(place, tokens, mark);
      const text = tableoid === null ? copy : withTableoid(mark, leaves[number - 1]!);
      return [{ item, schema, span, text }];
    });
    if (tableoid !== null) return engineText(sql, tokens, stands, tableoid.stars);
    if (locking === null || sql !== whole.sql) return engineText(sql, tokens, stands);
    const isCopied = (at: number) => stands.some(({ item }) => item.at === at);
    return engineText(sql, tokens, stands, locking.cuts(isCopied));
  };
  const marked = built(whole);
  const sql = withLeaves(marked, (n) => `pg_temp.drive_leaf_${n}`);
  return { input: { sql, leaves, marked }, numbers };
}

function copyOf(place: Place, tokens: readonly Token[], mark: string): string {
  if (isEmpty(place, tokens)) return `(SELECT * FROM ${mark} WHERE false)`;
  return place.isTypedRow ? `(SELECT * FROM ${mark} AS drive_leaf)` : mark;
}

/**
 * ONLY a partitioned table, which PostgreSQL's planner knows to be empty: what stands beside it, like a
 * sub-query of too many rows, is not computed. A query has no rows of the table's type, and no key that
 * other columns follow from.
 */
function isEmpty({ item, table, span, sample }: Place, tokens: readonly Token[]): boolean {
  if (!item.only || table?.partitioned !== true || sample !== '') return false;
  const groups = tokens.some(({ kind, text }) => kind === 'word' && text === 'group');
  return !groups && !namesRow([{ item, span, table }], tokens);
}

/** The copy with its table's number on this server as a column, as a query's columns may be named. */
function withTableoid(mark: string, { columns }: EngineLeaf): string {
  if (columns.length === 0) throw new NoMerge('systemColumn');
  const number = `${TABLE_NAME}::pg_catalog.regclass::pg_catalog.oid AS tableoid`;
  return `(SELECT ${[...columns, number].join(', ')} FROM ${mark} AS drive_leaf)`;
}

function quotedName({ table, item }: TableUse): string {
  const { schema, name } = table ?? item.relation;
  return schema === null ? quoteName(name) : `${quoteName(schema)}.${quoteName(name)}`;
}

const NOTHING_MORE = { identified: false, named: false };

function leafOf(
  place: Place,
  needed: ColumnFilter,
  more: Pick<EngineLeaf, 'identified' | 'named'>,
): EngineLeaf {
  const { item, table, key, keyColumn, keys, filters, sample } = place;
  const all = table?.columns ?? [];
  const named = all.filter(({ name }) => needed(name, keyColumn));
  // None at all would mean that they are not known.
  const columns = named.length === 0 && more.named ? all.slice(0, 1) : named;
  const isPlain = columns.length > 0 && columns.every(hasBinaryForm);
  return {
    // A temporary table may stand before a home table of that name, and is read on the same server.
    table:
      key === null && item.relation.schema === null
        ? quoteName(item.relation.name)
        : quotedName(place),
    only: item.only,
    sample,
    columns: columns.map((column) => quoteName(column.name)),
    format: isPlain ? 'binary' : 'text',
    unsteady: new Set(isPlain ? [] : columns.filter(isUnsteady).map(({ name }) => quoteName(name))),
    isSharded: key !== null,
    keyColumn: keyColumn === null ? null : quoteName(keyColumn),
    keys,
    filters,
    ...more,
    elements: elementsOf(place, columns),
  };
}

function elementsOf(
  { item, span, isRenamedRow }: Place,
  columns: readonly Column[],
): LeafElement[] | null {
  if (isRenamedRow) return null;
  // ONLY and a star stand by a table's name.
  if (item.only || span.end !== span.last || columns.length === 0) return null;
  const elements = columns.map(elementOf);
  return elements.every((each) => each !== null) ? elements : null;
}

interface Need {
  readonly copied: (place: Place) => boolean;
  /** Some join has a name. */
  readonly namesJoin: boolean;
  readonly locking: EngineLocking | null;
  /** The copies show their tables' numbers; the stars are written out. */
  readonly tableoid: { readonly stars: readonly Cut[] } | null;
}

type ColumnFilter = (column: string, keyColumn: string | null) => boolean;

/**
 * A column counts as needed when its name occurs anywhere in the texts; all do where a star, a whole
 * row, NATURAL, the name of a join or a list of column aliases may mean columns that are not named.
 */
function columnsNeeded(texts: readonly Text[], { copied, namesJoin }: Need): ColumnFilter {
  const names = new Set<string>();
  for (const { tokens } of texts) {
    for (const token of tokens) if (isName(token)) names.add(nameOf(token));
  }
  const meansAll = ({ tokens, places }: Text) => {
    const stands = places.filter((place) => place.inside !== null || copied(place));
    const isListed = stands.some(({ item }) => item.columnAliases.length > 0);
    return isListed || tokens.some(isStar) || namesRow(stands, tokens);
  };
  if (namesJoin || names.has('natural') || texts.some(meansAll)) return () => true;
  return (column, keyColumn) => names.has(column) || column === keyColumn;
}

// Engine: a SELECT that one PostgreSQL computes over copies of the tables' rows of all shards.

import type { Token } from '../sql/token.ts';
import { broadcastsOf, orNone, type SpreadPlace, type StreamPlanner } from './broadcast.ts';
import { isSystem, type PlanContext } from './context.ts';
import { joinsOf } from './engine-join.ts';
import { columnsNeeded, leafOf, type Need, NOTHING_MORE, quotedName } from './engine-leaf.ts';
import type { EngineLocking } from './engine-locks.ts';
import { type Place, type PlacedText, textOf, textsIn } from './engine-place.ts';
import { leafMark, TABLE_NAME, withLeaves } from './engine-plan.ts';
import { type Cut, engineText, groupedQuery, isName, nameOf, type Stand } from './engine-text.ts';
import type { EngineInput, EngineLeaf, EngineMerge } from './plan.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { severalShards } from './unsupported.ts';
import { castsRow, isStar, namesRow, passesRow } from './whole-row.ts';

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
  const whole = textOf({ ...context.input, uses: survey.uses }, survey);
  const texts = textsIn(whole);
  if (texts.some(asksType) && (survey.namesJoin || texts.some(meansRow))) throw new NoMerge('text');
  const places = texts.flatMap((text) => text.places);
  const views = places.filter((place) => place.inside !== null);
  const tables = places.filter((place) => place.inside === null);
  // A view reads by the rights of its owner, whose rows may be others than the user's.
  const isSecured = ({ places: inside }: PlacedText) =>
    inside.some((place) => place.table?.rowSecurity);
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
function starsOf(
  [whole, ...views]: readonly PlacedText[],
  stars: () => readonly Cut[],
): readonly Cut[] {
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

const asksType = ({ tokens }: PlacedText): boolean =>
  tokens.some((token) => isName(token) && nameOf(token) === 'pg_typeof');

/** Some table's whole row, whose type would be the copy's. */
const meansRow = ({ tokens, places }: PlacedText): boolean =>
  namesRow(places, tokens) ||
  places.some(({ item }) => castsRow(item, tokens) || passesRow(item, tokens, () => true));

interface MadeInput {
  readonly input: EngineInput;
  /** The leaf of each place that is copied, from 1. */
  readonly numbers: ReadonlyMap<Place, number>;
}

/** How else the statement may run; `beside`: the leaves of home tables, behind those of `made`. */
function spreadOf(
  whole: PlacedText,
  made: MadeInput,
  namesJoin: boolean,
  streamed: StreamPlanner,
): Pick<EngineMerge, 'broadcasts' | 'beside'> {
  const beside: EngineLeaf[] = [];
  const { leaves } = made.input;
  const isHome = ({ table, key }: Place) => key === null && table?.kind === 'home';
  const copied = (place: Place) => place.key !== null || isHome(place);
  const needed = columnsNeeded([whole], { copied, namesJoin });
  const places = whole.places.flatMap((place): SpreadPlace[] => {
    const { item, span, table, classes } = place;
    if (table === null || !copied(place)) return [];
    const number =
      made.numbers.get(place) ?? leaves.length + beside.push(leafOf(place, needed, NOTHING_MORE));
    return [{ stand: { item, schema: table.schema, span }, table, classes, leaf: number - 1 }];
  });
  const text = { ...whole, places, leaves: [...leaves, ...beside] };
  const broadcasts = orNone(() => broadcastsOf(text, streamed));
  return { broadcasts, beside: broadcasts.length > 0 ? beside : [] };
}

interface InputNeed extends Need {
  readonly locking: EngineLocking | null;
  /** The copies show their tables' numbers; the stars are written out. */
  readonly tableoid: { readonly stars: readonly Cut[] } | null;
}

/** Uses that need the same rows share a leaf. */
function inputOf(whole: PlacedText, texts: readonly PlacedText[], need: InputNeed): MadeInput {
  const leaves: EngineLeaf[] = [];
  const byText = new Map<string, number>();
  const numbers = new Map<Place, number>();
  const { copied, locking, tableoid } = need;
  const needed = columnsNeeded(texts, need);
  const leafNumber = (place: Place, around: PlacedText): number => {
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
  const built = (around: PlacedText): string => {
    const { tokens, places } = around;
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
    if (tableoid !== null) return engineText(around, stands, tableoid.stars);
    if (locking === null || around !== whole) return engineText(around, stands);
    const isCopied = (at: number) => stands.some(({ item }) => item.at === at);
    return engineText(around, stands, locking.cuts(isCopied));
  };
  const marked = built(whole);
  const sql = withLeaves(marked, (n) => `pg_temp.drive_leaf_${n}`);
  const joins = joinsOf(
    leaves,
    numbers,
    textsIn(whole).map((text) => text.places),
  );
  return { input: { sql, leaves, marked, joins }, numbers };
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

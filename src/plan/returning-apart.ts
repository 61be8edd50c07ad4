// Returning apart: sub-queries of RETURNING as a SELECT of their own, over the rows that are written.

import { quoteName } from '../base/quote.ts';
import { closing, depthsOf, type Range } from '../sql/clause.ts';
import { type Column, type Expression, partsOf } from '../sql/expression.ts';
import { type ReturningText, returningTexts } from '../sql/modify-text.ts';
import type { WritingStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { withText } from '../sql/with-text.ts';
import type { PlanContext } from './context.ts';
import { isName, nameOf } from './engine-text.ts';
import { type Planned, parsed } from './queries-apart.ts';
import { placeIn, versionsIn } from './returned.ts';
import { askedOf, type Relation, relationsOf, starColumns } from './returned-relations.ts';

export interface ReturningApart extends Planned {
  /** The write, and the SELECT over a row of nothing known, to be planned by themselves. */
  readonly write: Planned;
  readonly select: Planned;
}

const WRITTEN = '"drive.written"';

/**
 * The same as a WITH query that writes, with what a SELECT behind it gives: the items of RETURNING that have
 * sub-queries, or stars within, over the rows as they have become. PostgreSQL shows both the state before the statement. null:
 * there are none, or text that this cannot be told of, or they ask where a row lies.
 */
export function returningApart(
  statement: WritingStatement,
  context: PlanContext,
): ReturningApart | null {
  const { sql, tokens } = context.input;
  if ('cursor' in statement && statement.cursor !== null) return null;
  const text = textsOf(statement, tokens, sql);
  if (text === null) return null;
  const isItemApart = statement.returning.map(({ expression }) => isApart(expression));
  const apart = text.items.filter((_, i) => isItemApart[i]);
  const words = apart.flatMap((item) => tokens.filter((token) => isWithin(token, item)));
  const named = new Set(words.filter(isName).map(nameOf));
  const relations = relationsOf(statement, named, text.versions, context);
  if (apart.length === 0 || relations === null) return null;
  const expressions = statement.returning.map(({ expression }) => expression);
  const asked = askedOf(
    expressions.filter((_, i) => isItemApart[i]),
    relations,
  );
  if (asked === null) return null;

  const given: string[] = [];
  const add = (item: string): string => `${WRITTEN}.${nameAt(given.push(item))}`;
  const stands = standsIn(words, asked.qualified, context, add);
  if (stands === null) return null;
  const froms = relations.map((relation) => {
    const row = asked.rows.has(relation) ? rowFrom(relation, add) : null;
    return { relation, row, columns: row === null ? columnsFrom(relation, named, add) : null };
  });
  const over = within(froms);
  const shown: string[] = [];
  for (const [i, expression] of expressions.entries()) {
    const item = text.items[i]!;
    if (isItemApart[i]) shown.push(`(SELECT ${withStands(sql, item, stands)}${over})`);
    else if (expression.kind !== 'star') shown.push(add(item.text));
    else {
      const star = starColumns(expression.path, statement, relations);
      if (star === null) return null;
      shown.push(...star.map(({ of, column }) => add(columnOf(of, column))));
    }
  }
  // Each row is one of the answer, also where nothing is asked of it.
  if (given.length === 0) add('true');
  const select = `SELECT ${shown.join(', ')} FROM ${WRITTEN}${beside(froms)}`;
  const names = given.map((_, i) => nameAt(i + 1)).join(', ');
  const write = `${text.main} ${given.join(', ')}`;
  const nothing = `SELECT ${given.map(() => 'NULL').join(', ')}`;
  const clause = text.with === '' ? 'WITH' : `${text.with},`;
  const withRows = (rows: string) => `${clause} ${WRITTEN} (${names}) AS (${rows}) ${select}`;
  const whole = parsed(withRows(write), context);
  const own = parsed(`${text.with} ${write}`, context);
  const behind = parsed(withRows(nothing), context);
  if (whole === null || own === null || behind === null) return null;
  return { ...whole, write: own, select: behind };
}

/** It has a sub-query, or a star within something else, which may be of what no shard can show beside the new row. */
function isApart(expression: Expression): boolean {
  if (expression.kind === 'star') return false;
  for (const { kind } of partsOf(expression)) if (kind === 'query' || kind === 'star') return true;
  return false;
}

const nameAt = (i: number): string => `"drive.${i}"`;

const columnOf = ({ name }: Relation, column: string): string =>
  `${quoteName(name)}.${quoteName(column)}`;

/** `add`: has the write return an item, and tells what it is called then. */
type Add = (item: string) => string;

/** A relation of those of its columns that are named; null: of none. */
function columnsFrom(relation: Relation, named: ReadonlySet<string>, add: Add): string | null {
  const own = relation.columns.filter((column) => named.has(column));
  if (own.length === 0) return null;
  const items = own.map((column) => `${add(columnOf(relation, column))} AS ${quoteName(column)}`);
  return `(SELECT ${items.join(', ')}) AS ${quoteName(relation.name)}`;
}

/**
 * A relation whose name means a row of the relation's type, as a function's that gives such rows does. Where there is no row
 * the join makes it NULL itself, and not a row of NULLs.
 */
function rowFrom({ name, columns }: Relation, add: Add): string {
  const row = add(quoteName(name));
  const rows = `CASE WHEN ${row} IS DISTINCT FROM NULL THEN ARRAY[${row}] END`;
  const names = columns.map(quoteName).join(', ');
  return ` LEFT JOIN LATERAL pg_catalog.unnest(${rows}) AS ${quoteName(name)} (${names}) ON true`;
}

/** A relation, or its rows by themselves, as text; null: nothing is asked of it so. */
interface From {
  readonly relation: Relation;
  readonly row: string | null;
  readonly columns: string | null;
}

/** The relations within each item: their names hide those of OLD and NEW, of which columns are seen by these only. */
function within(froms: readonly From[]): string {
  const own = froms.filter(({ relation }) => !relation.isVersion);
  const rows = own.flatMap(({ row }) => row ?? []);
  const joined = rows.length === 0 ? [] : [`(SELECT) AS "drive.one"${rows.join('')}`];
  const all = [...joined, ...own.flatMap(({ columns }) => columns ?? [])];
  return all.length === 0 ? '' : ` FROM ${all.join(', ')}`;
}

/** OLD and NEW beside the rows that were written. */
function beside(froms: readonly From[]): string {
  const own = froms.filter(({ relation }) => relation.isVersion);
  const rows = own.flatMap(({ row }) => row ?? []);
  const columns = own.flatMap((from) =>
    from.columns === null ? [] : [`, LATERAL ${from.columns}`],
  );
  return [...rows, ...columns].join('');
}

const isWithin = ({ start, end }: Token, { text, start: from }: ReturningText): boolean =>
  start >= from && end <= from + text.length;

interface Stand extends Range {
  readonly text: string;
}

/** What means nothing behind the write, as it is returned; null: text that this cannot be told of. */
function standsIn(
  words: readonly Token[],
  qualified: readonly Column[],
  { input: { sql, tokens } }: PlanContext,
  add: Add,
): readonly Stand[] | null {
  const actions = words.flatMap((word) => {
    if (word.kind !== 'word' || word.text !== 'merge_action') return [];
    const open = tokens.indexOf(word) + 1;
    const close = tokens[open]?.text === '(' ? closing(tokens, open) : null;
    return close === null ? [] : [{ start: word.start, end: tokens[close]!.end }];
  });
  const places = [...actions, ...qualified.map((column) => placeIn(tokens, column))];
  if (!places.every((place) => place !== null)) return null;
  return places.map(({ start, end }) => ({ start, end, text: add(sql.slice(start, end)) }));
}

function withStands(sql: string, { text, start }: ReturningText, stands: readonly Stand[]): string {
  const end = start + text.length;
  const own = stands.filter((stand) => stand.start >= start && stand.end <= end);
  let made = '';
  let at = start;
  for (const stand of own.toSorted((a, b) => a.start - b.start)) {
    made += sql.slice(at, stand.start) + stand.text;
    at = stand.end;
  }
  return made + sql.slice(at, end);
}

interface StatementTexts {
  /** WITH and its queries, or ''. */
  readonly with: string;
  /** The statement up to the items of RETURNING. */
  readonly main: string;
  readonly items: readonly ReturningText[];
  /** What OLD and NEW are called. */
  readonly versions: Iterable<string>;
}

/** null where they are not certain. */
function textsOf(
  { with: clause, returning }: WritingStatement,
  tokens: readonly Token[],
  sql: string,
): StatementTexts | null {
  const isWord = (i: number, word: string) => tokens[i]?.kind === 'word' && tokens[i].text === word;
  if (tokens.some((_, i) => isWord(i, 'uescape'))) return null;
  const depths = depthsOf(tokens);
  const at = tokens.findLastIndex((_, i) => depths[i] === 0 && isWord(i, 'returning'));
  if (at < 0) return null;
  const items = returningTexts({ sql, tokens, depths }, at);
  const queries = clause === null ? null : withText(tokens, clause.recursive);
  if (items.length === 0 || items.length !== returning.length) return null;
  if (clause !== null && queries === null) return null;
  const first = queries?.main.from ?? 0;
  const last = tokens.findLast(({ start }) => start < items[0]!.start)!;
  return {
    with: first === 0 ? '' : sql.slice(0, tokens[first - 1]!.end),
    main: sql.slice(tokens[first]!.start, last.end),
    items,
    versions: versionsIn(tokens.slice(at)).keys(),
  };
}

// Engine text: the client's statement with tables replaced by the engine's copies of them.

import { quoteName } from '../base/quote.ts';
import { closing } from '../sql/clause.ts';
import { identifierOf } from '../sql/identifier.ts';
import type { FromItem } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { NoMerge } from './splice.ts';

export type TableItem = Extract<FromItem, { kind: 'table' }>;

/** Indexes of tokens: of a table's name in FROM, and of its alias (-1: none). */
export interface TableSpan {
  readonly first: number;
  readonly last: number;
  /** Where an alias may be put: behind a star, or the bracket of ONLY (name). */
  readonly end: number;
  readonly alias: number;
  /** Of TABLESAMPLE and what belongs to it; null: there is none. */
  readonly sample: { readonly first: number; readonly last: number } | null;
}

/** What stands for a table: a temporary table of the engine, or the query of a view. */
export interface Stand {
  readonly item: TableItem;
  /** Of the table that the name was found to mean; null: not known. */
  readonly schema: string | null;
  readonly span: TableSpan;
  /** A name, or a query in brackets. */
  readonly text: string;
}

export const isName = ({ kind }: Token): boolean => kind === 'word' || kind === 'name';

/** The name a token means. */
export const nameOf = (token: Token): string => identifierOf(token);

/** What the rest of the statement calls the table. */
export const visibleName = ({ alias, relation }: TableItem): string => alias ?? relation.name;

/** Throws NoMerge where the table's place in the text is not clear. */
export function tableSpan(item: TableItem, tokens: readonly Token[]): TableSpan {
  const first = tokens.findIndex(({ start }) => start === item.at);
  if (first < 0 || !isName(tokens[first]!)) throw new NoMerge('text');
  let last = first;
  while (tokens[last + 1]?.text === '.' && tokens[last + 2] !== undefined) last += 2;
  if (nameOf(tokens[last]!) !== item.relation.name) throw new NoMerge('text');
  let end = last;
  if (tokens[end + 1]?.text === '*') end += 1;
  if (item.only && tokens[first - 1]?.text === '(' && tokens[end + 1]?.text === ')') end += 1;
  if (item.alias === null) {
    return { first, last, end, alias: -1, sample: sampleOf(item, tokens, end) };
  }
  const alias = tokens[end + 1]?.text === 'as' ? end + 2 : end + 1;
  const named = tokens[alias];
  if (named === undefined || nameOf(named) !== item.alias) throw new NoMerge('text');
  return { first, last, end, alias, sample: sampleOf(item, tokens, alias) };
}

/** Behind the token `from` and a list of column aliases. Throws NoMerge for arguments to be computed. */
function sampleOf(
  { sampled, sampledRows, columnAliases }: TableItem,
  tokens: readonly Token[],
  from: number,
): TableSpan['sample'] {
  if (!sampled) return null;
  if (sampledRows) throw new NoMerge('tableSample');
  let at = from + 1;
  if (columnAliases.length > 0) at = listEnd(tokens, at, isName) + 1;
  const first = at;
  if (tokens[at]?.text !== 'tablesample') throw new NoMerge('tableSample');
  while (tokens[at] !== undefined && tokens[at]!.text !== '(') at += 1;
  let last = listEnd(tokens, at, isNumber);
  if (tokens[last + 1]?.text === 'repeatable') last = listEnd(tokens, last + 2, isNumber);
  return { first, last };
}

const isNumber = ({ kind, text }: Token) => kind === 'number' || text === '-';

/** The bracket that closes the one at `open`, between which there is nothing but `inside`. */
function listEnd(
  tokens: readonly Token[],
  open: number,
  inside: (token: Token) => boolean,
): number {
  let at = open + 1;
  while (tokens[at] !== undefined && tokens[at]!.text !== ')') {
    if (tokens[at]!.text !== ',' && !inside(tokens[at]!)) throw new NoMerge('tableSample');
    at += 1;
  }
  if (tokens[open]?.text !== '(' || tokens[at] === undefined) throw new NoMerge('tableSample');
  return at;
}

/**
 * In a text with GROUP BY: the innermost query in brackets around what starts at `at`, with the place in it. Where
 * it stands twice it is one expression to PostgreSQL, computed once for a group. null: there is none.
 */
export function groupedQuery(
  { sql, tokens }: { readonly sql: string; readonly tokens: readonly Token[] },
  at: number,
): string | null {
  if (!tokens.some(({ kind, text }) => kind === 'word' && text === 'group')) return null;
  const open = tokens.findLastIndex(
    ({ text, start }, i) =>
      text === '(' &&
      start < at &&
      tokens[i + 1]?.text === 'select' &&
      tokens[closing(tokens, i) ?? i]!.start > at,
  );
  if (open < 0) return null;
  const { start } = tokens[open]!;
  return `${sql.slice(start, tokens[closing(tokens, open)!]!.end)}${at - start}`;
}

/** What a text says, before tables in it are replaced. */
export interface Wording {
  readonly sql: string;
  readonly tokens: readonly Token[];
  /** Names of tables that the text tells from others of that name by their schemas. */
  readonly sharedNames: ReadonlySet<string>;
}

/** A piece of the text and what takes its place. */
export interface Cut {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Throws NoMerge where a name cannot be replaced for sure. */
export function engineText(
  { sql, tokens, sharedNames }: Wording,
  stands: readonly Stand[],
  others: readonly Cut[] = [],
): string {
  if (tokens.some(({ kind, text }) => kind === 'word' && text === 'uescape')) {
    throw new NoMerge('text');
  }
  const apart = stands.filter(
    ({ item }) => item.alias === null && sharedNames.has(item.relation.name),
  );
  if (namesAlone(apart, tokens, stands)) throw new NoMerge('sharedName');
  const cuts = stands.flatMap((stand) => tableCuts(stand, tokens, apart.includes(stand)));
  cuts.push(...schemaCuts(tokens, stands, apart), ...others);
  // A star that is written out has a schema's name in it that would be cut, too.
  if (others.some((other) => cuts.some((cut) => isWithin(cut, other)))) throw new NoMerge('text');
  cuts.sort((a, b) => a.start - b.start || a.end - b.end);
  let text = '';
  let from = 0;
  for (const cut of cuts) {
    text += sql.slice(from, cut.start) + cut.text;
    from = cut.end;
  }
  const last = tokens.at(-1);
  return text + sql.slice(from, last?.end ?? sql.length);
}

const isWithin = (cut: Cut, other: Cut): boolean =>
  cut !== other && cut.start >= other.start && cut.end <= other.end && cut.end > cut.start;

/** True when the name of one of `apart` is anywhere without its schema, also as another's name or alias. */
function namesAlone(
  apart: readonly Stand[],
  tokens: readonly Token[],
  stands: readonly Stand[],
): boolean {
  const names = new Set(apart.map(({ item }) => item.relation.name));
  return tokens.some((token, i) => {
    if (!isName(token) || !names.has(nameOf(token)) || tokens[i - 1]?.text === '.') return false;
    return !stands.some(({ span }) => i >= span.first && i <= span.last);
  });
}

/** What a table without an alias is called, where its name alone would not tell it from others. */
const fullName = ({ item, schema }: Stand): string =>
  quoteName(`${schema ?? ''}.${item.relation.name}`);

function tableCuts(stand: Stand, tokens: readonly Token[], isApart: boolean): Cut[] {
  const { item, span, text } = stand;
  const { first, last, end } = span;
  // A star and TABLESAMPLE may stand by a table's name, not by a query; nor may ONLY, which means nothing there.
  const isQuery = text.startsWith('(');
  const isStarred = end !== last && !item.only;
  if (isQuery && (isStarred || item.sampled)) throw new NoMerge('text');
  const isBracketed = tokens[first - 1]?.text === '(';
  const from = item.only ? first - (isBracketed ? 2 : 1) : first;
  const name = isQuery
    ? { start: tokens[from]!.start, end: tokens[end]!.end, text }
    : { start: tokens[first]!.start, end: tokens[last]!.end, text };
  const cuts: Cut[] = [name];
  if (item.alias === null) {
    const at = tokens[end]!.end;
    const alias = isApart ? fullName(stand) : quoteName(item.relation.name);
    if (at === name.end) cuts[0] = { ...name, text: `${name.text} AS ${alias}` };
    else cuts.push({ start: at, end: at, text: ` AS ${alias}` });
  }
  if (span.sample !== null) {
    const { first: word, last: bracket } = span.sample;
    cuts.push({ start: tokens[word]!.start, end: tokens[bracket]!.end, text: '' });
  }
  const command = tokens[from - 1];
  if (command?.kind === 'word' && command.text === 'table') {
    cuts.push({ start: command.start, end: command.end, text: 'SELECT * FROM' });
  }
  return cuts;
}

/** `public.files.id` is `files.id`, or `"public.files".id`, where the table has become one of another schema. */
function schemaCuts(
  tokens: readonly Token[],
  stands: readonly Stand[],
  apart: readonly Stand[],
): Cut[] {
  const cuts: Cut[] = [];
  for (const [i, token] of tokens.entries()) {
    const table = tokens[i + 2];
    if (!isName(token) || table === undefined || !isName(table)) continue;
    if (tokens[i + 1]?.text !== '.' || tokens[i + 3]?.text !== '.') continue;
    const named = stands.filter(
      ({ item, schema }) =>
        item.alias === null && item.relation.name === nameOf(table) && schema === nameOf(token),
    );
    if (named.length === 0 || stands.some(({ span }) => i >= span.first && i <= span.last))
      continue;
    if (tokens[i - 1]?.text === '.') throw new NoMerge('text');
    const own = named.find((stand) => apart.includes(stand));
    cuts.push(
      own === undefined
        ? { start: token.start, end: table.start, text: '' }
        : { start: token.start, end: table.end, text: fullName(own) },
    );
  }
  return cuts;
}

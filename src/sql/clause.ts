// Clauses: where the parts of a SELECT stand in its text, so that it can be spliced.

import type { Token } from './token.ts';

/** Indexes into the text: of the first character and behind the last token. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export type ClauseName =
  | 'into'
  | 'from'
  | 'where'
  | 'group'
  | 'having'
  | 'window'
  | 'order'
  | 'limit'
  | 'offset'
  | 'fetch'
  | 'for';

export interface SelectClauses {
  /** The word SELECT itself. */
  readonly select: Range;
  /** The items of the select list; an item of no tokens does not occur. */
  readonly items: readonly Range[];
  /** Where the select list ends: behind its last token, or behind SELECT [DISTINCT]. */
  readonly listEnd: number;
  readonly clauses: ReadonlyMap<ClauseName, Range>;
  /** The items of GROUP BY and ORDER BY. */
  readonly groupItems: readonly Range[];
  readonly orderItems: readonly Range[];
  /** Behind the last token of the statement. */
  readonly end: number;
}

const FOLLOWERS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['group', new Set(['by'])],
  ['order', new Set(['by'])],
  ['for', new Set(['update', 'no', 'share', 'key'])],
]);

const CLAUSES = new Set<string>([
  'into',
  'from',
  'where',
  'group',
  'having',
  'window',
  'order',
  'limit',
  'offset',
  'fetch',
  'for',
]);

/** null when the text is not one plain SELECT (brackets around it, VALUES, TABLE, a set operation). */
export function clausesOf(tokens: readonly Token[]): SelectClauses | null {
  const depths = depthsOf(tokens);
  const first = tokens[0];
  if (first === undefined || (first.text !== 'select' && first.text !== 'with')) return null;
  const select = tokens.findIndex(
    (token, i) => depths[i] === 0 && token.kind === 'word' && token.text === 'select',
  );
  if (select < 0) return null;
  const starts: { name: ClauseName; index: number }[] = [];
  for (let i = select + 1; i < tokens.length; i++) {
    if (depths[i] !== 0) continue;
    const name = clauseAt(tokens, i);
    if (name !== null) starts.push({ name, index: i });
  }
  const clauses = new Map<ClauseName, Range>();
  const spans = new Map<ClauseName, readonly [number, number]>();
  starts.forEach(({ name, index }, i) => {
    const behind = starts[i + 1]?.index ?? tokens.length;
    const known = clauses.get(name);
    const start = known?.start ?? tokens[index]!.start;
    clauses.set(name, { start, end: tokens[behind - 1]!.end });
    spans.set(name, [index, behind]);
  });
  const second = tokens[select + 1];
  const isMarked = second?.kind === 'word' && (second.text === 'distinct' || second.text === 'all');
  const listFrom = isMarked ? behindMark(tokens, select + 2) : select + 1;
  const listTo = starts[0]?.index ?? tokens.length;
  return {
    select: tokens[select]!,
    items: split(tokens, depths, listFrom, listTo),
    listEnd: tokens[listTo - 1]!.end,
    clauses,
    groupItems: itemsBehindBy(tokens, depths, spans.get('group')),
    orderItems: itemsBehindBy(tokens, depths, spans.get('order')),
    end: tokens.at(-1)!.end,
  };
}

/** Behind the ON (…) of DISTINCT ON. */
function behindMark(tokens: readonly Token[], index: number): number {
  const token = tokens[index];
  const next = tokens[index + 1];
  // ON is reserved: no select list starts with it.
  if (token?.kind !== 'word' || token.text !== 'on' || next?.text !== '(') return index;
  return (closing(tokens, index + 1) ?? index) + 1;
}

/** How many brackets are open around each token. */
export function depthsOf(tokens: readonly Token[]): number[] {
  let depth = 0;
  return tokens.map(({ kind, text }) => {
    if (kind === 'mark' && (text === ')' || text === ']')) depth--;
    const own = depth;
    if (kind === 'mark' && (text === '(' || text === '[')) depth++;
    return own;
  });
}

/** How many brackets and CASEs are open around each token. */
export function nestingOf(tokens: readonly Token[]): number[] {
  let cases = 0;
  return depthsOf(tokens).map((depth, i) => {
    const isWord = tokens[i]!.kind === 'word' && isFree(tokens, i);
    const { text } = tokens[i]!;
    if (isWord && text === 'end' && cases > 0) cases -= 1;
    const own = depth + cases;
    if (isWord && text === 'case') cases += 1;
    return own;
  });
}

/** A reserved word may be a column's name behind a dot or AS. */
export const isFree = (tokens: readonly Token[], i: number): boolean =>
  !['.', 'as'].includes(tokens[i - 1]?.text ?? '');

/** The clause that begins with the token; null: none. */
export function clauseAt(tokens: readonly Token[], i: number): ClauseName | null {
  const token = tokens[i]!;
  if (token.kind !== 'word' || !CLAUSES.has(token.text)) return null;
  const before = tokens[i - 1]?.text;
  // A reserved word may be a column's name behind a dot or AS.
  if (before === '.' || before === 'as') return null;
  const followers = FOLLOWERS.get(token.text);
  if (followers !== undefined && !followers.has(tokens[i + 1]?.text ?? '')) return null;
  if (token.text === 'from' && before === 'distinct') {
    const test = tokens[i - 2]?.text;
    if (test === 'is' || test === 'not') return null;
  }
  return token.text as ClauseName;
}

function split(
  tokens: readonly Token[],
  depths: readonly number[],
  from: number,
  to: number,
): Range[] {
  const items: Range[] = [];
  let start = from;
  for (let i = from; i <= to; i++) {
    const ends = i === to || (depths[i] === 0 && tokens[i]!.text === ',');
    if (!ends) continue;
    if (i > start) items.push({ start: tokens[start]!.start, end: tokens[i - 1]!.end });
    start = i + 1;
  }
  return items;
}

function itemsBehindBy(
  tokens: readonly Token[],
  depths: readonly number[],
  span: readonly [number, number] | undefined,
): Range[] {
  if (span === undefined) return [];
  const first = tokens[span[0] + 2];
  // GROUP BY ALL is GROUP BY.
  const marked = first?.kind === 'word' && first.text === 'all';
  return split(tokens, depths, span[0] + (marked ? 3 : 2), span[1]);
}

/** The expression of an ORDER BY item, without ASC, DESC and NULLS FIRST or LAST. */
export function sortExpressionOf(tokens: readonly Token[], item: Range): Range {
  const own = tokensIn(tokens, item);
  let end = own.length;
  const word = (i: number) => (own[i]?.kind === 'word' ? own[i]!.text : '');
  if (word(end - 2) === 'nulls' && (word(end - 1) === 'first' || word(end - 1) === 'last'))
    end -= 2;
  if (word(end - 1) === 'asc' || word(end - 1) === 'desc') end -= 1;
  return { start: item.start, end: own[end - 1]?.end ?? item.end };
}

/** The expression of a select list item that has an alias. */
export function withoutAlias(tokens: readonly Token[], item: Range): Range {
  const own = tokensIn(tokens, item);
  let end = own.length - 1;
  if (own[end - 1]?.kind === 'word' && own[end - 1]!.text === 'as') end -= 1;
  return { start: item.start, end: own[end - 1]?.end ?? item.end };
}

/** The text between a call's brackets, and its FILTER clause; null where that is not certain. */
export function callText(
  sql: string,
  tokens: readonly Token[],
  at: number,
): { readonly inner: string; readonly filter: string } | null {
  let i = tokens.findIndex((token) => token.start === at);
  if (i < 0) return null;
  while (tokens[i + 1]?.text === '.') i += 2;
  const open = i + 1;
  if (tokens[open]?.text !== '(') return null;
  const close = closing(tokens, open);
  if (close === null) return null;
  const inner = sql.slice(tokens[open]!.end, tokens[close]!.start);
  const next = tokens[close + 1];
  if (next?.kind !== 'word' || next.text !== 'filter' || tokens[close + 2]?.text !== '(') {
    return { inner, filter: '' };
  }
  const filterClose = closing(tokens, close + 2);
  if (filterClose === null) return null;
  return { inner, filter: ` ${sql.slice(next.start, tokens[filterClose]!.end)}` };
}

/** Indexes of the tokens of each item between commas, at the depth of the first. */
export function itemsBetween(
  tokens: readonly Token[],
  depths: readonly number[],
  from: number,
  to: number,
): [number, number][] {
  const depth = depths[from] ?? 0;
  const found: [number, number][] = [];
  let start = from;
  for (let i = from; i <= to; i++) {
    if (i < to && (tokens[i]!.text !== ',' || depths[i] !== depth)) continue;
    if (i > start) found.push([start, i]);
    start = i + 1;
  }
  return found;
}

/** The token that closes the bracket at `open`; null: none does. */
export function closing(tokens: readonly Token[], open: number): number | null {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!;
    if (kind !== 'mark') continue;
    if (text === '(') depth++;
    else if (text === ')' && --depth === 0) return i;
  }
  return null;
}

function tokensIn(tokens: readonly Token[], { start, end }: Range): readonly Token[] {
  return tokens.filter((token) => token.start >= start && token.end <= end);
}

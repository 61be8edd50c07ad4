// Time text: where a statement's text tells the time of its transaction, and what may stand there.

import { depthsOf } from '../sql/clause.ts';
import type { Expression } from '../sql/expression.ts';
import { stringValue } from '../sql/string-value.ts';
import { HAS_TIME_WORD, type Token } from '../sql/token.ts';
import { isName, nameOf } from './engine-text.ts';

/** Whether now(), CURRENT_TIMESTAMP or one of their kin is in the text. */
export const namesTime = (tokens: readonly Token[]): boolean =>
  tokens.some((_, i) => timeAt(tokens, i) !== null);

/**
 * The text with `value`, SQL of a timestamptz, in place of each of them; null where there is none.
 * Times that are not the transaction's (statement_timestamp, clock_timestamp) and those that a string
 * without its type means stay what they are. Columns keep their names: `inner`, those that something around a
 * query or ORDER BY may call by them; `all`, also those that a client is told; `none`, where there is no query.
 */
export function timedText(
  sql: string,
  tokens: readonly Token[],
  value: string,
  columns: 'inner' | 'all' | 'none',
): string | null {
  const names = namesIn(tokens);
  const lists = new Lists();
  let text = '';
  let from = 0;
  for (const [i, token] of tokens.entries()) {
    lists.pass(tokens, i);
    const time = timeAt(tokens, i);
    if (time === null || token.start < from) continue;
    const own = time.of(value);
    const { name } = time;
    const isNamed = name !== null && (columns === 'all' || lists.depth > 0 || names.has(name));
    const isColumn =
      columns !== 'none' && isNamed && !lists.isOfValues && startsItem(tokens, time.first);
    text += sql.slice(from, tokens[time.first]!.start);
    if (isColumn) text += `(SELECT ${own} AS ${name})`;
    else text += time.opens ? own : `(${own})`;
    from = tokens[time.last]!.end;
  }
  return from === 0 ? null : text + sql.slice(from);
}

/** The brackets that are open: of queries, of rows of VALUES, whose columns have no names, or others. */
export class Lists {
  #open: { readonly isOfValues: boolean; readonly isOfQuery: boolean }[] = [];
  #closed = { isOfValues: false, isOfQuery: false };

  get depth(): number {
    return this.#open.length;
  }

  get isOfValues(): boolean {
    return this.#open.at(-1)?.isOfValues ?? false;
  }

  get isOfQuery(): boolean {
    return this.#open.at(-1)?.isOfQuery ?? true;
  }

  pass(tokens: readonly Token[], i: number): void {
    const { kind, text } = tokens[i]!;
    if (kind !== 'mark') return;
    if (text === ')') this.#closed = this.#open.pop() ?? this.#closed;
    if (text !== '(') return;
    const before = tokens[i - 1]?.text;
    const isNext = before === ',' && tokens[i - 2]?.text === ')' && this.#closed.isOfValues;
    const isQuery = QUERY.has(tokens[i + 1]?.text ?? '');
    const isOfValues = before === 'values' || isNext || (this.isOfValues && !isQuery);
    this.#open.push({ isOfValues, isOfQuery: isQuery });
  }
}

const QUERY = new Set(['select', 'with']);

interface Time {
  /** Indexes of tokens. */
  readonly first: number;
  readonly last: number;
  /** Of a column that is nothing else; null: it has none, or keeps it. */
  readonly name: string | null;
  /** SQL of it by a timestamptz. */
  readonly of: (value: string) => string;
  /** It is no value but what a bracket opens with. */
  readonly opens?: boolean;
}

const cast = (type: string) => (value: string) => `${value}${type}`;

const CALLS = new Set(['now', 'transaction_timestamp']);
const WORDS: ReadonlyMap<string, string> = new Map([
  ['current_timestamp', ''],
  ['current_date', '::pg_catalog.date'],
  ['current_time', '::pg_catalog.timetz'],
  ['localtimestamp', '::pg_catalog.timestamp'],
  ['localtime', '::pg_catalog.time'],
]);

function timeAt(tokens: readonly Token[], i: number): Time | null {
  const { kind, text: name } = tokens[i]!;
  if (kind === 'string') return typedString(tokens, i);
  if (kind === 'mark' && name === '(') return ageFrom(tokens, i);
  if (kind !== 'word') return null;
  const text = (at: number) => tokens[at]?.text;
  if (CALLS.has(name)) {
    if (text(i + 1) !== '(' || text(i + 2) !== ')') return null;
    const isQualified = text(i - 1) === '.';
    if (isQualified && text(i - 2) !== 'pg_catalog') return null;
    return { first: isQualified ? i - 2 : i, last: i + 2, name, of: cast('') };
  }
  // These words are reserved: behind a point or AS they are names.
  const type = WORDS.get(name);
  if (type === undefined || text(i - 1) === '.' || text(i - 1) === 'as') return null;
  const hasDigits = text(i + 1) === '(' && tokens[i + 2]?.kind === 'number' && text(i + 3) === ')';
  if (!hasDigits) return { first: i, last: i, name, of: cast(type) };
  const digits = `(${text(i + 2)})`;
  const rounded = type === '' ? `::pg_catalog.timestamptz${digits}` : `${type}${digits}`;
  return { first: i, last: i + 3, name, of: cast(rounded) };
}

/** Strings that are read as times of the transaction. */
const TIME_WORD = /^\s*(now|today|tomorrow|yesterday)\s*$/i;
const DAYS: Readonly<Record<string, number>> = { yesterday: -1, today: 0, tomorrow: 1 };
const TYPES = new Set(['timestamptz', 'timestamp', 'date', 'time', 'timetz']);

/** 'today'::date, CAST('now' AS timestamp), date 'tomorrow': the string becomes the value itself. */
function typedString(tokens: readonly Token[], i: number): Time | null {
  const typed = typedAt(tokens, i);
  const found = typed === null ? null : stringValue(tokens, i);
  const word = TIME_WORD.exec(found?.value ?? '')?.[1]?.toLowerCase();
  if (typed === null || found === null || word === undefined) return null;
  const { first, type } = typed;
  const day = DAYS[word];
  // No time of day.
  if (day !== undefined && type.startsWith('time') && !type.startsWith('timestamp')) return null;
  const of =
    day === undefined
      ? cast('')
      : (value: string) => `${value}::pg_catalog.date OPERATOR(pg_catalog.+) ${day}`;
  const { last } = found;
  if (first === i) return { first, last, name: null, of };
  return { first, last, name: null, of: (value) => `(${of(value)})::pg_catalog.${type}` };
}

/** Such a string is only a part of what is read: 'today 10:00'::timestamp, '{now}'::timestamp[]. */
export function readsMoreThanTime(expression: Expression): boolean {
  if (expression.kind !== 'cast' || expression.arg.kind !== 'constant') return false;
  const { arg, type } = expression;
  if (arg.type !== 'string' || !HAS_TIME_WORD.test(arg.text)) return false;
  if (HOLDING.test(type.name)) return true;
  return TYPES.has(type.name) && (type.isArray || !TIME_WORD.test(arg.text));
}

const HOLDING = /^(?:date|ts|tstz)(?:multi)?range$/;

/** Where the string at `i` is given a type of dates or times: from which token on, and which. */
export function typedAt(
  tokens: readonly Token[],
  i: number,
): { readonly first: number; readonly type: string } | null {
  const text = (at: number) => tokens[at]?.text ?? '';
  const isType = (at: number) => tokens[at]?.kind === 'word' && TYPES.has(text(at));
  if (isType(i - 1)) return { first: i - 1, type: text(i - 1) };
  const isZoned = text(i - 3) === 'with' || text(i - 3) === 'without';
  if (isZoned && text(i - 2) === 'time' && text(i - 1) === 'zone' && isType(i - 4)) {
    return { first: i - 4, type: text(i - 3) === 'with' ? `${text(i - 4)}tz` : text(i - 4) };
  }
  const behind = text(i + 1) === 'uescape' ? i + 3 : i + 1;
  const isCast = text(behind) === '::' || (text(i - 1) === '(' && text(behind) === 'as');
  const at = text(behind + 1) === 'pg_catalog' ? behind + 3 : behind + 1;
  return isCast && isType(at) ? { first: i, type: text(at) } : null;
}

/** The bracket behind age of one argument, which counts from the day of the transaction. */
function ageFrom(tokens: readonly Token[], open: number): Time | null {
  const name = tokens[open - 1];
  if (name?.kind !== 'word' || name.text !== 'age') return null;
  const isQualified = tokens[open - 2]?.text === '.';
  if (isQualified && tokens[open - 3]?.text !== 'pg_catalog') return null;
  const depths = depthsOf(tokens.slice(open));
  const end = depths.findIndex((depth, i) => i > 0 && depth === 0);
  const inside = tokens.slice(open + 1, open + end);
  const isOne = inside.every(({ text }, i) => text !== ',' || depths[i + 1] !== 1);
  if (inside.length === 0 || !isOne) return null;
  const of = (value: string) => `(${value}::pg_catalog.date, `;
  return { first: open, last: open, name: null, of, opens: true };
}

/** All words and names that are no time. */
function namesIn(tokens: readonly Token[]): ReadonlySet<string> {
  const named = tokens.filter((token, i) => isName(token) && timeAt(tokens, i) === null);
  return new Set(named.map(nameOf));
}

const BEFORE_ITEM = new Set(['select', 'returning', ',', 'distinct', 'all', ')']);

/** Whether it may be, or begin, an output column without a name of its own. */
export function startsItem(tokens: readonly Token[], index: number): boolean {
  let before = index - 1;
  while (tokens[before]?.text === '(') before -= 1;
  return BEFORE_ITEM.has(tokens[before]?.text ?? '');
}

// Clock: the current time in a statement for several shards, as one parameter that all are given.

import { parseSql } from '../sql/parser.ts';
import type { SelectStatement } from '../sql/statement.ts';
import { type Token, withoutSemicolons } from '../sql/token.ts';
import { PlanContext } from './context.ts';
import { isName, nameOf } from './engine-text.ts';

export interface Clocked {
  readonly statement: SelectStatement;
  readonly context: PlanContext;
  /** The parameter that is the time its transaction began, 0-based; the last one. */
  readonly clock: number;
}

/**
 * The same SELECT with now(), CURRENT_TIMESTAMP and their kin read from a parameter; null where there
 * is none of them. Times that are not the transaction's (statement_timestamp, clock_timestamp) and
 * those that a string or age() means stay what they are.
 */
export function withClock({ input, forceEngine }: PlanContext): Clocked | null {
  const { sql, tokens } = input;
  const clock = tokens.reduce(
    (most, { kind, text }) => (kind === 'parameter' ? Math.max(most, Number(text.slice(1))) : most),
    0,
  );
  const names = namesIn(tokens);
  let text = '';
  let from = 0;
  let depth = 0;
  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'mark' && token.text === '(') depth += 1;
    if (token.kind === 'mark' && token.text === ')') depth -= 1;
    const time = timeAt(tokens, i);
    if (time === null || token.start < from) continue;
    const value = `$${clock + 1}::pg_catalog.timestamptz${time.cast}`;
    // The column keeps its name where something may call it by that: a query around it, ORDER BY.
    const isColumn = (depth > 0 || names.has(time.name)) && startsItem(tokens, time.first);
    text += sql.slice(from, tokens[time.first]!.start);
    text += isColumn ? `(SELECT ${value} AS ${time.name})` : `(${value})`;
    from = tokens[time.last]!.end;
  }
  if (from === 0) return null;
  text += sql.slice(from);
  const parsed = parseSql(text);
  const statement = parsed?.statements[0]?.statement;
  if (parsed === null || statement?.kind !== 'select') return null;
  const rest = { sql: text, tokens: withoutSemicolons(parsed.tokens), literalStarts: [] };
  const context = new PlanContext({ ...input, ...rest }, forceEngine);
  context.tellsOneTime = false;
  return { statement, context, clock };
}

interface Time {
  /** Indexes of tokens. */
  readonly first: number;
  readonly last: number;
  readonly name: string;
  /** What makes it of the timestamptz. */
  readonly cast: string;
}

const CALLS = new Set(['now', 'transaction_timestamp']);
const WORDS: Readonly<Record<string, string>> = {
  current_timestamp: '',
  current_date: '::pg_catalog.date',
  current_time: '::pg_catalog.timetz',
  localtimestamp: '::pg_catalog.timestamp',
  localtime: '::pg_catalog.time',
};

function timeAt(tokens: readonly Token[], i: number): Time | null {
  const { kind, text: name } = tokens[i]!;
  if (kind !== 'word') return null;
  const text = (at: number) => tokens[at]?.text;
  if (CALLS.has(name)) {
    if (text(i + 1) !== '(' || text(i + 2) !== ')') return null;
    const isQualified = text(i - 1) === '.';
    if (isQualified && text(i - 2) !== 'pg_catalog') return null;
    return { first: isQualified ? i - 2 : i, last: i + 2, name, cast: '' };
  }
  // These words are reserved: behind a point or AS they are names.
  const cast = WORDS[name];
  if (cast === undefined || text(i - 1) === '.' || text(i - 1) === 'as') return null;
  const hasDigits = text(i + 1) === '(' && tokens[i + 2]?.kind === 'number' && text(i + 3) === ')';
  if (!hasDigits) return { first: i, last: i, name, cast };
  const digits = `(${text(i + 2)})`;
  const rounded = cast === '' ? `::pg_catalog.timestamptz${digits}` : `${cast}${digits}`;
  return { first: i, last: i + 3, name, cast: rounded };
}

/** All words and names that are no time. */
function namesIn(tokens: readonly Token[]): ReadonlySet<string> {
  const named = tokens.filter((token, i) => isName(token) && timeAt(tokens, i) === null);
  return new Set(named.map(nameOf));
}

const BEFORE_ITEM = new Set(['select', ',', 'distinct', 'all', ')']);

/** Whether it may be, or begin, an output column without a name of its own. */
function startsItem(tokens: readonly Token[], index: number): boolean {
  let before = index - 1;
  while (tokens[before]?.text === '(') before -= 1;
  return BEFORE_ITEM.has(tokens[before]?.text ?? '');
}

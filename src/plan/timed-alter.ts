// Timed ALTER TABLE: the time of its transaction written out where it is given to rows that are there.

import { nestingOf } from '../sql/clause.ts';
import { type Token, tokenize, withoutSemicolons } from '../sql/token.ts';
import { isName, nameOf } from './engine-text.ts';
import { namesTime, timedText } from './time-text.ts';
import { valueOfTime } from './timed-statement.ts';

export interface TimedAlter {
  readonly sql: string;
  /** What gives the new columns, behind it, the defaults that were written; null: none has another. */
  readonly defaults: string | null;
}

/** Whether a default of a new column, or USING, asks for the time. */
export const alterTellsTime = (tokens: readonly Token[]): boolean => filledBy(tokens).length > 0;

/** Whether an expression asks for the time. */
export const tellsTime = (expression: string): boolean => namesTime(tokenize(expression) ?? []);

/** The expression with the time in it. */
export const timedValue = (expression: string, time: string): string =>
  timedText(expression, tokenize(expression) ?? [], valueOfTime(time), 'none') ?? expression;

/** `has`: the table has the column already, so that IF NOT EXISTS adds none. */
export function timedAlter(
  sql: string,
  time: string,
  has: (column: string) => boolean,
): TimedAlter {
  const tokens = withoutSemicolons(tokenize(sql) ?? []);
  let text = '';
  let from = 0;
  const defaults: string[] = [];
  for (const { added, isGiven, value } of filledBy(tokens)) {
    if (isGiven && added !== null && has(nameOf(added))) continue;
    const [start, end] = [value[0]!.start, value.at(-1)!.end];
    const written = sql.slice(start, end);
    text += sql.slice(from, start) + timedValue(written, time);
    from = end;
    if (added !== null) {
      defaults.push(`ALTER COLUMN ${sql.slice(added.start, added.end)} SET DEFAULT ${written}`);
    }
  }
  const head = sql.slice(0, tokens[headEnd(tokens) - 1]!.end);
  return {
    sql: text + sql.slice(from),
    defaults: defaults.length === 0 ? null : `${head} ${defaults.join(', ')}`,
  };
}

/** An expression with the time in it. */
interface Filled {
  /** The new column that has it as its default; null: USING. */
  readonly added: Token | null;
  /** Behind IF NOT EXISTS. */
  readonly isGiven: boolean;
  readonly value: readonly Token[];
}

function filledBy(tokens: readonly Token[]): readonly Filled[] {
  const filled = commandsOf(tokens).flatMap((command) => {
    const verb = command[0]?.text;
    return (verb === 'add' ? added(command) : verb === 'alter' ? converted(command) : null) ?? [];
  });
  return filled.filter(({ value }) => value.length > 0 && namesTime(value));
}

/** What stands between the commas behind the table's name. */
function commandsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const rest = tokens.slice(headEnd(tokens));
  const nesting = nestingOf(rest);
  const commas = rest.flatMap(({ text }, i) => (text === ',' && nesting[i] === 0 ? [i] : []));
  return [-1, ...commas].map((comma, i) => rest.slice(comma + 1, commas[i] ?? rest.length));
}

/** ALTER TABLE [IF EXISTS] [ONLY] name [*]: the index behind it. */
function headEnd(tokens: readonly Token[]): number {
  let at = 2;
  if (tokens[at]?.text === 'if') at += 2;
  if (tokens[at]?.text === 'only') at += 1;
  at += 1;
  while (tokens[at]?.text === '.') at += 2;
  return tokens[at]?.text === '*' ? at + 1 : at;
}

function added(command: readonly Token[]): Filled | null {
  let at = command[1]?.text === 'column' ? 2 : 1;
  const isGiven = command[at]?.text === 'if';
  if (isGiven) at += 3;
  const name = command[at];
  const nesting = nestingOf(command);
  // Of a foreign key's SET DEFAULT the word is no such clause.
  const isDefault = ({ kind, text }: Token, i: number) =>
    kind === 'word' && text === 'default' && nesting[i] === 0 && command[i - 1]!.text !== 'set';
  const first = command.findIndex(isDefault) + 1;
  if (name === undefined || !isName(name) || first === 0) return null;
  const end = command.findIndex((_, i) => i > first && nesting[i] === 0 && ends(command, i));
  return { added: name, isGiven, value: command.slice(first, end < 0 ? command.length : end) };
}

/** What may follow the default of a column. Source: ColConstraintElem (gram.y). */
const CONSTRAINTS = new Set([
  'constraint',
  'not',
  'null',
  'check',
  'unique',
  'primary',
  'references',
  'collate',
  'generated',
  'deferrable',
  'initially',
]);

function ends(tokens: readonly Token[], i: number): boolean {
  const { kind, text } = tokens[i]!;
  return kind === 'word' && CONSTRAINTS.has(text) && tokens[i - 1]!.text !== 'is';
}

function converted(command: readonly Token[]): Filled | null {
  const nesting = nestingOf(command);
  const using = command.findIndex(({ text }, i) => text === 'using' && nesting[i] === 0);
  if (using < 0 || !command.slice(0, using).some(({ text }) => text === 'type')) return null;
  return { added: null, isGiven: false, value: command.slice(using + 1) };
}

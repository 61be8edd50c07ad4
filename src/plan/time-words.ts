// Time words: strings without a type that are read as a time of the transaction where they become one.

import { quoteLiteral, quoteName } from '../base/quote.ts';
import type { Expression } from '../sql/expression.ts';
import { parseSql } from '../sql/parser.ts';
import type { Assignment, Statement } from '../sql/statement.ts';
import { stringValue } from '../sql/string-value.ts';
import { HAS_TIME_WORD, type Token, tokenize, withoutSemicolons } from '../sql/token.ts';
import { TYPE } from '../value/type-oid.ts';
import type { PlanInput } from './context.ts';
import { insideParentheses } from './copy.ts';
import { Lists, startsItem, typedAt } from './time-text.ts';

/** A string, or a parameter with a string for its value, that may be one. */
export interface TimeWord {
  /** Indexes into the text. */
  readonly start: number;
  readonly end: number;
  /** The string as SQL. */
  readonly literal: string;
  /** The index of the parameter, 0-based. */
  readonly parameter: number | null;
  /** It may be an output column. */
  readonly isItem: boolean;
  /** The oid of its type; null: only a server knows. */
  readonly type: number | null;
  /** The same as SQL; null: not known, or a type of the users' own. */
  readonly typeName: string | null;
}

/** Strings that do not say what they mean: with escapes, or continued on another line. */
const HIDDEN = /\be'[^']*\\|u&'|'\s+'/i;
/** Escapes that may stand for a letter of a word, and what continues a string. */
const HIDES = /^u&|^e.*\\[^bfnrt'\\]|'\s+'/is;
/** Of what is read as a date or time. Source: MAXDATELEN of datetime.h. */
const DATE_CHARACTERS_MAX = 128;

/** By the look of the text: false where there are surely none. */
export const mayHaveTimeWords = (sql: string): boolean =>
  HAS_TIME_WORD.test(sql) || HIDDEN.test(sql);

const mayBeTime = (value: string): boolean =>
  (value.length <= DATE_CHARACTERS_MAX || /^\s*[[({]/.test(value)) && HAS_TIME_WORD.test(value);

/** The part of a statement that reads or writes rows, as a statement of its own. */
export interface RowsPart {
  readonly before: string;
  readonly sql: string;
  readonly after: string;
  /** How many characters of `sql` are not the client's. */
  readonly added: number;
}

/** A comment ends at its first end: with any other to choose, many would be tried in all combinations. */
const COPY_OR_DECLARE = /^(?:\s|--[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:copy|declare)\b/i;

/** Of any statement that may have such words. */
export function rowsPart(sql: string): RowsPart {
  const part = (start: number, end = sql.length, added = '') => ({
    before: sql.slice(0, start),
    sql: added + sql.slice(start, end),
    after: sql.slice(end),
    added: added.length,
  });
  if (!COPY_OR_DECLARE.test(sql) || !mayHaveTimeWords(sql)) return part(0);
  const parsed = parseSql(sql);
  const statement = parsed?.statements[0]?.statement;
  if (parsed === null || statement === undefined) return part(0);
  const tokens = withoutSemicolons(parsed.tokens);
  const word = (text: string) =>
    tokens.find((token) => token.kind === 'word' && token.text === text)!;
  if (statement.kind === 'utility' && statement.node === 'DeclareCursorStmt') {
    return part(word('for').end);
  }
  if (statement.kind !== 'copy') return part(0);
  if (statement.query !== null) {
    const { start, end } = insideParentheses(tokens);
    return part(start, end);
  }
  const { relation } = statement;
  if (!statement.filtered || relation === null) return part(0);
  const { schema, name } = relation;
  const table = [schema, name].flatMap((each) => (each === null ? [] : [quoteName(each)]));
  return part(word('where').start, sql.length, `SELECT FROM ${table.join('.')} `);
}

/**
 * Those of a statement that reads or writes rows, but for the ones that are surely no times. `values`: of
 * its parameters; null where one is no text.
 */
export function timeWordsIn(
  sql: string,
  input: Pick<PlanInput, 'catalog' | 'searchPath'>,
  values: readonly (string | null)[],
): readonly TimeWord[] {
  const given = values.map((value) => value !== null && mayBeTime(value));
  if (!given.includes(true) && !mayHaveTimeWords(sql)) return [];
  const parsed = parseSql(sql);
  const [only, ...others] = parsed?.statements ?? [];
  if (parsed === null || only === undefined || others.length > 0) return [];
  if (!WITH_ROWS.has(only.statement.kind)) return [];
  const tokens = withoutSemicolons(parsed.tokens);
  const types = writtenTypes(only.statement, input);
  const lists = new Lists();
  const words: Omit<TimeWord, 'typeName'>[] = [];
  for (const [i, { kind, text, start, end }] of tokens.entries()) {
    lists.pass(tokens, i);
    const parameter = kind === 'parameter' ? Number(text.slice(1)) - 1 : null;
    if (parameter !== null) {
      if (given[parameter] !== true) continue;
      const literal = quoteLiteral(values[parameter]!);
      const type = types.parameters.get(parameter) ?? null;
      words.push({ start, end, literal, parameter, isItem: isItem(tokens, i, i, lists), type });
      continue;
    }
    const last = lastOf(tokens, i);
    if (last === null) continue;
    const { end: wordEnd } = tokens[last]!;
    const literal = sql.slice(start, wordEnd);
    const type = types.constants.get(start) ?? null;
    const item = { isItem: isItem(tokens, i, last, lists), type };
    words.push({ start, end: wordEnd, literal, parameter, ...item });
  }
  return words
    .filter(({ type }) => type === null || !PLAIN_TYPES.has(type))
    .map((word) => ({ ...word, typeName: TIME_TYPES.get(word.type ?? 0) ?? null }));
}

const WITH_ROWS = new Set<Statement['kind']>(['select', 'insert', 'update', 'delete', 'merge']);

const BEHIND_ITEM = new Set([',', ')', 'from', 'where', 'union', 'intersect', 'except', undefined]);

const isItem = (tokens: readonly Token[], first: number, last: number, lists: Lists): boolean =>
  lists.isOfQuery &&
  !lists.isOfValues &&
  startsItem(tokens, first) &&
  BEHIND_ITEM.has(tokens[last + 1]?.text);

/** The last token of the string at `i`; null: it is none of them. */
function lastOf(tokens: readonly Token[], i: number): number | null {
  const { text } = tokens[i]!;
  const found = HAS_TIME_WORD.test(text) || HIDES.test(text) ? stringValue(tokens, i) : null;
  if (found === null || !mayBeTime(found.value)) return null;
  // With a type of dates they stand for the time already, or one server reads them.
  if (typedAt(tokens, i) !== null || followsType(tokens[i - 1])) return null;
  return found.last;
}

const BEFORE_STRING = new Set(
  `select distinct all and or not then else when in like ilike to between escape where on having by
   returning limit offset from values case similar case using is any some with as`.split(/\s+/),
);

/** type 'string', which no parameter can take the place of. */
const followsType = (before: Token | undefined): boolean =>
  before?.kind === 'name' || (before?.kind === 'word' && !BEFORE_STRING.has(before.text));

interface WrittenTypes {
  /** By where they stand. */
  readonly constants: Map<number, number>;
  /** By their indexes, 0-based. */
  readonly parameters: Map<number, number>;
}

/** The types of what is given to columns. */
function writtenTypes(
  statement: Statement,
  { catalog, searchPath }: Pick<PlanInput, 'catalog' | 'searchPath'>,
): WrittenTypes {
  const types: WrittenTypes = { constants: new Map(), parameters: new Map() };
  if (statement.kind !== 'insert' && statement.kind !== 'update') return types;
  const { schema, name } = statement.relation;
  const table = catalog.table(schema, name, searchPath ?? undefined);
  if (table === null) return types;
  const byName = new Map(table.columns.map((column) => [column.name, column.typeOid]));
  const note = (column: string | undefined, value: Expression | null): void => {
    const type = byName.get(column ?? '');
    if (type === undefined || value === null) return;
    if (value.kind === 'constant') types.constants.set(value.at, type);
    if (value.kind === 'parameter') types.parameters.set(value.index, type);
  };
  const assign = (assignments: readonly Assignment[]): void => {
    for (const { column, partial, value } of assignments) if (!partial) note(column, value);
  };
  if (statement.kind === 'update') assign(statement.assignments);
  else {
    assign(statement.conflict?.assignments ?? []);
    const columns = statement.columns ?? table.columns.map((column) => column.name);
    const body = statement.source?.body;
    if (body?.kind === 'values') {
      for (const row of body.rows) for (const [i, value] of row.entries()) note(columns[i], value);
    }
  }
  return types;
}

/** The text with a parameter for each string whose type is not known; `indexes`: of each word, 0-based. */
export function questionOf(
  sql: string,
  words: readonly TimeWord[],
): { readonly sql: string; readonly indexes: readonly number[] } {
  const numbers = (tokenize(sql) ?? []).flatMap(({ kind, text }) =>
    kind === 'parameter' ? [Number(text.slice(1))] : [],
  );
  const count = Math.max(0, ...numbers);
  const open = words.filter(({ type, parameter }) => type === null && parameter === null);
  const indexes = words.map((word) => word.parameter ?? count + open.indexOf(word));
  const asked = replaced(sql, open, (word) => `$${count + open.indexOf(word) + 1}`);
  return { sql: asked, indexes };
}

/** The text with their types written out, so that the time can stand for them. */
export const typedWords = (sql: string, words: readonly TimeWord[]): string =>
  replaced(sql, words, ({ literal, typeName, isItem }) => {
    const typed = `${literal}::pg_catalog.${typeName}`;
    return isItem ? `(SELECT ${typed} AS "?column?")` : typed;
  });

/** The types of the parameters where these are no more in the text: a server must not ask for their own. */
export function typesBeside(
  { values, types }: { readonly values: readonly unknown[]; readonly types: readonly number[] },
  words: readonly TimeWord[],
): readonly number[] {
  const gone = new Set(words.map(({ parameter }) => parameter));
  return values.map((_, i) => (gone.has(i) ? TYPE.text : (types[i] ?? 0)));
}

function replaced(sql: string, words: readonly TimeWord[], by: (word: TimeWord) => string): string {
  let text = '';
  let from = 0;
  for (const word of words) {
    // Blanks keep it apart from what stands beside it.
    text += `${sql.slice(from, word.start)} ${by(word)} `;
    from = word.end;
  }
  return text + sql.slice(from);
}

/** The types whose values such a word is read as, by their oids. */
export const TIME_TYPES: ReadonlyMap<number, string> = new Map<number, string>([
  [TYPE.date, 'date'],
  [TYPE.time, 'time'],
  [TYPE.timestamp, 'timestamp'],
  [TYPE.timestamptz, 'timestamptz'],
  [1266, 'timetz'],
]);

/** Those that hold no time, whatever is written. */
export const PLAIN_TYPES: ReadonlySet<number> = new Set([
  ...[TYPE.text, TYPE.varchar, TYPE.bpchar, TYPE.name, TYPE.char, TYPE.unknown],
  ...[TYPE.bool, TYPE.bytea, TYPE.uuid, TYPE.int2, TYPE.int4, TYPE.int8, TYPE.numeric],
]);

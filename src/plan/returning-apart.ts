// Returning apart: sub-queries of RETURNING as a SELECT of their own, over the rows that are written.

import { quoteName } from '../base/quote.ts';
import { depthsOf } from '../sql/clause.ts';
import { type Expression, hasQuery } from '../sql/expression.ts';
import { type ReturningText, returningTexts } from '../sql/modify-text.ts';
import type { FromItem, WritingStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { withText } from '../sql/with-text.ts';
import type { PlanContext } from './context.ts';
import { isName, nameOf, visibleName } from './engine-text.ts';
import { type Planned, parsed } from './queries-apart.ts';
import { itemsIn } from './row-locks.ts';
import { SYSTEM_COLUMNS } from './survey.ts';

export interface ReturningApart extends Planned {
  /** The write, and the SELECT over a row of nothing known, to be planned by themselves. */
  readonly write: Planned;
  readonly select: Planned;
}

const WRITTEN = '"drive.written"';

/** What sub-queries of RETURNING may name of the statement. */
interface Relation {
  readonly name: string;
  readonly columns: readonly string[];
  /** OLD or NEW, of which only a column with its name before it is seen. */
  readonly isVersion: boolean;
}

/**
 * The same as a WITH query that writes, with what a SELECT behind it gives: the items of RETURNING that have
 * sub-queries, over the rows as they have become. PostgreSQL shows both the state before the statement. null: there
 * are none, or text that this cannot be told of, or they ask for more of a row than its columns.
 */
export function returningApart(
  statement: WritingStatement,
  context: PlanContext,
): ReturningApart | null {
  const { sql, tokens } = context.input;
  if ('cursor' in statement && statement.cursor !== null) return null;
  const text = textsOf(statement, tokens, sql);
  if (text === null) return null;
  const isApart = statement.returning.map(({ expression }) => hasQuery(expression));
  const apart = text.items.filter((_, i) => isApart[i]);
  const words = apart.flatMap((item) => tokens.filter((token) => isWithin(token, item)));
  const named = new Set(words.filter(isName).map(nameOf));
  const relations = relationsOf(statement, named, context);
  const expressions = statement.returning.flatMap(({ expression }, i) =>
    isApart[i] ? [expression] : [],
  );
  if (apart.length === 0 || relations === null || named.has('merge_action')) return null;
  if (!asksColumnsOnly(expressions, relations)) return null;

  const given: string[] = [];
  const add = (item: string): string => `${WRITTEN}.${nameAt(given.push(item))}`;
  const rows = relations.map(({ name, columns, isVersion }) => {
    const called = quoteName(name);
    const own = columns.filter((column) => named.has(column)).map(quoteName);
    const items = own.map((column) => `${add(`${called}.${column}`)} AS ${column}`);
    return {
      isVersion,
      from: items.length === 0 ? [] : [`(SELECT ${items.join(', ')}) AS ${called}`],
    };
  });
  const fromOf = (isVersion: boolean) =>
    rows.flatMap((row) => (row.isVersion === isVersion ? row.from : []));
  // Its names hide those of the versions, which are seen by these names only.
  const over = fromOf(false).length === 0 ? '' : ` FROM ${fromOf(false).join(', ')}`;
  const shown: string[] = [];
  for (const [i, { expression }] of statement.returning.entries()) {
    const item = text.items[i]!.text;
    if (isApart[i]) shown.push(`(SELECT ${item}${over})`);
    else if (expression.kind !== 'star') shown.push(add(item));
    else {
      const columns = starColumns(expression.path, statement, relations);
      if (columns === null) return null;
      shown.push(...columns.map(add));
    }
  }
  // Each row is one of the answer, also where nothing is asked of it.
  if (given.length === 0) add('true');
  const versions = fromOf(true).map((from) => `LATERAL ${from}`);
  const select = `SELECT ${shown.join(', ')} FROM ${[WRITTEN, ...versions].join(', ')}`;
  const names = given.map((_, i) => nameAt(i + 1)).join(', ');
  const write = `${text.main} RETURNING ${given.join(', ')}`;
  const nothing = `SELECT ${given.map(() => 'NULL').join(', ')}`;
  const clause = text.with === '' ? 'WITH' : `${text.with},`;
  const withRows = (rows: string) => `${clause} ${WRITTEN} (${names}) AS (${rows}) ${select}`;
  const whole = parsed(withRows(write), context);
  const own = parsed(`${text.with} ${write}`, context);
  const behind = parsed(withRows(nothing), context);
  if (whole === null || own === null || behind === null) return null;
  return { ...whole, write: own, select: behind };
}

const nameAt = (i: number): string => `"drive.${i}"`;

const isWithin = ({ start, end }: Token, { text, start: from }: ReturningText): boolean =>
  start >= from && end <= from + text.length;

interface StatementTexts {
  /** WITH and its queries, or ''. */
  readonly with: string;
  /** The statement up to RETURNING. */
  readonly main: string;
  readonly items: readonly ReturningText[];
}

/** null where they are not certain, or OLD and NEW are called otherwise. */
function textsOf(
  { with: clause, returning }: WritingStatement,
  tokens: readonly Token[],
  sql: string,
): StatementTexts | null {
  const isWord = (i: number, word: string) => tokens[i]?.kind === 'word' && tokens[i].text === word;
  if (tokens.some((_, i) => isWord(i, 'uescape'))) return null;
  const depths = depthsOf(tokens);
  const at = tokens.findLastIndex((_, i) => depths[i] === 0 && isWord(i, 'returning'));
  if (at < 0 || isWord(at + 1, 'with')) return null;
  const items = returningTexts({ sql, tokens, depths }, at);
  const queries = clause === null ? null : withText(tokens, clause.recursive);
  if (items.length !== returning.length || (clause !== null && queries === null)) return null;
  const first = queries?.main.from ?? 0;
  return {
    with: first === 0 ? '' : sql.slice(0, tokens[first - 1]!.end),
    main: sql.slice(tokens[first]!.start, tokens[at - 1]!.end),
    items,
  };
}

/** null where the columns of one are not known, or joins show some of them once. */
function relationsOf(
  statement: WritingStatement,
  named: ReadonlySet<string>,
  context: PlanContext,
): readonly Relation[] | null {
  const target = context.table(statement.relation);
  if (target === null) return null;
  const relation = (name: string, columns: readonly { readonly name: string }[]): Relation => ({
    name,
    columns: columns.map((column) => column.name),
    isVersion: false,
  });
  const common = new Set(statement.with?.tables.map(({ name }) => name));
  const relations = [relation(statement.alias ?? statement.relation.name, target.columns)];
  for (const item of besideTarget(statement).flatMap(itemsIn)) {
    if (item.kind !== 'table' || item.columnAliases.length > 0) return null;
    const { relation: of } = item;
    const table = of.schema === null && common.has(of.name) ? null : context.table(of);
    if (table === null) return null;
    relations.push(relation(visibleName(item), table.columns));
  }
  if (besideTarget(statement).some(showsOnce)) return null;
  for (const name of ['old', 'new']) {
    const isOther = relations.some((each) => each.name === name);
    if (!isOther && named.has(name)) {
      relations.push({ ...relation(name, target.columns), isVersion: true });
    }
  }
  return relations;
}

function besideTarget(statement: WritingStatement): readonly FromItem[] {
  if (statement.kind === 'insert') return [];
  return statement.kind === 'merge' ? [statement.source] : statement.from;
}

const showsOnce = (item: FromItem): boolean =>
  item.kind === 'join' &&
  (item.natural ||
    item.using.length > 0 ||
    item.alias !== null ||
    showsOnce(item.left) ||
    showsOnce(item.right));

/** Neither a whole row, nor where it lies, nor a function of it. */
function asksColumnsOnly(
  expressions: readonly Expression[],
  relations: readonly Relation[],
): boolean {
  const open: unknown[] = [...expressions];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression;
    if (node.kind === 'star' && relations.some(({ name }) => name === node.path.at(-1)))
      return false;
    if (node.kind === 'column') {
      const { path } = node;
      const last = path.at(-1)!;
      const qualifier = path.at(-2) ?? null;
      if (SYSTEM_COLUMNS.has(last)) return false;
      if (qualifier === null && relations.some(({ name }) => name === last)) return false;
      const of = relations.find(({ name }) => name === qualifier);
      if (of !== undefined && (path.length > 2 || !of.columns.includes(last))) return false;
    }
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  return true;
}

/** The columns that a star of RETURNING stands for; null where they are not known. */
function starColumns(
  path: readonly string[],
  { kind }: WritingStatement,
  relations: readonly Relation[],
): readonly string[] | null {
  const own = relations.filter(({ isVersion }) => !isVersion);
  const [target, ...others] = own;
  // MERGE shows the source's first.
  const all = kind === 'merge' ? [...others, target!] : own;
  const name = path.at(-1);
  const shown = name === undefined ? all : relations.filter((each) => each.name === name);
  if (shown.length === 0) return null;
  return shown.flatMap((each) =>
    each.columns.map((column) => `${quoteName(each.name)}.${quoteName(column)}`),
  );
}

// Queries apart: sub-queries put in front of their statement as WITH queries, to be run first, once each.

import { closing, depthsOf } from '../sql/clause.ts';
import type { Expression } from '../sql/expression.ts';
import { parseSql } from '../sql/parser.ts';
import type { FromItem, RowStatement, SelectStatement } from '../sql/statement.ts';
import { type Token, withoutSemicolons } from '../sql/token.ts';
import { withText } from '../sql/with-text.ts';
import { PlanContext } from './context.ts';
import { visibleName } from './engine-text.ts';
import { itemsIn } from './row-locks.ts';

export interface Planned {
  readonly statement: RowStatement;
  readonly context: PlanContext;
}

export interface QueriesApart extends Planned {
  /** Each query, and the statement with rows of nothing known in their places, to be planned by themselves. */
  readonly alone: readonly Planned[];
}

/** Some query below the statement's own locks rows. */
export const locksWithin = (statement: RowStatement): boolean =>
  lockingQueries(Object.values(statement)).length > 0;

const APART = 'drive.apart ';

export const isApart = (name: string): boolean => name.startsWith(APART);

/** What stands in a query's place: all that a WITH query of that name gives. */
export const standIn = (quotedName: string): string => `SELECT * FROM ${quotedName}`;

const NO_ROWS = 'SELECT * FROM pg_catalog.unnest(NULL::pg_catalog.text[]) AS "drive.rows"';

/**
 * The same statement with sub-queries as WITH queries, which are run once each, as PostgreSQL runs what does not
 * depend on a row: those that lock rows, or all that surely do not. null: there are none, or one that locks may
 * depend on a row, or text that this cannot be told of.
 */
export function queriesApart(
  statement: RowStatement,
  context: PlanContext,
  which: 'locking' | 'all',
): QueriesApart | null {
  const { sql, tokens } = context.input;
  const { with: clause, ...rest } = statement;
  const text = clause === null ? null : withText(tokens, clause.recursive);
  if (clause !== null && text === null) return null;
  const first = text?.main.from ?? 0;
  const textOf = ({ open, close }: BracketSpan) =>
    sql.slice(tokens[open]!.end, tokens[close]!.start);
  const found = querySpans(tokens, first).filter(({ locks }) => locks || which === 'all');
  const spans = found.filter((span) => isByItself(textOf(span), context));
  const locking = spans.filter(({ locks }) => locks);
  if (locking.length !== lockingQueries(Object.values(rest)).length) return null;
  if (spans.length === 0) return which === 'all' ? null : { statement, context, alone: [] };
  const name = (i: number) => `"${APART}${i + 1}"`;
  const queries = spans.map((span, i) => `${name(i)} AS (${textOf(span)}\n)`).join(', ');
  const before = text === null ? '' : sql.slice(0, tokens[first - 1]!.end);
  const withQueries = text === null ? `WITH ${queries} ` : `${before}, ${queries} `;
  const main = (stand: (i: number) => string) => {
    let made = '';
    let at = tokens[first]!.start;
    for (const [i, { open, close }] of spans.entries()) {
      made += sql.slice(at, tokens[open]!.end) + stand(i);
      at = tokens[close]!.start;
    }
    return made + sql.slice(at, tokens.at(-1)!.end);
  };
  const made = parsed(withQueries + main((i) => standIn(name(i))), context);
  const without = `${before}${before === '' ? '' : ' '}${main(() => NO_ROWS)}`;
  const alone = [...spans.map(textOf), without].map((each) => parsed(each, context));
  if (made === null || !alone.every((each) => each !== null)) return null;
  return { ...made, alone };
}

/** A statement that stands for the one of `context`; null: it is none. */
export function parsed(sql: string, { input, forceEngine }: PlanContext): Planned | null {
  const found = parseSql(sql);
  const [only, ...others] = found?.statements ?? [];
  if (found === null || only === undefined || others.length > 0) return null;
  const tokens = withoutSemicolons(found.tokens);
  const context = new PlanContext({ ...input, sql, tokens, literalStarts: [] }, forceEngine);
  return { statement: only.statement as RowStatement, context };
}

/** The outermost of them in the tree. */
function lockingQueries(tree: readonly unknown[]): SelectStatement[] {
  const found: SelectStatement[] = [];
  const open = [...tree];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const query = next as SelectStatement;
    if (query.kind === 'select' && query.locks.length > 0) found.push(query);
    else open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  return found;
}

interface BracketSpan {
  readonly open: number;
  readonly close: number;
  /** FOR UPDATE or its kin. */
  readonly locks: boolean;
}

const STRENGTHS = new Set(['update', 'share', 'no', 'key']);

/** Brackets around a SELECT, the outermost, by their tokens. */
function querySpans(tokens: readonly Token[], first: number): BracketSpan[] {
  const depths = depthsOf(tokens);
  const spans: BracketSpan[] = [];
  for (let open = first; open < tokens.length; open++) {
    const close = tokens[open]!.text === '(' ? closing(tokens, open) : null;
    if (close === null || !isWord(tokens[open + 1], 'select')) continue;
    const locked = tokens.slice(open, close).flatMap((token, i) => {
      const strength = tokens[open + i + 1]?.text ?? '';
      return isWord(token, 'for') && STRENGTHS.has(strength) ? [depths[open + i]!] : [];
    });
    const locks = locked.includes(depths[open]! + 1);
    // What locks is further within.
    if (locked.length > 0 && !locks) continue;
    spans.push({ open, close, locks });
    open = close;
  }
  return spans;
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/** It reads tables, and every name in it is surely one of theirs or of their columns. */
function isByItself(sql: string, context: PlanContext): boolean {
  const statement = parseSql(sql)?.statements[0]?.statement;
  if (statement?.kind !== 'select') return false;
  // Rows of no columns cannot be carried.
  const { body } = statement;
  if (body.kind === 'simple' && body.targets.length === 0) return false;
  return readsTables(statement) && namesOwn(statement, NOTHING_IN_SIGHT, context);
}

function readsTables(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return false;
  const { kind } = tree as FromItem;
  return (kind === 'table' && 'relation' in tree) || Object.values(tree).some(readsTables);
}

interface InSight {
  readonly tables: ReadonlySet<string>;
  readonly columns: ReadonlySet<string>;
}

const NOTHING_IN_SIGHT: InSight = { tables: new Set(), columns: new Set() };

/** `outer`: what queries around it have. */
function namesOwn(select: SelectStatement, outer: InSight, context: PlanContext): boolean {
  const { body } = select;
  const items = body.kind === 'simple' ? body.from.flatMap(itemsIn) : [];
  const tables = new Set(outer.tables);
  const columns = new Set(outer.columns);
  for (const item of items) {
    const name = item.kind === 'table' ? visibleName(item) : item.alias;
    if (name !== null) tables.add(name);
    if (item.kind !== 'table' || item.columnAliases.length > 0) continue;
    for (const column of context.table(item.relation)?.columns ?? []) columns.add(column.name);
  }
  const { with: clause, ...rest } = select;
  for (const { statement } of clause?.tables ?? []) {
    if (statement.kind !== 'select' || !namesOwn(statement, outer, context)) return false;
  }
  const open: unknown[] = Object.values(rest);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as SelectStatement | Expression | FromItem;
    if (node.kind === 'select') {
      if (!namesOwn(node, { tables, columns }, context)) return false;
      continue;
    }
    // Of what stands beside it, it sees nothing.
    if (node.kind === 'query' && 'lateral' in node && !node.lateral) {
      if (!namesOwn(node.query, outer, context)) return false;
      continue;
    }
    if (node.kind === 'column' || (node.kind === 'star' && node.path.length > 0)) {
      const path = node.kind === 'star' ? [...node.path, '*'] : node.path;
      const isOwn = path.length > 1 ? tables.has(path.at(-2)!) : columns.has(path[0]!);
      if (!isOwn) return false;
    }
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  return true;
}

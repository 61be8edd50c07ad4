// Locked apart: sub-queries that lock the rows they find, put in front of their statement as WITH queries.

import { closing, depthsOf } from '../sql/clause.ts';
import { parseSql } from '../sql/parser.ts';
import type { FromItem, RowStatement, SelectStatement } from '../sql/statement.ts';
import { type Token, withoutSemicolons } from '../sql/token.ts';
import { withText } from '../sql/with-text.ts';
import { PlanContext } from './context.ts';

export interface LockedApart {
  readonly statement: RowStatement;
  readonly context: PlanContext;
}

/** Some query below the statement's own locks rows. */
export const locksWithin = (statement: RowStatement): boolean =>
  lockingQueries(Object.values(statement)).length > 0;

/**
 * The same statement with its locking sub-queries as WITH queries, which are run once each, as PostgreSQL
 * runs what does not depend on a row. null: there is one that may, or that stands where this cannot be told.
 */
export function lockedApart(statement: RowStatement, context: PlanContext): LockedApart | null {
  const { sql, tokens } = context.input;
  const { with: clause, ...rest } = statement;
  const text = clause === null ? null : withText(tokens, clause.recursive);
  if (clause !== null && text === null) return null;
  const first = text?.main.from ?? 0;
  const spans = lockingSpans(tokens, first);
  if (spans.length !== lockingQueries(Object.values(rest)).length) return null;
  if (spans.length === 0) return { statement, context };
  const parts = spans.map(({ open, close }) => sql.slice(tokens[open]!.end, tokens[close]!.start));
  if (!parts.every((part) => isByItself(part, context))) return null;
  const name = (i: number) => `"drive.locked ${i + 1}"`;
  const queries = parts.map((part, i) => `${name(i)} AS (${part}\n)`).join(', ');
  const before = text === null ? '' : sql.slice(0, tokens[first - 1]!.end);
  let made = text === null ? `WITH ${queries} ` : `${before}, ${queries} `;
  let at = tokens[first]!.start;
  for (const [i, { open, close }] of spans.entries()) {
    made += `${sql.slice(at, tokens[open]!.end)}SELECT * FROM ${name(i)}`;
    at = tokens[close]!.start;
  }
  return parsed(made + sql.slice(at, tokens.at(-1)!.end), context);
}

function parsed(sql: string, { input, forceEngine }: PlanContext): LockedApart | null {
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
}

const STRENGTHS = new Set(['update', 'share', 'no', 'key']);

/** Brackets around a SELECT with FOR UPDATE or its kin, the outermost, by their tokens. */
function lockingSpans(tokens: readonly Token[], first: number): BracketSpan[] {
  const depths = depthsOf(tokens);
  const spans: BracketSpan[] = [];
  for (let open = first; open < tokens.length; open++) {
    const close = tokens[open]!.text === '(' ? closing(tokens, open) : null;
    if (close === null || !isWord(tokens[open + 1], 'select')) continue;
    const locks = tokens.slice(open, close).some((token, i) => {
      const strength = tokens[open + i + 1];
      const isInside = depths[open + i] === depths[open]! + 1;
      return isInside && isWord(token, 'for') && STRENGTHS.has(strength?.text ?? '');
    });
    if (!locks) continue;
    spans.push({ open, close });
    open = close;
  }
  return spans;
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/** Every name in the query is surely one of its own tables or columns. */
function isByItself(sql: string, context: PlanContext): boolean {
  const statement = parseSql(sql)?.statements[0]?.statement;
  if (statement?.kind !== 'select') return false;
  const tables = new Set<string>();
  const columns = new Set<string>();
  const names: (readonly string[])[] = [];
  const open: unknown[] = [statement];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as FromItem | { readonly kind: 'column'; readonly path: readonly string[] };
    if (node.kind === 'column' && 'path' in node) names.push(node.path);
    if (node.kind === 'table' && 'relation' in node) {
      tables.add(node.alias ?? node.relation.name);
      for (const { name } of context.table(node.relation)?.columns ?? []) columns.add(name);
    } else if ('alias' in node && typeof node.alias === 'string') tables.add(node.alias);
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  return names.every((path) =>
    path.length > 1 ? tables.has(path.at(-2)!) : columns.has(path[0]!),
  );
}

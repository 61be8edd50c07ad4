// Replaced: CREATE OR REPLACE of what is to be on the home shard only, where the others may have what it was.

import { closing, depthsOf, itemsBetween } from '../sql/clause.ts';
import type { UtilityStatement } from '../sql/statement.ts';
import type { PlanContext } from './context.ts';

const ENDS_NAME: ReadonlySet<string> = new Set(['(', 'as', 'with']);

const DEFAULTS: ReadonlySet<string> = new Set(['default', '=', ':=']);

/** What takes it from a shard that has it; null: the statement replaces nothing. Of routines and views. */
export function dropReplaced(
  { node }: UtilityStatement,
  { input: { sql, tokens } }: PlanContext,
): string | null {
  if (tokens[1]?.text !== 'or') return null;
  const textOf = (from: number, to: number) => sql.slice(tokens[from]!.start, tokens[to - 1]!.end);
  const named = tokens.findIndex(({ text }) => /^(?:view|function|procedure)$/.test(text)) + 1;
  const end = tokens.findIndex(({ text }, i) => i > named && ENDS_NAME.has(text));
  const drop = `DROP ${tokens[named - 1]!.text.toUpperCase()} IF EXISTS ${textOf(named, end)}`;
  if (node === 'ViewStmt') return drop;
  const depths = depthsOf(tokens);
  const items = itemsBetween(tokens, depths, end + 1, closing(tokens, end)!);
  const types = items.map(([from, to]) => {
    const isDefault = (i: number) => depths[i] === depths[from] && DEFAULTS.has(tokens[i]!.text);
    const without = Array.from({ length: to - from }, (_, i) => from + i).find(isDefault);
    return textOf(from, without ?? to);
  });
  return `${drop}(${types.join(', ')})`;
}

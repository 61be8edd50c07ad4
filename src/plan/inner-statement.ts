// Inner statements: what EXPLAIN, COPY and DECLARE are about, planned as a statement of its own.

import type { TextRange } from '../sql/cursor-text.ts';
import { parseSql } from '../sql/parser.ts';
import type { RowStatement, Statement } from '../sql/statement.ts';
import { withoutSemicolons } from '../sql/token.ts';
import { PlanContext } from './context.ts';
import type { EngineMerge, Plan, RoutedPlan } from './plan.ts';
import { planRows } from './rows.ts';

/**
 * A part of the statement's text; null: not one of the statements that read or write rows.
 * `tellsOneTime`: as of PlanContext.
 */
export function planInner(
  { start, end }: TextRange,
  context: PlanContext,
  tellsOneTime = false,
): Plan | null {
  const { sql } = context.input;
  const text = sql.slice(start, end);
  const parsed = parseSql(text);
  const statement = parsed?.statements[0]?.statement;
  if (parsed === null || statement === undefined || !isRows(statement)) return null;
  const own = new PlanContext(
    {
      ...context.input,
      sql: text,
      tokens: withoutSemicolons(parsed.tokens),
      literalStarts: [],
    },
    context.forceEngine,
  );
  own.tellsOneTime = tellsOneTime;
  const plan = planRows(statement, own);
  // The literals of the inner text have other places in the whole.
  context.dependsOnValue = true;
  for (const name of own.unknownTables) context.unknownTables.add(name);
  context.readsTimedView ||= own.readsTimedView;
  if (own.asked !== null) {
    const marked = sql.slice(0, start) + own.asked.marked + sql.slice(end);
    context.asked = { ...own.asked, marked };
  }
  return plan;
}

const ROWS = new Set<Statement['kind']>(['select', 'insert', 'update', 'delete', 'merge']);

const isRows = (statement: Statement): statement is RowStatement => ROWS.has(statement.kind);

/** How one server would compute the statement over copies; null: it cannot, or locks rows. */
export function engineOf({ merge, fallback }: RoutedPlan): EngineMerge | null {
  const engine = merge?.how === 'engine' ? merge : fallback;
  return engine?.locks === null ? engine : null;
}

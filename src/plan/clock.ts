// Clock: the current time in a statement for several shards, as one parameter that all are given.

import { parseSql } from '../sql/parser.ts';
import type { SelectStatement } from '../sql/statement.ts';
import { withoutSemicolons } from '../sql/token.ts';
import { PlanContext, type PlanInput } from './context.ts';
import { timedText } from './time-text.ts';

export interface Clocked {
  readonly statement: SelectStatement;
  readonly context: PlanContext;
  /** The parameter that is the time its transaction began, 0-based; the last one. */
  readonly clock: number;
}

/**
 * The same SELECT with now(), CURRENT_TIMESTAMP and their kin read from a parameter; null where there
 * is none of them.
 */
export function withClock({ input, forceEngine }: PlanContext, text = input.sql): Clocked | null {
  const whole = text === input.sql ? input : inputOf(text, input);
  if (whole === null) return null;
  const clock = whole.tokens.reduce(
    (most, { kind, text }) => (kind === 'parameter' ? Math.max(most, Number(text.slice(1))) : most),
    0,
  );
  const value = `$${clock + 1}::pg_catalog.timestamptz`;
  const timed = timedText(whole.sql, whole.tokens, value, 'inner');
  const own = timed === null ? null : inputOf(timed, input);
  if (own === null) return null;
  const context = new PlanContext(own, forceEngine);
  context.tellsOneTime = false;
  return { statement: own.statement, context, clock };
}

function inputOf(
  sql: string,
  input: PlanInput,
): (PlanInput & { readonly statement: SelectStatement }) | null {
  const parsed = parseSql(sql);
  const statement = parsed?.statements[0]?.statement;
  if (parsed === null || statement?.kind !== 'select') return null;
  const tokens = withoutSemicolons(parsed.tokens);
  return { ...input, sql, tokens, literalStarts: [], statement };
}

// Policies: conditions of row level security that each shard can decide for its own rows.

import { quoteName } from '../base/quote.ts';
import { parseSql } from '../sql/parser.ts';
import type { RelationName, UtilityStatement } from '../sql/statement.ts';
import { type Token, withoutSemicolons } from '../sql/token.ts';
import { PlanContext } from './context.ts';
import { isName, nameOf } from './engine-text.ts';
import { planRows } from './rows.ts';

/** Whether CREATE or ALTER POLICY gives a condition that reads rows which may be on other shards. */
export function readsOtherShards(statement: UtilityStatement, context: PlanContext): boolean {
  const { tokens, catalog, sql } = context.input;
  if (tokens.some((token) => isName(token) && catalog.routineTouchesSharded(nameOf(token)))) {
    return true;
  }
  const [target, ...read] = statement.relations;
  const isSharded = (relation: RelationName): boolean => {
    const kind = context.table(relation)?.kind;
    return kind === 'sharded' || kind === 'shardedView';
  };
  if (target === undefined || !read.some(isSharded)) return false;
  const name = [target.schema, target.name].flatMap((part) =>
    part === null ? [] : [quoteName(part)],
  );
  return conditionsOf(tokens).some(
    ({ start, end }) =>
      !isAlone(`SELECT FROM ${name.join('.')} WHERE ${sql.slice(start, end)}`, context),
  );
}

/** The brackets behind USING and WITH CHECK. */
function conditionsOf(tokens: readonly Token[]): readonly Pick<Token, 'start' | 'end'>[] {
  const found: Pick<Token, 'start' | 'end'>[] = [];
  let depth = 0;
  let start: number | null = null;
  for (const [i, { kind, text, ...place }] of tokens.entries()) {
    if (kind !== 'mark') continue;
    if (text === '(') {
      const before = tokens[i - 1]?.text ?? '';
      if (depth === 0 && (before === 'using' || before === 'check')) start = place.start;
      depth += 1;
    } else if (text === ')') {
      depth -= 1;
      if (depth > 0 || start === null) continue;
      found.push({ start, end: place.end });
      start = null;
    }
  }
  return found;
}

/** Each shard gives its part of the rows by itself. */
function isAlone(sql: string, { input }: PlanContext): boolean {
  const parsed = parseSql(sql);
  const [only] = parsed?.statements ?? [];
  if (parsed === null || only?.statement.kind !== 'select') return false;
  const tokens = withoutSemicolons(parsed.tokens);
  const own = new PlanContext({ ...input, sql, tokens, literalStarts: [] });
  own.streamsOnly = true;
  const plan = planRows(only.statement, own);
  return plan.op === 'routed' && plan.merge?.how === 'concat';
}

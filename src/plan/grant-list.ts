// Grant list: GRANT and REVOKE on several routines, of which a shard may not have all.

import { depthsOf } from '../sql/clause.ts';
import type { UtilityStatement } from '../sql/statement.ts';
import type { PlanContext } from './context.ts';

/**
 * The statement for each of the routines by itself: those that home tables keep at home are on the home shard alone,
 * others on every shard. Empty: it names one, or what it names is there or not as a whole.
 */
export function grantPieces(
  { node }: UtilityStatement,
  { input: { sql, tokens } }: PlanContext,
): readonly string[] {
  if (node !== 'GrantStmt') return [];
  const depths = depthsOf(tokens);
  const wordAt = (words: RegExp, from: number) =>
    tokens.findIndex(
      ({ kind, text }, i) => i >= from && kind === 'word' && depths[i] === 0 && words.test(text),
    );
  const on = wordAt(/^on$/, 0);
  if (!/^(?:function|procedure|routine)$/.test(tokens[on + 1]?.text ?? '')) return [];
  const first = on + 2;
  const behind = wordAt(/^(?:to|from)$/, first);
  const commas = tokens.flatMap(({ text }, i) =>
    i > first && i < behind && text === ',' && depths[i] === 0 ? [i] : [],
  );
  if (commas.length === 0) return [];
  const [head, tail] = [sql.slice(0, tokens[first]!.start), sql.slice(tokens[behind - 1]!.end)];
  return [first, ...commas.map((comma) => comma + 1)].map((from, i) => {
    const to = commas[i] ?? behind;
    return head + sql.slice(tokens[from]!.start, tokens[to - 1]!.end) + tail;
  });
}

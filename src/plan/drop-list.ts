// Drop list: DROP of several objects, of which a shard may not have all.

import { depthsOf } from '../sql/clause.ts';
import type { UtilityStatement } from '../sql/statement.ts';
import type { PlanContext } from './context.ts';

/** How many words name what is dropped, where these are several. */
const WORDS: ReadonlyMap<string, number> = new Map([
  ['OBJECT_ACCESS_METHOD', 2],
  ['OBJECT_EVENT_TRIGGER', 2],
  ['OBJECT_FDW', 3],
  ['OBJECT_FOREIGN_TABLE', 2],
  ['OBJECT_MATVIEW', 2],
  ['OBJECT_TSCONFIGURATION', 3],
  ['OBJECT_TSDICTIONARY', 3],
  ['OBJECT_TSPARSER', 3],
  ['OBJECT_TSTEMPLATE', 3],
]);

/**
 * The statement for shards other than the home shard, which alone may have some of the list: the rest of it is on every
 * shard. null: what it names is there or not as a whole, or it says IF EXISTS itself.
 */
export function dropWherePresent(
  { node, objectType }: UtilityStatement,
  { input: { sql, tokens } }: PlanContext,
): string | null {
  if (node !== 'DropStmt') return null;
  const depths = depthsOf(tokens);
  const isList = tokens.some(({ text }, i) => text === ',' && depths[i] === 0);
  const first = tokens[1 + (WORDS.get(objectType ?? '') ?? 1)];
  if (!isList || first === undefined || first.text === 'if') return null;
  return `${sql.slice(0, first.start)}IF EXISTS ${sql.slice(first.start)}`;
}

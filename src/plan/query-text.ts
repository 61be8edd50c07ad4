// Query text: functions of extensions that run a query, or read a table, given as text.

import type { Call, Expression } from '../sql/expression.ts';
import { wordsOf } from '../topology/calling-routines.ts';
import type { Catalog } from '../topology/table.ts';
import type { PlanContext } from './context.ts';

/** Of tablefunc, which tells users to make crosstabs of their own, and of xml2. */
const RUNS_TEXT = /^(?:crosstab.*|connectby|xpath_table)$/;

/** The text names what is on shards, or is not known before it runs. */
export function mayReadShardedByText(call: Call, context: PlanContext): boolean {
  if (!RUNS_TEXT.test(call.name.toLowerCase())) return false;
  context.dependsOnValue = true;
  const texts = call.name === 'connectby' ? call.args.slice(0, 1) : call.args;
  return texts.some((text) => mayNameSharded(text, context.input.catalog));
}

function mayNameSharded(text: Expression, catalog: Catalog): boolean {
  if (text.kind === 'cast') return mayNameSharded(text.arg, catalog);
  if (text.kind !== 'constant') return true;
  const words = new Set(wordsOf(text.text));
  if ([...words].some((word) => catalog.routineTouchesSharded(word))) return true;
  for (const { kind, name } of catalog.tables()) {
    const isOnShards = kind === 'sharded' || kind === 'shardedView';
    if (isOnShards && words.has(name.toLowerCase())) return true;
  }
  return false;
}

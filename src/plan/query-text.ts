// Query text: functions that run a statement, or read a table, given as text.

import type { Call, Expression } from '../sql/expression.ts';
import { wordsOf } from '../topology/calling-routines.ts';
import { makesTable } from '../topology/making-routines.ts';
import { tablesWritten } from '../topology/routine-code.ts';
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

const NAME = String.raw`(?:"[^"]+"|[\w$\u0080-\uffff]+)`;
const ONE_NAME = new RegExp(String.raw`^\s*(?:(${NAME})\s*\.\s*)?(${NAME})\s*$`);
const READS = /^[\s(]*(?:select|with|table|values|explain)\b/i;
const WRITES = /^\s*(?:insert|update|delete|merge|copy|do|call)\b/i;
const CHANGES =
  /^\s*(?:create|alter|drop|truncate|comment|grant|revoke|lock|reindex|cluster|refresh|vacuum|analyze)\b/i;

/**
 * A user's routine that runs texts is given a constant that is the name of a sharded table, or a statement on what is
 * on shards. `makesTables` of the context is set where the routine, or the statement, may make tables.
 */
export function mayTouchShardedByText(call: Call, context: PlanContext): boolean {
  const { catalog } = context.input;
  const name = call.name.toLowerCase();
  context.makesTables ||= catalog.makingRoutines.has(name);
  if (!catalog.textRoutines.has(name)) return false;
  const texts = call.args.flatMap((arg) => constantOf(arg) ?? []);
  if (texts.length > 0) context.dependsOnValue = true;
  context.makesTables ||= texts.some(makesTable);
  // Of a temporary table that it makes the name may be any.
  const mayName = !catalog.stateRoutines.get('temporary table')?.names.has(name);
  return texts.some((text) => isOnShards(text, mayName, context));
}

function constantOf(arg: Expression): string | null {
  if (arg.kind === 'cast') return constantOf(arg.arg);
  return arg.kind === 'constant' ? arg.text : null;
}

function isOnShards(text: string, mayName: boolean, context: PlanContext): boolean {
  const { catalog, searchPath } = context.input;
  const [, schema, name] = ONE_NAME.exec(text) ?? [];
  if (name !== undefined) {
    const table = catalog.table(bare(schema), bare(name)!, searchPath ?? undefined);
    return mayName && (table?.kind === 'sharded' || table?.kind === 'shardedView');
  }
  const changes = CHANGES.test(text);
  if (!changes && !WRITES.test(text) && !READS.test(text)) return false;
  const words = new Set(wordsOf(text));
  if ([...words].some((word) => catalog.routineTouchesSharded(word))) return true;
  const written = new Set(changes ? words : tablesWritten(text));
  for (const table of catalog.tables()) {
    const named = table.kind === 'reference' ? written : words;
    if (table.kind !== 'home' && named.has(table.name.toLowerCase())) return true;
  }
  return false;
}

/** A name as the catalog has it. */
function bare(name: string | undefined): string | null {
  if (name === undefined) return null;
  return name.startsWith('"') ? name.slice(1, -1) : name.toLowerCase();
}

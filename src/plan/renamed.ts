// Renamed: a table keeps its kind under another name, which the configuration may give a kind of its own.

import type { DdlFacts } from '../sql/ddl.ts';
import type { Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import type { NewTable } from './plan.ts';
import { refused } from './unsupported.ts';

/** What is to be remembered of it, as its own name has told its kind so far. Throws Refusal. */
export function checkRenamed(
  table: Table,
  { renamed }: DdlFacts,
  { input: { catalog } }: PlanContext,
): readonly NewTable[] {
  if (renamed === null || table.view !== undefined) return [];
  const { kind, keyColumn } = table;
  const schema = renamed.schema ?? table.schema;
  const name = renamed.name ?? table.name;
  const rule = catalog.configured(schema, name);
  if (rule !== null && (rule.kind !== kind || rule.keyColumn !== keyColumn)) {
    throw new Refusal(refused('renamed'));
  }
  if (catalog.configured(table.schema, table.name) === null) return [];
  return [{ relation: { catalog: null, schema, name }, kind, keyColumn }];
}

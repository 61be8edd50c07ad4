// Family: rows of partitions and children are rows of their parents, too, so all are of one kind and one key.

import type { DdlFacts } from '../sql/ddl.ts';
import type { RelationName } from '../sql/statement.ts';
import type { Table, TableRule } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import type { ConvertedTable } from './plan.ts';
import { refused } from './unsupported.ts';

/** What a new table is by its parents; null: it has none that is known. Throws Refusal. */
export function ruleByParents(
  parents: readonly RelationName[],
  context: PlanContext,
): TableRule | null {
  const [first, ...others] = parents.flatMap((each) => context.table(each) ?? []);
  if (first === undefined) return null;
  if (!others.every((other) => isAlike(first, other))) throw new Refusal(refused('family'));
  const { kind, keyColumn } = first;
  return { kind, keyColumn };
}

/** Throws Refusal where an altered table's new parents or partitions have their rows elsewhere. */
export function checkFamily(table: Table, ddl: DdlFacts, context: PlanContext): void {
  const converted = conversions(table, ddl, context).map(({ relation }) => relation);
  for (const relative of [...ddl.parents, ...ddl.attached]) {
    const known = converted.includes(relative) ? null : context.table(relative);
    if (known !== null && !isAlike(table, known)) throw new Refusal(refused('family'));
  }
}

/** Home tables that become partitions of one that is none: what they are to be first. */
export function conversions(
  { kind, keyColumn }: Table,
  { attached }: DdlFacts,
  context: PlanContext,
): readonly ConvertedTable[] {
  if (kind !== 'sharded' && kind !== 'reference') return [];
  return attached
    .filter((relation) => context.table(relation)?.kind === 'home')
    .map((relation) => ({ relation, kind, keyColumn }));
}

const isAlike = (a: TableRule, b: TableRule) => a.kind === b.kind && a.keyColumn === b.keyColumn;

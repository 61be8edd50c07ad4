// Trigger writes: statements that fire triggers which would write one copy of a reference table, or reach for other shards.

import type { WritingStatement } from '../sql/statement.ts';
import type { ReachingWrite, Table, WriteEvents } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { type RefusedReason, refused } from './unsupported.ts';

/** What a statement may do to rows of its table. */
interface Written extends WriteEvents {
  /** Those that it sets in rows that are there. */
  readonly columns: readonly string[];
}

/** Throws Refusal. `table`: what the statement writes, or a view of it. */
export function checkTriggerWrites(
  statement: WritingStatement,
  table: Table | null,
  context: PlanContext,
): void {
  const reason = triggersRefuse(writtenBy(statement), table, context);
  if (reason !== null) throw new Refusal(refused(reason));
}

/** Why such a write of the table is refused; null: its triggers do no harm. */
export function triggersRefuse(
  written: Written,
  table: Table | null,
  { input: { catalog } }: PlanContext,
): RefusedReason | null {
  if (table === null) return null;
  const { schema, name } = table.shown ?? table;
  const base = catalog.table(schema, name) ?? table;
  const own = (column: string) => table.shown?.columns.get(column) ?? column;
  const fires = ({ insert, update, delete: deletes, columns }: ReachingWrite) =>
    (insert && written.insert) ||
    (deletes && written.delete) ||
    (update &&
      written.update &&
      (columns === null || columns.some((column) => written.columns.includes(own(column)))));
  const found = base.reachesOn?.find(fires);
  if (found === undefined) return null;
  return REASONS[found.reaches];
}

const REASONS = { copy: 'triggerWrites', sharded: 'homeTrigger', beyond: 'triggerBeyond' } as const;

function writtenBy(statement: WritingStatement): Written {
  const actions = statement.kind === 'merge' ? statement.actions : [];
  const does = (what: WritingStatement['kind']) =>
    statement.kind === what || actions.some(({ command }) => command === what);
  const columns = columnsSet(statement);
  return {
    insert: does('insert'),
    update: does('update') || columns.length > 0,
    delete: does('delete'),
    columns,
  };
}

function columnsSet(statement: WritingStatement): readonly string[] {
  switch (statement.kind) {
    case 'insert':
      return (statement.conflict?.assignments ?? []).map(({ column }) => column);
    case 'update':
      return statement.assignments.map(({ column }) => column);
    case 'delete':
      return [];
    case 'merge':
      return statement.actions
        .filter(({ command }) => command === 'update')
        .flatMap(({ columns }) => columns ?? []);
  }
}

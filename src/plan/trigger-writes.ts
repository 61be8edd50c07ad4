// Trigger writes: statements that fire triggers which would write one copy of a reference table.

import type { WritingStatement } from '../sql/statement.ts';
import type { Table, WriteEvents } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { refused } from './unsupported.ts';

/** Throws Refusal. `table`: what the statement writes, or a view of it. */
export function checkTriggerWrites(
  statement: WritingStatement,
  table: Table | null,
  context: PlanContext,
): void {
  if (writesOneCopy(eventsOf(statement), table, context)) {
    throw new Refusal(refused('triggerWrites'));
  }
}

/** Such an event of the table fires a trigger that would. */
export function writesOneCopy(
  events: WriteEvents,
  table: Table | null,
  { input: { catalog } }: PlanContext,
): boolean {
  if (table === null) return false;
  const { schema, name } = table.shown ?? table;
  const written = catalog.table(schema, name) ?? table;
  return (written.writesCopiesOn ?? []).some(
    (on) =>
      (on.insert && events.insert) || (on.update && events.update) || (on.delete && events.delete),
  );
}

/** What the statement may do to rows. */
function eventsOf(statement: WritingStatement): WriteEvents {
  const does = (what: WritingStatement['kind']) =>
    statement.kind === what ||
    (statement.kind === 'merge' && statement.actions.some(({ command }) => command === what));
  const updatesMet =
    statement.kind === 'insert' && (statement.conflict?.assignments.length ?? 0) > 0;
  return { insert: does('insert'), update: does('update') || updatesMet, delete: does('delete') };
}

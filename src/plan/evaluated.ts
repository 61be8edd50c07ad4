// Evaluated: columns that are set to their DEFAULT where that is evaluated once, before the rows are written.

import { FIRST_USER_OID } from '../base/oid.ts';
import type { WritingStatement } from '../sql/statement.ts';
import type { Column, Table } from '../topology/table.ts';
import { type PlanContext, Refusal } from './context.ts';
import { refused } from './unsupported.ts';

/** Each copy of a reference table would evaluate its own, and by a sharding key its row is placed. */
export function isEvaluated(table: Table | null, column: string): boolean {
  if (table?.kind === 'sharded') return column === table.keyColumn;
  const isGenerated = table?.columns.some(({ name, generated }) => name === column && generated);
  return table?.kind === 'reference' && !isGenerated;
}

/** Throws Refusal for what may be updated to nothing but DEFAULT itself: an identity, a generated column. */
export function checkEvaluated(table: Table | null, evaluated: readonly string[]): void {
  const isFixed = (column: string) =>
    table?.columns.some(
      ({ name, identity, generated }) => name === column && (identity === true || generated),
    );
  if (!evaluated.some(isFixed)) return;
  throw new Refusal(refused(table?.kind === 'reference' ? 'referenceUnsteady' : 'insertDefault'));
}

/** DEFAULT is the same for it wherever it is evaluated. Of a type of users it may be the type's. */
export const hasSteadyDefault = ({
  hasDefault,
  generated,
  constantDefault,
  typeOid,
}: Column): boolean =>
  generated || constantDefault === true || (!hasDefault && typeOid < FIRST_USER_OID);

/** The statement but for columns that it sets to such a DEFAULT; that of a view is its own. */
export function withoutSteadyDefaults(
  statement: WritingStatement,
  context: PlanContext,
): WritingStatement {
  const columns = context.table(statement.relation)?.columns ?? [];
  const steady = new Set(columns.filter(hasSteadyDefault).map(({ name }) => name));
  const isOpen = (column: string | undefined, value: { readonly kind: string } | null) =>
    value?.kind !== 'default' || !steady.has(column ?? '');
  switch (statement.kind) {
    case 'update': {
      const assignments = statement.assignments.filter((each) => isOpen(each.column, each.value));
      return { ...statement, assignments };
    }
    case 'insert': {
      const { conflict } = statement;
      if (conflict === null) return statement;
      const assignments = conflict.assignments.filter((each) => isOpen(each.column, each.value));
      return { ...statement, conflict: { ...conflict, assignments } };
    }
    case 'merge': {
      const actions = statement.actions.map((action) => {
        if (action.command !== 'update') return action;
        const values = action.values.filter((value, i) => isOpen(action.columns?.[i], value));
        return { ...action, values };
      });
      return { ...statement, actions };
    }
    default:
      return statement;
  }
}

// Operate table: gives a table another kind for an operator, who has no session.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { SessionAction } from '../plan/action.ts';
import { ServerError } from '../pool/query.ts';
import { contextOf, type SessionContext } from './context.ts';
import { SessionState } from './state.ts';
import { changeTableKind } from './table-kind.ts';

export interface TableChange {
  /** As SQL. */
  readonly table: string;
  readonly kind: 'sharded' | 'reference' | 'home';
  /** The column a sharded table is sharded by; '' for the usual one. */
  readonly key: string | null;
}

/** Rejects with SqlError: nothing has changed then. */
export async function operateTable(context: SessionContext, change: TableChange): Promise<void> {
  const state = new SessionState(context, new Map(), null);
  const action: SessionAction = { action: 'tableKind', call: 'table', ...change };
  try {
    await changeTableKind(action, state, contextOf(context, state));
  } catch (error) {
    await state.endTransaction('rollback');
    if (!(error instanceof ServerError)) throw error;
    const { code, message } = error.fields;
    throw new SqlError({
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `a shard has refused it: ${message}`,
      detail: `SQLSTATE ${code}`,
    });
  } finally {
    state.pins.closeAll();
  }
}

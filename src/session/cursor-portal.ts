// CursorPortal: a cursor of SQL is a portal, too, which messages of the protocol may name.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { closePortalOn, type Description } from '../execute/describe.ts';
import type { Plan } from '../plan/plan.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { FieldDescription } from '../wire/row.ts';
import type { SessionContext } from './context.ts';
import type { SessionState } from './state.ts';
import { inFailedTransaction } from './transaction-commands.ts';

type Describe = (plan: Plan, sql: string, types: readonly number[]) => Promise<Description>;

/**
 * Also of a cursor that a function has opened on shard 0. null: there is none of that name. In text,
 * as PostgreSQL says it of a cursor that is BINARY, too.
 */
export async function describeCursor(
  name: string,
  state: SessionState,
  context: SessionContext,
  describe: Describe,
): Promise<readonly FieldDescription[] | null> {
  if (!mayHaveCursor(name, state)) return null;
  if (state.transaction?.state === 'failed') {
    if (state.cursor(name) === undefined) return null;
    throw inFailedTransaction();
  }
  const sql = `FETCH ALL FROM ${quoteName(name)}`;
  const { plan } = context.planner.plan(sql, context.topology(), state.searchPath);
  return (await describe(plan, sql, [])).fields;
}

const mayHaveCursor = (name: string, { transaction, pins }: SessionState): boolean =>
  name !== '' && (transaction !== null || pins.has('cursor with hold'));

/** Also where there is none of that name. */
export async function closeCursor(name: string, state: SessionState): Promise<void> {
  const cursor = state.cursor(name);
  const { transaction, pins } = state;
  if (cursor === undefined || transaction?.state === 'failed') return;
  if (cursor.on === 'shards') {
    if (!cursor.merged.isClosed) await cursor.merged.close();
  } else {
    const shard = cursor.on === 'shard' ? cursor.shard : HOME_SHARD;
    const beside = cursor.on === 'engine' ? transaction?.apart : null;
    const connection = beside ?? transaction?.participants.get(shard) ?? pins.connection(shard);
    if (connection !== null) await closePortalOn(connection, name);
    if (cursor.hold) pins.doubt(['cursor with hold']);
  }
  state.cursorClosed(name);
}

/** The shard of a portal that Bind has made and SQL names as a cursor. undefined: on none by itself. Throws 0A000. */
export function portalShard(name: string, { portals }: SessionState): number | undefined {
  const open = portals.get(name);
  if (open === undefined || open.isApart) return undefined;
  if (open.shard !== null) return open.shard;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'not supported: FETCH, MOVE or CLOSE of a portal over several shards that Bind has made',
    hint: 'Use Execute and Close, or DECLARE a cursor.',
  });
}

/** 34000. */
export function noPortal(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.invalidCursorName,
    message: `portal "${name}" does not exist`,
  });
}

/** 0A000. */
export function executesCursor(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: 'not supported: a message Execute for a cursor that SQL has declared',
    hint: 'Use FETCH.',
  });
}

// Transaction commands: BEGIN, COMMIT, ROLLBACK and savepoints as PostgreSQL answers them.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE, type SqlState } from '../base/sqlstate.ts';
import type { TransactionModes } from '../execute/transaction-script.ts';
import type { TransactionVerb } from '../plan/action.ts';
import { tokenize } from '../sql/token.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { encodeNotice } from '../wire/error-response.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { takeOwedSnapshot } from './one-snapshot.ts';
import type { SessionState } from './state.ts';

type WriteClient = (bytes: Buffer) => void;

/** Runs `command`, whose text is `sql`; answers with its CommandComplete and any warning. */
export async function runTransactionCommand(
  command: TransactionVerb,
  sql: string,
  state: SessionState,
  write: WriteClient,
): Promise<void> {
  let tag: string;
  switch (command.verb) {
    case 'begin':
      tag = await begin(sql, command.modes ?? false, state, write);
      break;
    case 'commit':
      tag = await commit(command.chain, state, write);
      break;
    case 'rollback':
      tag = await rollback(command.chain, state, write);
      break;
    default:
      tag = await savepoint(command.verb, command.name, sql, state);
  }
  write(encodeCommandComplete(tag));
}

async function begin(
  sql: string,
  modes: boolean,
  state: SessionState,
  write: WriteClient,
): Promise<string> {
  const { transaction } = state;
  if (transaction?.state === 'failed') throw inFailedTransaction();
  if (transaction === null) {
    state.begin(sql, false);
  } else {
    if (!transaction.implicit) {
      warn(
        state,
        write,
        SQLSTATE.activeSqlTransaction,
        'there is already a transaction in progress',
      );
    }
    if (modes) {
      // The modes hold for the transaction that is open, if it is not too late for them.
      await takeOwedSnapshot(transaction);
      // Which of them may not be set within a savepoint a server says.
      const isUnasked = transaction.participants.size === 0;
      if (isUnasked && transaction.isWithinSavepoint) await transaction.enlist(HOME_SHARD);
      await transaction.onEveryParticipant(sql);
      transaction.recordModes(sql);
    }
    // BEGIN inside a query string with several statements makes its transaction a lasting one.
    transaction.implicit = false;
  }
  return beginTag(sql);
}

/** The command tag of what begins a transaction. */
export const beginTag = (sql: string): 'BEGIN' | 'START TRANSACTION' =>
  tokenize(sql)?.find(({ kind }) => kind === 'word')?.text === 'start'
    ? 'START TRANSACTION'
    : 'BEGIN';

async function commit(chain: boolean, state: SessionState, write: WriteClient): Promise<string> {
  const { transaction } = state;
  if (transaction === null || transaction.implicit) {
    if (chain) throw outsideTransaction('COMMIT AND CHAIN');
    warn(state, write, SQLSTATE.noActiveSqlTransaction, 'there is no transaction in progress');
    await state.endTransaction('commit');
    return 'COMMIT';
  }
  const failed = transaction.state === 'failed';
  const { handedOn } = transaction;
  await state.endTransaction(failed ? 'rollback' : 'commit');
  if (chain) beginLike(handedOn, state);
  return failed ? 'ROLLBACK' : 'COMMIT';
}

async function rollback(chain: boolean, state: SessionState, write: WriteClient): Promise<string> {
  const { transaction } = state;
  if (transaction === null || transaction.implicit) {
    if (chain) throw outsideTransaction('ROLLBACK AND CHAIN');
    warn(state, write, SQLSTATE.noActiveSqlTransaction, 'there is no transaction in progress');
  }
  const handedOn = transaction?.handedOn;
  await state.endTransaction('rollback');
  if (chain && handedOn !== undefined) beginLike(handedOn, state);
  return 'ROLLBACK';
}

/** AND CHAIN. */
function beginLike(modes: TransactionModes, state: SessionState): void {
  const next = state.begin(modes.begin, false);
  for (const sql of modes.modes) next.recordModes(sql);
  next.inherited = modes;
}

async function savepoint(
  verb: 'savepoint' | 'release' | 'rollbackTo',
  name: string,
  sql: string,
  state: SessionState,
): Promise<string> {
  const { transaction } = state;
  if (transaction === null || transaction.implicit) throw outsideTransaction(TITLES[verb]);
  if (verb === 'rollbackTo') {
    const { settings, serial } = await transaction.rollbackTo(name, sql);
    state.settings.current = settings;
    await state.closePortalsSince(serial);
    if (state.topology !== null) {
      state.noteSchemaChange();
      await state.publishSchemaChange();
    }
    return 'ROLLBACK';
  }
  if (transaction.state === 'failed') throw inFailedTransaction();
  if (verb === 'savepoint') await transaction.savepoint(name, sql, state.settings.current);
  else await transaction.releaseSavepoint(name, sql);
  return verb === 'savepoint' ? 'SAVEPOINT' : 'RELEASE';
}

const TITLES = {
  savepoint: 'SAVEPOINT',
  release: 'RELEASE SAVEPOINT',
  rollbackTo: 'ROLLBACK TO SAVEPOINT',
};

/** 25P02. */
export function inFailedTransaction(): SqlError {
  return new SqlError({
    code: SQLSTATE.inFailedSqlTransaction,
    message: 'current transaction is aborted, commands ignored until end of transaction block',
  });
}

function outsideTransaction(title: string): SqlError {
  return new SqlError({
    code: SQLSTATE.noActiveSqlTransaction,
    message: `${title} can only be used in transaction blocks`,
  });
}

function warn(
  { settings }: SessionState,
  write: WriteClient,
  code: SqlState,
  message: string,
): void {
  if (settings.wantsWarnings) write(encodeNotice('WARNING', code, message));
}

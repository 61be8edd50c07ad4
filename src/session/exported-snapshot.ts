// Exported snapshot: pg_export_snapshot() and SET TRANSACTION SNAPSHOT over several shards.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE, type SqlState } from '../base/sqlstate.ts';
import type { Description } from '../execute/describe.ts';
import { type QueryResult, query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { withMessage } from '../wire/error-response.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { answerValue } from './backend.ts';
import type { SessionContext } from './context.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { areReadOnly, askAllAtOnce, keepsSnapshot } from './one-snapshot.ts';
import type { SessionState } from './state.ts';

const EXPORT = 'SELECT pg_catalog.pg_export_snapshot()';

/**
 * What a client is told as one identifier is those of all shards, in their order: any proxy over the same
 * shards can use it. No server's own has the character.
 */
const SEPARATOR = ':';

/** What a server looks for; anything else is no identifier. */
const MAY_BE_ONE = /^[0-9A-F-]+$/;
const NOBODYS = '00000000-00000000-0';
const REFUSALS = [SQLSTATE.invalidParameterValue, SQLSTATE.undefinedObject] as const;

/** Answers as pg_export_snapshot() does. Rejects with SqlError and ServerError. */
export async function exportSnapshot(
  execution: Execution,
  description: Description,
  d: RunnerDependencies,
): Promise<void> {
  const { state, context } = d;
  const answers = await state.inTransaction(() => exportOnAll(state, context));
  const id = answers.map(({ rows }) => rows[0]![0]!).join(SEPARATOR);
  await answerValue({ text: id, binary: Buffer.from(id) }, execution, description, d);
}

async function exportOnAll(
  state: SessionState,
  context: SessionContext,
): Promise<readonly QueryResult[]> {
  const transaction = state.transaction!;
  const keeps = keepsSnapshot(transaction, context);
  if (keeps && transaction.snapshot === 'perShard') throw hasNone();
  // The first shard says that a subtransaction cannot, and none has to be waited for.
  const hasOne = keeps && transaction.snapshot === 'ofAllShards';
  if (!hasOne && !transaction.isWithinSavepoint) return askAllAtOnce(EXPORT, state, context);
  const answers: QueryResult[] = [];
  for (const { shard } of context.cluster.pools) {
    answers.push(await query(await transaction.enlist(shard.id), EXPORT));
  }
  return answers;
}

/**
 * SET TRANSACTION SNAPSHOT: each of `shards` takes its own part of `id`. Outside of a transaction block
 * one of them says what is to be said. Rejects with SqlError and ServerError.
 */
export async function importSnapshot(
  id: string,
  shards: readonly number[],
  { state, context, client }: RunnerDependencies,
): Promise<void> {
  const { transaction } = state;
  if (transaction !== null && transaction.snapshot !== 'none') throw tooLate();
  const given = id.split(SEPARATOR);
  const isOurs = given.length === shards.length;
  // No server takes the separator, or has given the other, but it says first what else is wrong.
  const nobodys = MAY_BE_ONE.test(id) ? NOBODYS : SEPARATOR;
  const parts = isOurs ? given : [nobodys];
  if (transaction === null) {
    const connection = await state.borrow(shards[0]!, state.settings.current);
    try {
      await take(connection, parts[0]!);
    } finally {
      state.giveBack(connection);
    }
  } else {
    const isOrdered = shards.length > 1 && transaction.isSerializable();
    if (isOrdered) transaction.tickets.spare();
    for (const [i, shard] of shards.entries()) {
      await take(await transaction.enlist(shard), parts[i] ?? nobodys);
    }
    // Its place in the order is that of its snapshot, which others may have had behind them already.
    if (isOrdered && !(await areReadOnly([...transaction.participants.values()]))) throw mayWrite();
    // The user may have chosen one shard by hand.
    const { length } = context.cluster.pools;
    transaction.snapshot = shards.length === length ? 'ofAllShards' : 'perShard';
  }
  client.write(encodeCommandComplete('SET'));

  async function take(connection: ServerConnection, part: string): Promise<void> {
    try {
      await query(
        connection,
        `SET TRANSACTION SNAPSHOT ${quoteLiteral(part)}`,
        connection.onNotice,
      );
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      const { fields } = error;
      const message = fields.message.replaceAll(`"${part}"`, `"${id}"`);
      const code = REFUSALS.find((each) => each === fields.code);
      if (!isOurs && code !== undefined) throw ofOthers(code, message, shards.length);
      throw new ServerError(withMessage(fields, message));
    }
  }
}

function mayWrite(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'not supported: SET TRANSACTION SNAPSHOT over several shards in a SERIALIZABLE transaction that may write',
    hint: 'Begin it with READ ONLY, or with BEGIN ISOLATION LEVEL REPEATABLE READ.',
  });
}

function hasNone(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'not supported: pg_export_snapshot() in a transaction whose first statement was for one shard',
    hint: 'Call it first, or begin with BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY.',
  });
}

function tooLate(): SqlError {
  return new SqlError({
    code: SQLSTATE.activeSqlTransaction,
    message: 'SET TRANSACTION SNAPSHOT must be called before any query',
  });
}

function ofOthers(code: SqlState, message: string, shards: number): SqlError {
  return new SqlError({
    code,
    message,
    hint: `It must be what pg_export_snapshot() has given for the same ${shards} shards.`,
  });
}

// FunctionCall: the protocol's own call of a function by its oid, as libpq calls large objects.

import { protocolViolation, SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { PinReason } from '../plan/plan.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { RunnerDependencies } from './execution.ts';
import { takeSnapshot } from './one-snapshot.ts';
import { checkShard } from './session-actions.ts';
import { relayOn } from './single.ts';
import type { SessionState } from './state.ts';
import { inFailedTransaction } from './transaction-commands.ts';

/** Functions of pg_catalog that leave something on their server connection, by their oids. */
export const PINNING_FUNCTIONS: ReadonlyMap<number, PinReason> = new Map<number, PinReason>([
  [2880, 'advisory lock'],
  [2881, 'advisory lock'],
  [2882, 'advisory lock'],
  [2883, 'advisory lock'],
  [2886, 'advisory lock'],
  [2887, 'advisory lock'],
  [2888, 'advisory lock'],
  [2889, 'advisory lock'],
  [1599, 'session state'],
]);

/** set_config(text, text, boolean). */
export const SET_CONFIG_OID = 2078;

/** Type byte, length, and then the oid. */
const OID_AT = 5;

/**
 * Runs the call on the home shard, where large objects and all tables of unknown functions are.
 * `bytes` is the whole message. Throws like Runner.run.
 * Source: PROTOCOL-FLOW-FUNCTION-CALL.
 */
export async function callFunction(bytes: Buffer, d: RunnerDependencies): Promise<void> {
  const { state, context } = d;
  const { transaction } = state;
  if (bytes.length < OID_AT + 4) throw protocolViolation('insufficient data left in message');
  if (transaction?.state === 'failed') throw inFailedTransaction();
  const oid = bytes.readUInt32BE(OID_AT);
  if (oid === SET_CONFIG_OID) throw noSetConfig();
  context.counters.routes.careful += 1;
  const shard = shardOf(state, context);
  state.lastIds.forget();
  await takeSnapshot(null, false, state, context);
  const connection =
    transaction === null
      ? await state.borrow(shard, state.settings.current)
      : await transaction.enlist(shard);
  transaction?.writers.add(shard);
  const pin = PINNING_FUNCTIONS.get(oid);
  if (pin !== undefined) state.pins.add(connection, [pin], d.owner);
  try {
    await relayOn(d, connection, { bytes, steps: null, afterCopy: 'none' });
  } finally {
    if (transaction === null) state.giveBack(connection);
  }
}

function shardOf({ fixedShard, hand }: SessionState, context: SessionContext): number {
  if (fixedShard !== null) return fixedShard;
  if (hand?.by !== 'shard') return HOME_SHARD;
  checkShard(hand.shard, context);
  return hand.shard;
}

function noSetConfig(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: 'a function call message for set_config()',
    hint: 'Call it with SELECT, or use SET.',
  });
}

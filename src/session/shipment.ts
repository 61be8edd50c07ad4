// Shipment: what goes to one server, and the bytes that one of its connections is sent for it.

import type { AnswerForm, Keeping, TakenIds } from '../plan/plan.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { type EncodedBatch, encodeBatch } from './batch-encode.ts';
import type { OneShardBatch } from './batch-route.ts';
import { encodeKept } from './kept-statement.ts';
import type { SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

/** What goes to one server: the bytes of a Query or FunctionCall, or a batch yet to be encoded. */
export interface Shipment {
  readonly shard: number;
  /** Of the topology by which it goes there. */
  readonly version: number;
  readonly content: Buffer | OneShardBatch;
  readonly writes: boolean;
  /** As in RoutedPlan, of its last statement. */
  readonly takesIds: TakenIds | null;
  /** A transaction that keeps its snapshot has it from here on. */
  readonly takesSnapshot: boolean;
  /** What the statement has cost so far; null: it must have a connection to itself. */
  readonly cost: StatementCost | null;
  /** Of a Query whose statement servers can keep: the literals of its text; else null. */
  readonly literals: readonly string[] | null;
  /** How a Query's answer comes as a batch's; null: it must be a Query, and is not sent with others. */
  readonly answers: AnswerForm | null;
  readonly keeping: Keeping;
}

/** Without steps every reply is forwarded. */
export type EncodedShipment = Omit<EncodedBatch, 'steps'> & {
  readonly steps: readonly Step[] | null;
};

const NO_NAMES: readonly string[] = [];

/** `keeps`: in the form in which servers keep it, which it has. */
export function encodeShipment(
  { content, cost, literals, answers }: Shipment,
  connection: ServerConnection,
  state: SessionState,
  keeps: boolean,
): EncodedShipment {
  if (!Buffer.isBuffer(content)) return encodeBatch(content, connection, state, keeps);
  if (keeps) return encodeKept(cost!.kept!, literals!, answers!, connection, state.reading);
  return { bytes: content, steps: null, parses: NO_NAMES, keeps: false, reuses: false };
}

// Enlisting: BEGIN and the first statement for a shard in one round trip, all or nothing.

import type { Transaction } from '../execute/transaction.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeBind, encodeDescribe, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { FRONTEND } from '../wire/message-type.ts';
import { type EncodedBatch, encodeBatch, makeRoom } from './batch-encode.ts';
import type { OneShardBatch } from './batch-route.ts';
import type { StatementNames } from './prepared.ts';
import type { Shipment } from './relay-lane.ts';
import type { SessionState } from './state.ts';

const SWALLOW: Step = { do: 'swallow', done: null };
const FORWARD: Step = { do: 'forward', done: null };

const UNNAMED = { portal: '', statement: '', parameterFormats: [], parameters: [] };
const EXECUTE = encodeExecute({ portal: '', maxRows: 0 });

/**
 * What follows the Parse of a Query's text: the answer is the Query's, but for NoData. To the server
 * its text is still the client's, for current_query() and the log.
 */
const QUERY_REST = Buffer.concat([
  encodeBind({ ...UNNAMED, resultFormats: [] }),
  encodeDescribe({ target: 'portal', name: '' }),
  EXECUTE,
  SYNC,
]);
const READ_STEPS: readonly Step[] = [SWALLOW, SWALLOW, { do: 'rows', done: null }, FORWARD];
const WRITE_STEPS: readonly Step[] = [SWALLOW, SWALLOW, { do: 'returning', done: null }, FORWARD];

/**
 * The shipment with the transaction's BEGIN before it, and no Sync between them: where BEGIN fails, the
 * server skips the rest. Only where BEGIN is all that the shard has missed.
 */
export function encodeFirst(
  { content, withBegin }: Shipment,
  { begin }: Transaction,
  connection: ServerConnection,
  state: SessionState,
  names: StatementNames,
): Pick<EncodedBatch, 'bytes' | 'steps' | 'parses'> {
  const name = names.nameOf(begin, [], 0);
  const { statements } = connection;
  const run = [encodeBind({ ...UNNAMED, statement: name, resultFormats: [] }), EXECUTE];
  const isKnown = statements.delete(name);
  // Last in the set is last in the order of use.
  if (isKnown) statements.add(name);
  const closes = isKnown ? [] : makeRoom(connection, 1);
  const parses = isKnown ? [] : [encodeParse({ name, sql: begin, parameterTypes: [] })];
  const parsed: Step = { do: 'swallow', done: () => statements.add(name) };
  const rest = Buffer.isBuffer(content)
    ? queryParts(content, withBegin === 'returning' ? WRITE_STEPS : READ_STEPS)
    : batchParts(content, connection, state);
  return {
    bytes: Buffer.concat([...closes, ...parses, ...run, ...rest.chunks]),
    steps: [
      ...closes.map(() => SWALLOW),
      ...parses.map(() => parsed),
      SWALLOW,
      SWALLOW,
      ...rest.steps,
    ],
    parses: isKnown ? rest.parses : [name, ...rest.parses],
  };
}

interface Parts {
  readonly chunks: readonly Buffer[];
  readonly steps: readonly Step[];
  readonly parses: readonly string[];
}

const queryParts = (query: Buffer, steps: readonly Step[]): Parts => ({
  chunks: [parseOf(query), QUERY_REST],
  steps,
  parses: [],
});

function batchParts(
  batch: OneShardBatch,
  connection: ServerConnection,
  state: SessionState,
): Parts {
  const { bytes, steps, parses } = encodeBatch(batch, connection, state, false);
  return { chunks: [bytes], steps, parses };
}

/** Parse without a name or types, of the text of a Query message. */
function parseOf(query: Buffer): Buffer {
  const message = Buffer.alloc(query.length + 3);
  message[0] = FRONTEND.parse;
  message.writeInt32BE(query.length + 2, 1);
  query.copy(message, 6, 5);
  return message;
}

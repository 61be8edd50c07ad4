// Enlisting: BEGIN and the first statement for a shard in one round trip, all or nothing.

import type { Transaction } from '../execute/transaction.ts';
import type { AnswerForm } from '../plan/plan.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { hasStatement, makeRoom } from '../pool/server-statements.ts';
import { encodeBind, encodeDescribe, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { FRONTEND } from '../wire/message-type.ts';
import { type EncodedBatch, encodeBatch } from './batch-encode.ts';
import { encodeKept } from './kept-statement.ts';
import type { StatementNames } from './prepared.ts';
import type { Shipment } from './shipment.ts';
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
const STEPS: Readonly<Record<AnswerForm, readonly Step[]>> = {
  rows: [SWALLOW, SWALLOW, { do: 'rows', done: null }, FORWARD],
  returning: [SWALLOW, SWALLOW, { do: 'returning', done: null }, FORWARD],
};

/**
 * The shipment with the transaction's BEGIN before it, and no Sync between them: where BEGIN fails, the
 * server skips the rest. Only where BEGIN is all that the shard has missed. `keeps`: in its kept form.
 */
export function encodeFirst(
  { content, answers, cost, literals }: Shipment,
  keeps: boolean,
  { begin }: Transaction,
  connection: ServerConnection,
  state: SessionState,
  names: StatementNames,
): EncodedBatch {
  const name = names.nameOf({ sql: begin, parameterTypes: [], version: 0, searchPath: null });
  const run = [encodeBind({ ...UNNAMED, statement: name, resultFormats: [] }), EXECUTE];
  const isKnown = hasStatement(connection, name);
  const closes = isKnown ? [] : makeRoom(connection, 1);
  const parses = isKnown ? [] : [encodeParse({ name, sql: begin, parameterTypes: [] })];
  const parsed: Step = { do: 'swallow', done: () => connection.statements.add(name) };
  let rest: EncodedBatch;
  if (!Buffer.isBuffer(content)) rest = encodeBatch(content, connection, state, keeps);
  else if (keeps) rest = encodeKept(cost!.kept!, literals!, answers!, connection, state.reading);
  else rest = encodeQuery(content, answers!);
  return {
    ...rest,
    bytes: Buffer.concat([...closes, ...parses, ...run, rest.bytes]),
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

const encodeQuery = (query: Buffer, answers: AnswerForm): EncodedBatch => ({
  bytes: Buffer.concat([parseOf(query), QUERY_REST]),
  steps: STEPS[answers],
  parses: [],
  keeps: false,
  reuses: false,
});

/** Parse without a name or types, of the text of a Query message. */
function parseOf(query: Buffer): Buffer {
  const message = Buffer.alloc(query.length + 3);
  message[0] = FRONTEND.parse;
  message.writeInt32BE(query.length + 2, 1);
  query.copy(message, 6, 5);
  return message;
}

// TransactionLane: the short way of BEGIN, COMMIT and ROLLBACK, with at most one server to ask.

import { unknownOutcome } from '../execute/two-phase.ts';
import type { TransactionVerb } from '../plan/action.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeCommandComplete, encodeQuery } from '../wire/query.ts';
import { READY_IDLE, READY_IN_TRANSACTION, STATUS } from '../wire/status.ts';
import type { ClientStream } from './client-stream.ts';
import type { SessionContext } from './context.ts';
import { NOT_REJECTED, type Relay, type RelayEnd, type RelayOutcome } from './relay.ts';
import type { RelayLaneOwner } from './relay-lane.ts';
import type { SessionState } from './state.ts';
import { beginTag } from './transaction-commands.ts';

/** Each command that it takes ends in laneEnded. */
export class TransactionLane implements RelayEnd {
  #context: SessionContext;
  #state: SessionState;
  #client: ClientStream;
  #relay: Relay;
  #owner: RelayLaneOwner;
  /** Of a ROLLBACK under way, what answers it where its server is lost; null: it is a COMMIT. */
  #rolledBack: Buffer | null = null;

  constructor(
    context: SessionContext,
    state: SessionState,
    client: ClientStream,
    relay: Relay,
    owner: RelayLaneOwner,
  ) {
    this.#context = context;
    this.#state = state;
    this.#client = client;
    this.#relay = relay;
    this.#owner = owner;
  }

  /** False: it needs the careful way. The session has no pins, and its transaction has not failed. */
  takes({ verb, ...command }: TransactionVerb): boolean {
    const { transaction, schemaChanged, kindChanged, portals } = this.#state;
    if (verb === 'begin') return transaction === null;
    if (verb !== 'commit' && verb !== 'rollback') return false;
    if (transaction === null || transaction.implicit) return false;
    if (schemaChanged || kindChanged) return false;
    if ('chain' in command && command.chain) return false;
    for (const { running } of portals.values()) if (running !== null) return false;
    const [connection] = transaction.participants.values();
    return transaction.isOnOneServer && connection?.closed !== true;
  }

  /** A BEGIN that it takes, behind which more follows before ReadyForQuery. */
  begin(sql: string, replies: Buffer): void {
    this.#context.counters.routes.command += 1;
    this.#state.begin(sql, false);
    this.#client.write(Buffer.concat([replies, encodeCommandComplete(beginTag(sql))]));
  }

  /** `sql`: the text of a command that it takes. `replies`: what is answered before it. */
  run({ verb }: TransactionVerb, sql: string, replies: Buffer): void {
    const { counters } = this.#context;
    const { transaction } = this.#state;
    counters.routes.command += 1;
    if (verb === 'begin') {
      this.#state.begin(sql, false);
      this.#answer(replies, BEGUN[beginTag(sql)]);
      return;
    }
    counters.transactions += 1;
    this.#state.portals.clear();
    const [connection] = transaction!.participants.values();
    const end = verb === 'commit' ? COMMIT : ROLLBACK;
    if (connection === undefined) {
      this.#state.transaction = null;
      this.#answer(replies, end.answer);
    } else {
      this.#rolledBack = verb === 'commit' ? null : Buffer.concat([replies, ROLLBACK.answer]);
      const steps = replies.length === 0 ? null : [answering(replies), FORWARD];
      this.#relay.start(connection, end.query, this, 'forward', steps, 'none');
    }
  }

  #answer(replies: Buffer, bytes: Buffer): void {
    this.#client.pass(replies.length === 0 ? bytes : Buffer.concat([replies, bytes]));
    this.#owner.laneEnded(ANSWERED);
  }

  relayEnded(connection: ServerConnection, outcome: RelayOutcome): void {
    const transaction = this.#state.transaction!;
    this.#state.transaction = null;
    // What it has left open must not reach the next borrower.
    if (outcome.status !== STATUS.idle) connection.tainted = true;
    transaction.leave(connection);
    const { lost } = outcome;
    if (lost === null) this.#owner.laneEnded(outcome);
    else if (this.#rolledBack === null || this.#relay.answerBytes > 0) {
      this.#owner.laneEnded({ ...outcome, lost: unknownOutcome(lost) });
    } else {
      // A server that is lost rolls back, too.
      this.#answer(NO_REPLIES, this.#rolledBack);
    }
  }

  relayCopiesIn(): never {
    throw new Error('COMMIT and ROLLBACK copy nothing in');
  }
}

const NO_REPLIES = Buffer.alloc(0);
const FORWARD: Step = { do: 'forward', done: null };
const answering = (bytes: Buffer): Step => ({ do: 'answer', bytes, done: null });

const ANSWERED: RelayOutcome = {
  status: 0,
  failed: false,
  ...NOT_REJECTED,
  lost: null,
};

const begun = (tag: string) => Buffer.concat([encodeCommandComplete(tag), READY_IN_TRANSACTION]);
const BEGUN = { BEGIN: begun('BEGIN'), 'START TRANSACTION': begun('START TRANSACTION') };

const endBy = (tag: 'COMMIT' | 'ROLLBACK') => ({
  query: encodeQuery(tag),
  answer: Buffer.concat([encodeCommandComplete(tag), READY_IDLE]),
});
const COMMIT = endBy('COMMIT');
const ROLLBACK = endBy('ROLLBACK');

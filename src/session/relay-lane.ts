// RelayLane: the short way of a statement that one server answers, with nothing awaited on it.

import type { SqlError } from '../base/errors.ts';
import { applySettings } from '../execute/cluster.ts';
import { cancelStatement } from '../pool/cancel.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Borrower } from '../pool/shard-pool.ts';
import { encodeCopyFail } from '../wire/copy.ts';
import { encodeBatch } from './batch-encode.ts';
import type { OneShardBatch } from './batch-route.ts';
import type { SessionContext } from './context.ts';
import type { Relay, RelayEnd, RelayOutcome } from './relay.ts';
import type { SessionState } from './state.ts';

/** What goes to one server: the bytes of a Query or FunctionCall, or a batch yet to be encoded. */
export interface Shipment {
  readonly shard: number;
  readonly content: Buffer | OneShardBatch;
  readonly writes: boolean;
}

export interface RelayLaneOwner {
  /** Everything has been passed on, but ReadyForQuery where the connection was lost. */
  laneEnded(outcome: RelayOutcome): void;
  /** Nothing was sent. */
  laneFailed(error: unknown): void;
  /** The server waits for the client's CopyData. */
  laneCopiesIn(): void;
}

const COPY_FAIL = encodeCopyFail('the client has gone');
const IDLE = 'I'.charCodeAt(0);
const FAILED = 'E'.charCodeAt(0);

/** Carries one shipment at a time; each ends in exactly one of laneEnded and laneFailed. */
export class RelayLane implements RelayEnd, Borrower {
  #context: SessionContext;
  #state: SessionState;
  #relay: Relay;
  #owner: RelayLaneOwner;
  #shipment: Shipment | null = null;
  #waits = false;

  constructor(
    context: SessionContext,
    state: SessionState,
    relay: Relay,
    owner: RelayLaneOwner,
  ) {
    this.#context = context;
    this.#state = state;
    this.#relay = relay;
    this.#owner = owner;
  }

  send(shipment: Shipment): void {
    const { shard } = shipment;
    const { transaction } = this.#state;
    this.#shipment = shipment;
    if (transaction === null) {
      this.#waits = true;
      this.#context.cluster.pools[shard]!.acquire(this, this.#state.settings.current);
      return;
    }
    const connection = transaction.participants.get(shard);
    if (connection !== undefined) this.#sendOn(connection);
    else this.#prepared(transaction.enlist(shard));
  }

  /** Stops waiting for a server connection: laneFailed follows with `error`. False: it waits for none. */
  withdraw(error: SqlError): boolean {
    if (!this.#waits) return false;
    const pool = this.#context.cluster.pools[this.#shipment!.shard]!;
    if (!pool.withdraw(this)) return false;
    this.refused(error);
    return true;
  }

  /** The client has gone: gets the server to an end soon. */
  abandon(connection: ServerConnection): void {
    if (this.#relay.copyingIn && this.#relay.connection === connection) {
      connection.sendMore(COPY_FAIL);
    } else {
      void cancelStatement(connection);
    }
  }

  granted(connection: ServerConnection): void {
    this.#waits = false;
    const settings = this.#state.settings.current;
    if (connection.settings.signature === settings.signature) {
      this.#sendOn(connection);
      return;
    }
    this.#state.borrowed.add(connection);
    const applied = applySettings(connection, settings).then(
      () => {
        this.#state.borrowed.delete(connection);
        return connection;
      },
      (error: unknown) => {
        this.#state.giveBack(connection);
        throw error;
      },
    );
    this.#prepared(applied);
  }

  refused(error: SqlError): void {
    this.#waits = false;
    this.#shipment = null;
    this.#owner.laneFailed(error);
  }

  #prepared(connection: Promise<ServerConnection>): void {
    connection.then(
      (ready) => this.#sendOn(ready),
      (error: unknown) => {
        this.#shipment = null;
        this.#owner.laneFailed(error);
      },
    );
  }

  #sendOn(connection: ServerConnection): void {
    const { content, shard, writes } = this.#shipment!;
    const { transaction } = this.#state;
    if (this.#state.ended !== null) {
      // The client went away, or cancelled, while the connection was made ready.
      this.#shipment = null;
      if (transaction === null) this.#state.giveBack(connection);
      this.#owner.laneFailed(this.#state.ended);
      return;
    }
    if (writes) transaction?.writers.add(shard);
    let bytes: Buffer;
    let steps: readonly Step[] | null = null;
    if (Buffer.isBuffer(content)) bytes = content;
    else ({ bytes, steps } = encodeBatch(content, connection, this.#state));
    this.#relay.start(connection, bytes, this, true, steps);
  }

  relayEnded(connection: ServerConnection, outcome: RelayOutcome): void {
    this.#shipment = null;
    const { transaction } = this.#state;
    if (transaction === null) {
      // A transaction left open where none was begun must not reach the next borrower.
      if (outcome.status !== IDLE) connection.tainted = true;
      this.#state.giveBack(connection);
    } else if (outcome.lost !== null) {
      transaction.participantLost(connection.shard.id, outcome.lost);
    } else if (outcome.status === FAILED) {
      transaction.state = 'failed';
    }
    this.#owner.laneEnded(outcome);
  }

  relayCopiesIn(): void {
    this.#owner.laneCopiesIn();
  }
}

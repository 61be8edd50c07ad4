// RelayLane: the short way of a statement that one server answers, with nothing awaited on it.

import type { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { applySettings } from '../execute/cluster.ts';
import type { Transaction } from '../execute/transaction.ts';
import { cancelStatement } from '../pool/cancel.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';
import type { Borrower } from '../pool/shard-pool.ts';
import { STATUS } from '../wire/status.ts';
import { awaitsParse, type EncodedBatch, encodeBatch } from './batch-encode.ts';
import type { OneShardBatch } from './batch-route.ts';
import type { ClientStream } from './client-stream.ts';
import { isOutdated, type SessionContext } from './context.ts';
import { encodeFirst } from './enlisting.ts';
import { GroupedShipment, type GroupedShipmentOwner } from './grouped-shipment.ts';
import { encodeKept } from './kept-statement.ts';
import type { Relay, RelayOutcome, SharedRelayEnd } from './relay.ts';
import type { SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

/**
 * How the answer of a Query comes that is sent with its transaction's BEGIN, see Step; null: it must not
 * be, because it copies, or it cannot be told. A batch has its own steps.
 */
export type WithBegin = 'rows' | 'returning' | null;

/** What goes to one server: the bytes of a Query or FunctionCall, or a batch yet to be encoded. */
export interface Shipment {
  readonly shard: number;
  /** Of the topology by which it goes there. */
  readonly version: number;
  readonly content: Buffer | OneShardBatch;
  readonly writes: boolean;
  /** What the statement has cost so far; null: it must have a connection to itself. */
  readonly cost: StatementCost | null;
  /** Of a Query whose statement servers can keep: the literals of its text; else null. */
  readonly literals: readonly string[] | null;
  readonly withBegin: WithBegin;
}

export interface RelayLaneOwner {
  /** Everything has been passed on, but ReadyForQuery where the connection was lost. */
  laneEnded(outcome: RelayOutcome): void;
  /** Nothing was sent. */
  laneFailed(error: unknown): void;
  /** Nothing was done, and it may have to be planned anew. */
  laneUndone(content: Buffer | OneShardBatch): void;
  /** The server waits for the client's CopyData. */
  laneCopiesIn(): void;
}

/** Without steps every reply is forwarded. */
type Encoded = Omit<EncodedBatch, 'steps'> & { readonly steps: readonly Step[] | null };

const NO_NAMES: readonly string[] = [];
/** cached plan must not change result type (plancache.c), and other things. */
const STALE_PLAN = SQLSTATE.featureNotSupported;
const COMMITTED = { status: STATUS.idle, failed: false, rejected: false, rejectedBy: '' };

/** Carries one shipment at a time; each ends in exactly one of laneEnded, laneFailed and laneUndone. */
export class RelayLane implements SharedRelayEnd, Borrower, GroupedShipmentOwner {
  #context: SessionContext;
  #state: SessionState;
  #relay: Relay;
  #owner: RelayLaneOwner;
  #shipment: Shipment | null = null;
  #waits = false;
  /** Has the shipment while that is in a group. */
  #grouped: GroupedShipment;
  /** The shipment was sent as a statement that the server keeps. */
  #isKept = false;
  /** It was rejected once: now every answer is the client's. */
  #isSecond = false;

  constructor(
    context: SessionContext,
    state: SessionState,
    client: ClientStream,
    relay: Relay,
    owner: RelayLaneOwner,
  ) {
    this.#context = context;
    this.#state = state;
    this.#relay = relay;
    this.#owner = owner;
    this.#grouped = new GroupedShipment(context, state, client, this);
  }

  /** The shipment waits for a connection of its pool. */
  get isWaiting(): boolean {
    return this.#waits || this.#grouped.isWaiting;
  }

  send(shipment: Shipment): void {
    const { shard } = shipment;
    const { transaction } = this.#state;
    const { routes } = this.#context.counters;
    this.#shipment = shipment;
    this.#isSecond = false;
    if (transaction === null) {
      if (this.#joinOthers(shipment)) return;
      routes.leased += 1;
      this.#acquire(shard);
      return;
    }
    routes.transaction += 1;
    const connection = transaction.participants.get(shard);
    if (connection !== undefined) this.#sendOn(connection);
    else if (transaction.isBare && shipment.withBegin !== null) this.#acquire(shard);
    else this.#prepared(transaction.enlist(shard));
  }

  #acquire(shard: number): void {
    this.#waits = true;
    const joins = (this.#state.transaction?.participants.size ?? 0) > 0;
    this.#context.cluster.pools[shard]!.acquire(this, this.#settings, joins);
  }

  /** Of the connection that the shipment needs. */
  get #settings(): Settings {
    const { transaction, settings } = this.#state;
    return transaction === null ? settings.current : transaction.settingsBefore;
  }

  /** Gets the shipment to where others are, too; false when it needs its own connection. */
  #joinOthers(shipment: Shipment): boolean {
    const { cost } = shipment;
    if (cost === null || !cost.isSmall) return false;
    const { routes } = this.#context.counters;
    if (cost.isGrouped) {
      if (!this.#grouped.join(shipment)) return false;
      routes.grouped += 1;
      return true;
    }
    if (!this.#share(shipment, cost)) return false;
    routes.pipelined += 1;
    return true;
  }

  /** Puts the shipment into a pipeline of several sessions. */
  #share({ shard, content, literals }: Shipment, cost: StatementCost): boolean {
    const connection = this.#context.cluster.pools[shard]!.share(this.#state.settings.current);
    if (connection === null) return false;
    const encoded = this.#encodeShared(content, connection, cost, literals);
    if (encoded === null) return false;
    const { bytes, steps, parses, keeps, reuses } = encoded;
    this.#isKept = keeps;
    this.#relay.startShared(connection, bytes, this, steps, parses, keeps || reuses);
    return true;
  }

  /** null: the connection is about to learn the statement for somebody else. */
  #encodeShared(
    content: Buffer | OneShardBatch,
    connection: ServerConnection,
    { kept, isKeepable }: StatementCost,
    literals: readonly string[] | null,
  ): Encoded | null {
    if (!Buffer.isBuffer(content)) {
      if (awaitsParse(content, connection, this.#state)) return null;
      return encodeBatch(content, connection, this.#state, isKeepable && content.isRepeatable);
    }
    if (kept !== null && literals !== null) return encodeKept(kept, literals, connection);
    return { bytes: content, steps: null, parses: NO_NAMES, keeps: false, reuses: false };
  }

  /**
   * Stops the shipment where that can be done without touching anybody else's: laneFailed follows
   * with `error`, or the answer comes to an end soon. False: it has a connection of its own.
   */
  stop(error: SqlError): boolean {
    if (this.#grouped.stop(error)) return true;
    if (this.#waits) {
      const pool = this.#context.cluster.pools[this.#shipment!.shard]!;
      if (!pool.withdraw(this)) return false;
      this.refused(error);
      return true;
    }
    const request = this.#relay.sharedRequest;
    if (request === null) return false;
    const connection = this.#relay.connection!;
    if (connection.isHead(request)) {
      // A cancel may come late and hit the next in the pipeline: nobody may be there.
      this.#context.cluster.pools[connection.shard.id]!.unshare(connection);
      void cancelStatement(connection);
      return true;
    }
    this.#relay.forsake();
    this.#shipment = null;
    this.#owner.laneFailed(error);
    return true;
  }

  groupEnded(lost: SqlError | null): void {
    this.#shipment = null;
    this.#owner.laneEnded({ ...COMMITTED, lost });
  }

  groupFailed(error: SqlError): void {
    this.#shipment = null;
    this.#owner.laneFailed(error);
  }

  groupUndone(): void {
    this.#undone();
  }

  #undone(): void {
    const { content } = this.#shipment!;
    this.#shipment = null;
    this.#owner.laneUndone(content);
  }

  /** The client has gone: gets the server to an end soon. */
  abandon(connection: ServerConnection): void {
    if (this.#relay.copyingIn && this.#relay.connection === connection) {
      this.#relay.failCopy();
    } else {
      void cancelStatement(connection);
    }
  }

  granted(connection: ServerConnection): void {
    this.#waits = false;
    const settings = this.#settings;
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
    const { content, shard, version, writes } = this.#shipment!;
    const { transaction, ended } = this.#state;
    const joined = transaction?.participants.get(shard) === connection;
    if (ended !== null) {
      // The client went away, or cancelled, while the connection was made ready.
      this.#shipment = null;
      if (!joined) this.#state.giveBack(connection);
      this.#owner.laneFailed(ended);
      return;
    }
    if (!joined && isOutdated(this.#context, version)) {
      this.#state.giveBack(connection);
      this.#undone();
      return;
    }
    this.#isKept = false;
    if (writes) transaction?.writers.add(shard);
    if (transaction !== null && !joined) this.#sendFirst(connection, transaction, this.#shipment!);
    else if (Buffer.isBuffer(content)) {
      this.#relay.start(connection, content, this, 'forward', null, 'none');
    } else this.#sendBatch(connection, content);
  }

  #sendBatch(connection: ServerConnection, batch: OneShardBatch): void {
    const encoded = encodeBatch(batch, connection, this.#state, false);
    const { bytes, steps, parses, reuses } = encoded;
    const onTrial = reuses && this.#state.transaction === null && !this.#isSecond;
    this.#relay.start(connection, bytes, this, 'forward', steps, 'clientSync', parses, onTrial);
  }

  #sendFirst(connection: ServerConnection, transaction: Transaction, shipment: Shipment): void {
    const { statementNames } = this.#context;
    const encoded = encodeFirst(shipment, transaction, connection, this.#state, statementNames);
    transaction.join(connection);
    const { bytes, steps, parses } = encoded;
    this.#relay.start(connection, bytes, this, 'inBlock', steps, 'none', parses);
  }

  relayDisplaced(): void {
    this.#acquire(this.#shipment!.shard);
  }

  relayOverflows(connection: ServerConnection): void {
    this.#context.cluster.pools[connection.shard.id]!.unshare(connection);
  }

  relayEnded(connection: ServerConnection, outcome: RelayOutcome, shared: boolean): void {
    const { cost, shard, content } = this.#shipment!;
    if (outcome.rejected && !this.#isKept) {
      if (!shared) this.#state.giveBack(connection);
      if (outcome.rejectedBy === STALE_PLAN) this.#renewNames(content as OneShardBatch);
      this.#isSecond = true;
      this.#acquire(shard);
      return;
    }
    if (outcome.rejected) {
      // Notices come with each Parse, and a statement that is kept is parsed once.
      if (outcome.failed) cost!.refuse();
      else cost!.neverKeep();
      this.#acquire(shard);
      return;
    }
    cost?.observe(connection.lastServiceMs, this.#relay.answerBytes, shared && this.#isKept);
    this.#shipment = null;
    const { transaction } = this.#state;
    if (shared) {
      if (outcome.status !== STATUS.idle) connection.tainted = true;
    } else if (transaction === null) {
      // A transaction left open where none was begun must not reach the next borrower.
      if (outcome.status !== STATUS.idle) connection.tainted = true;
      this.#state.giveBack(connection);
    } else if (outcome.lost !== null) {
      transaction.participantLost(connection, outcome.lost);
    } else if (outcome.status !== STATUS.inBlock) {
      transaction.state = 'failed';
      if (outcome.status === STATUS.idle) {
        // BEGIN has failed, and what was sent behind it was skipped.
        connection.tainted = true;
        transaction.leave(connection);
      }
    }
    this.#owner.laneEnded(outcome);
  }

  /**
   * A table has changed past the proxy since a server learned a statement, so that its plan must not
   * be used. The client has prepared it only now: to its mind there is no older form.
   */
  #renewNames({ messages, statements }: OneShardBatch): void {
    const { statementNames, topology } = this.#context;
    for (const message of messages) {
      if (message.kind !== 'bind' && message.kind !== 'describe') continue;
      const isPortal = message.kind === 'describe' && message.describe.target === 'portal';
      const name = message.kind === 'bind' ? message.bind.statement : message.describe.name;
      const statement = statements.get(name) ?? this.#state.statements.get(name);
      if (isPortal || !statement?.isNew) continue;
      const { sql, parameterTypes } = statement;
      statement.serverName = statementNames.renew(sql, parameterTypes, topology().version);
    }
  }

  relayCopiesIn(): void {
    this.#owner.laneCopiesIn();
  }
}

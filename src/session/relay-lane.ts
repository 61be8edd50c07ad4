// RelayLane: the short way of a statement that one server answers, with nothing awaited on it.

import type { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { applySettings } from '../execute/cluster.ts';
import type { Transaction } from '../execute/transaction.ts';
import { cancelStatement } from '../pool/cancel.ts';
import type { ReadyUse, Trial } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';
import type { Borrower } from '../pool/shard-pool.ts';
import { STATUS } from '../wire/status.ts';
import { statementNameIn } from './batch.ts';
import { awaitsParse } from './batch-encode.ts';
import type { OneShardBatch } from './batch-route.ts';
import type { ClientStream } from './client-stream.ts';
import { isOutdated, type SessionContext } from './context.ts';
import { encodeFirst } from './enlisting.ts';
import { GroupedShipment, type GroupedShipmentOwner } from './grouped-shipment.ts';
import { NOT_REJECTED, type Relay, type RelayOutcome, type SharedRelayEnd } from './relay.ts';
import { type EncodedShipment, encodeShipment, type Shipment } from './shipment.ts';
import type { SessionState } from './state.ts';

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

/** A shard with its first statement, behind BEGIN alone. */
const mayJoin = ({ isBare, tickets }: Transaction): boolean => isBare && tickets.isFree;

const NO_LITERALS: readonly string[] = [];
/** cached plan must not change result type (plancache.c), and other things. */
const STALE_PLAN = SQLSTATE.featureNotSupported;
const COMMITTED = { status: STATUS.idle, failed: false, ...NOT_REJECTED };

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

  /** The shard of which the shipment waits for a connection; null: of none. */
  get waitsFor(): number | null {
    return this.#waits || this.#grouped.isWaiting ? (this.#shipment?.shard ?? null) : null;
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
    this.#state.lastIds.beginning(shipment.takesIds);
    if (shipment.takesSnapshot && transaction.snapshot === 'none') {
      transaction.snapshot = 'perShard';
    }
    const connection = transaction.participants.get(shard);
    if (connection !== undefined) this.#sendOn(connection);
    else if (shipment.answers !== null && mayJoin(transaction)) this.#acquire(shard);
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
    if (!this.#share(shipment)) return false;
    routes.pipelined += 1;
    return true;
  }

  /** Puts the shipment into a pipeline of several sessions. */
  #share(shipment: Shipment): boolean {
    const connection = this.#context.cluster.pools[shipment.shard]!.share(
      this.#state.settings.current,
    );
    if (connection === null) return false;
    const encoded = this.#encodeShared(shipment, connection);
    if (encoded === null) return false;
    const { bytes, steps, parses, keeps, reuses } = encoded;
    this.#isKept = keeps;
    const trial = keeps || reuses ? 'again' : 'none';
    this.#relay.startShared(connection, bytes, this, steps, parses, trial);
    return true;
  }

  /** null: the connection is about to learn the statement for somebody else. */
  #encodeShared(shipment: Shipment, connection: ServerConnection): EncodedShipment | null {
    const { content } = shipment;
    const isBatch = !Buffer.isBuffer(content);
    if (isBatch && awaitsParse(content, connection, this.#state)) return null;
    return encodeShipment(shipment, connection, this.#state, this.#mayKeep(shipment));
  }

  /** Whether the server can be sent the shipment's statement as one that it keeps. */
  #mayKeep({ content, cost, literals, answers }: Shipment): boolean {
    if (this.#isSecond || answers === null || cost?.isKeepable !== true) return false;
    if (this.#state.schemaChanged) return false;
    return Buffer.isBuffer(content)
      ? literals !== null && cost.kept !== null
      : content.isRepeatable;
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
    const { shard, version, writes } = this.#shipment!;
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
    if (writes) transaction?.writers.add(shard);
    if (transaction === null) this.#sendAlone(connection, this.#shipment!);
    else if (joined) this.#sendWithin(connection, this.#shipment!);
    else this.#sendFirst(connection, transaction, this.#shipment!);
  }

  /** On a connection of its own, by itself. */
  #sendAlone(connection: ServerConnection, shipment: Shipment): void {
    const encoded = encodeShipment(shipment, connection, this.#state, this.#mayKeep(shipment));
    this.#start(connection, encoded, 'forward', this.#trialOf(encoded));
  }

  /** As the first statement of its transaction on that server. */
  #sendFirst(connection: ServerConnection, transaction: Transaction, shipment: Shipment): void {
    const { statementNames } = this.#context;
    const keeps = this.#mayKeep(shipment);
    const state = this.#state;
    const encoded = encodeFirst(shipment, keeps, transaction, connection, state, statementNames);
    transaction.join(connection);
    this.#start(connection, encoded, 'inBlock', this.#trialOf(encoded));
  }

  /** As a later one: an error ends the transaction, so nothing can be tried. */
  #sendWithin(connection: ServerConnection, shipment: Shipment): void {
    const keeps = shipment.keeping === 'anywhere' && this.#mayKeep(shipment);
    const encoded = encodeShipment(shipment, connection, this.#state, keeps);
    const { cost, literals } = shipment;
    // The text of a batch is the client's own.
    const kept = literals === null ? null : cost!.kept;
    if (encoded.keeps) this.#relay.sentKept = { kept, literals: literals ?? NO_LITERALS };
    this.#start(connection, encoded, 'forward', encoded.keeps ? 'noted' : 'none');
  }

  #trialOf({ keeps, reuses }: EncodedShipment): Trial {
    return (keeps || reuses) && !this.#isSecond ? 'once' : 'none';
  }

  #start(
    connection: ServerConnection,
    encoded: EncodedShipment,
    ready: ReadyUse,
    trial: Trial,
  ): void {
    const { bytes, steps, parses, keeps } = encoded;
    this.#isKept = keeps;
    const afterCopy = Buffer.isBuffer(this.#shipment!.content) ? 'none' : 'clientSync';
    this.#relay.start(connection, bytes, this, ready, steps, afterCopy, parses, trial);
  }

  relayDisplaced(): void {
    this.#acquire(this.#shipment!.shard);
  }

  relayOverflows(connection: ServerConnection): void {
    this.#context.cluster.pools[connection.shard.id]!.unshare(connection);
  }

  relayEnded(connection: ServerConnection, outcome: RelayOutcome, shared: boolean): void {
    const { cost, shard, takesIds } = this.#shipment!;
    // Notices come with each Parse, and a statement that is kept is parsed once.
    if (this.#isKept && outcome.noticed) cost!.neverKeep();
    if (outcome.rejected) {
      this.#rejected(connection, outcome, shared);
      return;
    }
    cost?.observe(connection.lastServiceMs, this.#relay.answerBytes, this.#isKept);
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
      transaction.abort(connection);
    } else if (takesIds?.when === 'there') this.#state.lastIds.taken(shard, takesIds);
    this.#owner.laneEnded(outcome);
  }

  /** Nothing was done: it is sent once more, as its client wrote it. */
  #rejected(connection: ServerConnection, outcome: RelayOutcome, shared: boolean): void {
    const { cost, shard, content } = this.#shipment!;
    const { transaction } = this.#state;
    if (transaction !== null) {
      // It was the first there, and the server's transaction has failed.
      connection.tainted = true;
      transaction.leave(connection);
    } else if (!shared) this.#state.giveBack(connection);
    if (!this.#isKept) {
      if (outcome.rejectedBy === STALE_PLAN) this.#renewNames(content as OneShardBatch);
    } else if (outcome.failed) cost!.refuse();
    this.#isSecond = true;
    this.#acquire(shard);
  }

  /**
   * A table has changed past the proxy since a server learned a statement, so that its plan must not
   * be used. The client has prepared it only now: to its mind there is no older form.
   */
  #renewNames({ messages, statements }: OneShardBatch): void {
    const { statementNames, topology } = this.#context;
    for (const message of messages) {
      const name = statementNameIn(message);
      if (name === null) continue;
      const statement = statements.get(name) ?? this.#state.statements.get(name);
      if (!statement?.isNew) continue;
      const { version } = topology();
      statement.server = statementNames.renew({ ...statement, version });
    }
  }

  relayCopiesIn(): void {
    this.#owner.laneCopiesIn();
  }
}

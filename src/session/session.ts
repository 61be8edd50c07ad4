// Session: one authenticated client, from its first statement to its last.

import type { Socket } from 'node:net';
import { asSqlError, protocolViolation, SqlError } from '../base/errors.ts';
import { CLIENT_BUFFER_BYTES_MAX, CLIENT_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { applySettings } from '../execute/cluster.ts';
import { NO_PARAMETERS } from '../execute/parameters.ts';
import type { Plan } from '../plan/plan.ts';
import type { Planned } from '../plan/planner.ts';
import { targetsOf } from '../plan/route.ts';
import { cancelStatement } from '../pool/cancel.ts';
import { ServerError } from '../pool/query.ts';
import type { Step } from '../pool/request.ts';
import type { ConnectionOwner, ServerConnection } from '../pool/server-connection.ts';
import type { Borrower } from '../pool/shard-pool.ts';
import { encodeErrorResponse } from '../wire/error-response.ts';
import { encodeCopyFail } from '../wire/copy.ts';
import type { FrameReader } from '../wire/frame.ts';
import { FRONTEND } from '../wire/message-type.ts';
import { READY_FAILED, READY_IDLE, READY_IN_TRANSACTION } from '../wire/status.ts';
import { Batch } from './batch.ts';
import { encodeBatch } from './batch-encode.ts';
import { anyShard, isRelayable, type OneShardBatch, routeBatch } from './batch-route.ts';
import { BatchRunner } from './batch-runner.ts';
import type { ClientStream } from './client-stream.ts';
import type { SessionContext } from './context.ts';
import { handPlan } from './hand.ts';
import { StatementValues } from './prepared.ts';
import { Relay, type RelayEnd, type RelayOutcome } from './relay.ts';
import { ErrorPassedOn, Runner } from './runner.ts';
import { SessionState } from './state.ts';

/**
 * ready: the next message may be taken. borrowing: a statement waits for a server connection.
 * relaying: a server is answering and its bytes are passed on. working: the runner is at work.
 */
type Phase = 'ready' | 'borrowing' | 'relaying' | 'working' | 'closed';

/** What waits for a server connection: the bytes of a Query, or a batch yet to be encoded. */
interface Pending {
  readonly shard: number;
  readonly query: Buffer | null;
  readonly batch: OneShardBatch | null;
  readonly writes: boolean;
}

const READY = { I: READY_IDLE, T: READY_IN_TRANSACTION, E: READY_FAILED };
const COPY_FAIL = encodeCopyFail('the client has gone');
const IDLE = 'I'.charCodeAt(0);
const FAILED = 'E'.charCodeAt(0);

/**
 * Statements for one shard of a session without special state take the short way: they are sent on
 * and answered within the callbacks of the two sockets, with nothing awaited. Everything else is
 * the Runner's.
 */
export class Session implements RelayEnd, Borrower, ConnectionOwner {
  readonly state: SessionState;
  readonly processId: number;
  /** Called once, when the session is over and has given everything back. */
  onClosed: (() => void) | null = null;

  #context: SessionContext;
  #socket: Socket;
  #client: ClientStream;
  #reader: FrameReader;
  #relay: Relay;
  #runner: Runner;
  #batchRunner: BatchRunner;
  #phase: Phase = 'ready';
  #batch = new Batch();
  /** An error in a batch: everything up to Sync is skipped. */
  #skipsToSync = false;
  #pending: Pending | null = null;
  #shutdown: SqlError | null = null;
  #advancing = false;

  /** Takes over an authenticated client's socket and the reader with what was read of it. */
  constructor(
    context: SessionContext,
    socket: Socket,
    client: ClientStream,
    reader: FrameReader,
    state: SessionState,
    processId: number,
  ) {
    this.#context = context;
    this.#socket = socket;
    this.#client = client;
    this.#reader = reader;
    this.state = state;
    this.processId = processId;
    this.#relay = new Relay(client);
    this.#runner = new Runner({
      context,
      state,
      client,
      relay: this.#relay,
      copiesIn: () => this.relayCopiesIn(),
      owner: this,
    });
    this.#batchRunner = new BatchRunner(context, state, client, this.#runner);
    reader.lengthMax = CLIENT_MESSAGE_BYTES_MAX;
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      this.#advance();
    });
    socket.on('close', () => this.#gone());
    socket.on('error', (error) => context.log.debug({ err: error }, 'a client broke off'));
    socket.resume();
    this.#advance();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Stops what the client has under way. Statements that wait are answered with 57014. */
  cancel(): void {
    if (this.#phase === 'borrowing') {
      const pool = this.#context.cluster.pools[this.#pending!.shard]!;
      if (pool.withdraw(this)) this.refused(canceled());
      return;
    }
    for (const connection of this.#busyConnections()) void cancelStatement(connection);
  }

  /** Ends the session with `error` as soon as no statement and no transaction is under way. */
  shutdown(error: SqlError): void {
    this.#shutdown = error;
    this.#shutdownIfIdle();
  }

  /** Ends the session at once. */
  terminate(error: SqlError): void {
    this.#client.end(encodeErrorResponse(error));
    this.cancel();
  }

  asynchronousMessage(bytes: Buffer): void {
    this.#client.write(bytes);
  }

  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#phase === 'ready' && this.#canTakeMore() && this.#reader.next()) this.#message();
      if (this.#relay.copyingIn) this.#passCopyData();
    } catch (error) {
      this.#fatal(asSqlError(error));
    }
    this.#advancing = false;
    if (this.#reader.bufferedBytes > CLIENT_BUFFER_BYTES_MAX && this.#phase !== 'ready') {
      this.#client.pauseReading();
    }
  }

  /** A client that does not read its answers gets no more of them. */
  #canTakeMore(): boolean {
    if (!this.#socket.writableNeedDrain) return true;
    this.#client.whenDrained(() => this.#advance());
    return false;
  }

  #message(): void {
    const { type, buffer, start, bodyStart, end } = this.#reader;
    if (this.#skipsToSync && type !== FRONTEND.sync && type !== FRONTEND.terminate) return;
    switch (type) {
      case FRONTEND.query:
        this.#simpleQuery(buffer, start, bodyStart, end);
        break;
      case FRONTEND.parse:
      case FRONTEND.bind:
      case FRONTEND.describe:
      case FRONTEND.execute:
      case FRONTEND.close:
        this.#addToBatch(type, buffer, start, bodyStart, end);
        break;
      case FRONTEND.sync:
        this.#sync();
        break;
      case FRONTEND.flush:
        if (!this.#batch.isEmpty) this.#work(() => this.#runBatch(false), false);
        break;
      case FRONTEND.terminate:
        this.#client.end(Buffer.alloc(0));
        break;
      case FRONTEND.functionCall:
        this.#callFunction(Buffer.from(buffer.subarray(start, end)));
        break;
      case FRONTEND.copyData:
      case FRONTEND.copyDone:
      case FRONTEND.copyFail:
        // Left over from a COPY that has failed. Source: PROTOCOL-COPY.
        break;
      default:
        throw protocolViolation(`invalid frontend message type ${type}`);
    }
  }

  #simpleQuery(buffer: Buffer, start: number, bodyStart: number, end: number): void {
    if (end === bodyStart || buffer[end - 1] !== 0) {
      throw protocolViolation('invalid string in message');
    }
    const sql = buffer.toString('utf8', bodyStart, end - 1);
    const { state } = this;
    if (!this.#batch.isEmpty) {
      // Messages without Sync before a Query: they come first.
      this.#work(async () => {
        await this.#runBatch(false);
        await this.#runQuery(sql);
      }, true);
      return;
    }
    if (state.isPlain && !startsWithComment(sql) && state.transaction?.state !== 'failed') {
      const shard = this.#relayTarget(sql);
      if (shard !== null) {
        const query = buffer.subarray(start, end);
        this.#send({ shard: shard.id, query, batch: null, writes: shard.writes });
        return;
      }
    }
    this.#work(() => this.#runQuery(sql), true);
  }

  /** The one shard that can simply be sent this text; null when there is more to it. */
  #relayTarget(sql: string): { id: number; writes: boolean } | null {
    const topology = this.#context.topology();
    let planned: Planned;
    try {
      planned = this.#context.planner.plan(sql, topology, this.state.settings.searchPath);
    } catch {
      // The careful way meets the same error and reports it.
      return null;
    }
    const { plan, literals } = planned;
    if (!isRelayable(plan)) return null;
    const writes = plan.effect !== 'read';
    if (plan.route.kind === 'any') return { id: anyShard(this.state, this.#context), writes };
    const values = new StatementValues(literals, NO_PARAMETERS);
    const targets = targetsOf(plan.route, values, topology);
    return targets.length === 1 ? { id: targets[0]!, writes } : null;
  }

  #addToBatch(type: number, buffer: Buffer, start: number, bodyStart: number, end: number): void {
    try {
      this.#batch.add(type, buffer, start, bodyStart, end);
    } catch (error) {
      // What came before in the batch is answered first, then the error.
      this.#work(async () => {
        await this.#runBatch(false);
        throw error;
      }, false);
    }
  }

  #sync(): void {
    if (this.#skipsToSync || this.#batch.isEmpty) {
      this.#skipsToSync = false;
      this.#work(async () => undefined, true);
      return;
    }
    const { state } = this;
    if (state.isPlain && state.transaction?.state !== 'failed') {
      const messages = this.#batch.peek();
      const batch = this.#tryRoute(messages);
      if (batch !== null) {
        this.#batch.take();
        this.#send({ shard: batch.shard, query: null, batch, writes: batch.writes });
        return;
      }
    }
    this.#work(() => this.#runBatch(true), true);
  }

  #tryRoute(messages: Parameters<typeof routeBatch>[0]): OneShardBatch | null {
    try {
      return routeBatch(messages, this.state, this.#context);
    } catch {
      // The careful way meets the same error at the right message and reports it.
      return null;
    }
  }

  #callFunction(bytes: Buffer): void {
    this.#send({ shard: anyShard(this.state, this.#context), query: bytes, batch: null, writes: true });
  }

  // The short way.

  #send(pending: Pending): void {
    const { transaction } = this.state;
    if (transaction !== null) {
      const connection = transaction.participants.get(pending.shard);
      if (connection === undefined) this.#enlistAndSend(pending);
      else this.#sendOn(connection, pending);
      return;
    }
    this.#pending = pending;
    this.#phase = 'borrowing';
    const pool = this.#context.cluster.pools[pending.shard]!;
    pool.acquire(this, this.state.settings.current);
  }

  granted(connection: ServerConnection): void {
    const pending = this.#pending!;
    this.#pending = null;
    if (this.#phase === 'closed') {
      this.state.giveBack(connection);
      return;
    }
    const settings = this.state.settings.current;
    if (connection.settings.signature === settings.signature) {
      this.#sendOn(connection, pending);
      return;
    }
    this.#phase = 'working';
    applySettings(connection, settings).then(
      () => this.#sendOn(connection, pending),
      (error: unknown) => {
        this.state.giveBack(connection);
        this.#reportAndGoOn(error);
      },
    );
  }

  refused(error: SqlError): void {
    this.#pending = null;
    if (this.#phase !== 'closed') this.#reportAndGoOn(error);
  }

  #enlistAndSend(pending: Pending): void {
    this.#phase = 'working';
    this.state.transaction!.enlist(pending.shard).then(
      (connection) => this.#sendOn(connection, pending),
      (error: unknown) => this.#reportAndGoOn(error),
    );
  }

  #sendOn(connection: ServerConnection, pending: Pending): void {
    if (pending.writes) this.state.transaction?.writers.add(pending.shard);
    this.#phase = 'relaying';
    let bytes = pending.query;
    let steps: readonly Step[] | null = null;
    if (bytes === null) ({ bytes, steps } = encodeBatch(pending.batch!, connection, this.state));
    this.#relay.start(connection, bytes, this, true, steps);
  }

  relayEnded(connection: ServerConnection, outcome: RelayOutcome): void {
    const { transaction } = this.state;
    if (transaction === null) {
      // A transaction left open where none was begun must not reach the next borrower.
      if (outcome.status !== IDLE) connection.tainted = true;
      this.state.giveBack(connection);
    } else if (outcome.lost !== null) {
      transaction.participantLost(connection.shard.id, outcome.lost);
    } else if (outcome.status === FAILED) {
      transaction.state = 'failed';
    }
    if (this.#phase === 'closed') {
      void this.#cleanUp();
      return;
    }
    this.#phase = 'ready';
    if (outcome.lost !== null) {
      if (!outcome.failed) this.#client.write(encodeErrorResponse(outcome.lost));
      this.#client.write(READY[this.state.status]);
    }
    this.#goOn();
  }

  relayCopiesIn(): void {
    this.#client.resumeReading();
    this.#advance();
  }

  /** CopyData and what ends it; Sync and Flush mean nothing to a server that is copying. */
  #passCopyData(): void {
    const connection = this.#relay.connection!;
    const reader = this.#reader;
    for (;;) {
      if (!reader.next()) {
        if (reader.pendingType() !== FRONTEND.copyData) return;
        reader.nextPiece();
      }
      const bytes = reader.buffer.subarray(reader.start, reader.end);
      if (reader.type === FRONTEND.terminate) {
        this.#client.end(Buffer.alloc(0));
        return;
      }
      if (!connection.sendMore(bytes)) {
        this.#client.pauseReading();
        connection.whenWritable(() => this.#client.resumeReading());
      }
      if (reader.type === FRONTEND.copyDone || reader.type === FRONTEND.copyFail) {
        this.#relay.copyingIn = false;
        return;
      }
    }
  }

  // The careful way.

  /** Runs `task`, reports its error, then says ReadyForQuery if `ready`. */
  #work(task: () => Promise<void>, ready: boolean): void {
    this.#phase = 'working';
    task()
      .catch((error: unknown) => this.#reportError(error, !ready))
      .then(() => (ready ? this.#endOfRequest() : undefined))
      .catch((error: unknown) => this.#reportError(error, false))
      .then(() => this.#afterWork(ready));
  }

  #afterWork(ready: boolean): void {
    if (this.#phase === 'closed') {
      void this.#cleanUp();
      return;
    }
    if (ready) this.#client.write(READY[this.state.status]);
    this.#phase = 'ready';
    this.#goOn();
  }

  async #runQuery(sql: string): Promise<void> {
    const topology = this.#context.topology();
    const { searchPath } = this.state.settings;
    const { plan, literals } = this.#context.planner.plan(sql, topology, searchPath);
    const forced = handPlan(sql, plan, this.state, this.#context);
    if (forced.op !== 'sequence') {
      await this.#runStatement(sql, forced, literals);
      return;
    }
    for (const part of forced.parts) {
      // Several statements in one string are one transaction, unless they say otherwise.
      const own = part.plan.op === 'routed' && this.state.transaction === null;
      if (own) this.state.begin('BEGIN', true);
      await this.#runStatement(part.sql, part.plan, null);
    }
  }

  async #runStatement(sql: string, plan: Plan, literals: readonly string[] | null): Promise<void> {
    await this.#runner.run({
      sql,
      plan,
      values: new StatementValues(literals, NO_PARAMETERS),
      parameters: NO_PARAMETERS,
      resultFormats: [],
      extended: null,
    });
  }

  async #runBatch(synced: boolean): Promise<void> {
    const messages = this.#batch.take();
    try {
      await this.#batchRunner.run(messages, synced);
    } catch (error) {
      this.#skipsToSync = !synced;
      throw error;
    }
  }

  /** Sync, or the end of a Query: what was implicitly begun ends here. */
  async #endOfRequest(): Promise<void> {
    const { transaction } = this.state;
    if (transaction === null) await this.state.closePortals();
    else if (transaction.implicit) {
      await this.state.endTransaction(transaction.state === 'failed' ? 'rollback' : 'commit');
    }
  }

  async #reportError(error: unknown, inBatch: boolean): Promise<void> {
    const { transaction } = this.state;
    if (transaction !== null) transaction.state = 'failed';
    if (inBatch) this.#skipsToSync = true;
    if (error instanceof ErrorPassedOn) return;
    if (error instanceof ServerError) {
      this.#client.write(encodeErrorResponse(error.fields));
      return;
    }
    const known = asSqlError(error);
    if (known !== error) this.#context.log.error({ err: error }, 'a statement met a defect');
    this.#client.write(encodeErrorResponse(known));
  }

  #reportAndGoOn(error: unknown): void {
    this.#work(() => Promise.reject(error), true);
  }

  #goOn(): void {
    this.#shutdownIfIdle();
    this.#client.resumeReading();
    this.#advance();
  }

  // The end.

  #shutdownIfIdle(): void {
    if (this.#shutdown === null || this.#phase !== 'ready') return;
    if (this.state.transaction === null) this.terminate(this.#shutdown);
  }

  #fatal(error: SqlError): void {
    const fields = { ...error, message: error.message, severity: 'FATAL' } as const;
    this.#client.end(encodeErrorResponse(new SqlError(fields)));
    this.#gone();
  }

  #gone(): void {
    if (this.#phase === 'closed') return;
    const phase = this.#phase;
    this.#client.markClosed();
    if (phase === 'borrowing') {
      this.#context.cluster.pools[this.#pending!.shard]!.withdraw(this);
    }
    this.#phase = 'closed';
    if (phase === 'relaying' || phase === 'working') {
      // Nobody waits for the answer: free the server soon. relayEnded or afterWork cleans up.
      for (const connection of this.#busyConnections()) this.#abandon(connection);
      return;
    }
    void this.#cleanUp();
  }

  #abandon(connection: ServerConnection): void {
    if (this.#relay.copyingIn && this.#relay.connection === connection) {
      connection.sendMore(COPY_FAIL);
      return;
    }
    void cancelStatement(connection);
  }

  async #cleanUp(): Promise<void> {
    try {
      await this.state.closePortals();
      await this.state.endTransaction('rollback');
    } catch (error) {
      this.#context.log.error({ err: error }, 'a session could not be ended cleanly');
    }
    this.state.pins.closeAll();
    const { onClosed } = this;
    this.onClosed = null;
    onClosed?.();
  }

  #busyConnections(): ServerConnection[] {
    const { transaction, pins, borrowed } = this.state;
    const all = new Set(borrowed);
    if (this.#relay.connection !== null) all.add(this.#relay.connection);
    for (const connection of transaction?.participants.values() ?? []) all.add(connection);
    for (const connection of pins.connections()) all.add(connection);
    return [...all].filter((connection) => connection.owedCount > 0);
  }
}

function canceled(): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: 'canceling statement due to user request',
  });
}

function startsWithComment(sql: string): boolean {
  return /^\s*\/\*/.test(sql);
}

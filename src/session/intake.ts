// Intake: what a client's messages ask for, and which way each request goes.

import { protocolViolation } from '../base/errors.ts';
import type { TransactionVerb } from '../plan/action.ts';
import { hasHandRoute } from '../sql/hand-route.ts';
import type { FrameReader } from '../wire/frame.ts';
import { FRONTEND } from '../wire/message-type.ts';
import { Batch, type BatchMessage } from './batch.ts';
import { type OneShardBatch, routeBatch } from './batch-route.ts';
import { type LeadingCommand, leadingCommand, noteCommand } from './command-batch.ts';
import type { SessionContext } from './context.ts';
import { checkDecoded } from './encoding.ts';
import { awaitsSnapshot, beginsSnapshot, isSeenByAllBehind } from './one-snapshot.ts';
import { routeQuery } from './query-route.ts';
import type { RequestRunner } from './request-runner.ts';
import type { Shipment } from './shipment.ts';
import type { SessionState } from './state.ts';

export interface IntakeOwner {
  /** The relay lane is to carry it. */
  ship(shipment: Shipment): void;
  /** Whether a transaction command can be run without waiting; else it needs the careful way. */
  takes(command: TransactionVerb): boolean;
  /** Runs one that can. `replies`: what is answered before it. */
  command(command: TransactionVerb, sql: string, replies: Buffer): void;
  /** Runs a BEGIN, behind which more follows before ReadyForQuery. */
  begin(sql: string, replies: Buffer): void;
  /** The careful way: run it, report its error, then say ReadyForQuery if `ready`. */
  work(task: () => Promise<void>, ready: boolean): void;
  /** The client has said Terminate. */
  terminated(): void;
}

/** null: the careful way meets the same error at the right message and reports it. */
function orNull<T>(route: () => T | null): T | null {
  try {
    return route();
  } catch {
    return null;
  }
}

const NO_REPLIES = Buffer.alloc(0);

/** `reason` ends a batch before its Sync, to which everything is skipped now. */
export class FailedBeforeSync extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('a batch has failed before its Sync');
    this.reason = reason;
  }
}

export class Intake {
  #context: SessionContext;
  #state: SessionState;
  #runner: RequestRunner;
  #owner: IntakeOwner;
  #batch = new Batch();
  /** An error in a batch: everything up to Sync is skipped. */
  #skipsToSync = false;

  constructor(
    context: SessionContext,
    state: SessionState,
    runner: RequestRunner,
    owner: IntakeOwner,
  ) {
    this.#context = context;
    this.#state = state;
    this.#runner = runner;
    this.#owner = owner;
  }

  skipToSync(): void {
    this.#skipsToSync = true;
  }

  /** Takes the message that stands in `reader`. Throws 08P01 for one that ends the session. */
  message(reader: FrameReader): void {
    const { type, buffer, start, bodyStart, end } = reader;
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
        this.sync();
        break;
      case FRONTEND.flush:
        if (!this.#batch.isEmpty) this.#owner.work(() => this.#runBatch(false), false);
        break;
      case FRONTEND.terminate:
        this.#owner.terminated();
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
    if (end === bodyStart || buffer.indexOf(0, bodyStart) !== end - 1) {
      throw protocolViolation('invalid string in message');
    }
    const sql = buffer.toString('utf8', bodyStart, end - 1);
    try {
      checkDecoded(sql, buffer.subarray(bodyStart, end - 1));
    } catch (error) {
      this.#owner.work(() => Promise.reject(error), true);
      return;
    }
    if (!this.#batch.isEmpty) {
      this.#owner.work(async () => {
        await this.#runUnsynced();
        this.#state.statements.delete('');
        await this.#runner.runQuery(sql);
      }, true);
      return;
    }
    // A Query destroys the unnamed statement and portal. Source: PROTOCOL-FLOW-EXT-QUERY.
    this.#state.statements.delete('');
    const suspended = this.#state.portals.get('')?.running ?? null;
    if (this.#mayRelay() && suspended === null && !hasHandRoute(sql)) {
      const route = routeQuery(sql, this.#state, this.#context);
      if (route !== null && 'verb' in route) {
        this.#state.portals.delete('');
        if (this.#owner.takes(route)) {
          this.#owner.command(route, sql, NO_REPLIES);
          return;
        }
      } else if (route !== null) {
        this.#state.portals.delete('');
        this.#owner.ship({ ...route, content: buffer.subarray(start, end) });
        return;
      }
    }
    this.#owner.work(() => this.#runner.runQuery(sql), true);
  }

  #addToBatch(type: number, buffer: Buffer, start: number, bodyStart: number, end: number): void {
    if (type === FRONTEND.parse) this.#context.counters.parses += 1;
    else if (type === FRONTEND.bind) this.#context.counters.binds += 1;
    try {
      this.#batch.add(type, buffer, start, bodyStart, end);
    } catch (error) {
      // What came before in the batch is answered first, then the error.
      this.#owner.work(async () => {
        await this.#runBatch(false);
        throw error;
      }, false);
    }
  }

  sync(): void {
    if (this.#skipsToSync || this.#batch.isEmpty) {
      this.#skipsToSync = false;
      this.#owner.work(async () => undefined, true);
      return;
    }
    if (!this.#mayRelay() || !this.#relayBatch(this.#batch.peek())) {
      this.#owner.work(() => this.#runBatch(true), true);
    }
  }

  /** False: it needs the careful way, and nothing was done. */
  #relayBatch(messages: readonly BatchMessage[]): boolean {
    const leading = orNull(() => leadingCommand(messages, this.#state, this.#context));
    if (leading !== null) return this.#runLeading(leading, messages.slice(leading.length));
    const batch = this.#routeBatch(messages);
    if (batch === null) return false;
    this.#batch.take();
    this.#shipBatch(batch);
    return true;
  }

  #routeBatch(messages: readonly BatchMessage[]): OneShardBatch | null {
    return orNull(() => routeBatch(messages, this.#state, this.#context));
  }

  #runLeading(leading: LeadingCommand, rest: readonly BatchMessage[]): boolean {
    const { command, sql, replies } = leading;
    if (!this.#owner.takes(command)) return false;
    if (rest.length === 0) {
      this.#batch.take();
      noteCommand(leading, this.#state);
      this.#owner.command(command, sql, replies);
      return true;
    }
    // Drivers send BEGIN along with the first statement.
    if (command.verb !== 'begin' || beginsSnapshot(sql, this.#state, this.#context)) return false;
    const batch = this.#routeBatch(rest);
    if (batch === null) return false;
    const plans = [...batch.statements.values()].map(({ planned }) => planned.plan);
    if (isSeenByAllBehind(sql, plans, this.#state, this.#context)) return false;
    this.#batch.take();
    noteCommand(leading, this.#state);
    this.#owner.begin(sql, replies);
    this.#shipBatch(batch);
    return true;
  }

  #shipBatch(batch: OneShardBatch): void {
    const { shard, version, writes, takesSnapshot, takesIds, copies, cost, keeping } = batch;
    const answers = copies ? null : 'rows';
    const content = batch;
    const sent = { shard, version, content, writes, takesSnapshot, takesIds };
    this.#owner.ship({ ...sent, cost, literals: null, answers, keeping });
  }

  #callFunction(bytes: Buffer): void {
    this.#owner.work(async () => {
      await this.#runUnsynced();
      await this.#runner.callFunction(bytes);
    }, true);
  }

  /** Messages without Sync before a Query or FunctionCall come first; if they fail it is skipped. */
  async #runUnsynced(): Promise<void> {
    if (this.#batch.isEmpty) return;
    try {
      await this.#runBatch(false);
    } catch (error) {
      throw new FailedBeforeSync(error);
    }
  }

  #mayRelay(): boolean {
    const { isPlain, transaction } = this.#state;
    // What a Flush has begun ends with Sync, which is the careful way's to do.
    if (!isPlain || transaction?.state === 'failed' || transaction?.implicit === true) return false;
    return !awaitsSnapshot(this.#state, this.#context);
  }

  #runBatch(synced: boolean): Promise<void> {
    return this.#runner.runBatch(this.#batch.take(), synced);
  }
}

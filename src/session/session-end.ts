// SessionEnd: stops what a session has under way and gives back what it holds.

import type { SqlError } from '../base/errors.ts';
import { ABANDONED_STATEMENT_MS, CANCEL_AGAIN_MS, CANCEL_TRIES } from '../base/limits.ts';
import { cancelStatement } from '../pool/cancel.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { TERMINATE } from '../wire/terminate.ts';
import type { SessionContext } from './context.ts';
import type { CopyInbox } from './copy-inbox.ts';
import type { Relay } from './relay.ts';
import type { RelayLane } from './relay-lane.ts';
import { clientGone } from './session-errors.ts';
import type { SessionState } from './state.ts';

export class SessionEnd {
  /** Called when the last cancel request under way has arrived. */
  onCancelled: (() => void) | null = null;
  #context: SessionContext;
  #state: SessionState;
  #relay: Relay;
  #lane: RelayLane;
  #inbox: CopyInbox;
  #abandoned: NodeJS.Timeout | undefined;
  #cancels = 0;

  constructor(
    context: SessionContext,
    state: SessionState,
    relay: Relay,
    lane: RelayLane,
    inbox: CopyInbox,
  ) {
    this.#context = context;
    this.#state = state;
    this.#relay = relay;
    this.#lane = lane;
    this.#inbox = inbox;
  }

  /** A cancel request is on its way, and would hit whatever the session sends before it has arrived. */
  get isCancelling(): boolean {
    return this.#cancels > 0;
  }

  /** The server connections that work for the client now. */
  busyConnections(): ServerConnection[] {
    const { transaction, pins, borrowed } = this.#state;
    const all = new Set(borrowed);
    if (this.#relay.connection !== null) all.add(this.#relay.connection);
    for (const connection of transaction?.participants.values() ?? []) all.add(connection);
    for (const connection of pins.connections()) all.add(connection);
    return [...all].filter((connection) => connection.owedCount > 0);
  }

  /**
   * Stops what the client has under way; what waits for a connection fails with `error`. Resolves
   * when the servers have been told. Never rejects. `goesOn`: whether the request is still under way
   * with the request runner; its requests are several statements, and the one to be stopped may just
   * have ended.
   */
  async cancel(error: SqlError, goesOn: () => boolean): Promise<void> {
    if (goesOn()) this.#cancelAgain(error, goesOn, CANCEL_TRIES);
    await this.#stop(error);
  }

  #cancelAgain(error: SqlError, goesOn: () => boolean, tries: number): void {
    setTimeout(() => {
      if (!goesOn()) return;
      void this.#stop(error);
      if (tries > 1) this.#cancelAgain(error, goesOn, tries - 1);
    }, CANCEL_AGAIN_MS).unref();
  }

  async #stop(error: SqlError): Promise<void> {
    if (this.#lane.stop(error) || this.#state.withdraw(error)) return;
    if (this.#inbox.isOpen) {
      this.#inbox.abort(error);
      return;
    }
    this.#cancels += 1;
    await Promise.all(this.busyConnections().map(cancelStatement));
    this.#cancels -= 1;
    if (this.#cancels === 0) this.onCancelled?.();
  }

  /** Nobody waits for the answer: what is under way is stopped, and its end is to clean up. */
  abandon(): void {
    const error = clientGone();
    this.#state.ended = error;
    if (this.#lane.stop(error) || this.#state.withdraw(error)) return;
    const copies = this.#inbox.isOpen;
    this.#inbox.clientGone(error);
    if (!copies) {
      for (const connection of this.busyConnections()) this.#lane.abandon(connection);
    }
    this.#abandoned = setTimeout(() => this.closeBusy(), ABANDONED_STATEMENT_MS);
  }

  closeBusy(): void {
    for (const connection of this.busyConnections()) connection.close(TERMINATE);
  }

  /** Rolls back, and gives every connection back. Never rejects. */
  async cleanUp(): Promise<void> {
    clearTimeout(this.#abandoned);
    try {
      await this.#state.closePortals();
      await this.#state.endTransaction('rollback');
    } catch (error) {
      this.#context.log.error({ err: error }, 'a session could not be ended cleanly');
    }
    this.#state.pins.closeAll();
  }
}

// Last ids: the server that lastval() can be asked of, behind an INSERT that has taken ids from a sequence.

import { SqlError } from '../base/errors.ts';
import type { Transaction } from '../execute/transaction.ts';
import { refused } from '../plan/unsupported.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { SessionState } from './state.ts';

/**
 * A server tells of the last id that its connection has taken, which may have been somebody else's. It is the
 * session's directly behind the INSERT that took it, as long as the session has the connection.
 */
export class LastIds {
  #state: SessionState;
  #taken: {
    readonly connection: ServerConnection;
    readonly transaction: Transaction | null;
  } | null = null;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** The statement that has just been run took ids from the shard's sequences. */
  taken(shard: number): void {
    const { transaction } = this.#state;
    const connection = this.#held(shard);
    if (connection !== null) this.#taken = { connection, transaction };
  }

  /** Another statement may take ids elsewhere. */
  forget(): void {
    this.#taken = null;
  }

  /** The shard to ask. Throws 0A000 where none is known to have given the session its last id. */
  get shard(): number {
    const { transaction, poolsFor } = this.#state;
    if (this.#taken !== null) {
      const { connection } = this.#taken;
      const { id } = connection.shard;
      const isKept = poolsFor !== null || this.#taken.transaction === transaction;
      if (isKept && this.#held(id) === connection) return id;
    }
    throw new SqlError(refused('sequenceMemory'));
  }

  /** null: the session has none of its own. */
  #held(shard: number): ServerConnection | null {
    const { transaction, pins, poolsFor } = this.#state;
    if (transaction !== null) return transaction.participants.get(shard) ?? null;
    return poolsFor === null ? null : pins.connection(shard);
  }
}

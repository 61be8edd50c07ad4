// Participants: the server connections of one transaction, from its BEGIN on each to its end there.

import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';
import { rollBack } from './two-phase.ts';

export interface ParticipantsOwner {
  giveBack(connection: ServerConnection): void;
  /** A statement, or the end of the transaction, has changed what a server reports. */
  report(name: string, value: string): void;
}

export class Participants {
  readonly connections = new Map<number, ServerConnection>();
  /**
   * Beside the transaction: a connection of the home shard with its settings and savepoints, for
   * what can never be prepared. It is committed first.
   */
  apart: ServerConnection | null = null;
  /** The session's settings at BEGIN: what ROLLBACK returns to. */
  readonly settingsBefore: Settings;
  #owner: ParticipantsOwner;

  constructor(settingsBefore: Settings, owner: ParticipantsOwner) {
    this.settingsBefore = settingsBefore;
    this.#owner = owner;
  }

  /** The shards that have joined and not left. */
  get shards(): number[] {
    return [...this.connections.keys()].sort((a, b) => a - b);
  }

  /** With the one beside the transaction. */
  get all(): ServerConnection[] {
    const { apart } = this;
    return apart === null ? [...this.connections.values()] : [...this.connections.values(), apart];
  }

  join(connection: ServerConnection): void {
    // The servers report alike: one of them is enough to hear.
    if (this.connections.size === 0) connection.onParameterStatus = this.#owner.report;
    this.connections.set(connection.shard.id, connection);
  }

  /** Gives it back: it is in no transaction any more, and has these settings. */
  leave(connection: ServerConnection, settings: Settings): void {
    if (!this.remove(connection)) return;
    connection.settings = settings;
    this.#owner.giveBack(connection);
  }

  /** The same where the caller gives it back, or it is lost. False: it was none of them any more. */
  remove(connection: ServerConnection): boolean {
    if (this.apart === connection) this.apart = null;
    else if (this.connections.get(connection.shard.id) !== connection) return false;
    else this.connections.delete(connection.shard.id);
    connection.onParameterStatus = null;
    return true;
  }

  /** It is none of them any more; gives it back when it has rolled back. Never rejects. */
  async giveUp(connection: ServerConnection): Promise<void> {
    const { onParameterStatus } = connection;
    if (!this.remove(connection)) return;
    // Who has failed hears what is so again.
    connection.onParameterStatus = onParameterStatus;
    await rollBack(connection);
    connection.onParameterStatus = null;
    connection.settings = this.settingsBefore;
    this.#owner.giveBack(connection);
  }

  /** Runs `sql` on each, in shard order; the first error is thrown. */
  async onEvery(sql: string): Promise<void> {
    for (const shard of this.shards) await query(this.connections.get(shard)!, sql);
    if (this.apart !== null) await query(this.apart, sql);
  }

  /** Ends the transaction everywhere without effect. Never throws: a lost server rolls back too. */
  async rollback(): Promise<void> {
    await Promise.all(
      this.all.map(async (connection) => {
        await rollBack(connection);
        this.leave(connection, this.settingsBefore);
      }),
    );
  }
}

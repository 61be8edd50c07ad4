// Pins: the server connections a session must keep because state of it lives on them.

import type { Cluster } from '../execute/cluster.ts';
import { giveBack } from '../execute/cluster.ts';
import type { PinReason } from '../plan/plan.ts';
import { queryBehind } from '../pool/query.ts';
import type { ConnectionOwner } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { NO_SETTINGS } from '../pool/settings.ts';

/** What a server still has of it, as a query; other reasons end with DISCARD ALL only. */
const HOLDS: { readonly [reason in PinReason]?: string } = {
  'advisory lock': `SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()`,
  listen: 'SELECT FROM pg_catalog.pg_listening_channels()',
  'cursor with hold': 'SELECT FROM pg_catalog.pg_cursors WHERE is_holdable',
  'temporary table': `SELECT FROM pg_catalog.pg_type
    WHERE typnamespace = pg_catalog.pg_my_temp_schema()
    UNION ALL SELECT FROM pg_catalog.pg_proc WHERE pronamespace = pg_catalog.pg_my_temp_schema()
    UNION ALL SELECT FROM pg_catalog.pg_class
    WHERE relnamespace = pg_catalog.pg_my_temp_schema()`,
};

interface Pin {
  readonly connection: ServerConnection;
  readonly reasons: Set<PinReason>;
}

/** At most one pinned connection a shard. A pinned connection is never in its pool's idle list. */
export class Pins {
  #pins = new Map<number, Pin>();
  #doubted = new Set<PinReason>();
  #cluster: Cluster;
  /** What the session listens to may have changed. */
  #hearing = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get size(): number {
    return this.#pins.size;
  }

  has(reason: PinReason): boolean {
    for (const pin of this.#pins.values()) if (pin.reasons.has(reason)) return true;
    return false;
  }

  /** A connection that had it is gone, and it with it. */
  hasLost(reason: PinReason): boolean {
    const isLost = ({ connection, reasons }: Pin) => connection.closed && reasons.has(reason);
    return [...this.#pins.values()].some(isLost);
  }

  /** The open pinned connection of the shard, or null. */
  connection(shard: number): ServerConnection | null {
    const pin = this.#pins.get(shard);
    if (pin === undefined) return null;
    // The server is gone and its state with it: the next statement starts on a new connection.
    if (pin.connection.closed) this.#pins.delete(shard);
    return pin.connection.closed ? null : pin.connection;
  }

  holds(connection: ServerConnection): boolean {
    return this.#pins.get(connection.shard.id)?.connection === connection;
  }

  add(connection: ServerConnection, reasons: readonly PinReason[], owner: ConnectionOwner): void {
    const pin = this.#pins.get(connection.shard.id) ?? { connection, reasons: new Set() };
    for (const reason of reasons) pin.reasons.add(reason);
    this.#hearing ||= reasons.includes('listen');
    this.#pins.set(connection.shard.id, pin);
    connection.owner = owner;
  }

  /** Every pin, for operators. */
  *entries(): Generator<{ shard: number; processId: number; reasons: readonly PinReason[] }> {
    for (const [shard, { connection, reasons }] of this.#pins) {
      yield { shard, processId: connection.identity.processId, reasons: [...reasons] };
    }
  }

  /** Every pinned connection still open, in shard order. */
  connections(): ServerConnection[] {
    const shards = [...this.#pins.keys()].sort((a, b) => a - b);
    return shards.flatMap((shard) => this.connection(shard) ?? []);
  }

  /** What was the reason of a pin may be no more: `settle` asks the servers. */
  doubt(reasons: readonly PinReason[]): void {
    for (const reason of reasons) this.#doubted.add(reason);
    this.#hearing ||= reasons.includes('listen');
  }

  /** Whether what the session listens to may have changed since this was asked. */
  takeHearing(): boolean {
    const hearing = this.#hearing;
    this.#hearing = false;
    return hearing;
  }

  /** A transaction was rolled back, and any of them with it. */
  doubtAll(): void {
    for (const { reasons } of this.#pins.values()) this.doubt([...reasons]);
  }

  /** Gives connections back that nothing is left on. To be called outside of a transaction. */
  async settle(): Promise<void> {
    if (this.#doubted.size === 0) return;
    const doubted = [...this.#doubted];
    this.#doubted.clear();
    for (const connection of this.connections()) {
      const { reasons } = this.#pins.get(connection.shard.id)!;
      const asked = doubted.filter((reason) => reasons.has(reason) && HOLDS[reason] !== undefined);
      if (asked.length === 0) continue;
      try {
        await this.#settleOn(connection, asked);
      } catch (error) {
        // A server that is gone has taken what was left there with it.
        if (!connection.closed) throw error;
      }
    }
  }

  async #settleOn(connection: ServerConnection, asked: readonly PinReason[]): Promise<void> {
    const { reasons } = this.#pins.get(connection.shard.id)!;
    const list = asked.map((reason) => `EXISTS (${HOLDS[reason]})`);
    const { rows } = await queryBehind(connection, `SELECT ${list.join(', ')}`);
    for (const [i, reason] of asked.entries()) if (rows[0]![i] === 'f') reasons.delete(reason);
    if (reasons.size === 0) await this.#free(connection);
  }

  /** Also what no reason speaks of (a temporary function) must not reach the next borrower. */
  async #free(connection: ServerConnection): Promise<void> {
    await queryBehind(connection, 'DISCARD ALL');
    connection.statements.clear();
    connection.settings = NO_SETTINGS;
    this.#pins.delete(connection.shard.id);
    giveBack(this.#cluster, connection);
  }

  /** DISCARD ALL: the servers forget the session's state and the connections become free. */
  async discardAll(): Promise<void> {
    this.#hearing = true;
    for (const connection of this.connections()) {
      await this.#free(connection);
    }
  }

  /** The session ends: what it left on the servers must reach nobody else. */
  closeAll(): void {
    for (const connection of this.connections()) {
      connection.tainted = true;
      this.#pins.delete(connection.shard.id);
      giveBack(this.#cluster, connection);
    }
  }
}

// SessionState: what one client's session remembers between its statements.

import type { SqlError } from '../base/errors.ts';
import { applySettings, forgetOids, giveBack } from '../execute/cluster.ts';
import type { DeclaredCursor } from '../execute/cursor/declared-cursor.ts';
import { cancelLockWaiters } from '../execute/lock-waiters.ts';
import { Transaction } from '../execute/transaction.ts';
import { finishPart, type UnfinishedPart } from '../execute/two-phase.ts';
import type { HandRoute, PinReason } from '../plan/plan.ts';
import type { ConnectionOwner } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { NO_SETTINGS, type Settings } from '../pool/settings.ts';
import type { Borrower, ShardPool } from '../pool/shard-pool.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { Topology } from '../topology/topology.ts';
import type { Backends } from './backend.ts';
import type { SessionContext } from './context.ts';
import { HiddenTables } from './hidden-tables.ts';
import { LastIds } from './last-ids.ts';
import { isSerializable } from './one-snapshot.ts';
import { Pins } from './pins.ts';
import type { PlanWatch } from './plan-watch.ts';
import type { Portal, PreparedStatement } from './prepared.ts';
import { Reports } from './reports.ts';
import { closeRunning, type RunningGather } from './running-gather.ts';
import { SearchPaths } from './search-path.ts';
import { learnPath } from './set-config.ts';
import { SessionSettings } from './settings.ts';

/** A portal between Bind and the end of its transaction. */
export interface OpenPortal {
  readonly portal: Portal;
  /** The shard whose server has the portal; null while it exists only here. */
  shard: number | null;
  /** A merge that was suspended by a row limit. */
  running: RunningGather | null;
  /** The server that has it is the one beside the transaction; `shard` is then null. */
  isApart: boolean;
  /**
   * It has run to its end, on no single server. `tag`: what no more rows are told by; null: it gives
   * none, and cannot be run again.
   */
  ended: { readonly tag: string | null } | null;
  /** How many savepoints its transaction had had when it was made. */
  readonly savepoints: number;
}

export class SessionState {
  readonly settings: SessionSettings;
  readonly pins: Pins;
  readonly lastIds = new LastIds(this);
  /** Prepared statements by the client's names; '' is the unnamed one. */
  readonly statements = new Map<string, PreparedStatement>();
  readonly portals = new Map<string, OpenPortal>();
  /** Connections in use by the statement under way, outside of a transaction and of pins. */
  readonly borrowed = new Set<ServerConnection>();
  readonly reports = new Reports();
  readonly hidden = new HiddenTables();
  transaction: Transaction | null = null;
  /** Rows that each shard has taken of the last COPY FROM STDIN over several shards. */
  copied: ReadonlyMap<number, bigint> = new Map();
  /** SET drive.shard or drive.key. */
  hand: HandRoute | null = null;
  /** Connected to the database of one shard: everything goes there. */
  readonly fixedShard: number | null;
  /**
   * Session pooling: each shard's connection is the session's own from its first use on, and this is
   * who hears of it. null: transaction pooling.
   */
  poolsFor: ConnectionOwner | null = null;
  /** The statement under way may leave these on its servers, which then stay with the session. */
  leaves: { readonly reasons: readonly PinReason[]; readonly owner: ConnectionOwner } | null = null;
  /** The clients of the proxy; set once the session has begun. */
  backends: Backends | null = null;
  /** The statement under way is being cancelled for this, which its client is to be told. */
  breaking: SqlError | null = null;
  /** A statement has changed the schema; the topology is to learn of it when it is committed. */
  schemaChanged = false;
  /** A table has changed its kind in the transaction, or may have before a savepoint took it back. */
  kindChanged = false;
  /** Inside a transaction that has changed the schema: what its own statements see. */
  topology: Topology | null = null;
  /** `topology` is older than the last change in the transaction. */
  #topologyStale = false;
  /** Of the statement under way, while it can be planned anew. */
  planWatch: PlanWatch | null = null;
  /** The client has gone: nothing more may be started. */
  ended: SqlError | null = null;

  /** Cursors WITH HOLD that have outlived their transaction. */
  readonly #heldCursors = new Map<string, DeclaredCursor>();
  /** What the session has committed and a shard does not show yet. */
  #unfinished: UnfinishedPart[] = [];
  #context: SessionContext;
  #paths: SearchPaths;
  #waiting: { readonly pool: ShardPool; readonly borrower: Borrower } | null = null;

  constructor(
    context: SessionContext,
    startup: ReadonlyMap<string, string>,
    fixedShard: number | null,
  ) {
    this.#context = context;
    this.#paths = new SearchPaths(
      () => context.serverParameters(),
      () => context.topology().catalog,
    );
    this.settings = new SessionSettings(startup);
    this.pins = new Pins(context.cluster);
    this.fixedShard = fixedShard;
  }

  /** Transaction status for ReadyForQuery. */
  get status(): 'I' | 'T' | 'E' {
    if (this.transaction === null) return 'I';
    return this.transaction.state === 'failed' ? 'E' : 'T';
  }

  /** Everything the hot path need not look at: any of it sends a statement the careful way. */
  get isPlain(): boolean {
    const routed = this.hand === null && this.fixedShard === null;
    const kept = this.pins.size > 0 || this.poolsFor !== null;
    return routed && !kept && this.#unfinished.length === 0;
  }

  /** Of a portal that is made now. */
  get savepoints(): number {
    return this.transaction?.savepoints ?? 0;
  }

  /** The schemas names are looked up in; null: the server's default path. */
  get searchPath(): readonly string[] | null {
    const { searchPath, role } = this.settings;
    const hidden = this.pins.has('temporary table') ? this.hidden.names : null;
    if (this.transaction === null) return this.#paths.resolved(searchPath, role, hidden);
    const { names } = this.transaction;
    const path = names.path === null ? searchPath : names.path.path;
    const current = names.role === null ? role : names.role.role;
    return this.#paths.resolved(path, current, hidden);
  }

  /** How servers read a text for it, as in Settings. */
  get reading(): string {
    return this.transaction?.reading ?? this.settings.current.reading;
  }

  begin(sql: string, implicit: boolean): Transaction {
    this.transaction = new Transaction(sql, implicit, this.settings.current, {
      twoPhase: this.#context.twoPhase,
      borrow: (shard, settings, apart) => this.borrow(shard, settings, apart),
      beginsToWrite: () => this.settlePlan(),
      giveBack: (connection) => this.giveBack(connection),
      isSerializable: () => isSerializable(this, this.#context),
      unfinished: (part) => this.#unfinished.push(part),
      report: (name, value) => this.reports.set(name, value),
    });
    return this.transaction;
  }

  /** For one statement over several shards. */
  beginOwn(): Transaction {
    const transaction = this.begin('BEGIN', true);
    transaction.tickets.expectSeveral();
    return transaction;
  }

  /** Runs `use` in the open transaction, or in one of its own, which is committed behind it. */
  async inTransaction<T>(use: () => Promise<T>): Promise<T> {
    if (this.transaction !== null) return use();
    this.beginOwn();
    const result = await use();
    await this.endTransaction('commit');
    return result;
  }

  /**
   * The session's own connection to the shard, or one of the pool, with `settings` in force.
   * `apart`: one of the pool in any case. Rejects with OutdatedPlan, as the wait for it may have been long.
   */
  async borrow(shard: number, settings: Settings, apart = false): Promise<ServerConnection> {
    if (this.ended !== null) throw this.ended;
    const own = apart ? null : this.pins.connection(shard);
    const connection = own ?? (await this.#lease(shard, settings));
    this.borrowed.add(connection);
    connection.onNotice = this.reports.onNotice;
    try {
      await this.#finishOwn(shard, connection);
      await applySettings(connection, settings);
      this.planWatch?.check();
      if (this.ended !== null) throw this.ended;
    } catch (error) {
      this.giveBack(connection);
      throw error;
    }
    if (own === null && !apart && this.poolsFor !== null) {
      this.pins.add(connection, ['session pooling'], this.poolsFor);
    }
    if (this.leaves !== null) {
      if (apart) connection.tainted = true;
      else this.pins.add(connection, this.leaves.reasons, this.leaves.owner);
    }
    return connection;
  }

  /** Before what cannot be taken back. Rejects with OutdatedPlan. */
  settlePlan(): void {
    const { planWatch } = this;
    this.planWatch = null;
    planWatch?.check();
  }

  /** The same before the client is told what has been read, which may have taken long. */
  async settleRead(): Promise<void> {
    const { planWatch } = this;
    this.planWatch = null;
    await planWatch?.checkRead();
  }

  /** A session reads what it has written: its commits are finished on the shard first. */
  async #finishOwn(shard: number, connection: ServerConnection): Promise<void> {
    for (const part of this.#unfinished.filter((each) => each.shard === shard)) {
      // As the login, who has prepared it.
      await applySettings(connection, NO_SETTINGS);
      await finishPart(connection, part);
      this.#unfinished = this.#unfinished.filter((each) => each !== part);
    }
  }

  /** The shard of which a statement waits for a connection; null: of none. */
  get waitsFor(): number | null {
    return this.#waiting?.pool.shard.id ?? null;
  }

  #lease(shard: number, settings: Settings): Promise<ServerConnection> {
    const pool = this.#context.cluster.pools[shard]!;
    return new Promise((resolve, reject) => {
      const borrower: Borrower = {
        granted: (connection) => {
          this.#waiting = null;
          resolve(connection);
        },
        refused: (error) => {
          this.#waiting = null;
          reject(error);
        },
      };
      this.#waiting = { pool, borrower };
      const joins = (this.transaction?.participants.size ?? 0) > 0;
      pool.acquire(borrower, settings, joins);
    });
  }

  /** Stops waiting for a connection: borrow() fails with `error`. False: nothing waits. */
  withdraw(error: SqlError): boolean {
    const waiting = this.#waiting;
    if (waiting === null || !waiting.pool.withdraw(waiting.borrower)) return false;
    waiting.borrower.refused(error);
    return true;
  }

  giveBack(connection: ServerConnection): void {
    this.borrowed.delete(connection);
    if (!this.pins.holds(connection)) giveBack(this.#context.cluster, connection);
  }

  /** Commits or rolls back what is open; portals and cursors end with their transaction. */
  async endTransaction(how: 'commit' | 'rollback'): Promise<void> {
    const { transaction } = this;
    if (transaction === null) return;
    await this.closePortals();
    for (const each of transaction.participants.values()) forgetOids(this.#context.cluster, each);
    if (!transaction.implicit) this.#context.counters.transactions += 1;
    this.transaction = null;
    if (this.kindChanged && how === 'commit') return this.#commitKind(transaction);
    await this.#end(transaction, how);
  }

  /** Rolls back what a statement has begun for itself, which is to be run again: portals stay. */
  async takeBack(): Promise<void> {
    const portals = [...this.portals];
    await this.endTransaction('rollback');
    for (const [name, open] of portals) this.portals.set(name, open);
  }

  /** What was planned by the old kind and waits for the table must not go on by it. */
  async #commitKind(transaction: Transaction): Promise<void> {
    let release = (): void => undefined;
    try {
      release = await this.#context.holdPlanning();
      await cancelLockWaiters(transaction.participants.values());
    } catch (error) {
      release();
      await this.#end(transaction, 'rollback');
      throw error;
    }
    try {
      await this.#end(transaction, 'commit');
    } finally {
      release();
    }
  }

  async #end(transaction: Transaction, how: 'commit' | 'rollback'): Promise<void> {
    this.kindChanged = false;
    if (how === 'commit') {
      try {
        await transaction.commit(this.settings.current);
        for (const [name, each] of transaction.cursors) {
          if (each.on !== 'shards' && each.hold) this.#heldCursors.set(name, each);
        }
      } catch (error) {
        this.settings.current = transaction.settingsBefore;
        this.pins.doubtAll();
        throw error;
      }
      await learnPath(transaction, this);
    } else {
      this.settings.current = transaction.settingsBefore;
      this.pins.doubtAll();
      await transaction.rollback();
    }
    await this.publishSchemaChange();
  }

  /** A statement has changed the schema, or a savepoint has taken a change back. */
  noteSchemaChange(): void {
    this.schemaChanged = true;
    this.#topologyStale = true;
  }

  /** Brings the topology up to date: the session's own in a transaction, else everybody's. */
  async publishSchemaChange(): Promise<void> {
    if (!this.schemaChanged) return;
    const { transaction } = this;
    if (transaction === null) {
      this.schemaChanged = false;
      this.#topologyStale = false;
      this.topology = null;
      await this.#context.schemaChanged();
    } else if (this.#topologyStale && transaction.state === 'open') {
      this.#topologyStale = false;
      await transaction.enlist(HOME_SHARD);
      this.topology = await this.#context.topologyWithin(transaction.participants);
    }
  }

  /** undefined: no cursor of that name is known. */
  cursor(name: string): DeclaredCursor | undefined {
    return this.transaction?.cursors.get(name) ?? this.#heldCursors.get(name);
  }

  cursorDeclared(name: string, place: DeclaredCursor): void {
    const { transaction } = this;
    if (transaction === null) this.#heldCursors.set(name, place);
    else transaction.cursors = new Map(transaction.cursors).set(name, place);
  }

  /** null: all of them. */
  cursorClosed(name: string | null): void {
    const { transaction } = this;
    if (name === null) this.#heldCursors.clear();
    else this.#heldCursors.delete(name);
    if (transaction === null) return;
    const open = [...transaction.cursors].filter(([each]) => name !== null && each !== name);
    transaction.cursors = new Map(open);
  }

  /** The server connections with state of the session, but for one. */
  keptConnections(but: ServerConnection): readonly ServerConnection[] {
    const participants = this.transaction?.participants.values() ?? [];
    const all = new Set([...participants, ...this.pins.connections()]);
    if (this.transaction?.apart != null) all.add(this.transaction.apart);
    all.delete(but);
    return [...all];
  }

  /** Also where there is none of that name. */
  async closePortal(name: string): Promise<void> {
    const running = this.portals.get(name)?.running ?? null;
    this.portals.delete(name);
    if (running !== null) await closeRunning(running);
  }

  /** Those made behind a savepoint that is rolled back to. */
  async closePortalsSince(savepoint: number): Promise<void> {
    const names = [...this.portals].filter(([, open]) => open.savepoints >= savepoint);
    for (const [name] of names) await this.closePortal(name);
  }

  async closePortals(): Promise<void> {
    const running = [...this.portals.values()].flatMap((open) => open.running ?? []);
    this.portals.clear();
    for (const each of running) await closeRunning(each);
  }
}

// Transaction: one session's open transaction over the shards that have been enlisted in it.

import type { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Settings } from '../pool/settings.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { mayBeSomebodyElse } from './as-login.ts';
import { commit } from './commit.ts';
import type { DeclaredCursor } from './cursor/declared-cursor.ts';
import { Participants } from './participants.ts';
import { notTakenAgain, Tickets } from './ticket.ts';
import {
  type LocalNames,
  NO_MODES,
  type Savepoint,
  type SettingChange,
  type TransactionModes,
  TransactionScript,
  tellsReadOnly,
} from './transaction-script.ts';
import type { TwoPhase, UnfinishedPart } from './two-phase.ts';

export interface TransactionDependencies {
  readonly twoPhase: TwoPhase;
  /** A connection to the shard with these settings: pinned to the session, or from the pool. */
  borrow(shard: number, settings: Settings, apart?: boolean): Promise<ServerConnection>;
  /** Throws where the statement under way is to be planned anew. */
  beginsToWrite(): void;
  giveBack(connection: ServerConnection): void;
  /** As of TicketHolder. */
  isSerializable(): boolean;
  /** Committed, but not yet on this shard. */
  unfinished(part: UnfinishedPart): void;
  /** The end of the transaction, or of a savepoint, has changed what a server reports. */
  report(name: string, value: string): void;
}

/**
 * BEGIN touches no server. A shard is enlisted by the first statement that needs it: BEGIN with the
 * same modes, then the savepoints and SET LOCALs so far, then the statement. An error on any shard
 * puts the whole transaction in the failed state, whatever the other servers think.
 */
export class Transaction {
  state: 'open' | 'failed' = 'open';
  /** Date.now() at its begin. */
  readonly begunMs = Date.now();
  /** Opened by the proxy around a statement or batch, not by the client's BEGIN. */
  implicit: boolean;
  /** The client's BEGIN, with its modes. */
  readonly begin: string;
  /** The session's settings at BEGIN: what ROLLBACK returns to. */
  readonly settingsBefore: Settings;
  /** The shard whose server alone knows which search path a routine leaves behind it; null: none has. */
  pathKnownBy: number | null = null;
  /** The modes that AND CHAIN of the transaction before it has handed on. */
  inherited = NO_MODES;
  /**
   * What its statements have been answered by so far: each shard's own snapshot, taken when it was first
   * asked, or those of all shards, of one moment.
   */
  snapshot: 'none' | 'perShard' | 'ofAllShards' = 'none';
  /** A statement has been answered by no server for which one PostgreSQL takes its snapshot. */
  owesSnapshot = false;
  /** now() of its first participant, once it has been asked for. */
  time: string | null = null;
  /** Shards that a statement of known effect has written. */
  readonly writers = new Set<number>();
  readonly tickets = new Tickets(this);
  /** Cursors declared in it, and where they live. */
  cursors: ReadonlyMap<string, DeclaredCursor> = new Map();

  #participants: Participants;
  #script = new TransactionScript();
  #lost: SqlError | null = null;
  #dependencies: TransactionDependencies;

  constructor(
    begin: string,
    implicit: boolean,
    settings: Settings,
    dependencies: TransactionDependencies,
  ) {
    this.begin = begin;
    this.implicit = implicit;
    this.settingsBefore = settings;
    this.#dependencies = dependencies;
    this.#participants = new Participants(settings, dependencies);
  }

  /** By shard. */
  get participants(): ReadonlyMap<number, ServerConnection> {
    return this.#participants.connections;
  }

  /** The connection beside the transaction, once it is enlisted. */
  get apart(): ServerConnection | null {
    return this.#participants.apart;
  }

  /** The statements by which a new participant catches up. */
  get prologue(): string {
    // A line break ends a comment that the client left at the end of its BEGIN.
    return [this.begin, ...this.#script.statements].join('\n;');
  }

  /** What has been SET in it: with BEGIN, what makes another transaction like this one. */
  get recorded(): readonly string[] {
    return this.#script.settings;
  }

  /** Its BEGIN, and what has set its modes since. */
  get modes(): readonly string[] {
    return [this.begin, ...this.#script.modes];
  }

  /**
   * What AND CHAIN hands on. An error takes back the modes that were set since the last savepoint; without
   * one all of them, but for those handed on to it.
   */
  get handedOn(): TransactionModes {
    const { begin } = this;
    if (this.state !== 'failed') return { begin, modes: this.#script.modes };
    const modes = this.#script.modesBeforeSavepoint;
    return modes === null ? this.inherited : { begin, modes };
  }

  /** As in a subtransaction, which ROLLBACK TO does not end. */
  get isWithinSavepoint(): boolean {
    return this.#script.modesBeforeSavepoint !== null;
  }

  /** How many savepoints it has had so far. */
  get savepoints(): number {
    return this.#script.savepoints;
  }

  /** BEGIN is all that a shard has missed which joins now. */
  get isBare(): boolean {
    return this.#script.isEmpty && this.#lost === null;
  }

  isSerializable(): boolean {
    return this.#dependencies.isSerializable();
  }

  /** It can end by one statement on one server, or on none: nothing outlives it or is beside it. */
  get isOnOneServer(): boolean {
    const { participants, apart, cursors } = this;
    return this.isBare && participants.size <= 1 && apart === null && cursors.size === 0;
  }

  /** The connection, of settingsBefore, is in the transaction as soon as BEGIN is sent on it. */
  join(connection: ServerConnection): void {
    this.#participants.join(connection);
  }

  /** The server has no transaction any more, or never began it. */
  leave(connection: ServerConnection): void {
    this.#participants.leave(connection, this.settingsBefore);
  }

  /** The connection of `shard` in this transaction; enlists the shard if need be. */
  async enlist(shard: number): Promise<ServerConnection> {
    if (this.#lost !== null) throw this.#lost;
    const enlisted = this.participants.get(shard);
    if (enlisted !== undefined) return enlisted;
    await this.tickets.beforeJoining();
    const connection = await this.#dependencies.borrow(shard, this.settingsBefore);
    await this.#catchUp(connection, this.prologue);
    this.join(connection);
    await this.tickets.joined(connection);
    return connection;
  }

  async #catchUp(connection: ServerConnection, sql: string): Promise<void> {
    try {
      await query(connection, sql);
    } catch (error) {
      connection.tainted = true;
      this.#dependencies.giveBack(connection);
      throw error;
    }
  }

  /** The same for a statement that is about to write there. Throws as `beginsToWrite`. */
  async enlistWriter(shard: number): Promise<ServerConnection> {
    const connection = await this.enlist(shard);
    this.beginsToWrite();
    this.writers.add(shard);
    return connection;
  }

  /** Before a statement writes: the last moment at which it can be planned anew. Throws for that. */
  beginsToWrite(): void {
    this.#dependencies.beginsToWrite();
  }

  /** The connection beside the transaction, which may write even where the transaction may not. */
  async enlistApart(): Promise<ServerConnection> {
    if (this.apart !== null) return this.apart;
    const connection = await this.#dependencies.borrow(HOME_SHARD, this.settingsBefore, true);
    await this.#catchUp(connection, this.#script.writable(this.begin).join('\n;'));
    this.#participants.apart = connection;
    return connection;
  }

  /** What SET LOCAL says of how names are looked up. */
  get names(): LocalNames {
    return this.#script.names;
  }

  /** How its servers read a text, as in Settings. */
  get reading(): string {
    return this.#script.readingAfter(this.settingsBefore);
  }

  /** The same of dates. */
  get dates(): string {
    return this.#script.datesAfter(this.settingsBefore);
  }

  /** A statement that was run on every participant and must be run on those to come. */
  record(sql: string, change: SettingChange): void {
    this.#script.addSetting(sql, change);
  }

  /** The same for its modes, which COMMIT AND CHAIN hands on. */
  recordModes(sql: string): void {
    this.#script.addMode(sql);
  }

  async savepoint(name: string, sql: string, settings: Settings): Promise<void> {
    await this.onEveryParticipant(sql);
    this.#script.addSavepoint(sql, { name, settings, cursors: this.cursors });
  }

  async releaseSavepoint(name: string, sql: string): Promise<void> {
    // Throws where there is none, before any server is asked.
    this.#script.savepointOf(name);
    await this.onEveryParticipant(sql);
    this.#script.release(name);
  }

  /**
   * ROLLBACK TO: gives what was so at the savepoint. Throws when a participant has been lost, because
   * its part from before the savepoint is lost, too, and when a ticket has been lost with what is undone.
   */
  async rollbackTo(name: string, sql: string): Promise<Savepoint> {
    const savepoint = this.#script.savepointOf(name);
    if (this.#lost !== null) throw this.#lost;
    await this.onEveryParticipant(sql);
    try {
      await this.tickets.rolledBackTo(savepoint.serial);
    } catch (error) {
      this.giveUp(notTakenAgain(error));
      throw error;
    }
    // What was closed since stays closed.
    const { cursors } = savepoint;
    const open = [...cursors].filter(([name, cursor]) => this.cursors.get(name) === cursor);
    this.cursors = new Map(open);
    this.#script.returnTo(name);
    this.state = 'open';
    return savepoint;
  }

  /** The connection of a participant is gone: the transaction can only be rolled back. */
  participantLost(connection: ServerConnection, error: SqlError): void {
    if (connection !== this.apart) this.#participants.remove(connection);
    this.#lost = error;
    this.state = 'failed';
  }

  /** It can only be rolled back from here on. Nothing of it is under way. */
  giveUp(error: SqlError): void {
    this.#lost = error;
    this.state = 'failed';
    this.abort();
  }

  /**
   * Where it has failed: gives up what it holds on every shard since its last savepoint, for others may wait
   * for that. Nothing of it is under way. `by`: whose server has done so by itself.
   * Source: AbortCurrentTransaction (xact.c).
   */
  abort(by: ServerConnection | null = null): void {
    if (this.state !== 'failed') return;
    const savepoint = this.#lost === null ? this.#script.lastSavepoint : null;
    for (const connection of this.#participants.all) {
      if (connection === by) continue;
      if (savepoint === null) {
        // Others may wait for a connection, too.
        void this.#participants.giveUp(connection);
      } else {
        query(connection, `ROLLBACK TO ${quoteName(savepoint.name)}`).catch(() => {
          connection.tainted = true;
        });
      }
    }
  }

  /** Runs `sql` on every participant, in shard order; the first error is thrown. */
  onEveryParticipant(sql: string): Promise<void> {
    return this.#participants.onEvery(sql);
  }

  /**
   * Commits on every participant, `settings` being the session's from here on. Throws what made it fail,
   * after rolling back.
   */
  commit(settings: Settings): Promise<void> {
    const { twoPhase, giveBack, unfinished } = this.#dependencies;
    return commit({
      participants: this.#participants,
      writers: this.writers,
      settings,
      doubts: () => ({
        asLogin: mayBeSomebodyElse(this.settingsBefore, this.recorded),
        mayBeReadOnly: this.mayBeReadOnly(settings),
      }),
      ...{ twoPhase, giveBack, unfinished },
    });
  }

  /** By what it has been told, or its connections will be, from `settings` on. */
  mayBeReadOnly({ assignments }: Settings): boolean {
    return [this.begin, ...this.recorded, ...assignments.values()].some(tellsReadOnly);
  }

  /** Ends the transaction everywhere without effect. Never throws. */
  rollback(): Promise<void> {
    return this.#participants.rollback();
  }
}

// GroupCommit: small writes of several clients in one transaction, whose commit they share.

import type { SqlError } from '../base/errors.ts';
import { GROUP_MS_MAX, GROUPS_MAX } from '../base/limits.ts';
import { applySettings, type Cluster, giveBack } from '../execute/cluster.ts';
import { cancelStatement } from '../pool/cancel.ts';
import { type Receiver, ServerRequest, type Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { completesStep, passesOn } from '../pool/server-message.ts';
import { makeRoom } from '../pool/server-statements.ts';
import type { Settings } from '../pool/settings.ts';
import type { Borrower } from '../pool/shard-pool.ts';
import { SYNC } from '../wire/extended.ts';
import { BACKEND } from '../wire/message-type.ts';
import { STATUS } from '../wire/status.ts';

/** Messages that run one statement, ending in Sync, and what becomes of their replies. */
export interface GroupPart {
  readonly bytes: Buffer;
  readonly steps: readonly Step[] | null;
  /** Names of the statements the server is to parse for it. */
  readonly parses: readonly string[];
}

/** One client's statement in a group. It ends in exactly one of the last four. */
export interface GroupMember {
  /** The schema is not the one by which it came here. */
  readonly isOutdated: boolean;
  /** The group has its connection: there is no way back from here. */
  encode(connection: ServerConnection): GroupPart;
  /** `answer`: all but ReadyForQuery. `ms`: its share of the group's time on the server. */
  committed(answer: readonly Buffer[], ms: number): void;
  /** The group was rolled back, `own`: because of this statement. It is to be run by itself. */
  rolledBack(own: boolean): void;
  /** The connection was lost, and with it the outcome. */
  lost(error: SqlError): void;
  /** There is no connection; nothing was sent. */
  refused(error: SqlError): void;
}

interface Pending {
  readonly member: GroupMember;
  readonly settings: Settings;
}

/**
 * Of one shard. Statements that come while its groups are under way gather in the next one, so that
 * a lone client waits for nobody and many share what costs most: the flush of the log to the disk.
 * Between the statements there is no Sync, so they are one implicit transaction. Nobody hears of
 * his before it is committed; where one fails, the server has undone all, and each is run by itself.
 */
export class GroupCommit {
  #cluster: Cluster;
  #shard: number;
  #sizeMax: () => number;
  #pending: Pending[] = [];
  #groups = new Set<Group>();
  #isDue = false;

  /** `sizeMax`: statements of one group. */
  constructor(cluster: Cluster, shard: number, sizeMax: () => number) {
    this.#cluster = cluster;
    this.#shard = shard;
    this.#sizeMax = sizeMax;
  }

  /** False: there are no groups, each statement is to be run by itself. */
  get isOn(): boolean {
    return this.#sizeMax() > 1;
  }

  /** What comes in one turn of the event loop leaves together. */
  add(member: GroupMember, settings: Settings): void {
    this.#pending.push({ member, settings });
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(this.#start);
  }

  /** Takes back what was not sent yet. False: it was. */
  withdraw(member: GroupMember): boolean {
    const index = this.#pending.findIndex((each) => each.member === member);
    if (index >= 0) this.#pending.splice(index, 1);
    return index >= 0 || [...this.#groups].some((group) => group.withdraw(member));
  }

  /** Cancels what the server is doing for the group of a member that was sent. */
  cancel(member: GroupMember): void {
    for (const group of this.#groups) if (group.has(member)) group.cancel();
  }

  /** To be called every SHARED_WATCH_MS. */
  watch(): void {
    for (const group of this.#groups) group.watch(performance.now());
  }

  #start = (): void => {
    this.#isDue = false;
    while (this.#pending.length > 0 && this.#groups.size < GROUPS_MAX) {
      const { settings } = this.#pending[0]!;
      const members: GroupMember[] = [];
      const rest: Pending[] = [];
      for (const each of this.#pending) {
        const fits = each.settings.signature === settings.signature;
        if (fits && members.length < this.#sizeMax()) members.push(each.member);
        else rest.push(each);
      }
      this.#pending = rest;
      const group = new Group(this.#cluster, settings, members, () => {
        this.#groups.delete(group);
        this.#start();
      });
      this.#groups.add(group);
      this.#cluster.pools[this.#shard]!.acquire(group, settings);
    }
  };
}

class Group implements Borrower, Receiver {
  #cluster: Cluster;
  #settings: Settings;
  #onEnd: () => void;
  #members: GroupMember[];
  #answers: Answer[] = [];
  #connection: ServerConnection | null = null;
  /** The member whose replies are being read. */
  #at = 0;
  #sentAtMs = Number.POSITIVE_INFINITY;

  constructor(cluster: Cluster, settings: Settings, members: GroupMember[], onEnd: () => void) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#members = members;
    this.#onEnd = onEnd;
  }

  has(member: GroupMember): boolean {
    return this.#members.includes(member);
  }

  withdraw(member: GroupMember): boolean {
    const index = this.#members.indexOf(member);
    if (index < 0 || this.#connection !== null) return false;
    this.#members.splice(index, 1);
    return true;
  }

  cancel(): void {
    if (this.#connection !== null) void cancelStatement(this.#connection);
  }

  watch(nowMs: number): void {
    if (nowMs - this.#sentAtMs <= GROUP_MS_MAX) return;
    this.#sentAtMs = Number.POSITIVE_INFINITY;
    this.cancel();
  }

  granted(connection: ServerConnection): void {
    if (connection.settings.signature === this.#settings.signature) {
      this.#send(connection);
      return;
    }
    applySettings(connection, this.#settings).then(
      () => this.#send(connection),
      (error: SqlError) => {
        giveBack(this.#cluster, connection);
        this.refused(error);
      },
    );
  }

  refused(error: SqlError): void {
    this.#onEnd();
    for (const member of this.#members) member.refused(error);
  }

  #send(connection: ServerConnection): void {
    const outdated = this.#members.filter((member) => member.isOutdated);
    this.#members = this.#members.filter((member) => !outdated.includes(member));
    if (this.#members.length === 0) {
      giveBack(this.#cluster, connection);
      this.#onEnd();
    } else this.#sendOn(connection);
    for (const member of outdated) member.rolledBack(false);
  }

  #sendOn(connection: ServerConnection): void {
    this.#connection = connection;
    // Before all else: behind a statement that fails it would be skipped.
    const chunks = makeRoom(connection, this.#members.length);
    const parses: string[] = [];
    for (const member of this.#members) {
      const part = member.encode(connection);
      // For those behind it the statement is on its way.
      for (const name of part.parses) connection.parsing.add(name);
      parses.push(...part.parses);
      chunks.push(part.bytes.subarray(0, -SYNC.length));
      this.#answers.push(new Answer(part.steps ?? []));
    }
    chunks.push(SYNC);
    this.#sentAtMs = performance.now();
    const request = new ServerRequest(this, false).reset('swallow', null, parses);
    connection.send(Buffer.concat(chunks), request);
  }

  relay(): never {
    throw new Error('a group asks for whole messages');
  }

  copyInStarted(): never {
    throw new Error('a group copies nothing in');
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    // The Close messages are the group's own; settings do not change in it.
    if (type === BACKEND.closeComplete || type === BACKEND.parameterStatus) return;
    const answer = this.#answers[this.#at];
    if (type === BACKEND.errorResponse || answer === undefined) return;
    answer.add(type, buffer.subarray(start - HEADER_BYTES, end));
    if (answer.isWhole) this.#at += 1;
  }

  finished(status: number, failed: boolean): void {
    const connection = this.#connection!;
    const ms = connection.lastServiceMs / this.#members.length;
    if (status !== STATUS.idle) connection.tainted = true;
    giveBack(this.#cluster, connection);
    this.#onEnd();
    this.#members.forEach((member, i) => {
      if (failed) member.rolledBack(i === this.#at);
      else member.committed(this.#answers[i]!.chunks, ms);
    });
  }

  lost(error: SqlError): void {
    this.#onEnd();
    for (const member of this.#members) member.lost(error);
  }
}

const HEADER_BYTES = 5;

/** One member's replies, as far as its client is to have them. */
class Answer {
  readonly chunks: Buffer[] = [];
  #steps: readonly Step[];
  #next = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.#insertOwn();
  }

  get isWhole(): boolean {
    return this.#next === this.#steps.length;
  }

  add(type: number, message: Buffer): void {
    if (!completesStep(type)) {
      this.chunks.push(message);
      return;
    }
    const step = this.#steps[this.#next]!;
    this.#next += 1;
    if (passesOn(step, type)) this.chunks.push(message);
    step.done?.({ type, buffer: message, bodyStart: HEADER_BYTES, end: message.length });
    this.#insertOwn();
  }

  /** What the proxy answers itself. */
  #insertOwn(): void {
    for (;;) {
      const step = this.#steps[this.#next];
      if (step?.do !== 'answer') return;
      this.#next += 1;
      this.chunks.push(step.bytes);
      step.done?.();
    }
  }
}

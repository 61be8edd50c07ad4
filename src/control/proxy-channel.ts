// Proxy channel: how the processes of all proxies over the same shards ask each other, by the home shard.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NEWS_LOOK_MS, NEWS_RECONNECT_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { notificationIn } from '../pool/server-message.ts';
import { quoteLiteral } from '../pool/settings.ts';

const CHANNEL = 'drive_schema';

/** The first key of the advisory locks by which processes are known; "driv" in ASCII. */
const LOCK_CLASS = 0x64726976;

const MEMBERS = `FROM pg_catalog.pg_locks
  WHERE locktype = 'advisory' AND classid = ${LOCK_CLASS} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database())`;

/** `by` asks for the n-th time; with `to` it answers `to`'s n-th question. */
export interface Message {
  readonly by: number;
  readonly n: number;
  readonly what: string;
  readonly to: number;
  /** Of an answer. */
  readonly body: string;
}

export interface ProxyChannelOptions {
  /** A new connection to the home shard. */
  connect(): Promise<ServerConnection>;
  /** Gives what another process is to be answered. Where it rejects that one gets no answer. */
  asked(message: Message): Promise<string>;
  /** The channel was lost and is there again. Where it rejects, it is called again. */
  reopened(): Promise<void>;
  readonly terminate: Buffer;
  readonly log: Logger;
}

export interface Answers {
  readonly bodies: readonly string[];
  /** Who has not answered in time. */
  readonly silent: readonly number[];
}

interface Question {
  readonly waiting: Set<number>;
  readonly bodies: string[];
  readonly answered: () => void;
}

/**
 * Every process listens on the home shard, where a lock of its session says that it is there: it needs no
 * table, and goes with the session.
 */
export class ProxyChannel {
  #options: ProxyChannelOptions;
  #id = randomInt(1, 2 ** 31 - 1);
  #connection: ServerConnection | null = null;
  #questions = new Map<number, Question>();
  #count = 0;
  #closed = false;

  constructor(options: ProxyChannelOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#connection !== null;
  }

  /** Resolves when others are heard. Rejects when the home shard cannot be reached. */
  async open(): Promise<void> {
    if (this.#connection !== null) return;
    const connection = await this.#options.connect();
    connection.owner = { asynchronousMessage: (bytes) => this.#heard(bytes) };
    connection.onClosed = () => this.#lost(connection);
    // Listening comes first: who finds the lock may ask at once.
    await query(connection, `LISTEN ${CHANNEL}`);
    await query(connection, `SELECT pg_catalog.pg_advisory_lock(${LOCK_CLASS}, ${this.#id})`);
    this.#connection = connection;
    if (this.#closed) this.close();
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close(this.#options.terminate);
  }

  /**
   * Asks all others, and resolves when they have answered, have gone or are late. Nobody is asked while
   * the home shard is away. Rejects with SqlError or ServerError.
   */
  async ask(what: string, waitMs: number): Promise<Answers> {
    const connection = this.#connection;
    const waiting = new Set(connection === null ? [] : await this.#others(connection));
    if (connection === null || waiting.size === 0) return { bodies: [], silent: [] };
    this.#count += 1;
    const n = this.#count;
    const { promise, resolve } = Promise.withResolvers<void>();
    const bodies: string[] = [];
    this.#questions.set(n, { waiting, bodies, answered: resolve });
    try {
      await this.#say(connection, { by: this.#id, n, what, to: 0, body: '' });
      const deadlineMs = performance.now() + waitMs;
      while (waiting.size > 0 && performance.now() < deadlineMs) {
        await Promise.race([promise, sleep(NEWS_LOOK_MS, undefined, { ref: false })]);
        if (waiting.size === 0) break;
        const present = new Set(await this.#others(connection));
        for (const id of waiting) if (!present.has(id)) waiting.delete(id);
      }
      return { bodies, silent: [...waiting] };
    } finally {
      this.#questions.delete(n);
    }
  }

  /** Ends the connections of others: they connect anew, and know then that they have missed something. */
  async cutOff(ids: readonly number[]): Promise<void> {
    const connection = this.#connection;
    if (connection === null || ids.length === 0) return;
    const sql = `SELECT pg_catalog.pg_terminate_backend(pid) ${MEMBERS} AND objid IN (${ids})`;
    await query(connection, sql);
  }

  async #others(connection: ServerConnection): Promise<number[]> {
    const { rows } = await query(connection, `SELECT objid ${MEMBERS}`);
    return rows.map(([id]) => Number(id)).filter((id) => id !== this.#id);
  }

  async #say(connection: ServerConnection, message: Message): Promise<void> {
    const payload = quoteLiteral(JSON.stringify(message));
    await query(connection, `SELECT pg_catalog.pg_notify('${CHANNEL}', ${payload})`);
  }

  #heard(bytes: Buffer): void {
    const message = messageIn(bytes);
    if (message === null || message.by === this.#id) return;
    if (message.to === 0) {
      void this.#answer(message);
      return;
    }
    if (message.to !== this.#id) return;
    const question = this.#questions.get(message.n);
    if (question?.waiting.delete(message.by) !== true) return;
    question.bodies.push(message.body);
    if (question.waiting.size === 0) question.answered();
  }

  async #answer(message: Message): Promise<void> {
    try {
      const body = await this.#options.asked(message);
      const connection = this.#connection;
      if (connection === null) return;
      await this.#say(connection, { ...message, by: this.#id, to: message.by, body });
    } catch (error) {
      this.#options.log.debug({ err: error }, 'another proxy could not be answered');
    }
  }

  #lost(connection: ServerConnection): void {
    if (this.#connection === connection) this.#connection = null;
    if (!this.#closed) void this.#openAgain();
  }

  async #openAgain(): Promise<void> {
    for (let isDone = false; !this.#closed && !isDone; ) {
      try {
        await this.open();
        await this.#options.reopened();
        isDone = true;
      } catch (error) {
        this.#options.log.debug({ err: error }, 'the home shard cannot be listened to');
        await sleep(NEWS_RECONNECT_MS, undefined, { ref: false });
      }
    }
  }
}

/** null: a notice, or a notification of somebody else on the same channel. */
function messageIn(bytes: Buffer): Message | null {
  const notification = notificationIn(bytes);
  if (notification?.channel !== CHANNEL) return null;
  try {
    const { by, n, what, to, body } = JSON.parse(notification.payload) as Message;
    const isOne = [by, n, to].every(Number.isInteger) && typeof body === 'string';
    return isOne ? { by, n, what: String(what), to, body } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

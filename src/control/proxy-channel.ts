// Proxy channel: how the processes of all proxies over the same shards ask each other, by the home shard.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NEWS_ASKERS_MAX, NEWS_LOOK_MS, NEWS_RECONNECT_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { quoteLiteral } from '../base/quote.ts';
import { connectionLost } from '../pool/outage.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { notificationIn } from '../pool/server-message.ts';
import { MessageSeal } from './message-seal.ts';

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
  /** Known to all proxies, and to no user: messages of anybody else are none. */
  readonly secret: string;
  readonly terminate: Buffer;
  readonly log: Logger;
}

export interface Answers {
  readonly bodies: readonly string[];
  /** Who has not answered in time. */
  readonly silent: readonly number[];
}

/** The connection by which this process speaks and listens. */
interface Line {
  readonly connection: ServerConnection;
  /** As the server tells it to those who listen. */
  readonly processId: number;
  readonly seal: MessageSeal;
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
  #line: Line | null = null;
  #opening: Promise<void> | null = null;
  #seal: MessageSeal | null = null;
  #questions = new Map<number, Question>();
  /** The last question of each process: an overheard one, said again, is none. */
  #asked = new Map<number, number>();
  #count = 0;
  #closed = false;

  constructor(options: ProxyChannelOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#line !== null;
  }

  /** Resolves when others are heard. Rejects when the home shard cannot be reached. */
  async open(): Promise<void> {
    if (this.#line !== null) return;
    // One at a time: two lines of one process would wait for each other's lock.
    this.#opening ??= this.#openLine().finally(() => {
      this.#opening = null;
    });
    await this.#opening;
  }

  async #openLine(): Promise<void> {
    this.#seal ??= await MessageSeal.of(this.#options.secret, CHANNEL);
    const seal = this.#seal;
    const connection = await this.#options.connect();
    try {
      connection.owner = { asynchronousMessage: (bytes) => this.#heard(bytes, seal) };
      connection.onClosed = () => this.#lost(connection);
      // Listening comes first: who finds the lock may ask at once.
      await query(connection, `LISTEN ${CHANNEL}`);
      const lock = `pg_catalog.pg_advisory_lock(${LOCK_CLASS}, ${this.#id})`;
      const { rows } = await query(connection, `SELECT pg_catalog.pg_backend_pid(), ${lock}`);
      // It may have ended right behind its answer.
      if (connection.closed) throw connectionLost(connection.shard, 'it is closed');
      this.#line = { connection, processId: Number(rows[0]![0]), seal };
    } catch (error) {
      connection.close(this.#options.terminate);
      throw error;
    }
    if (this.#closed) this.close();
  }

  close(): void {
    this.#closed = true;
    this.#line?.connection.close(this.#options.terminate);
  }

  /**
   * Asks all others, and resolves when they have answered, have gone or are late. Nobody is asked while
   * the home shard is away. Rejects with SqlError or ServerError.
   */
  async ask(what: string, waitMs: number): Promise<Answers> {
    const line = this.#line;
    const waiting = new Set(line === null ? [] : await this.#others(line));
    if (line === null || waiting.size === 0) return { bodies: [], silent: [] };
    this.#count += 1;
    const n = this.#count;
    const { promise, resolve } = Promise.withResolvers<void>();
    const bodies: string[] = [];
    this.#questions.set(n, { waiting, bodies, answered: resolve });
    try {
      await this.#say(line, { by: this.#id, n, what, to: 0, body: '' });
      const deadlineMs = performance.now() + waitMs;
      while (waiting.size > 0 && performance.now() < deadlineMs) {
        await Promise.race([promise, sleep(NEWS_LOOK_MS, undefined, { ref: false })]);
        if (waiting.size === 0) break;
        const present = new Set(await this.#others(line));
        for (const id of waiting) if (!present.has(id)) waiting.delete(id);
      }
      return { bodies, silent: [...waiting] };
    } finally {
      this.#questions.delete(n);
    }
  }

  /** Ends the connections of others: they connect anew, and know then that they have missed something. */
  async cutOff(ids: readonly number[]): Promise<void> {
    if (this.#line === null || ids.length === 0) return;
    const sql = `SELECT pg_catalog.pg_terminate_backend(pid) ${MEMBERS} AND objid IN (${ids})`;
    await query(this.#line.connection, sql);
  }

  async #others({ connection }: Line): Promise<number[]> {
    const { rows } = await query(connection, `SELECT objid ${MEMBERS}`);
    return rows.map(([id]) => Number(id)).filter((id) => id !== this.#id);
  }

  async #say({ connection, processId, seal }: Line, message: Message): Promise<void> {
    const payload = quoteLiteral(seal.seal(JSON.stringify(message), processId));
    await query(connection, `SELECT pg_catalog.pg_notify('${CHANNEL}', ${payload})`);
  }

  #heard(bytes: Buffer, seal: MessageSeal): void {
    const message = messageIn(bytes, seal);
    if (message === null || message.by === this.#id) return;
    if (message.to === 0) {
      if (this.#isNew(message)) void this.#answer(message);
      return;
    }
    if (message.to !== this.#id) return;
    const question = this.#questions.get(message.n);
    if (question?.waiting.delete(message.by) !== true) return;
    question.bodies.push(message.body);
    if (question.waiting.size === 0) question.answered();
  }

  #isNew({ by, n }: Message): boolean {
    if (n <= (this.#asked.get(by) ?? 0)) return false;
    this.#asked.delete(by);
    this.#asked.set(by, n);
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > NEWS_ASKERS_MAX) this.#asked.delete(oldest!);
    return true;
  }

  async #answer(message: Message): Promise<void> {
    try {
      const body = await this.#options.asked(message);
      const line = this.#line;
      if (line === null) return;
      await this.#say(line, { ...message, by: this.#id, to: message.by, body });
    } catch (error) {
      this.#options.log.debug({ err: error }, 'another proxy could not be answered');
    }
  }

  /** Of a line that was never there, who opens it hears himself. */
  #lost(connection: ServerConnection): void {
    if (this.#line?.connection !== connection) return;
    this.#line = null;
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
function messageIn(bytes: Buffer, seal: MessageSeal): Message | null {
  const notification = notificationIn(bytes);
  if (notification?.channel !== CHANNEL) return null;
  const text = seal.open(notification.payload, notification.processId);
  return text === null ? null : (JSON.parse(text) as Message);
}

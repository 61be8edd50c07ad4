// Schema news: what other proxies are told when the schema has changed, and what they tell this one.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NEWS_ACKNOWLEDGED_MS, NEWS_LOOK_MS, NEWS_RECONNECT_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { notificationIn } from '../pool/server-message.ts';
import { quoteLiteral } from '../pool/settings.ts';

export interface SchemaNewsOptions {
  /** A new connection to the home shard. */
  connect(): Promise<ServerConnection>;
  /** Resolves when this process plans with the schema of now. */
  load(): Promise<void>;
  readonly terminate: Buffer;
  readonly log: Logger;
}

const CHANNEL = 'drive_schema';

/** The first key of the advisory locks by which processes are known; "driv" in ASCII. */
const LOCK_CLASS = 0x64726976;

const MEMBERS = `FROM pg_catalog.pg_locks
  WHERE locktype = 'advisory' AND classid = ${LOCK_CLASS} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database())`;

/** `by` has changed the schema for the `n`-th time; with `to`: it knows of `to`'s n-th change. */
interface Message {
  readonly by: number;
  readonly to?: number;
  readonly n: number;
}

/** An announcement that others have still to acknowledge. */
interface Announced {
  readonly waiting: Set<number>;
  readonly done: () => void;
}

/**
 * Every process of every proxy listens on the home shard, where a lock of its session says that it is
 * there. A change is announced when it is committed, and the statement that made it is answered when all
 * others have read the schema again, or their connections have been ended, upon which they do so before
 * anything else.
 */
export class SchemaNews {
  #options: SchemaNewsOptions;
  #id = randomInt(1, 2 ** 31 - 1);
  #connection: ServerConnection | null = null;
  #announced = new Map<number, Announced>();
  #count = 0;
  #closed = false;

  constructor(options: SchemaNewsOptions) {
    this.#options = options;
  }

  /** Resolves when changes of others are heard of. Rejects when the home shard cannot be reached. */
  async open(): Promise<void> {
    if (this.#connection !== null) return;
    const connection = await this.#options.connect();
    connection.owner = { asynchronousMessage: (bytes) => this.#heard(bytes) };
    connection.onClosed = () => this.#lost(connection);
    // Listening comes first: who finds the lock may announce at once.
    await query(connection, `LISTEN ${CHANNEL}`);
    await query(connection, `SELECT pg_catalog.pg_advisory_lock(${LOCK_CLASS}, ${this.#id})`);
    this.#connection = connection;
    if (this.#closed) this.close();
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close(this.#options.terminate);
  }

  /** Resolves when all others know of a change that this process has committed. Never rejects. */
  async announce(): Promise<void> {
    const connection = this.#connection;
    // The others are found out by the same connection that is lost: they are as likely to be.
    if (connection === null) return;
    try {
      await this.#tell(connection);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'other proxies could not be told of a new schema');
    }
  }

  async #tell(connection: ServerConnection): Promise<void> {
    const waiting = new Set(await this.#others(connection));
    if (waiting.size === 0) return;
    this.#count += 1;
    const n = this.#count;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#announced.set(n, { waiting, done: resolve });
    try {
      await this.#say(connection, { by: this.#id, n });
      const deadlineMs = performance.now() + NEWS_ACKNOWLEDGED_MS;
      while (waiting.size > 0 && performance.now() < deadlineMs) {
        await Promise.race([promise, sleep(NEWS_LOOK_MS, undefined, { ref: false })]);
        if (waiting.size === 0) break;
        const present = new Set(await this.#others(connection));
        for (const id of waiting) if (!present.has(id)) waiting.delete(id);
      }
      if (waiting.size > 0) await this.#cutOff(connection, [...waiting]);
    } finally {
      this.#announced.delete(n);
    }
  }

  async #others(connection: ServerConnection): Promise<number[]> {
    const { rows } = await query(connection, `SELECT objid ${MEMBERS}`);
    return rows.map(([id]) => Number(id)).filter((id) => id !== this.#id);
  }

  /** Who does not answer is to find its connection gone: it reads the schema with a new one. */
  async #cutOff(connection: ServerConnection, ids: readonly number[]): Promise<void> {
    this.#options.log.warn({ processes: ids.length }, 'other proxies are slow to hear of a change');
    const sql = `SELECT pg_catalog.pg_terminate_backend(pid) ${MEMBERS} AND objid IN (${ids})`;
    await query(connection, sql);
  }

  async #say(connection: ServerConnection, message: Message): Promise<void> {
    const payload = quoteLiteral(JSON.stringify(message));
    await query(connection, `SELECT pg_catalog.pg_notify('${CHANNEL}', ${payload})`);
  }

  #heard(bytes: Buffer): void {
    const message = messageIn(bytes);
    if (message === null || message.by === this.#id) return;
    if (message.to === undefined) void this.#acknowledge(message);
    else if (message.to === this.#id) {
      const announced = this.#announced.get(message.n);
      announced?.waiting.delete(message.by);
      if (announced?.waiting.size === 0) announced.done();
    }
  }

  async #acknowledge({ by, n }: Message): Promise<void> {
    try {
      await this.#options.load();
      const connection = this.#connection;
      if (connection !== null) await this.#say(connection, { by: this.#id, to: by, n });
    } catch (error) {
      // Without an acknowledgement the connection is ended, and all begins anew.
      this.#options.log.debug({ err: error }, 'a new schema could not be read');
    }
  }

  #lost(connection: ServerConnection): void {
    if (this.#connection === connection) this.#connection = null;
    if (!this.#closed) void this.#openAgain();
  }

  /** While the home shard is away nobody can change the schema there. */
  async #openAgain(): Promise<void> {
    while (!this.#closed && this.#connection === null) {
      try {
        await this.open();
        await this.#options.load();
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
    const { by, to, n } = JSON.parse(notification.payload) as Message;
    if (!Number.isInteger(by) || !Number.isInteger(n)) return null;
    return to === undefined ? { by, n } : { by, to, n };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

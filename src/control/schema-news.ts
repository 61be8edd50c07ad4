// Schema news: what other proxies are told when the schema has changed, and what they tell this one.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SqlError } from '../base/errors.ts';
import {
  NEWS_ACKNOWLEDGED_MS,
  NEWS_LOOK_MS,
  NEWS_RECONNECT_MS,
  SCHEMA_HOLD_MS,
} from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { SchemaHold } from '../execute/schema-hold.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { notificationIn } from '../pool/server-message.ts';
import { quoteLiteral } from '../pool/settings.ts';

export interface SchemaNewsOptions {
  /** A new connection to the home shard. */
  connect(): Promise<ServerConnection>;
  /** Resolves when this process plans with the schema of now. */
  load(): Promise<void>;
  /** On while another process, or this one, changes what tables are. */
  readonly hold: SchemaHold;
  readonly terminate: Buffer;
  readonly log: Logger;
}

const KINDS: ReadonlySet<string> = new Set(['changed', 'hold', 'known']);

const CHANNEL = 'drive_schema';

/** The first key of the advisory locks by which processes are known; "driv" in ASCII. */
const LOCK_CLASS = 0x64726976;

const MEMBERS = `FROM pg_catalog.pg_locks
  WHERE locktype = 'advisory' AND classid = ${LOCK_CLASS} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database())`;

/**
 * `by` speaks for the n-th time. changed: the schema is another. hold: it is about to be, and nobody is
 * to plan until `by` has said so, or that it is as it was. known: `to` has been heard.
 */
interface Message {
  readonly by: number;
  readonly n: number;
  readonly what: 'changed' | 'hold' | 'known';
  readonly to: number;
}

/** Another process's n-th message holds this one up, until a later one, or its end. */
interface Held {
  readonly n: number;
  readonly end: () => void;
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
  /** By the process that holds this one up. */
  #held = new Map<number, Held>();
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
    // Who has lost the home shard cannot ask who the others are; they have most likely lost it, too.
    if (connection === null) return;
    try {
      await this.#tell(connection, 'changed');
    } catch (error) {
      this.#options.log.warn({ err: error }, 'other proxies could not be told of a new schema');
    }
  }

  /**
   * Resolves when neither this process nor any other plans, with what ends it, which is to come soon and
   * behind an announcement. Rejects with SqlError when another cannot be told.
   */
  async hold(): Promise<() => void> {
    const connection = this.#connection;
    if (connection === null) throw notTold();
    const release = this.#options.hold.begin();
    try {
      if (!(await this.#tell(connection, 'hold'))) throw notTold();
    } catch (error) {
      release();
      throw error;
    }
    return () => {
      release();
      // Where nothing was announced, the others are let go by this.
      void this.announce();
    };
  }

  /** False: somebody did not answer, and has been cut off. */
  async #tell(connection: ServerConnection, what: 'changed' | 'hold'): Promise<boolean> {
    const waiting = new Set(await this.#others(connection));
    if (waiting.size === 0) return true;
    this.#count += 1;
    const n = this.#count;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#announced.set(n, { waiting, done: resolve });
    try {
      await this.#say(connection, { by: this.#id, n, what, to: 0 });
      const deadlineMs = performance.now() + NEWS_ACKNOWLEDGED_MS;
      while (waiting.size > 0 && performance.now() < deadlineMs) {
        await Promise.race([promise, sleep(NEWS_LOOK_MS, undefined, { ref: false })]);
        if (waiting.size === 0) break;
        const present = new Set(await this.#others(connection));
        for (const id of waiting) if (!present.has(id)) waiting.delete(id);
      }
      if (waiting.size > 0) await this.#cutOff(connection, [...waiting]);
      return waiting.size === 0;
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
    if (message.what === 'known') {
      if (message.to !== this.#id) return;
      const announced = this.#announced.get(message.n);
      announced?.waiting.delete(message.by);
      if (announced?.waiting.size === 0) announced.done();
      return;
    }
    if (message.what === 'hold') this.#holdFor(message);
    void this.#acknowledge(message);
  }

  #holdFor({ by, n }: Message): void {
    const release = this.#options.hold.begin();
    this.#held.get(by)?.end();
    const timer = setTimeout(() => void this.#letGo(by, n), SCHEMA_HOLD_MS).unref();
    const end = (): void => {
      clearTimeout(timer);
      release();
    };
    this.#held.set(by, { n, end });
  }

  /** The other is gone, or takes too long: what it has committed is there to be read. */
  async #letGo(by: number, n: number): Promise<void> {
    this.#options.log.warn('another proxy has announced a change of the schema, and no end of it');
    await this.#load();
    this.#release(by, n);
  }

  /** A hold that has begun meanwhile goes on. */
  #release(by: number, upTo: number): void {
    const held = this.#held.get(by);
    if (held === undefined || held.n > upTo) return;
    held.end();
    this.#held.delete(by);
  }

  /** False: the home shard cannot be asked. */
  async #load(): Promise<boolean> {
    try {
      await this.#options.load();
      return true;
    } catch (error) {
      this.#options.log.debug({ err: error }, 'a new schema could not be read');
      return false;
    }
  }

  /** Without an acknowledgement the connection is ended, and all begins anew. */
  async #acknowledge({ by, n, what }: Message): Promise<void> {
    if (what === 'changed') {
      if (!(await this.#load())) return;
      this.#release(by, n);
    }
    try {
      const connection = this.#connection;
      if (connection !== null) {
        await this.#say(connection, { by: this.#id, n, what: 'known', to: by });
      }
    } catch (error) {
      this.#options.log.debug({ err: error }, 'a change of the schema could not be acknowledged');
    }
  }

  #lost(connection: ServerConnection): void {
    if (this.#connection === connection) this.#connection = null;
    if (!this.#closed) void this.#openAgain();
  }

  /** While the home shard is away nobody can change the schema there. */
  async #openAgain(): Promise<void> {
    for (let isLoaded = false; !this.#closed && !isLoaded; ) {
      try {
        const held = [...this.#held];
        await this.open();
        await this.#options.load();
        isLoaded = true;
        for (const [by, { n }] of held) this.#release(by, n);
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
    const { by, n, what, to } = JSON.parse(notification.payload) as Message;
    const isOne = [by, n, to].every(Number.isInteger) && KINDS.has(what);
    return isOne ? { by, n, what, to } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function notTold(): SqlError {
  return new SqlError({
    code: SQLSTATE.objectInUse,
    message: 'the kind of the table cannot be changed: another proxy cannot be told',
    hint: 'Repeat it.',
  });
}

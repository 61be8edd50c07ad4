// Schema news: what other proxies are told when the schema has changed, and what they tell this one.

import { SqlError } from '../base/errors.ts';
import { NEWS_ACKNOWLEDGED_MS, SCHEMA_HOLD_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { SchemaHold } from '../execute/schema-hold.ts';
import type { Answers, Message } from './proxy-channel.ts';

export interface SchemaNewsOptions {
  /** Asks all other processes of all proxies; null: the home shard is away. */
  ask(what: string, waitMs: number): Promise<Answers> | null;
  cutOff(ids: readonly number[]): Promise<void>;
  /** Resolves when this process plans with the schema of now. */
  load(): Promise<void>;
  /** On while another process, or this one, changes what tables are. */
  readonly hold: SchemaHold;
  readonly log: Logger;
}

/** Another process's n-th message holds this one up, until a later one, or its end. */
interface Held {
  readonly n: number;
  readonly end: () => void;
}

/** The schema is another: to be answered when it has been read. */
const CHANGED = 'changed';
/** It is about to be, and nobody is to plan until the asker has said so, or that it is as it was. */
const HOLD = 'hold';

/**
 * A change is announced when it is committed, and the statement that made it is answered when all others
 * have read the schema again, or have been cut off, upon which they do so before anything else.
 */
export class SchemaNews {
  #options: SchemaNewsOptions;
  /** By the process that holds this one up. */
  #held = new Map<number, Held>();

  constructor(options: SchemaNewsOptions) {
    this.#options = options;
  }

  /** Resolves when all others know of a change that this process has committed. Never rejects. */
  async announce(): Promise<void> {
    try {
      await this.#tell(CHANGED);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'other proxies could not be told of a new schema');
    }
  }

  /**
   * Resolves when neither this process nor any other plans, with what ends it, which is to come soon and
   * behind an announcement. Rejects with SqlError when another cannot be told.
   */
  async hold(): Promise<() => void> {
    const release = this.#options.hold.begin();
    try {
      if (!(await this.#tell(HOLD))) throw notTold();
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

  /** Answers `changed` and `hold` of another process; null: it asks for something else. */
  async asked({ by, n, what }: Message): Promise<string | null> {
    if (what === HOLD) {
      this.#holdFor(by, n);
      return '';
    }
    if (what !== CHANGED) return null;
    await this.#options.load();
    this.#release(by, n);
    return '';
  }

  /** Others may have spoken unheard. */
  async reopened(): Promise<void> {
    const held = [...this.#held];
    await this.#options.load();
    for (const [by, { n }] of held) this.#release(by, n);
  }

  /** False: somebody was not told. */
  async #tell(what: string): Promise<boolean> {
    // Who has lost the home shard cannot ask who the others are; they have most likely lost it, too.
    const asking = this.#options.ask(what, NEWS_ACKNOWLEDGED_MS);
    if (asking === null) return false;
    const { silent } = await asking;
    if (silent.length === 0) return true;
    this.#options.log.warn(
      { processes: silent.length },
      'other proxies are slow to hear of a change',
    );
    await this.#options.cutOff(silent);
    return false;
  }

  #holdFor(by: number, n: number): void {
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
    const { log } = this.#options;
    log.warn('another proxy has announced a change of the schema, and no end of it');
    try {
      await this.#options.load();
    } catch (error) {
      log.debug({ err: error }, 'the schema could not be read');
    }
    this.#release(by, n);
  }

  /** A hold that has begun meanwhile goes on. */
  #release(by: number, upTo: number): void {
    const held = this.#held.get(by);
    if (held === undefined || held.n > upTo) return;
    held.end();
    this.#held.delete(by);
  }
}

function notTold(): SqlError {
  return new SqlError({
    code: SQLSTATE.objectInUse,
    message: 'the kind of the table cannot be changed: another proxy cannot be told',
    hint: 'Repeat it.',
  });
}

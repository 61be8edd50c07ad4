// User lookup: asks the home shard for the password of a user whom the configuration does not list.

import { SqlError } from '../base/errors.ts';
import { LOOKUPS_RUNNING_MAX, USERS_REMEMBERED_MAX } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { exchange } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeBind, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { TERMINATE } from '../wire/terminate.ts';

export interface UserLookupOptions {
  /** A connection of its own for one query, which no client's statements ever run on. */
  readonly connect: () => Promise<ServerConnection>;
  /** `$1` is the user; gives a row of the user's name and its password as in pg_authid. */
  readonly query: string;
  /** How long an answer is used again; 0: not at all. */
  readonly cacheMs: number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

interface Remembered {
  readonly password: string | null;
  readonly untilMs: number;
}

/** That somebody does not exist is remembered, too: else guessing names would cost a query each. */
export class UserLookup {
  #options: UserLookupOptions;
  /** The oldest answer first. */
  #remembered = new Map<string, Remembered>();
  #underWay = new Map<string, Promise<string | null>>();
  #running = 0;
  #queue: (() => void)[] = [];

  constructor(options: UserLookupOptions) {
    this.#options = options;
  }

  /**
   * null: there is no such user, or it has no password. Rejects with SqlError 57P03 when the home
   * shard does not answer or refuses the query; why is for the log alone.
   */
  find(user: string): Promise<string | null> {
    const { nowMs } = this.#options;
    const known = this.#remembered.get(user);
    if (known !== undefined && nowMs() < known.untilMs) return Promise.resolve(known.password);
    const underWay = this.#underWay.get(user);
    if (underWay !== undefined) return underWay;
    const asked = this.#ask(user).finally(() => this.#underWay.delete(user));
    this.#underWay.set(user, asked);
    return asked;
  }

  async #ask(user: string): Promise<string | null> {
    const { cacheMs, nowMs, log } = this.#options;
    await this.#turn();
    try {
      const password = await this.#query(user);
      this.#remember(user, { password, untilMs: nowMs() + cacheMs });
      return password;
    } catch (error) {
      log.error({ err: error }, 'proxy.authQuery has failed');
      throw new SqlError(
        {
          code: SQLSTATE.cannotConnectNow,
          message: 'the user cannot be looked up now',
          hint: 'The log of the proxy has the details.',
          severity: 'FATAL',
        },
        { cause: error },
      );
    } finally {
      this.#leave();
    }
  }

  /** Clients that nobody knows must not take the server's room from those who are at work. */
  async #turn(): Promise<void> {
    if (this.#running < LOOKUPS_RUNNING_MAX) this.#running += 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    // Who is next takes the place over.
    if (next === undefined) this.#running -= 1;
    else next();
  }

  async #query(user: string): Promise<string | null> {
    const { connect, query } = this.#options;
    const connection = await connect();
    try {
      const asked = Buffer.concat([
        encodeParse({ name: '', sql: query, parameterTypes: [] }),
        encodeBind({
          ...{ portal: '', statement: '', parameterFormats: [], resultFormats: [] },
          parameters: [Buffer.from(user)],
        }),
        encodeExecute({ portal: '', maxRows: 2 }),
        SYNC,
      ]);
      const { rows } = await exchange(connection, asked);
      const [row, second] = rows;
      if (second !== undefined) throw new Error('proxy.authQuery gives more than one row');
      if (row === undefined) return null;
      if (row.length !== 2) throw new Error('proxy.authQuery must give a name and a password');
      // The type name cuts long names off: that is another user then.
      return row[0] === user ? row[1]! : null;
    } finally {
      connection.close(TERMINATE);
    }
  }

  #remember(user: string, answer: Remembered): void {
    this.#remembered.delete(user);
    if (this.#remembered.size >= USERS_REMEMBERED_MAX) {
      this.#remembered.delete(this.#remembered.keys().next().value!);
    }
    this.#remembered.set(user, answer);
  }
}

// The API's connections to the proxy: a pool with keep-alive, int8 as bigint, failures as statuses.

import { finished } from 'node:stream/promises';
import { API_CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { Pool, type PoolClient } from '../base/pg.ts';
import { copyFrom } from '../base/pg-copy.ts';
import type { ProxyTls } from '../control/proxy-trust.ts';
import { databaseFailure } from './database-failure.ts';
import { API_KEEP_ALIVE_MS, API_STATEMENT_TIMEOUT_MS } from './limits.ts';

/** How the API reaches the proxy, and where it listens: the `api` part of the configuration. */
export interface ApiSettings {
  readonly host: string;
  readonly port: number;
  readonly proxyHost: string;
  readonly proxyPort: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly poolSize: number;
}

/** Parameters of a statement; PostgreSQL reads them as the types the statement wants. */
export type Values = readonly (bigint | number | string | null)[];

/** One row by column names: int8 as bigint, int4 as number, everything else as text, NULL as null. */
export type Row = Readonly<Record<string, unknown>>;

/** A statement with a name is prepared once per connection under it. */
export interface Sql {
  readonly name?: string;
  readonly text: string;
}

/** A connection held for several statements, one at a time. */
export interface Connection {
  /** @throws the driver's error, untranslated: the holder knows what its failure means. */
  rows(sql: Sql, values?: Values): Promise<readonly Row[]>;
  /** COPY … FROM STDIN of `data`, all or nothing. @throws as `rows`. */
  copy(text: string, data: string): Promise<void>;
  /** Runs a statement without parameters; gives the first word of its tag, such as COMMIT. */
  command(text: string): Promise<string>;
  /** Gives the connection back; `broken` closes it, which rolls back what it had open. */
  release(broken: boolean): void;
}

const INT8_OID = 20;
const INT4_OID = 23;

const types = {
  getTypeParser(oid: number): (text: string) => unknown {
    if (oid === INT8_OID) return BigInt;
    if (oid === INT4_OID) return Number;
    return String;
  },
};

async function rowsOf(
  client: Pool | PoolClient,
  sql: Sql,
  values: Values,
  timeoutMs: number,
): Promise<readonly Row[]> {
  const query = { ...sql, values: [...values], query_timeout: timeoutMs };
  const result = await client.query<Row>(query);
  return result.rows;
}

/** What the API asks of the proxy. */
export interface Database {
  /** Runs one statement. @throws ApiFailure 503, 504 or 500 (see databaseFailure). */
  rows(sql: Sql, values?: Values, timeoutMs?: number): Promise<readonly Row[]>;
  /** A connection of the caller's own until released. @throws ApiFailure 503 when there is none. */
  connect(): Promise<Connection>;
  /** Waits for connections in use, then closes all. */
  close(): Promise<void>;
}

function heldConnection(client: PoolClient): Connection {
  // A connection that breaks between two statements says so here; the next statement then fails.
  const onError = (): void => undefined;
  client.on('error', onError);
  return {
    rows: (sql, values = []) => rowsOf(client, sql, values, API_STATEMENT_TIMEOUT_MS),
    command: async (text) => {
      const query = { text, query_timeout: API_STATEMENT_TIMEOUT_MS };
      const result = await client.query(query);
      return result.command;
    },
    copy: async (text, data) => {
      const stream = client.query(copyFrom(text));
      const late = setTimeout(() => {
        // In the words of pg's own timeout, which knows nothing of streams.
        stream.destroy(new Error('Query read timeout'));
      }, API_STATEMENT_TIMEOUT_MS);
      try {
        stream.end(data);
        await finished(stream);
      } finally {
        clearTimeout(late);
      }
    },
    release: (broken) => {
      client.off('error', onError);
      client.release(broken);
    },
  };
}

function createPool(settings: ApiSettings, ssl: ProxyTls, log: Logger): Pool {
  const pool = new Pool({
    host: settings.proxyHost,
    port: settings.proxyPort,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    ssl: ssl ?? false,
    max: settings.poolSize,
    keepAlive: true,
    idleTimeoutMillis: API_KEEP_ALIVE_MS,
    connectionTimeoutMillis: API_CONNECT_TIMEOUT_MS,
    types,
  });
  pool.on('error', ({ message }) => {
    // The pool does not wait for its connections to close: the proxy may say goodbye to them first.
    if (!pool.ending) log.warn({ reason: message }, 'an idle connection was lost');
  });
  return pool;
}

/** A pool of connections to the proxy; opens none before the first statement. `ssl`: null without. */
export function openDatabase(settings: ApiSettings, ssl: ProxyTls, log: Logger): Database {
  const pool = createPool(settings, ssl, log);
  return {
    rows: async (sql, values = [], timeoutMs = API_STATEMENT_TIMEOUT_MS) => {
      try {
        return await rowsOf(pool, sql, values, timeoutMs);
      } catch (error) {
        throw databaseFailure(error);
      }
    },
    connect: async () => {
      try {
        return heldConnection(await pool.connect());
      } catch (error) {
        throw databaseFailure(error);
      }
    },
    close: () => pool.end(),
  };
}

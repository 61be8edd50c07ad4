// `drive explain`: how the running proxy would answer a statement, shard by shard.

import { API_CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import { Client, DatabaseError, type QueryResult } from '../base/pg.ts';
import { requireApiLogin } from '../control/config.ts';
import { proxyTls } from '../control/proxy-trust.ts';
import { configFor } from './serve.ts';

export interface ExplainOptions {
  readonly config?: string;
  readonly proxyPort?: number;
  readonly analyze?: boolean;
  readonly format?: string;
}

/** Prints the proxy's EXPLAIN of `sql`; exit code 1 when it refuses the statement. */
export async function explain(sql: string, options: ExplainOptions): Promise<number> {
  const { config: file, proxyPort, analyze = false, format = 'text' } = options;
  const config = configFor({ ...(file === undefined ? {} : { config: file }) });
  requireApiLogin(config);
  const { proxyHost: host, user, password, database } = config.api;
  const ssl = await proxyTls(config.api);
  const client = new Client({
    host,
    port: proxyPort ?? config.api.proxyPort,
    user,
    password,
    database,
    application_name: 'drive explain',
    connectionTimeoutMillis: API_CONNECT_TIMEOUT_MS,
    ...(ssl === null ? {} : { ssl }),
  });
  await client.connect();
  try {
    const text = `EXPLAIN (ANALYZE ${analyze}, FORMAT ${format.toUpperCase()}) ${sql}`;
    const { rows }: QueryResult<unknown[]> = await client.query({ text, rowMode: 'array', types });
    for (const [line] of rows) process.stdout.write(`${line}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const { severity, code, message, detail, hint } = error;
    const lines = [`${severity} ${code}: ${message}`, detail, hint].filter((x) => x !== undefined);
    process.stderr.write(`drive: ${lines.join('\n')}\n`);
    return 1;
  } finally {
    await client.end();
  }
}

/** JSON as it came. */
const types = { getTypeParser: () => String };

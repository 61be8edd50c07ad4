// On proxy: a command that asks the running proxy by SQL, as the API's user.

import { API_CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import { Client, DatabaseError } from '../base/pg.ts';
import { requireApiLogin } from '../control/config.ts';
import { proxyTls } from '../control/proxy-trust.ts';
import { configFor } from './serve.ts';

export interface OnProxyOptions {
  readonly config?: string;
  readonly proxyPort?: number;
}

/** The exit code of `use`; 1 with the error on stderr where the proxy reports one. */
export async function onProxy(
  applicationName: string,
  { config: file, proxyPort }: OnProxyOptions,
  use: (client: Client) => Promise<number>,
): Promise<number> {
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
    application_name: applicationName,
    connectionTimeoutMillis: API_CONNECT_TIMEOUT_MS,
    ...(ssl === null ? {} : { ssl }),
  });
  await client.connect();
  try {
    return await use(client);
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

// Starts and stops the API: its connections to the proxy, its bulks, its HTTP server.

import type { Logger } from '../base/log.ts';
import { type ProxyTrust, proxyTls } from '../control/proxy-trust.ts';
import { createApp } from './app.ts';
import { BulkJobs } from './bulk-jobs.ts';
import { type ApiSettings, openDatabase } from './database.ts';
import { API_CLOSE_TIMEOUT_MS, BULKS_RUNNING_MAX } from './limits.ts';

/** A listening API. */
export interface RunningApi {
  readonly port: number;
  /** Rolls running bulks back, lets other requests end, closes every connection. Once is enough. */
  close(): Promise<void>;
}

/**
 * Listens on `api.host`:`api.port` (0: any free port). The proxy need not be up: until it is, the
 * API answers 503. @throws Node's listen error, such as EADDRINUSE.
 */
export async function startApi(
  config: { readonly api: ApiSettings & ProxyTrust },
  log: Logger,
): Promise<RunningApi> {
  const { host, port } = config.api;
  const database = openDatabase(config.api, await proxyTls(config.api), log);
  // Each bulk holds a connection until it ends: one must be left for everything else.
  const bulksMax = Math.max(1, Math.min(BULKS_RUNNING_MAX, config.api.poolSize - 1));
  const bulks = new BulkJobs(database, log, bulksMax);
  const app = await createApp(database, bulks, log);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    await database.close();
    throw error;
  }
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP address');
  const close = async (): Promise<void> => {
    const served = app.close();
    await bulks.close();
    // A client that does not read its answer must not keep the process.
    const force = setTimeout(() => app.server.closeAllConnections(), API_CLOSE_TIMEOUT_MS);
    await served;
    clearTimeout(force);
    await database.close();
  };
  let closing: Promise<void> | null = null;
  // Fastify closes the connections that are idle when closing begins; one that carried a long
  // answer becomes idle later, and would be waited for until its client lets go.
  app.server.on('request', (_request, response) => {
    response.once('close', () => {
      if (closing !== null) setImmediate(() => app.server.closeIdleConnections());
    });
  });
  return {
    port: address.port,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

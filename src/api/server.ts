// Starts and stops the API: its connections to the proxy, its bulks, its HTTP server.

import type { Logger } from '../base/log.ts';
import { createApp } from './app.ts';
import { BulkJobs } from './bulk-jobs.ts';
import { type ApiSettings, openDatabase } from './database.ts';

/** A listening API. */
export interface RunningApi {
  readonly port: number;
  /** Rolls running bulks back, lets other requests end, closes every connection. */
  close(): Promise<void>;
}

/**
 * Listens on `api.host`:`api.port` (0: any free port). The proxy need not be up: until it is, the
 * API answers 503. @throws Node's listen error, such as EADDRINUSE.
 */
export async function startApi(
  config: { readonly api: ApiSettings },
  log: Logger,
): Promise<RunningApi> {
  const { host, port } = config.api;
  const database = openDatabase(config.api, log);
  const bulks = new BulkJobs(database, log);
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
  return {
    port: address.port,
    close: async () => {
      const idle = app.close();
      await bulks.close();
      await idle;
      await database.close();
    },
  };
}

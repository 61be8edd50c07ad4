// The API's application over a scripted database, reached without a socket.

import { type App, createApp } from '../../src/api/app.ts';
import { BulkJobs } from '../../src/api/bulk-jobs.ts';
import { BULKS_RUNNING_MAX } from '../../src/api/limits.ts';
import { createLog } from '../../src/base/log.ts';
import { type Script, type ScriptedDatabase, scriptedDatabase } from './scripted-database.ts';

/** An application that does not listen; close it when done. */
export async function scriptedApp(
  script: Script,
): Promise<{ readonly app: App; readonly database: ScriptedDatabase; readonly bulks: BulkJobs }> {
  const log = createLog('silent');
  const database = scriptedDatabase(script);
  const bulks = new BulkJobs(database, log, BULKS_RUNNING_MAX);
  const app = await createApp(database, bulks, log);
  return { app, database, bulks };
}

/** Nothing is expected to be asked of the database. */
export const NO_DATABASE: Script = ({ text }) => {
  throw new Error(`the database was asked: ${text}`);
};

// The two servers that scripts are sent to: a plain PostgreSQL and a proxy over two shards.

import { startTestProxy, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { type Step, transcript } from '../support/transcript.ts';
import { callScripts } from './call-scripts.ts';
import { commandScripts } from './command-scripts.ts';
import { copyScripts } from './copy-scripts.ts';
import { driverScripts } from './driver-scripts.ts';
import { extendedScripts } from './extended-scripts.ts';
import { portalScripts } from './portal-scripts.ts';
import { rowBoundScripts } from './row-bound-scripts.ts';
import { simpleScripts } from './simple-scripts.ts';
import { stateScripts } from './state-scripts.ts';
import { stringScripts } from './string-scripts.ts';

/** All scripts, by their subject. */
export const SCRIPTS = Object.entries({
  'The simple protocol': simpleScripts,
  'The extended protocol': extendedScripts,
  'A command of transactions': commandScripts,
  'A portal': portalScripts,
  'LIMIT and OFFSET by a parameter': rowBoundScripts,
  'The state of a session': stateScripts,
  'A string of statements': stringScripts,
  'A function call': callScripts,
  COPY: copyScripts,
  'A habit of a driver': driverScripts,
});

const SHARDED = 'CREATE TABLE files (user_id bigint, id int, name text, PRIMARY KEY (user_id, id))';
/** Made through the proxy, which then also knows the other one. */
const HOME = 'CREATE TABLE notes (id int PRIMARY KEY, text text)';

/** TRUNCATE: rows that are deleted leave room at the page's start for some of the next ones. */
const SEED = [
  'TRUNCATE files',
  `INSERT INTO files VALUES
    (1, 1, 'one'), (1, 2, 'two'), (1, 3, 'three'), (2, 1, 'uno'), (2, 2, 'dos'), (3, 1, NULL)`,
  'TRUNCATE notes',
  "INSERT INTO notes VALUES (1, 'first'), (2, 'second')",
];

export interface TranscriptStand {
  readonly proxy: TestProxy;
  /** What the plain server and the proxy answer; `between`: awaited at the proxy before each step. */
  answers(steps: readonly Step[], between?: () => Promise<void>): Promise<[string, string]>;
  close(): Promise<void>;
}

export async function openTranscriptStand(options: TestProxyOptions): Promise<TranscriptStand> {
  const proxy = await startTestProxy({ ...options, shards: 2 });
  const seeders = [await RawClient.login(proxy.plain), await RawClient.login(proxy.login)];
  for (const server of [...proxy.shards, proxy.plain]) {
    const client = await RawClient.login(server);
    await client.rows(SHARDED);
    await client.close();
  }
  for (const client of seeders) await client.rows(HOME);
  const [[plan]] = (await seeders[1]!.rows('EXPLAIN SELECT FROM files')) as [[string]];
  if (!plan.includes('on shards 0, 1')) throw new Error(`files are not sharded: ${plan}`);
  return {
    proxy,
    async answers(steps, between) {
      for (const client of seeders) for (const sql of SEED) await client.rows(sql);
      return [
        await answerOf('the server', proxy.plain, steps),
        await answerOf('the proxy', proxy.login, steps, between),
      ];
    },
    async close() {
      for (const client of seeders) await client.close();
      await proxy.close();
    },
  };
}

async function answerOf(
  who: string,
  login: TestProxy['login'],
  steps: readonly Step[],
  between?: () => Promise<void>,
): Promise<string> {
  const client = await RawClient.login(login);
  try {
    return await transcript(client, steps, between);
  } catch (error) {
    return `at ${who}: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    client.destroy();
  }
}

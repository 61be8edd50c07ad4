// Transcripts: the proxy answers the same bytes with the same messages as one plain PostgreSQL.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { type Step, transcript } from '../support/transcript.ts';
import { callScripts } from './call-scripts.ts';
import { copyScripts } from './copy-scripts.ts';
import { driverScripts } from './driver-scripts.ts';
import { extendedScripts } from './extended-scripts.ts';
import { portalScripts } from './portal-scripts.ts';
import { simpleScripts } from './simple-scripts.ts';
import { stateScripts } from './state-scripts.ts';
import { stringScripts } from './string-scripts.ts';

const SHARDED = 'CREATE TABLE files (user_id bigint, id int, name text, PRIMARY KEY (user_id, id))';
/** Made through the proxy, which then also knows the other one. */
const HOME = 'CREATE TABLE notes (id int PRIMARY KEY, text text)';

const SEED = [
  'DELETE FROM files',
  `INSERT INTO files VALUES
    (1, 1, 'one'), (1, 2, 'two'), (1, 3, 'three'), (2, 1, 'uno'), (2, 2, 'dos'), (3, 1, NULL)`,
  'DELETE FROM notes',
  "INSERT INTO notes VALUES (1, 'first'), (2, 'second')",
];

let proxy: TestProxy;
let seeders: RawClient[];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  seeders = [await RawClient.login(proxy.plain), await RawClient.login(proxy.login)];
  for (const server of [...proxy.shards, proxy.plain]) {
    const client = await RawClient.login(server);
    await client.rows(SHARDED);
    await client.close();
  }
  for (const client of seeders) await client.rows(HOME);
});

afterAll(async () => {
  for (const client of seeders) await client.close();
  await proxy.close();
});

async function answers(steps: readonly Step[]): Promise<readonly [string, string]> {
  for (const client of seeders) for (const sql of SEED) await client.rows(sql);
  const results: string[] = [];
  for (const login of [proxy.plain, proxy.login]) {
    const client = await RawClient.login(login);
    try {
      results.push(await transcript(client, steps));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      results.push(`at ${login === proxy.login ? 'the proxy' : 'the server'}: ${reason}`);
    } finally {
      client.destroy();
    }
  }
  return results as [string, string];
}

for (const [title, scripts] of [
  ['The simple protocol', simpleScripts],
  ['The extended protocol', extendedScripts],
  ['A portal', portalScripts],
  ['The state of a session', stateScripts],
  ['A string of statements', stringScripts],
  ['A function call', callScripts],
  ['COPY', copyScripts],
  ['A habit of a driver', driverScripts],
] as const) {
  describe(`${title} is answered as by PostgreSQL`, () => {
    it.each(Object.entries(scripts))('%s', async (_, steps) => {
      const [plain, proxied] = await answers(steps);
      expect(plain).not.toMatch(/^at the server/);
      expect(proxied).toBe(plain);
    });
  });
}

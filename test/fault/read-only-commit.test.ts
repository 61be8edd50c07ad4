// A commit whose decider prepares its part, too, is whole or not at all wherever a connection is lost.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { Stand } from './stand.ts';
import { MOMENTS } from './step-forwarder.ts';

const directory = temporaryDirectory();
let stand: Stand;

beforeAll(async () => {
  const sql = ['CREATE TABLE notes (user_id bigint PRIMARY KEY, body text)'];
  stand = await Stand.start(directory, { shards: 2, proxies: 1, sql });
  await stand.startProxies();
});

afterAll(() => stand.close());

const DECISION = 'SET TRANSACTION READ WRITE; INSERT INTO drive.txlog';
const STEPS = ['PREPARE TRANSACTION', DECISION, 'COMMIT PREPARED'];
const LOSSES = STEPS.flatMap((step) => MOMENTS.map((moment) => [step, moment] as const));

it.each(LOSSES)(
  'at %s, %s',
  async (statement, moment) => {
    const client = await RawClient.login(stand.logins[0]!);
    await client.rows('BEGIN');
    await client.rows(`INSERT INTO notes VALUES (0, 'zero'), (1, 'one')`);
    await client.rows('SET TRANSACTION READ ONLY');
    const strike = async (): Promise<void> => undefined;
    const met = stand.plan.meet({ statement, moment, strike });
    const code = errorCode(await client.query('COMMIT'));
    await met;
    await client.close();
    const prepared = async (): Promise<unknown[]> => {
      const all = stand.shards.map(({ id }) => stand.ask(id, 'SELECT gid FROM pg_prepared_xacts'));
      return (await Promise.all(all)).flat();
    };
    await expect.poll(prepared, { timeout: 25_000, interval: 200 }).toEqual([]);
    const kept = await Promise.all(
      stand.shards.map(({ id }) => stand.ask(id, 'SELECT count(*) FROM notes')),
    );
    const [[[first]], [[second]]] = kept as [[[string]], [[string]]];
    expect(first).toBe(second);
    expect(['', '08006', '08007']).toContain(code);
    if (code !== '08007') expect(first).toBe(code === '' ? '1' : '0');
    const cleaner = await connectAsText(stand.logins[0]!);
    await textRows(cleaner, 'DELETE FROM notes');
    await cleaner.end();
  },
  60_000,
);

// A session reads what it has committed, also from a shard that has not finished the commit.

import { afterAll, beforeAll, expect, it } from 'vitest';
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

const READS = [
  `SELECT body FROM notes WHERE user_id = 1`,
  `SELECT body FROM notes ORDER BY user_id DESC LIMIT 1`,
];

it.each(MOMENTS.flatMap((moment) => READS.map((read) => [moment, read] as const)))(
  'when COMMIT PREPARED is %s, by %s',
  async (moment, read) => {
    const client = await connectAsText(stand.logins[0]!);
    await textRows(client, 'BEGIN');
    await textRows(client, `INSERT INTO notes VALUES (0, 'zero'), (1, 'one')`);
    const strike = async (): Promise<void> => undefined;
    const met = stand.plan.meet({ statement: 'COMMIT PREPARED', moment, strike });
    await textRows(client, 'COMMIT');
    await met;
    expect(await textRows(client, read)).toEqual([['one']]);
    const prepared = await stand.ask(1, 'SELECT gid FROM pg_prepared_xacts');
    expect(prepared).toEqual([]);
    await textRows(client, 'DELETE FROM notes');
    await client.end();
  },
);

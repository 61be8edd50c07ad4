// A COMMIT over shards that another proxy has given up, for it took too long, is to be tried again.

import { expect, it } from 'vitest';
import { startTestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

it('by its error, also where the transaction is READ ONLY by then', async () => {
  const proxy = await startTestProxy();
  const client = await RawClient.login(proxy.login);
  const [decider, other] = await Promise.all(proxy.shards.map((shard) => RawClient.login(shard)));
  await client.rows('CREATE TABLE notes (user_id int8 PRIMARY KEY)');
  const parts = `SELECT regexp_replace(gid, '_1$', '') FROM pg_prepared_xacts
    WHERE database = current_database()`;
  for (const mode of ['', 'SET TRANSACTION READ ONLY']) {
    await client.rows('BEGIN');
    await client.rows('INSERT INTO notes VALUES (0), (1)');
    await client.rows(mode);
    // The decision waits for the lock.
    await decider!.rows('BEGIN');
    await decider!.rows('LOCK TABLE drive.txlog IN SHARE MODE');
    client.send(say.query('COMMIT'));
    await expect.poll(() => other!.rows(parts)).toHaveLength(1);
    const [[gid]] = (await other!.rows(parts)) as [[string]];
    await decider!.rows(`INSERT INTO drive.txlog (gid, state) VALUES ('${gid}', 'abort')`);
    await decider!.rows('COMMIT');
    expect(errorCode(await client.untilReady())).toBe('40001');
    expect(await client.rows('SELECT count(*) FROM notes')).toEqual([['0']]);
    expect(await other!.rows(parts)).toEqual([]);
  }
  for (const each of [client, decider!, other!]) await each.close();
  await proxy.close();
});

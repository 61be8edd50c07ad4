// A COMMIT over several shards that fails takes back what the transaction has SET, on every server.

import { expect, it } from 'vitest';
import { startTestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

it('also where the part of the transaction was prepared already', async () => {
  const proxy = await startTestProxy({ config: { pool: { size: 1 } } });
  const client = await connectAsText(proxy.login);
  await client.query(
    'CREATE TABLE seats (user_id int8, place int, UNIQUE (user_id, place) DEFERRABLE INITIALLY DEFERRED)',
  );
  await client.query('INSERT INTO seats VALUES (1, 1)');
  const zone = `SELECT current_setting('TimeZone') FROM seats WHERE user_id = 1`;
  const before = await textRows(client, zone);
  await client.query('BEGIN');
  await client.query(`SET TimeZone = 'Asia/Tokyo'`);
  // Shard 0 decides, and finds the double when shard 1 has prepared.
  await client.query('INSERT INTO seats VALUES (0, 1), (0, 1), (1, 2)');
  await expect(client.query('COMMIT')).rejects.toMatchObject({ code: '23505' });
  expect(await textRows(client, zone)).toEqual(before);
  expect(await textRows(client, 'SELECT count(*) FROM seats')).toEqual([['1']]);
  await client.end();
  await proxy.close();
});

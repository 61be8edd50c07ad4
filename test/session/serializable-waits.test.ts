// Serializable waits: who waits for transactions over several shards, and for how long.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { SNAPSHOT_HOLD_MS } from '../../src/base/limits.ts';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const BEGIN = 'BEGIN ISOLATION LEVEL SERIALIZABLE';
const READ_ONLY = `${BEGIN}, READ ONLY`;
const READERS = 4;

let proxy: TestProxy;
let client: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ config: { pool: { size: READERS + 2 } } });
  client = await connectAsText(proxy.login);
  await client.query('CREATE TABLE doctor (user_id int PRIMARY KEY, on_call boolean NOT NULL)');
  await client.query('INSERT INTO doctor VALUES (1, true), (2, true)');
});

afterAll(async () => {
  await client.end();
  await proxy.close();
});

it('who only reads waits for tickets as for a lock, and not for others who do', async () => {
  const readers = await Promise.all(
    Array.from({ length: READERS }, () => connectAsText(proxy.login)),
  );
  const [hasty, ...patient] = readers as [Client, ...Client[]];
  for (const one of readers) await one.query(READ_ONLY);
  await client.query(BEGIN);
  await client.query('UPDATE doctor SET on_call = false');
  const begunMs = Date.now();
  const waiting = patient.map((one) => textRows(one, 'SELECT FROM doctor WHERE on_call'));
  for (const [limit, code] of [
    ['statement_timeout', '57014'],
    ['lock_timeout', '55P03'],
  ]) {
    await hasty.query(`SET LOCAL ${limit} = '200ms'`);
    await expect(hasty.query('SELECT FROM doctor')).rejects.toMatchObject({ code });
    await hasty.query('ROLLBACK');
    await hasty.query(READ_ONLY);
  }
  expect(Date.now() - begunMs).toBeLessThan(SNAPSHOT_HOLD_MS);
  await client.query('COMMIT');
  expect(await Promise.all(waiting)).toEqual(patient.map(() => []));
  for (const one of readers) await one.end();
});

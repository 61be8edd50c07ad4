// Cancel: stops the right statement and nothing else, wherever it is just then.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { encodeCancelRequest, PROTOCOL_3_2 } from '../../src/wire/startup.ts';
import type { BackendKey } from '../../src/wire/status.ts';
import { startForwardedProxy } from '../support/forwarded-proxy.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, fieldsOf, letters, RawClient, statusOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

const SLEEP = 'SELECT pg_sleep(600)';

let proxy: TestProxy;
let watcher: RawClient;

beforeAll(async () => {
  // One connection a shard: whoever is let in next gets the one that was cancelled.
  proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } } });
  watcher = await RawClient.login(proxy.shards[0]!);
});

afterAll(async () => {
  await watcher.close();
  await proxy.close();
});

/** Sends a CancelRequest; resolves when the proxy has closed its connection. */
async function cancel({ processId, secret }: BackendKey): Promise<void> {
  const client = await RawClient.open(proxy.login);
  client.send(encodeCancelRequest(processId, secret));
  expect(await client.untilEnd()).toEqual([]);
  client.destroy();
}

/** Resolves once a statement like this runs on the server. */
async function running(like: string): Promise<void> {
  const sql = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%${like}%'`;
  while ((await watcher.rows(sql))[0]![0] === '0');
}

describe('A cancel request', () => {
  it('stops the statement under way with 57014, and the session goes on', async () => {
    for (const version of [undefined, PROTOCOL_3_2]) {
      const client = await RawClient.login(proxy.login, version === undefined ? {} : { version });
      client.send(encodeQuery(SLEEP));
      await running('pg_sleep(600)');
      await cancel(client.key);
      const messages = await client.untilReady();
      expect(errorCode(messages)).toBe('57014');
      expect(await client.rows('SELECT 1')).toEqual([['1']]);
      await client.close();
    }
  });

  it('stops a statement of the extended protocol and of a transaction', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(say.run(SLEEP), say.sync);
    await running('pg_sleep(600)');
    await cancel(client.key);
    expect(errorCode(await client.untilReady())).toBe('57014');
    await client.rows('BEGIN');
    client.send(encodeQuery(SLEEP));
    await running('pg_sleep(600)');
    await cancel(client.key);
    const messages = await client.untilReady();
    expect(errorCode(messages)).toBe('57014');
    expect(statusOf(messages)).toBe('E');
    await client.rows('ROLLBACK');
    await client.close();
  });

  it('stops a statement that waits for a server connection', async () => {
    const holder = await RawClient.login(proxy.login);
    const waiter = await RawClient.login(proxy.login);
    await holder.rows('BEGIN');
    await holder.rows('SELECT 1');
    waiter.send(encodeQuery('SELECT 2'));
    // Its answer to a cancel can only come from the queue: the one connection is taken.
    waiter.send(encodeQuery('SELECT 3'));
    let messages = await cancelUntilAnswered(waiter);
    expect(errorCode(messages)).toBe('57014');
    messages = await cancelUntilAnswered(waiter);
    expect(errorCode(messages)).toBe('57014');
    await holder.rows('COMMIT');
    expect(await waiter.rows('SELECT 4')).toEqual([['4']]);
    await holder.close();
    await waiter.close();
  });

  it('with a wrong key, of an unknown process or of a short key does nothing', async () => {
    const client = await RawClient.login(proxy.login, { version: PROTOCOL_3_2 });
    client.send(encodeQuery(SLEEP));
    await running('pg_sleep(600)');
    const { processId, secret } = client.key;
    const wrong = Buffer.from(secret);
    wrong[31]! ^= 1;
    await cancel({ processId, secret: wrong });
    await cancel({ processId, secret: secret.subarray(0, 4) });
    await cancel({ processId: processId ^ 1, secret });
    await running('pg_sleep(600)');
    expect(letters(client.pending)).toBe('');
    await cancel(client.key);
    expect(errorCode(await client.untilReady())).toBe('57014');
    await client.close();
  });

  it('of an idle client does nothing to it or to others', async () => {
    const idle = await RawClient.login(proxy.login);
    const other = await RawClient.login(proxy.login);
    await idle.rows('SELECT 1');
    other.send(encodeQuery('SELECT pg_sleep(0.2), 7'));
    await running('pg_sleep(0.2)');
    for (let i = 0; i < 20; i++) await cancel(idle.key);
    expect(errorCode(await other.untilReady())).toBe('');
    await idle.close();
    await other.close();
  });

  it('that comes late never hits the next client of the same connection', async () => {
    const hasty = await RawClient.login(proxy.login);
    const other = await RawClient.login(proxy.login);
    for (let i = 0; i < 60; i++) {
      hasty.send(encodeQuery('SELECT 1'));
      const cancels = [cancel(hasty.key), cancel(hasty.key)];
      const others = await other.query(`SELECT ${i}`);
      expect(errorCode(others)).toBe('');
      expect(['', '57014']).toContain(errorCode(await hasty.untilReady()));
      await Promise.all(cancels);
    }
    await hasty.close();
    await other.close();
  });

  it('stops a COPY that waits for data', async () => {
    await watcher.rows('CREATE TABLE IF NOT EXISTS copied (a int)');
    const client = await RawClient.login(proxy.login);
    client.send(encodeQuery('COPY copied FROM STDIN'));
    await client.until('G');
    await cancel(client.key);
    client.send(say.copyData('1\n'));
    expect(errorCode(await client.untilReady())).toBe('57014');
    expect(await client.rows('SELECT count(*) FROM copied')).toEqual([['0']]);
    await client.close();
  });
});

/** A cancel may arrive before the statement waits: asks again until the statement is answered. */
async function cancelUntilAnswered(client: RawClient) {
  const answer = client.untilReady();
  let answered = false;
  void answer.then(() => {
    answered = true;
  });
  while (!answered) await cancel(client.key);
  const messages = await answer;
  expect(fieldsOf(messages.find(({ type }) => type === 'E')!).get('C')).toBe('57014');
  return messages;
}

describe('A cancel that comes to the server late', () => {
  it('hits nothing that its client has sent since', async () => {
    const forwarded = await startForwardedProxy({ size: 2 }, async () => undefined);
    const [home] = forwarded.forwarders;
    const client = await RawClient.login(forwarded.login);
    const other = await RawClient.login(forwarded.login);
    // Both have a connection of their own, which is open.
    for (const each of [client, other]) await each.rows('BEGIN');
    for (const each of [client, other]) await each.rows('SELECT 1');
    home!.stallNew();
    client.send(encodeQuery('SELECT pg_sleep(0.3)'));
    const canceller = await RawClient.open(forwarded.login);
    const arrives = home!.accepted();
    canceller.send(encodeCancelRequest(client.key.processId, client.key.secret));
    await arrives;
    expect(errorCode(await client.untilReady())).toBe('');
    client.send(encodeQuery('SELECT pg_sleep(0.3)'));
    for (let i = 0; i < 50; i++) await other.rows('SELECT 1');
    home!.flow();
    await canceller.untilEnd();
    expect(errorCode(await client.untilReady())).toBe('');
    for (const each of [client, other, canceller]) await each.close();
    await forwarded.close();
  });
});

// A shard that breaks off, refuses, stalls or ends its backends: one error, and the rest goes on.

import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { type ForwardedProxy, startForwardedProxy } from '../support/forwarded-proxy.ts';
import {
  errorCode,
  fieldsOf,
  letters,
  RawClient,
  type RawMessage,
  statusOf,
} from '../support/raw-client.ts';

const TABLE = 'CREATE TABLE files (user_id bigint, id int, PRIMARY KEY (user_id, id))';
const ON = ['/* drive.shard=0 */', '/* drive.shard=1 */'] as const;

let proxy: ForwardedProxy;
let client: RawClient;

beforeEach(async () => {
  proxy = await startForwardedProxy({ connectTimeoutMs: 1_000 }, async (shard) => {
    const direct = await RawClient.login(shard);
    await direct.rows(TABLE);
    await direct.close();
  });
  client = await RawClient.login(proxy.login);
  for (const by of ON) await client.rows(`${by} SELECT 1`);
});

afterEach(async () => {
  client.destroy();
  await proxy.close();
});

const messageOf = (messages: readonly RawMessage[]): string =>
  fieldsOf(messages.find(({ type }) => type === 'E')!).get('M')!;

/** Asks until the shard answers again: after a failure the proxy leaves it alone for a while. */
async function recovered(sql: string): Promise<void> {
  while (errorCode(await client.query(sql)) !== '');
}

/** Ends every backend of the proxy on the shard, past the proxy. */
async function terminateBackends(shard: number, like = ''): Promise<void> {
  const direct = await RawClient.login(proxy.shards[shard]!);
  const found = `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND query LIKE '%${like}%'`;
  while ((await direct.rows(found)).length === 0);
  await direct.rows(`SELECT pg_terminate_backend(pid) FROM (${found}) AS found`);
  await direct.close();
}

describe('A shard that refuses connections', () => {
  it('is named by its statements, while the other shard works', async () => {
    await proxy.forwarders[1]!.refuse();
    const messages = await client.query(`${ON[1]} SELECT 1`);
    expect(errorCode(messages)).toMatch(/^08/);
    expect(messageOf(messages)).toContain(proxy.names[1]);
    expect(statusOf(messages)).toBe('I');
    expect(await client.rows(`${ON[0]} SELECT 2`)).toEqual([['2']]);
    const all = await client.query('SELECT count(*) FROM files');
    expect(messageOf(all)).toContain(proxy.names[1]);
    expect(await client.rows('SELECT 3')).toEqual([['3']]);
  });

  it('is used again once it is back', async () => {
    await proxy.forwarders[1]!.refuse();
    expect(errorCode(await client.query(`${ON[1]} SELECT 1`))).toMatch(/^08/);
    await proxy.forwarders[1]!.start();
    await recovered(`${ON[1]} SELECT 1`);
    expect(await client.rows('SELECT count(*) FROM files')).toEqual([['0']]);
  });

  it('is found again without a client that asks for it', async () => {
    await proxy.forwarders[1]!.refuse();
    expect(errorCode(await client.query(`${ON[1]} SELECT 1`))).toMatch(/^08/);
    const back = proxy.forwarders[1]!.accepted();
    await proxy.forwarders[1]!.start();
    await back;
    while ((await client.rows('SHOW drive.shards'))[1]![4] !== 'up');
    expect(await client.rows(`${ON[1]} SELECT 1`)).toEqual([['1']]);
  });

  it('is reported as down, with the reason', async () => {
    await proxy.forwarders[1]!.refuse();
    const rows = await client.rows('SHOW drive.shards');
    expect(rows.map((row) => row[4])).toEqual(['up', 'down']);
    expect(rows[1]![5]).toContain('cannot be reached');
  });

  it('lets new clients log in as long as the home shard is there', async () => {
    await proxy.forwarders[1]!.refuse();
    const other = await RawClient.login(proxy.login);
    expect(await other.rows('SELECT 1')).toEqual([['1']]);
    await other.close();
  });
});

describe('Connections that are broken off', () => {
  it('while idle are replaced, unnoticed', async () => {
    const [forwarder] = proxy.forwarders;
    forwarder!.cut();
    while (forwarder!.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    await recovered(`${ON[0]} SELECT 1`);
    expect(forwarder!.connections).toBeGreaterThan(0);
  });

  it('while idle, by the server itself, are replaced', async () => {
    await terminateBackends(0);
    await recovered(`${ON[0]} SELECT 1`);
    expect(await client.rows(`${ON[0]} SELECT 2`)).toEqual([['2']]);
  });

  it('in the middle of a statement give one error that names the shard', async () => {
    client.send(encodeQuery(`${ON[1]} SELECT 'long', pg_sleep(600)`));
    await runningOn(1, 'long');
    proxy.forwarders[1]!.cut();
    const messages = await client.untilReady();
    expect(letters(messages).replace('T', '')).toBe('EZ');
    expect(errorCode(messages)).toBe('08006');
    expect(messageOf(messages)).toContain(proxy.names[1]);
    await recovered(`${ON[1]} SELECT 1`);
  });

  it('in the middle of rows give the rows so far and one error', async () => {
    const slow = "SELECT repeat('x', 1000), pg_sleep(0.005) FROM generate_series(1, 100000)";
    client.send(encodeQuery(`${ON[0]} ${slow}`));
    await client.until('D');
    proxy.forwarders[0]!.cut();
    const messages = await client.untilReady();
    expect(letters(messages)).toMatch(/^D*EZ$/);
    expect(errorCode(messages)).toBe('08006');
    await recovered('SELECT 1');
  });

  it('within a huge row end the client, as no error can stand inside of a row', async () => {
    client.send(encodeQuery(`${ON[0]} SELECT repeat('x', 100000000)`));
    await client.until('T');
    client.socket.pause();
    proxy.forwarders[0]!.cut();
    client.socket.resume();
    expect(letters(await client.untilEnd())).toBe('');
    client = await RawClient.login(proxy.login);
    await recovered(`${ON[0]} SELECT 1`);
  });

  it('in a transaction fail it, and a rollback makes the session whole', async () => {
    await client.rows('BEGIN');
    await client.rows(`${ON[0]} SELECT 1`);
    await client.rows(`${ON[1]} SELECT 1`);
    proxy.forwarders[1]!.cut();
    while (proxy.forwarders[1]!.connections > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const lost = await client.query(`${ON[1]} SELECT 2`);
    expect(errorCode(lost)).toMatch(/^08/);
    expect(statusOf(lost)).toBe('E');
    expect(errorCode(await client.query(`${ON[0]} SELECT 3`))).toBe('25P02');
    await client.rows('ROLLBACK');
    await recovered(`${ON[1]} SELECT 1`);
  });

  it.each([
    ['idle_in_transaction_session_timeout', '25P03'],
    ['transaction_timeout', '25P04'],
  ])(
    'in a transaction that takes longer than its session has set tell that: %s',
    async (name, code) => {
      await client.rows(`SET ${name} = 100`);
      await client.query('BEGIN');
      await client.rows(`${ON[0]} SELECT count(*) FROM files`);
      await setTimeout(400);
      const late = await client.query(`${ON[0]} SELECT count(*) FROM files`);
      expect(errorCode(late)).toBe(code);
      expect(statusOf(late)).toBe('E');
      expect(errorCode(await client.query('ROLLBACK'))).toBe('');
      expect(await client.rows('SELECT count(*) FROM files')).toEqual([['0']]);
    },
  );

  it('are not, where a server is idle because another runs the transaction’s statement', async () => {
    await client.rows('SET idle_in_transaction_session_timeout = 1000');
    await client.query('BEGIN');
    for (const by of ON) await client.rows(`${by} SELECT count(*) FROM files`);
    for (const by of ON) await client.rows(`${by} SELECT pg_sleep(1.5)`);
    for (const by of ON) await client.rows(`${by} SELECT count(*) FROM files`);
    expect(errorCode(await client.query('COMMIT'))).toBe('');
  });

  it('are not, where a server is idle because its client asks another', async () => {
    await client.rows('SET idle_in_transaction_session_timeout = 600');
    await client.query('BEGIN');
    for (const by of ON) await client.rows(`${by} SELECT count(*) FROM files`);
    for (let i = 0; i < 4; i++) {
      await setTimeout(300);
      await client.rows(`${ON[1]} SELECT count(*) FROM files`);
    }
    await client.rows(`${ON[0]} SELECT count(*) FROM files`);
    expect(errorCode(await client.query('COMMIT'))).toBe('');
  });

  it('by a FATAL of the server in a statement pass its error on and keep the session', async () => {
    for (const sql of [`${ON[1]} SELECT 'fatal', pg_sleep(600)`, "SELECT 'fatal', pg_sleep(600)"]) {
      client.send(encodeQuery(sql));
      const shard = sql.startsWith(ON[1]) ? 1 : 0;
      await terminateBackends(shard, 'fatal');
      const messages = await client.untilReady();
      expect(errorCode(messages)).toMatch(/^57P01$|^08006$/);
      expect(letters(messages).match(/E/g)).toHaveLength(1);
      await recovered(`${ON[shard]!} SELECT 1`);
    }
  });

  it('during a scatter give one error, and the other shard’s connection is usable', async () => {
    await client.rows('INSERT INTO files VALUES (1, 1)');
    client.send(encodeQuery('SELECT count(*), max(pg_sleep(600)::text) FROM files'));
    const refused = client.untilReady();
    proxy.forwarders[1]!.cut();
    proxy.forwarders[0]!.cut();
    expect(errorCode(await refused)).not.toBe('');
    await recovered('SELECT count(*) FROM files');
  });
});

describe('A shard that stalls', () => {
  it('holds up its own statements only', async () => {
    const stuck = await RawClient.login(proxy.login);
    proxy.forwarders[1]!.stall();
    stuck.send(encodeQuery(`${ON[1]} SELECT 1`));
    for (let i = 0; i < 5; i++) expect(await client.rows(`${ON[0]} SELECT 2`)).toEqual([['2']]);
    proxy.forwarders[1]!.flow();
    expect(errorCode(await stuck.untilReady())).toBe('');
    await stuck.close();
  });
});

async function runningOn(shard: number, like: string): Promise<void> {
  const direct = await RawClient.login(proxy.shards[shard]!);
  const sql = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%${like}%'`;
  while ((await direct.rows(sql))[0]![0] === '0');
  await direct.close();
}

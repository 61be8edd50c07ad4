// COPY that goes wrong: nothing stays, the error says where, and the next statement finds all well.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SYNC } from '../../src/wire/extended.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { COPIED_DDL } from '../parity/copy-cases.ts';
import { copyIn } from '../parity/copy-client.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  errorCode,
  fieldsOf,
  letters,
  RawClient,
  rawMessage,
  statusOf,
  tagsOf,
} from '../support/raw-client.ts';

const SQL = 'COPY copied (user_id, id) FROM STDIN';
const GOOD = Buffer.from('1\t1\n2\t2\n3\t3\n');
const BAD = Buffer.from('4\t4\n5\tx\n');

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({
    prepare: async ({ shards }) => {
      for (const shard of shards) {
        const direct = await RawClient.login(shard);
        for (const statement of COPIED_DDL.split(';').filter((each) => each.trim() !== '')) {
          await direct.rows(statement);
        }
        await direct.close();
      }
    },
  });
  client = await RawClient.login(proxy.login);
});

afterAll(async () => {
  client.destroy();
  await proxy.close();
});

beforeEach(async () => {
  await client.query('ROLLBACK');
  await client.rows('DELETE FROM copied');
});

const count = async (by: RawClient = client): Promise<string | null> =>
  (await by.rows('SELECT count(*) FROM copied'))[0]![0]!;

/** Waits for what another connection has left behind to be gone. */
async function lockIsFree(): Promise<void> {
  for (const shard of proxy.shards) {
    const direct = await RawClient.login(shard);
    const held = `SELECT 1 FROM pg_locks WHERE relation = 'copied'::regclass AND pid <> pg_backend_pid()`;
    while ((await direct.rows(held)).length > 0);
    await direct.close();
  }
}

describe('A bad row', () => {
  test('before CopyDone is told at once, and what the client still sends goes nowhere', async () => {
    client.send(encodeQuery(SQL));
    await client.until('G');
    client.send(rawMessage('d', GOOD), rawMessage('d', Buffer.from('1\t1\t1\n'.repeat(50_000))));
    const messages = await client.untilReady();
    expect(fieldsOf(messages.find(({ type }) => type === 'E')!).get('W')).toMatch(/line 4/);
    client.send(rawMessage('d', GOOD), rawMessage('c'));
    expect(await count()).toBe('0');
  });

  test('after CopyDone', async () => {
    const { error } = await copyIn(client, SQL, [GOOD, BAD]);
    expect(error?.[0]).toBe('22P02');
    expect(error?.[3]).toBe('COPY copied, line 5, column id: "x"');
    expect(await count()).toBe('0');
  });

  test('in BEGIN fails the transaction; ROLLBACK TO takes it back', async () => {
    await client.rows('BEGIN');
    await client.rows('INSERT INTO copied (user_id) VALUES (10), (11)');
    await client.rows('SAVEPOINT s');
    expect((await copyIn(client, SQL, [GOOD, BAD])).error?.[0]).toBe('22P02');
    expect(errorCode(await client.query('SELECT 1'))).toBe('25P02');
    await client.rows('ROLLBACK TO s');
    expect((await copyIn(client, SQL, [GOOD])).tag).toBe('COPY 3');
    expect(statusOf(await client.query('COMMIT'))).toBe('I');
    expect(await count()).toBe('5');
  });

  test('of a COPY in BEGIN is gone with ROLLBACK', async () => {
    await client.rows('BEGIN');
    expect((await copyIn(client, SQL, [GOOD])).tag).toBe('COPY 3');
    expect(await count()).toBe('3');
    await client.rows('ROLLBACK');
    expect(await count()).toBe('0');
  });

  test('is the first one, whichever server is faster', async () => {
    const rows = Array.from({ length: 3_000 }, (_, i) => `${i}\t${i < 2_000 ? i % 600 : 'x'}\n`);
    const { error } = await copyIn(client, SQL, [Buffer.from(rows.join(''))]);
    expect(error?.[3]).toBe('COPY copied, line 2001, column id: "x"');
  });
});

describe('CopyFail', () => {
  test.each(['simple', 'extended'] as const)('leaves nothing behind, %s', async (way) => {
    const { error } = await copyIn(client, SQL, [GOOD], { way, fail: 'no more' });
    expect(error?.slice(0, 2)).toEqual(['57014', 'COPY from stdin failed: no more']);
    expect(error?.[3]).toBe('COPY copied, line 4');
    expect(await count()).toBe('0');
  });
});

describe('The protocol', () => {
  test('Sync and Flush during the data mean nothing', async () => {
    client.send(encodeQuery(SQL));
    await client.until('G');
    client.send(rawMessage('d', GOOD), SYNC, rawMessage('H'), rawMessage('c'));
    expect(letters(await client.untilReady())).toBe('CZ');
    expect(await count()).toBe('3');
  });

  test('any other message ends the session', async () => {
    const other = await RawClient.login(proxy.login);
    other.send(encodeQuery(SQL));
    await other.until('G');
    other.send(rawMessage('d', GOOD), encodeQuery('SELECT 1'));
    expect(errorCode(await other.untilEnd())).toBe('08P01');
    await lockIsFree();
    expect(await count()).toBe('0');
  });

  test('two COPYs and a SELECT in one Query take their data one after the other', async () => {
    client.send(encodeQuery(`${SQL}; ${SQL}; SELECT count(*) FROM copied`));
    client.send(rawMessage('d', GOOD), rawMessage('c'));
    client.send(rawMessage('d', Buffer.from('7\t7')), rawMessage('c'));
    const messages = await client.untilReady();
    expect(tagsOf(messages)).toEqual(['COPY 3', 'COPY 1', 'SELECT 1']);
    expect(await count()).toBe('4');
  });
});

describe('SHOW drive.copied', () => {
  test('tells what each shard has taken of the last COPY', async () => {
    await copyIn(client, SQL, [GOOD]);
    expect(await client.rows('SHOW drive.copied')).toEqual([
      ['0', '1'],
      ['1', '2'],
    ]);
  });
});

describe('A cancel', () => {
  test('ends a COPY that waits for its data', async () => {
    client.send(encodeQuery(SQL));
    await client.until('G');
    client.send(rawMessage('d', GOOD));
    const canceller = await RawClient.open(proxy.login);
    canceller.send(encodeCancelRequest(client.key.processId, client.key.secret));
    const messages = await client.untilReady();
    canceller.destroy();
    expect(errorCode(messages)).toBe('57014');
    expect(await count()).toBe('0');
    expect((await copyIn(client, SQL, [GOOD])).tag).toBe('COPY 3');
  });
});

describe('A client that goes away', () => {
  test.each(['destroy', 'close'] as const)('mid-copy (%s) leaves nothing', async (how) => {
    const other = await RawClient.login(proxy.login);
    other.send(encodeQuery(SQL));
    await other.until('G');
    other.send(rawMessage('d', Buffer.from('1\t1\n2\t2\n'.repeat(20_000))));
    if (how === 'destroy') other.destroy();
    else await other.close();
    await lockIsFree();
    expect(await count()).toBe('0');
    expect((await copyIn(client, SQL, [GOOD])).tag).toBe('COPY 3');
  });

  test('after CopyDone has its rows or none', async () => {
    const other = await RawClient.login(proxy.login);
    other.send(encodeQuery(SQL));
    await other.until('G');
    other.send(rawMessage('d', GOOD), rawMessage('c'));
    other.destroy();
    await lockIsFree();
    expect(['0', '3']).toContain(await count());
  });
});

describe('A server that goes away mid-copy', () => {
  test('is one error; nothing is left, and the session goes on', async () => {
    client.send(encodeQuery(SQL));
    await client.until('G');
    client.send(rawMessage('d', Buffer.from('1\t1\n2\t2\n'.repeat(20_000))));
    const direct = await RawClient.login(proxy.shards[1]!);
    const found = `SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY copied%'
      AND datname = current_database() AND pid <> pg_backend_pid()`;
    while ((await direct.rows(found)).length === 0);
    await direct.rows(`SELECT pg_terminate_backend(pid) FROM (${found}) AS found`);
    await direct.close();
    const messages = await client.untilReady();
    expect(errorCode(messages)).toMatch(/^(57P01|08006)$/);
    expect(statusOf(messages)).toBe('I');
    await lockIsFree();
    expect(await count()).toBe('0');
    expect((await copyIn(client, SQL, [GOOD])).tag).toBe('COPY 3');
  });
});

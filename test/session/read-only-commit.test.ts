// COMMIT over several shards of a transaction that has become READ ONLY behind its writes.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let tested: TestProxy;
let clients: readonly Client[];

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  clients = await Promise.all([tested.plain, tested.login].map(connectAsText));
  await same(['CREATE TABLE notes (user_id int8 PRIMARY KEY, body text)']);
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await tested.close();
});

/** Each answer as its command, rows or error's code. */
async function said(client: Client, sql: string): Promise<unknown> {
  try {
    const { command, rows } = await client.query({ text: sql, rowMode: 'array' });
    return { command, rows };
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

async function same(statements: readonly string[]): Promise<void> {
  for (const sql of statements) {
    const [plain, proxy] = await Promise.all(clients.map((client) => said(client, sql)));
    expect(proxy, sql).toEqual(plain);
  }
}

const WRITES = `INSERT INTO notes SELECT g, 'new' FROM generate_series(0, 8) g`;
const NOTES = 'SELECT * FROM notes ORDER BY user_id';

describe('It is committed as on one server', () => {
  it.each([
    ['SET TRANSACTION READ ONLY', ['BEGIN', WRITES, 'SET TRANSACTION READ ONLY']],
    ['SET TRANSACTION with a comment', ['BEGIN', WRITES, 'SET TRANSACTION READ /* s */ ONLY']],
    ['SET transaction_read_only', ['BEGIN', WRITES, 'SET transaction_read_only TO on']],
    ['SET LOCAL', ['BEGIN', WRITES, 'SET LOCAL transaction_read_only = true']],
    ['set_config()', ['BEGIN', WRITES, `SELECT set_config('transaction_read_only', 'on', true)`]],
    ['BEGIN within it', ['BEGIN', WRITES, 'BEGIN READ ONLY']],
    [
      'a savepoint that is kept',
      ['BEGIN', WRITES, 'SAVEPOINT s', 'SET TRANSACTION READ ONLY', 'RELEASE s'],
    ],
    [
      'a savepoint that is not',
      ['BEGIN', WRITES, 'SAVEPOINT s', 'SET TRANSACTION READ ONLY', 'ROLLBACK TO s'],
    ],
    [
      'a write that was refused then',
      [
        ...['BEGIN', WRITES, 'SET TRANSACTION READ ONLY', 'SAVEPOINT s'],
        ...[`DELETE FROM notes`, 'ROLLBACK TO s', NOTES],
      ],
    ],
    [
      'going back, which it cannot',
      [
        ...['BEGIN', WRITES, 'SET TRANSACTION READ ONLY', 'SAVEPOINT s'],
        ...['SET TRANSACTION READ WRITE', 'ROLLBACK TO s'],
      ],
    ],
    [
      'what the session begins',
      [
        'SET default_transaction_read_only = on',
        ...['BEGIN READ WRITE', WRITES, 'SET TRANSACTION READ ONLY'],
      ],
    ],
    [
      'for who may have been somebody else',
      ['SET ROLE NONE', 'BEGIN', WRITES, 'SET TRANSACTION READ ONLY'],
    ],
    [
      'what the session begins, in what writes',
      ['SET default_transaction_read_only = on', 'BEGIN READ WRITE', WRITES],
    ],
  ])('%s', async (_, statements) => {
    await same([...statements, 'COMMIT', NOTES, 'RESET ALL', 'RESET ROLE']);
    expect(await textRows(clients[1]!, 'SELECT count(*) FROM notes')).toEqual([['9']]);
    for (const shard of tested.shards) {
      const client = await connectAsText(shard);
      const open = `SELECT gid FROM pg_prepared_xacts WHERE database = current_database()`;
      expect(await textRows(client, `${open} UNION ALL SELECT gid FROM drive.txlog`)).toEqual([]);
      await client.end();
    }
    await same(['DELETE FROM notes']);
  });

  it('AND CHAIN, whose next cannot write', async () => {
    await same([
      ...['BEGIN', WRITES, 'SET TRANSACTION READ ONLY', 'COMMIT AND CHAIN'],
      ...['DELETE FROM notes', 'ROLLBACK', NOTES, 'DELETE FROM notes'],
    ]);
  });

  it('or not at all, where something fails at its end', async () => {
    await same([
      `CREATE TABLE seats (user_id int8, place int,
        UNIQUE (user_id, place) DEFERRABLE INITIALLY DEFERRED)`,
      'BEGIN',
      'INSERT INTO seats VALUES (0, 1), (1, 1), (2, 1), (2, 1)',
      ...['SET TRANSACTION READ ONLY', 'COMMIT', 'SELECT * FROM seats', 'DROP TABLE seats'],
    ]);
  });
});

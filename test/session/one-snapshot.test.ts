// One snapshot: what a transaction that keeps its snapshot sees of commits over several shards.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { ACCOUNTS, FIRST_BALANCE, openAccounts, whileTransferring } from '../support/transfers.ts';

const WRITERS = 4;
const TRANSFERS = { writers: WRITERS, rounds: 25 };
const SUM = 'SELECT sum(balance) FROM account';
const TOTAL = [[String(ACCOUNTS * FIRST_BALANCE)]];
const DEFERRABLE = 'BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE';
const READ_ONLY = 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY';

let proxy: TestProxy;
let client: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3, config: { pool: { size: WRITERS + 1 } } });
  await openAccounts(proxy.login);
  client = await connectAsText(proxy.login);
});

afterAll(async () => {
  await client.end();
  await proxy.close();
});

type Ask = (sql: string) => Promise<readonly (readonly unknown[])[]>;
const simply: Ask = async (text) => (await client.query({ text, rowMode: 'array' })).rows;
const extended: Ask = (sql) => textRows(client, `${sql} LIMIT $1`, [1]);

const BEGINS: readonly string[] = [
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  READ_ONLY,
  // As pg_dump has it.
  'BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY',
  'BEGIN ISOLATION LEVEL /* not read committed */ SERIALIZABLE, READ ONLY, DEFERRABLE',
  `SET default_transaction_isolation TO 'repeatable read'; BEGIN`,
];

describe('A transaction that keeps its snapshot', { timeout: 60_000 }, () => {
  it.each(
    BEGINS.flatMap((begin) => [
      [begin, 'simple', simply] as const,
      [begin, 'extended', extended] as const,
    ]),
  )('by %s sees all or nothing of each transfer, by the %s protocol', async (begin, _, ask) => {
    const seen: unknown[] = [];
    const books = await whileTransferring(proxy.login, TRANSFERS, async () => {
      for (const sql of begin.split(';')) await client.query(sql);
      seen.push(await ask(SUM), await ask(SUM));
      await client.query('COMMIT');
    });
    await client.query('RESET default_transaction_isolation');
    expect(seen).toEqual(seen.map(() => TOTAL));
    expect(books.filter(({ outcome }) => outcome === 'unknown')).toEqual([]);
    const committed = books.filter(({ outcome }) => outcome === 'committed');
    expect(committed.length).toBeGreaterThan(TRANSFERS.rounds);
    // Whose part somebody else has finished knows that it is.
    expect((await onShards('SELECT gid FROM drive.txlog')).flat()).toEqual([]);
  });

  it('and only reads sees it also where its first statement is for one shard', async () => {
    const seen: unknown[] = [];
    await whileTransferring(proxy.login, TRANSFERS, async () => {
      await client.query(READ_ONLY);
      await client.query('SELECT balance FROM account WHERE user_id = 1');
      seen.push(await simply(SUM));
      await client.query('COMMIT');
    });
    expect(seen).toEqual(seen.map(() => TOTAL));
  });

  it('has it by a pool of one connection a shard', async () => {
    const narrow = await proxy.beside({ config: { pool: { size: 1 } } });
    const reader = await connectAsText(narrow.login);
    const seen: unknown[] = [];
    await whileTransferring(proxy.login, TRANSFERS, async () => {
      await reader.query(READ_ONLY);
      seen.push(await textRows(reader, SUM));
      await reader.query('COMMIT');
    });
    await reader.end();
    await narrow.close();
    expect(seen).toEqual(seen.map(() => TOTAL));
  });

  it('takes it with the first statement that has one: not by SHOW, SET and LOCK', async () => {
    await client.query(READ_ONLY);
    await client.query('SHOW transaction_isolation');
    await client.query(`SET LOCAL work_mem = '8MB'`);
    await client.query('LOCK TABLE account IN ACCESS SHARE MODE');
    const other = await connectAsText(proxy.login);
    const change = 'UPDATE account SET balance = balance + $1 WHERE user_id IN (1, 2, 3)';
    await other.query(change, [1]);
    const seen = await simply(SUM);
    await other.query(change, [-1]);
    expect(await simply(SUM)).toEqual(seen);
    await client.query('COMMIT');
    await other.end();
    expect(seen).toEqual([[String(ACCOUNTS * FIRST_BALANCE + 3)]]);
  });

  it('and may write is on one shard where it begins there', async () => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('SELECT balance FROM account WHERE user_id = 1');
    const open = `SELECT 'open' FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'idle in transaction'`;
    const found = (await onShards(open)).flat();
    await client.query('COMMIT');
    expect(found).toEqual([['open']]);
  });
});

describe('A snapshot of all shards', { timeout: 30_000 }, () => {
  it('that a commit does not let be taken fails its transaction, and it alone', async () => {
    const decider = await connectAsText(proxy.shards[1]!);
    await decider.query('BEGIN');
    await decider.query(`INSERT INTO drive.txlog (gid, state) VALUES ('somebody', 'abort')`);
    await client.query(READ_ONLY);
    await client.query('SAVEPOINT before');
    const code = '40001';
    await expect(client.query(SUM)).rejects.toMatchObject({ code });
    // What some shards have taken is not to be used.
    await expect(client.query('ROLLBACK TO before')).rejects.toMatchObject({ code });
    await client.query('ROLLBACK');
    await decider.query('ROLLBACK');
    await decider.end();
    expect(await simply(SUM)).toEqual(TOTAL);
  });

  it('that is waited for too long does not keep others from committing', async () => {
    const open = await connectAsText(proxy.login);
    await open.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
    await open.query('UPDATE account SET balance = balance WHERE user_id = 1');
    const writer = await connectAsText(proxy.login);
    await writer.query('BEGIN');
    await writer.query('UPDATE account SET balance = balance WHERE user_id IN (2, 3)');
    await client.query(DEFERRABLE);
    const read = expect(client.query(SUM)).rejects.toMatchObject({ code: '40001' });
    // The reader waits for who is open, and the writer for the hold.
    await untilHeld();
    await writer.query('COMMIT');
    await open.query('COMMIT');
    await read;
    await client.query('ROLLBACK');
    for (const each of [writer, open]) await each.end();
  });

  it('that is deferred is taken behind who writes on several shards', async () => {
    const writer = await connectAsText(proxy.login);
    await writer.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
    await writer.query('UPDATE account SET balance = balance + 1 WHERE user_id IN (1, 2, 3)');
    await client.query(DEFERRABLE);
    const read = simply(SUM);
    await writer.query('UPDATE account SET balance = balance - 1 WHERE user_id IN (1, 2, 3)');
    await writer.query('COMMIT');
    expect(await read).toEqual(TOTAL);
    await client.query('COMMIT');
    await writer.end();
  });
});

describe('A transaction that keeps its snapshot by default', { timeout: 60_000 }, () => {
  const IN_DATABASE = 'ALTER DATABASE %I SET';
  const OF_ROLE = 'ALTER ROLE CURRENT_USER IN DATABASE %I SET';
  it.each([
    ['of the database', [`${IN_DATABASE} default_transaction_isolation = 'repeatable read'`]],
    ['of the role', [`${OF_ROLE} default_transaction_isolation = 'SERIALIZABLE'`]],
    [
      'of the role before that of the database',
      [
        `${IN_DATABASE} default_transaction_isolation = 'read committed'`,
        `${OF_ROLE} default_transaction_isolation = 'repeatable read'`,
      ],
    ],
  ])('%s has one of all shards', async (_, changes) => {
    const readsOnly = `${IN_DATABASE} default_transaction_read_only = 'tru'`;
    expect(await sumsBehindOne([...changes, readsOnly], 'BEGIN')).toEqual([0, 0]);
    expect(await sumsBehindOne(changes, 'BEGIN READ ONLY')).toEqual([0, 0]);
  });

  it.each(['repeatable read', 'serializable'])(
    '%s of the session is a statement',
    async (level) => {
      await client.query(`SET default_transaction_isolation = '${level}'`);
      const seen: unknown[] = [];
      await whileTransferring(proxy.login, TRANSFERS, async () => {
        for (const ask of [simply, extended]) seen.push(await ask(SUM));
      });
      await client.query('RESET default_transaction_isolation');
      expect(seen.length).toBeGreaterThan(1);
      expect(seen).toEqual(seen.map(() => TOTAL));
    },
  );

  it('and says otherwise has none', async () => {
    const isolation = `${IN_DATABASE} default_transaction_isolation = 'repeatable read'`;
    const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY';
    expect(await sumsBehindOne([isolation], begin)).toEqual([3, 6]);
    const set = `SET default_transaction_isolation TO 'read committed'; BEGIN READ ONLY`;
    expect(await sumsBehindOne([isolation], set)).toEqual([3, 6]);
  });

  /**
   * What the sum grows by for a transaction that has read of one shard, when somebody then adds 1 to a row
   * of each of three shards, twice. `changes`: of each database, before the proxy starts.
   */
  async function sumsBehindOne(changes: readonly string[], begin: string): Promise<number[]> {
    const own = await startTestProxy({
      shards: 3,
      prepare: async ({ shards }) => {
        for (const shard of shards) {
          const owner = await connectAsText(shard);
          for (const change of changes) {
            await owner.query(change.replace('%I', `"${shard.database}"`));
          }
          await owner.end();
        }
      },
    });
    const [writer, reader] = [await connectAsText(own.login), await connectAsText(own.login)];
    await writer.query('SET default_transaction_read_only TO off');
    await writer.query('CREATE TABLE account (user_id int8 PRIMARY KEY, balance int8 NOT NULL)');
    await writer.query('INSERT INTO account VALUES (1, 0), (2, 0), (3, 0)');
    for (const sql of begin.split('; ')) await reader.query(sql);
    await reader.query('SELECT balance FROM account WHERE user_id = 1');
    const sums: number[] = [];
    for (let round = 0; round < 2; round++) {
      await writer.query('UPDATE account SET balance = balance + 1');
      sums.push(Number((await textRows(reader, SUM))[0]![0]));
    }
    await reader.query('COMMIT');
    for (const each of [writer, reader]) await each.end();
    await own.close();
    return sums;
  }
});

/** The rows of a query on each shard itself. */
function onShards(sql: string): Promise<(string | null)[][][]> {
  return Promise.all(
    proxy.shards.map(async (shard) => {
      const own = await connectAsText(shard);
      try {
        return await textRows(own, sql);
      } finally {
        await own.end();
      }
    }),
  );
}

/** Resolves when every shard has its decisions held. */
async function untilHeld(): Promise<void> {
  const held = `SELECT 'held' FROM pg_locks WHERE granted AND mode = 'ShareLock'
    AND relation = 'drive.txlog'::regclass`;
  while ((await onShards(held)).some((rows) => rows.length === 0));
}

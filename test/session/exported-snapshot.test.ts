// Exported snapshots: other sessions, and other proxies, read what the first one reads.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient, rowsOf } from '../support/raw-client.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { say } from '../support/transcript.ts';
import { ACCOUNTS, FIRST_BALANCE, openAccounts, whileTransferring } from '../support/transfers.ts';

const TRANSFERS = { writers: 3, rounds: 15 };
const EXPORT = 'SELECT pg_export_snapshot()';
const SUM = 'SELECT sum(balance) FROM account';
const TOTAL = [[String(ACCOUNTS * FIRST_BALANCE)]];
const KEEPING = 'BEGIN ISOLATION LEVEL REPEATABLE READ';
const READ_WRITE = [say.parse(KEEPING), say.bind(), say.execute()];
const READ_ONLY = `${KEEPING}, READ ONLY`;
const SHARDS = 3;

let proxy: TestProxy;
let beside: TestProxy;
let exporter: Client;
/** By the other proxy. */
let importer: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: SHARDS });
  beside = await proxy.beside({});
  await openAccounts(proxy.login);
  exporter = await connectAsText(proxy.login);
  importer = await connectAsText(beside.login);
});

afterEach(async () => {
  for (const each of [exporter, importer]) await each.query('ROLLBACK');
});

afterAll(async () => {
  for (const each of [exporter, importer]) await each.end();
  await beside.close();
  await proxy.close();
});

const exported = async (client: Client = exporter): Promise<string> =>
  (await textRows(client, EXPORT))[0]![0]!;

const importing = (id: string): string => `SET TRANSACTION SNAPSHOT '${id}'`;

/** What a client of one PostgreSQL is told. */
async function toldByPlain(...statements: readonly string[]): Promise<unknown> {
  const plain = await connectAsText(proxy.plain);
  try {
    for (const sql of statements) await plain.query(sql);
    throw new Error('PostgreSQL has no objection');
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  } finally {
    await plain.end();
  }
}

describe('An exported snapshot', { timeout: 60_000 }, () => {
  it.each([
    READ_ONLY,
    KEEPING,
    'BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY',
    // Each statement has a snapshot of its own, and this one is kept.
    'BEGIN',
    'BEGIN; SELECT balance FROM account WHERE user_id = 1',
  ])('of %s has all or nothing of each transfer, for all who take it', async (begin) => {
    const seen: unknown[] = [];
    await whileTransferring(proxy.login, TRANSFERS, async () => {
      for (const sql of begin.split(';')) await exporter.query(sql);
      const id = await exported();
      const rows: unknown[] = [];
      for (const mode of [READ_ONLY, KEEPING]) {
        await importer.query(mode);
        await importer.query(importing(id));
        seen.push(await textRows(importer, SUM));
        rows.push(await textRows(importer, 'SELECT * FROM account ORDER BY user_id'));
        await importer.query('COMMIT');
      }
      expect(rows[1]).toEqual(rows[0]);
      await exporter.query('COMMIT');
    });
    expect(seen).toEqual(seen.map(() => TOTAL));
  });

  it('is what its transaction reads by, to the end', async () => {
    await exporter.query(READ_ONLY);
    const before = await textRows(
      exporter,
      'SELECT balance FROM account WHERE user_id IN (1, 2, 3)',
    );
    const id = await exported();
    const other = await connectAsText(proxy.login);
    const change = 'UPDATE account SET balance = balance + $1 WHERE user_id IN (1, 2, 3)';
    await other.query(change, [7]);
    await importer.query(KEEPING);
    await importer.query(importing(id));
    const read = 'SELECT balance FROM account WHERE user_id IN (1, 2, 3)';
    const seen = [await textRows(exporter, read), await textRows(importer, read)];
    await other.query(change, [-7]);
    await other.end();
    expect(seen).toEqual([before, before]);
  });

  it('is handed on by a transaction that has imported it', async () => {
    await exporter.query(READ_ONLY);
    const first = await exported();
    await importer.query(READ_ONLY);
    await importer.query(importing(first));
    const second = await exported(importer);
    expect(second.split(':')).toHaveLength(SHARDS);
    const third = await connectAsText(proxy.login);
    await third.query(READ_ONLY);
    await third.query(importing(second));
    expect(await textRows(third, SUM)).toEqual(TOTAL);
    await third.end();
  });

  it('is gone with its transaction, as on one PostgreSQL', async () => {
    await exporter.query(READ_ONLY);
    const id = await exported();
    await exporter.query('COMMIT');
    await importer.query(KEEPING);
    const [first] = id.split(':');
    const { code, message } = (await toldByPlain(KEEPING, importing(first!))) as {
      code: string;
      message: string;
    };
    const told = { code, message: message.replace(first!, id) };
    await expect(importer.query(importing(id))).rejects.toMatchObject(told);
    await expect(importer.query(SUM)).rejects.toMatchObject({ code: '25P02' });
  });

  it('outside of a transaction block is given and gone', async () => {
    const id = await exported();
    expect(id.split(':')).toHaveLength(SHARDS);
    await importer.query(KEEPING);
    await expect(importer.query(importing(id))).rejects.toThrow(id);
    await expect(importer.query('ROLLBACK')).resolves.toMatchObject({ command: 'ROLLBACK' });
  });

  it('by the extended protocol, in binary, has the column and the name of PostgreSQL', async () => {
    await exporter.query(READ_ONLY);
    const { rows, fields } = await exporter.query({
      text: `${EXPORT} AS snapshot`,
      values: [],
      binary: true,
    } as { text: string });
    expect(fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([['snapshot', 25]]);
    await importer.query({ text: READ_ONLY, values: [] });
    await importer.query({ text: importing(rows[0].snapshot), values: [] });
    expect(await textRows(importer, SUM)).toEqual(TOTAL);
  });

  it.each([
    ['in READ COMMITTED', ['BEGIN']],
    ['outside of a block', []],
    ['behind a query', [KEEPING, 'SELECT 1']],
    ['in a subtransaction', [KEEPING, 'SAVEPOINT a']],
    ['that is none', [KEEPING]],
  ])('is not taken %s, as by one PostgreSQL', async (title, before) => {
    await exporter.query(READ_ONLY);
    const id = title === 'that is none' ? 'none; at all' : await exported();
    for (const sql of before) await importer.query(sql);
    const told = await toldByPlain(...before, importing(id));
    await expect(importer.query(importing(id))).rejects.toMatchObject(told as object);
  });

  it('is not given to a subtransaction, as by one PostgreSQL', async () => {
    for (const begin of [['BEGIN'], [KEEPING], [READ_ONLY, SUM]]) {
      for (const sql of begin) await exporter.query(sql);
      await exporter.query('SAVEPOINT a');
      const told = await toldByPlain('BEGIN', 'SAVEPOINT a', EXPORT);
      await expect(exporter.query(EXPORT)).rejects.toMatchObject(told as object);
      await exporter.query('ROLLBACK TO a');
      expect(await textRows(exporter, SUM)).toEqual(TOTAL);
      await exporter.query('RELEASE a');
      expect((await exported()).split(':')).toHaveLength(SHARDS);
      await exporter.query('ROLLBACK');
    }
  });

  it('of another number of shards is not taken', async () => {
    await exporter.query(READ_ONLY);
    const [first, second] = (await exported()).split(':');
    const several = [`${first}:${second}`, `${first}:${second}:${first}:${second}`, 'FFF F'];
    for (const id of [first!, 'FFF-FFF-F', ...several]) {
      await importer.query(KEEPING);
      const told = await toldByPlain(KEEPING, importing(several.includes(id) ? id : 'FFF-FFF-F'));
      await expect(importer.query(importing(id))).rejects.toMatchObject({
        ...(told as object),
        message: (told as Error).message.replace('FFF-FFF-F', id),
        hint: expect.stringContaining('3 shards'),
      });
      await importer.query('ROLLBACK');
    }
  });

  it('of shards in another order is not taken', async () => {
    await exporter.query(READ_ONLY);
    const id = (await exported()).split(':').reverse().join(':');
    await importer.query(KEEPING);
    await expect(importer.query(importing(id))).rejects.toMatchObject({
      code: expect.stringMatching(/^(22023|42704|0A000)$/),
    });
  });

  it('of a transaction that is on one shard is refused', async () => {
    await exporter.query(KEEPING);
    await exporter.query('SELECT balance FROM account WHERE user_id = 1');
    await expect(exporter.query(EXPORT)).rejects.toMatchObject({
      code: '0A000',
      hint: expect.stringContaining('READ ONLY'),
    });
  });

  it('keeps its transaction from writing several shards, and nothing of it is done', async () => {
    await exporter.query(KEEPING);
    await exported();
    await exporter.query('UPDATE account SET balance = balance + 1 WHERE user_id IN (1, 2)');
    await expect(exporter.query('COMMIT')).rejects.toMatchObject({ code: '0A000' });
    expect(await textRows(exporter, SUM)).toEqual(TOTAL);
    await exporter.query(KEEPING);
    await exported();
    await exporter.query('UPDATE account SET balance = balance + 0 WHERE user_id = 1');
    await exporter.query('COMMIT');
  });

  it('of one shard by hand is that shard’s own', async () => {
    const direct = await connectAsText(proxy.shards[1]!);
    await exporter.query('SET drive.shard = 1');
    await exporter.query(KEEPING);
    const id = await exported();
    expect(id).toMatch(/^[0-9A-F-]+$/);
    await direct.query(KEEPING);
    await direct.query(importing(id));
    await importer.query('SET drive.shard = 1');
    await importer.query(KEEPING);
    await importer.query(importing(id));
    const count = 'SELECT sum(balance) FROM account';
    expect(await textRows(importer, count)).toEqual(await textRows(direct, count));
    await direct.end();
    for (const each of [exporter, importer]) {
      await each.query('ROLLBACK');
      await each.query('RESET drive.shard');
    }
  });
});

describe('A transaction that may write', () => {
  const ADD = 'UPDATE account SET balance = balance + $1 WHERE user_id IN (1, 2, 3)';
  const DESCRIBE = [say.parse(SUM, 'sum'), say.describe('statement', 'sum'), say.sync];

  it.each([
    ['within it', [[...READ_WRITE, say.sync], DESCRIBE]],
    ['along with its BEGIN', [[...READ_WRITE, ...DESCRIBE]]],
    ['before it', [DESCRIBE, [...READ_WRITE, say.sync], DESCRIBE.slice(1)]],
  ])(
    'has one snapshot of all shards from a statement on that was prepared %s',
    async (_, steps) => {
      const writer = await connectAsText(proxy.login);
      const client = await RawClient.login(proxy.login);
      for (const step of steps) {
        client.send(...step);
        await client.untilReady();
      }
      const sums: unknown[] = [];
      for (const change of [5, -5]) {
        await writer.query(ADD, [change]);
        client.send(say.bind([], 'sum'), say.execute(), say.sync);
        sums.push(rowsOf(await client.untilReady()));
      }
      await client.close();
      await writer.end();
      // Of before what has been written meanwhile, or of behind it: all of it or nothing.
      expect(sums).toEqual([sums[0], sums[0]]);
      expect([TOTAL, [[String(Number(TOTAL[0]![0]) + 15)]]]).toContainEqual(sums[0]);
    },
  );

  it.each([
    'SHOW server_version',
    'LOCK TABLE account IN ACCESS SHARE MODE',
    "SET work_mem = '8MB'",
  ])('has one snapshot of all shards also behind %s', async (first) => {
    const writer = await connectAsText(proxy.login);
    await importer.query(KEEPING);
    await importer.query(first);
    expect(await textRows(importer, SUM)).toEqual(TOTAL);
    const change = 'UPDATE account SET balance = balance + $1 WHERE user_id = 2';
    await writer.query(change, [5]);
    const seen = await textRows(importer, SUM);
    await writer.query(change, [-5]);
    await writer.end();
    expect(seen).toEqual(TOTAL);
    // Nothing but a snapshot of all shards can be exported.
    expect((await exported(importer)).split(':')).toHaveLength(SHARDS);
  });
});

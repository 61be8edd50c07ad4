// Serializable: transactions over several shards are as if one had been run behind the other.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';
import { RawClient, rawMessage, tagsOf } from '../support/raw-client.ts';
import { type Access, type Committed, circleIn } from '../support/serial-history.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const CLIENTS = 6;
const ROWS = 6;
const TRANSACTIONS = 40;
/** Far enough apart not to share a page of the index, by which servers see conflicts. */
const APART = 1_000;
const LEVEL = 'ISOLATION LEVEL SERIALIZABLE';
const BEGIN = `BEGIN ${LEVEL}`;
const READ_ONLY = `${BEGIN}, READ ONLY`;
const NURSE = 'serial_nurse';
const FAILURE = { code: '40001' };

let proxy: TestProxy;
let client: Client;
let other: Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3, config: { pool: { size: 2 * CLIENTS } } });
  client = await login();
  other = await login();
  await client.query('CREATE TABLE register (user_id int PRIMARY KEY, version int NOT NULL)');
  const all = `SELECT n, 0 FROM generate_series(0, ${ROWS * APART - 1}) AS n`;
  await client.query(`INSERT INTO register ${all}`);
  await client.query('CREATE TABLE doctor (user_id int PRIMARY KEY, on_call boolean NOT NULL)');
  for (const shard of proxy.shards) {
    const superuser = await connectAsText({ ...shard, ...superusers().shards });
    await superuser.query(`CREATE ROLE ${NURSE}; GRANT ${NURSE} TO "${proxy.login.user}"`);
    await superuser.end();
  }
  await client.query(`GRANT SELECT, UPDATE ON doctor TO ${NURSE}`);
  await client.query('ANALYZE');
});

afterAll(async () => {
  await client.end();
  await other.end();
  await proxy.close();
});

async function login(): Promise<Client> {
  const made = await connectAsText(proxy.login);
  // A scan of a whole table conflicts with every write of it.
  await made.query('SET enable_seqscan = off');
  return made;
}

/** One transaction of `one`, which a server may refuse at any point. */
async function transact(one: Client, name: string, random: Random): Promise<Committed | null> {
  const start = random.int(0, ROWS - 1);
  const [first, second, third] = [0, 1, random.int(2, ROWS - 1)].map(
    (i) => ((start + i) % ROWS) * APART,
  ) as [number, number, number];
  const reads: Access[] = [];
  const writes: Access[] = [];
  const writesAny = random.chance(0.7);
  const accessOf = ([row, version]: (string | null)[]) => ({
    row: Number(row),
    version: Number(version),
  });
  const read = async (...rows: number[]) => {
    const sql = `SELECT user_id, version FROM register WHERE user_id IN (${rows.join(', ')})`;
    reads.push(...(await textRows(one, sql)).map(accessOf));
  };
  const write = async (row: number) => {
    const sql = `UPDATE register SET version = version + 1 WHERE user_id = ${row}
      RETURNING user_id, version`;
    writes.push(...(await textRows(one, sql)).map(accessOf));
  };
  try {
    await one.query(!writesAny && random.chance(0.6) ? READ_ONLY : BEGIN);
    if (random.chance(0.4)) await read(first, second);
    else for (const row of [first, second]) await read(row);
    if (writesAny) await write(random.pick([first, second, third]));
    if (writesAny && random.chance(0.3)) await write(third);
    await one.query('COMMIT');
  } catch (error) {
    await one.query('ROLLBACK');
    expect(['40001', '40P01']).toContain((error as { code: string }).code);
    return null;
  }
  return { name, reads, writes };
}

describe('Serializable transactions over several shards', { timeout: 120_000 }, () => {
  it('at once stand in an order in which one after the other had seen the same', async () => {
    const seed = seedFromEnvironment('SERIAL_SEED');
    const history: Committed[] = [];
    const run = async (number: number) => {
      const one = await login();
      const random = new Random(seed * CLIENTS + number);
      for (let i = 0; i < TRANSACTIONS; i++) {
        const made = await transact(one, `${number}.${i}`, random);
        if (made !== null) history.push(made);
      }
      await one.end();
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => run(number)));
    expect(circleIn(history), `SERIAL_SEED=${seed}`).toBeNull();
    // Not by having refused them all.
    expect(history.length).toBeGreaterThan(CLIENTS * 2);
  });

  it.each([
    ['each of them by its key', '', ['user_id = 1', 'user_id = 2', 'user_id = 3']],
    ['all of them in one statement', '', ['true']],
    ['as somebody else', `SET LOCAL ROLE ${NURSE}`, ['user_id = 3', 'user_id = 2', 'user_id = 1']],
    ['behind a savepoint that is gone back to', 'SAVEPOINT s', ['true', 'ROLLBACK TO s', 'true']],
  ])('cannot both rely on what the other changes on another shard: %s', async (_, first, steps) => {
    await allOnCall();
    await client.query('DELETE FROM doctor WHERE user_id = 3');
    const leave = async (one: Client, doctor: number) => {
      const seen = new Set<string>();
      for (const step of [first, ...steps]) {
        const isCondition = !/^[A-Z]|^$/.test(step);
        const sql = `SELECT user_id FROM doctor WHERE ${step} AND on_call`;
        if (!isCondition) await one.query(step);
        else for (const [on] of await textRows(one, sql)) seen.add(on!);
      }
      if (seen.size < 2) return async () => undefined;
      return () => one.query(`UPDATE doctor SET on_call = false WHERE user_id = ${doctor}`);
    };
    await Promise.all([
      outcomeOf(client, () => leave(client, 1)),
      outcomeOf(other, () => leave(other, 2)),
    ]);
    // Both may have been told to try again.
    expect(await textRows(client, 'SELECT FROM doctor WHERE on_call')).not.toEqual([]);
    expect(await outcomeOf(client, () => leave(client, 1))).toBe('committed');
    expect(await textRows(client, 'SELECT FROM doctor WHERE on_call')).toHaveLength(1);
  });

  it.each([
    [[`${BEGIN} /* /* a */ read committed */`]],
    [[`${BEGIN} -- read committed`]],
    [['BEGIN', "SET transaction_isolation TO E'serializ\\x61ble' /* read committed */"]],
    [['BEGIN', "SET LOCAL transaction_isolation TO U&'serializ!0061ble' UESCAPE '!'"]],
    [['BEGIN', "SET transaction_isolation TO 'serial'\n'izable'"]],
    [['BEGIN', 'SET transaction_isolation TO "SERIALIZABLE"']],
    [["SET default_transaction_isolation = E'serializ\\x61ble'", 'BEGIN']],
    [["SELECT set_config('default_transaction_isolation', $$serializable$$, false)", 'BEGIN']],
    [['BEGIN ISOLATION LEVEL READ COMMITTED', 'BEGIN', `SET TRANSACTION ${LEVEL}`]],
    [[BEGIN, 'COMMIT AND CHAIN']],
  ])('are so however they have been told: %j', async (begin) => {
    await allOnCall();
    const both = (step: (one: Client, mine: number, theirs: number) => Promise<unknown>) =>
      Promise.allSettled([step(client, 1, 2), step(other, 2, 1)]);
    await client.query('DELETE FROM doctor WHERE user_id = 3');
    for (const step of begin) await both((one) => one.query(step));
    expect(await textRows(client, 'SHOW transaction_isolation')).toEqual([['serializable']]);
    await both((one, _, theirs) => one.query(`SELECT FROM doctor WHERE user_id = ${theirs}`));
    await both((one, mine) =>
      one.query(`UPDATE doctor SET on_call = false WHERE user_id = ${mine}`),
    );
    await both((one) => one.query('COMMIT'));
    expect(await textRows(client, 'SELECT FROM doctor WHERE on_call')).not.toEqual([]);
    for (const one of [client, other]) await one.query('RESET default_transaction_isolation');
  });

  it('that only read do not see what depends on a change that they do not see', async () => {
    // Source: Fekete, O'Neil, O'Neil, "A Read-Only Transaction Anomaly Under Snapshot Isolation" (2004).
    await allOnCall();
    const third = await login();
    await client.query(BEGIN);
    await client.query('SELECT FROM doctor WHERE user_id = 1 AND on_call');
    await client.query('SELECT FROM doctor WHERE user_id = 2 AND on_call');
    await other.query('UPDATE doctor SET on_call = false WHERE user_id = 2');
    const report = async () => {
      await third.query(READ_ONLY);
      const off = await textRows(third, 'SELECT user_id FROM doctor WHERE NOT on_call');
      await third.query('COMMIT');
      return off;
    };
    const reported = report();
    const [write] = await Promise.allSettled([
      client.query('UPDATE doctor SET on_call = false WHERE user_id = 1'),
    ]);
    const end = await client.query(write.status === 'fulfilled' ? 'COMMIT' : 'ROLLBACK');
    const seen = (await reported).flat();
    await third.end();
    // The first transaction has not seen the second, so who sees this sees both, or the first has failed.
    if (end.command === 'COMMIT') expect(seen.toSorted()).toEqual(['1', '2']);
    else expect(seen).toEqual(['2']);
  });

  it('have their place also as single statements', async () => {
    await allOnCall();
    for (const one of [client, other]) {
      await one.query("SET default_transaction_isolation = 'serializable'");
    }
    try {
      await client.query(BEGIN);
      await client.query('SELECT FROM doctor WHERE user_id = 1');
      expect(await textRows(other, 'SELECT count(*) FROM doctor')).toEqual([['3']]);
      // The other has been on the first's shard since, and perhaps not seen what it would do.
      await expect(
        client.query('SELECT FROM doctor WHERE user_id IN (2, 3)'),
      ).rejects.toMatchObject(FAILURE);
      await client.query('ROLLBACK');
      await other.query('UPDATE doctor SET on_call = NOT on_call');
      await other.query('INSERT INTO doctor VALUES (4, true), (5, true), (6, true)');
      await other.query('DELETE FROM doctor WHERE user_id IN (4, 5, 6)');
    } finally {
      for (const one of [client, other]) await one.query('RESET default_transaction_isolation');
    }
    const { rows } = await other.query('SELECT count(*) FROM doctor WHERE NOT on_call');
    expect(rows).toEqual([{ count: '3' }]);
  });

  it('have their place also where a single statement reads before it writes', async () => {
    for (const one of [client, other]) {
      await one.query("SET default_transaction_isolation = 'serializable'");
    }
    const few = '(SELECT count(*) AS doctors FROM doctor) AS few';
    const slow = '(SELECT count(*) FROM generate_series(1, 1000000)) AS slow';
    const hire = (one: Client, doctor: number) =>
      one.query(`INSERT INTO doctor SELECT ${doctor}, true FROM ${few}, ${slow} WHERE doctors < 4`);
    // The second time the session knows the statement.
    for (const _ of ['first', 'second']) {
      await allOnCall();
      const hired = await Promise.allSettled([hire(client, 4), hire(other, 5)]);
      for (const each of hired)
        if (each.status === 'rejected') expect(each.reason).toMatchObject(FAILURE);
      expect((await textRows(client, 'SELECT FROM doctor')).length).toBeLessThan(5);
    }
    for (const one of [client, other]) await one.query('RESET default_transaction_isolation');
  });

  it('take the ticket of the first shard before a COPY begins there', async () => {
    const raw = await RawClient.login(proxy.login);
    // The first of these is on the shard that a COPY asks first.
    for (const first of [3, 1]) {
      await allOnCall();
      await raw.query(BEGIN);
      await raw.query(`DELETE FROM doctor WHERE user_id = ${first}`);
      raw.send(encodeQuery('COPY doctor FROM STDIN'));
      await raw.until('G');
      raw.send(rawMessage('d', Buffer.from('4\tt\n5\tt\n6\tt\n')), rawMessage('c'));
      expect(tagsOf(await raw.untilReady())).toEqual(['COPY 3']);
      expect(tagsOf(await raw.query('COMMIT'))).toEqual(['COMMIT']);
      expect(await textRows(client, 'SELECT FROM doctor')).toHaveLength(5);
    }
    await raw.close();
  });

  it('that only read hold nobody up behind their first statement', async () => {
    await allOnCall();
    await client.query(READ_ONLY);
    await client.query('SELECT FROM doctor WHERE user_id = 1');
    await other.query(BEGIN);
    await other.query('UPDATE doctor SET on_call = false WHERE user_id IN (1, 2, 3)');
    await other.query('COMMIT');
    const seen = await textRows(client, 'SELECT FROM doctor WHERE on_call');
    await client.query('COMMIT');
    expect(seen).toHaveLength(3);
  });

  it('take no ticket as long as one shard is enough', async () => {
    await allOnCall();
    for (const one of [client, other]) {
      await one.query(BEGIN);
      await one.query('SELECT FROM doctor WHERE user_id = 1');
    }
    await client.query('COMMIT');
    await other.query('COMMIT');
    const [shard] = proxy.shards;
    const server = await connectAsText(shard!);
    const locks = `SELECT FROM pg_locks WHERE relation = 'drive.ticket'::regclass AND mode LIKE '%Exclusive%'`;
    await client.query(BEGIN);
    await client.query('UPDATE doctor SET on_call = on_call WHERE user_id = 1');
    expect(await textRows(server, locks)).toEqual([]);
    await client.query('UPDATE doctor SET on_call = on_call WHERE user_id IN (2, 3)');
    expect(await textRows(server, locks)).not.toEqual([]);
    await client.query('COMMIT');
    await server.end();
  });

  it('take their snapshot behind locks of tables', async () => {
    await allOnCall();
    await client.query(BEGIN);
    await client.query('LOCK TABLE doctor IN ACCESS SHARE MODE');
    await other.query('UPDATE doctor SET on_call = false WHERE user_id IN (1, 2, 3)');
    const seen = await textRows(client, 'SELECT FROM doctor WHERE user_id = 1 AND on_call');
    const also = await textRows(client, 'SELECT FROM doctor WHERE on_call');
    await client.query('COMMIT');
    expect([seen, also]).toEqual([[], []]);
  });

  it('that have become READ ONLY on one shard are refused a further one', async () => {
    await client.query(BEGIN);
    await client.query('SELECT FROM doctor WHERE user_id = 1');
    await client.query('SET TRANSACTION READ ONLY');
    await expect(client.query('SELECT FROM doctor')).rejects.toMatchObject({
      code: '0A000',
      hint: 'Begin it with BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY.',
    });
    await client.query('ROLLBACK');
  });

  it('take over an exported snapshot only to read by it', async () => {
    await client.query(READ_ONLY);
    const [[id]] = (await textRows(client, 'SELECT pg_export_snapshot()')) as [[string]];
    await other.query(BEGIN);
    await expect(other.query(`SET TRANSACTION SNAPSHOT '${id}'`)).rejects.toMatchObject({
      code: '0A000',
    });
    await other.query('ROLLBACK');
    await other.query(READ_ONLY);
    await other.query(`SET TRANSACTION SNAPSHOT '${id}'`);
    expect(await textRows(other, 'SELECT count(*) FROM doctor')).toEqual([['3']]);
    await other.query('COMMIT');
    await client.query('COMMIT');
  });

  it('end where ROLLBACK TO has undone what others have begun behind', async () => {
    await allOnCall();
    await client.query(BEGIN);
    await client.query('SAVEPOINT s');
    await client.query('SELECT FROM doctor');
    await expect(client.query('SELECT 1 / (user_id - 1) FROM doctor')).rejects.toThrow();
    await other.query(BEGIN);
    await other.query('SELECT FROM doctor');
    for (const [sql, code] of [
      ['ROLLBACK TO s', '40001'],
      ['SELECT 1', '25P02'],
      ['ROLLBACK TO s', '40001'],
    ] as const) {
      await expect(client.query(sql)).rejects.toMatchObject({ code });
    }
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    await other.query('COMMIT');
    expect(await textRows(client, 'SELECT count(*) FROM doctor')).toEqual([['3']]);
  });

  it.each([
    ['table', 'ALTER TABLE drive.ticket RENAME TO gone', 'ALTER TABLE drive.gone RENAME TO ticket'],
    ['row', 'DELETE FROM drive.ticket', 'INSERT INTO drive.ticket VALUES (true)'],
  ])('are refused where a shard does not have the %s for it', async (_, take, give) => {
    const [, shard] = proxy.shards;
    const server = await connectAsText({ ...shard!, ...superusers().shards });
    await server.query(take);
    try {
      for (const begin of [BEGIN, READ_ONLY]) {
        await client.query(begin);
        await expect(client.query('SELECT FROM doctor')).rejects.toMatchObject({
          code: '0A000',
          message: expect.stringContaining('shard 1 has no ticket'),
        });
        await client.query('ROLLBACK');
      }
      await client.query(BEGIN);
      await client.query('SELECT FROM doctor WHERE user_id = 1');
      const further = 'SELECT FROM doctor WHERE user_id IN (2, 3)';
      await expect(client.query(further)).rejects.toMatchObject({ code: '0A000' });
      await client.query('ROLLBACK');
    } finally {
      await server.query(give);
      await server.end();
    }
  });
});

async function allOnCall(): Promise<void> {
  await client.query('DELETE FROM doctor');
  await client.query('INSERT INTO doctor VALUES (1, true), (2, true), (3, true)');
}

/** Of a transaction: `read` reads, and gives what then writes; another may do the same meanwhile. */
async function outcomeOf(
  one: Client,
  read: () => Promise<() => Promise<unknown>>,
): Promise<'committed' | 'failed'> {
  await one.query(BEGIN);
  try {
    await (await read())();
    await one.query('COMMIT');
    return 'committed';
  } catch (error) {
    expect(error).toMatchObject(FAILURE);
    await one.query('ROLLBACK');
    return 'failed';
  }
}

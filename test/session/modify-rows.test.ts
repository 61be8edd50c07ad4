// UPDATE and DELETE of rows found first: under concurrent changes, and what they are refused for.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;
let other: RawClient;
let direct: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  direct = await RawClient.login(proxy.shards[1]!);
  client = await RawClient.login(proxy.login);
  await client.rows(`CREATE TABLE accounts (user_id bigint PRIMARY KEY, total int)`);
  await client.rows(`CREATE TABLE loose (user_id bigint NOT NULL, total int)`);
  await client.rows(`CREATE DOMAIN points AS int CHECK (VALUE < 1000)`);
  await client.rows(`CREATE TABLE scored (user_id bigint PRIMARY KEY, was points, now points)`);
  await client.close();
});

afterAll(async () => {
  await direct.close();
  await proxy.close();
});

beforeEach(async () => {
  client = await RawClient.login(proxy.login);
  other = await RawClient.login(proxy.login);
  await client.rows('TRUNCATE accounts, loose');
  await client.rows('INSERT INTO accounts VALUES (1, 10), (2, 20), (3, 30)');
  await client.rows('INSERT INTO loose VALUES (1, 1), (2, 2)');
});

afterEach(() => Promise.all([client.close(), other.close()]));

const totals = () => client.rows('SELECT user_id, total FROM accounts ORDER BY user_id');

/** Resolves when a backend of shard 1 waits for a lock. */
async function untilWaiting(): Promise<void> {
  const sql = `SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  for (;;) {
    const [[count]] = (await direct.rows(sql)) as [[string]];
    if (count !== '0') return;
  }
}

it('moves a row with values of a domain, those that it has and those that it is given', async () => {
  await client.rows('INSERT INTO scored VALUES (1, 5, 6)');
  const sql = 'UPDATE scored SET user_id = 2, now = was + 900 RETURNING *';
  expect(await client.rows(sql)).toEqual([['2', '5', '905']]);
  expect(await client.rows('SELECT * FROM scored')).toEqual([['2', '5', '905']]);
});

it('refuses rows of a temporary view, which have no places', async () => {
  await client.rows('CREATE TEMP TABLE own (id int, total int)');
  await client.rows('CREATE TEMP VIEW shown AS SELECT * FROM own WHERE id > 0');
  const sql = 'UPDATE shown SET total = a.total FROM accounts a WHERE a.user_id = shown.id';
  const answer = await client.query(sql);
  expect(errorCode(answer)).toBe('0A000');
  await client.rows('DROP TABLE own CASCADE');
});

it('finds a row of a child table that has the key of one of its parent', async () => {
  await client.rows('CREATE TABLE heirs () INHERITS (accounts)');
  await client.rows('INSERT INTO heirs VALUES (1, 5), (2, 5)');
  const byTotal = '(SELECT max(total) FROM loose) + 3';
  await client.rows(`UPDATE accounts SET total = -1 WHERE total = ${byTotal} AND user_id = 1`);
  await client.rows(`DELETE FROM accounts WHERE total = ${byTotal}`);
  expect(await client.rows('SELECT user_id, total FROM accounts ORDER BY 1, 2')).toEqual([
    ['1', '-1'],
    ['1', '10'],
    ['2', '20'],
    ['3', '30'],
  ]);
  await client.rows('DROP TABLE heirs');
});

describe('A row that another transaction changes meanwhile', () => {
  it('is waited for, and updated from its new values', async () => {
    await other.rows('BEGIN');
    await other.rows('UPDATE accounts SET total = total + 100 WHERE user_id = 1');
    const update = client.query(
      'UPDATE accounts SET total = total + (SELECT count(*) FROM loose) WHERE user_id = 1',
    );
    await untilWaiting();
    await other.rows('COMMIT');
    expect(errorCode(await update)).toBe('');
    expect(await totals()).toEqual([
      ['1', '112'],
      ['2', '20'],
      ['3', '30'],
    ]);
  });

  it('is left alone when it no longer fulfils the condition', async () => {
    await other.rows('BEGIN');
    await other.rows('UPDATE accounts SET total = 0 WHERE user_id = 1');
    const remove = client.query(
      'DELETE FROM accounts WHERE total >= (SELECT min(total) + 9 FROM loose)',
    );
    await untilWaiting();
    await other.rows('COMMIT');
    expect(errorCode(await remove)).toBe('');
    expect(await totals()).toEqual([['1', '0']]);
  });

  it('is gone when it is deleted, also for a move to another shard', async () => {
    await other.rows('BEGIN');
    await other.rows('DELETE FROM accounts WHERE user_id = 1');
    const move = client.query('UPDATE accounts SET user_id = user_id + 1 WHERE user_id = 1');
    await untilWaiting();
    await other.rows('COMMIT');
    expect(errorCode(await move)).toBe('');
    expect(await totals()).toEqual([
      ['2', '20'],
      ['3', '30'],
    ]);
  });
});

describe('A row without a key that another transaction changes meanwhile', () => {
  const rows = () => client.rows('SELECT user_id, total FROM loose ORDER BY user_id, total');

  it('is waited for, and updated from its new values', async () => {
    await other.rows('BEGIN');
    await other.rows('UPDATE loose SET total = total + 100 WHERE user_id = 1');
    const update = client.query(
      'UPDATE loose SET total = total + (SELECT count(*) FROM accounts) WHERE user_id = 1 RETURNING total',
    );
    await untilWaiting();
    await other.rows('COMMIT');
    expect(errorCode(await update)).toBe('');
    expect(await rows()).toEqual([
      ['1', '104'],
      ['2', '2'],
    ]);
  });

  it('is left alone when it no longer fulfils the condition', async () => {
    await client.rows('INSERT INTO loose VALUES (1, 1)');
    await other.rows('BEGIN');
    await other.rows(
      'UPDATE loose SET total = 50 WHERE ctid = (SELECT min(ctid) FROM loose WHERE user_id = 1) AND user_id = 1',
    );
    const remove = client.query(
      'DELETE FROM loose WHERE total < (SELECT min(total) FROM accounts)',
    );
    await untilWaiting();
    await other.rows('COMMIT');
    expect(errorCode(await remove)).toBe('');
    expect(await rows()).toEqual([['1', '50']]);
  });

  it('is gone when it is deleted, also for a move to another shard', async () => {
    await other.rows('BEGIN');
    await other.rows('DELETE FROM loose WHERE user_id = 1');
    const move = client.query('UPDATE loose SET user_id = user_id + 1');
    await untilWaiting();
    await other.rows('COMMIT');
    expect(errorCode(await move)).toBe('');
    expect(await rows()).toEqual([['3', '2']]);
  });

  it('fails the statement that keeps its snapshot', async () => {
    await client.rows('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.rows('SELECT count(*) FROM loose');
    await other.rows('UPDATE loose SET total = 9 WHERE user_id = 1');
    const sql = 'UPDATE loose SET total = (SELECT max(total) FROM accounts)';
    expect(errorCode(await client.query(sql))).toBe('40001');
    await client.rows('ROLLBACK');
    expect(await rows()).toEqual([
      ['1', '9'],
      ['2', '2'],
    ]);
  });
});

describe('Rows without a key', () => {
  it('are told apart where they are equal, and each is updated once', async () => {
    await client.rows('INSERT INTO loose VALUES (1, 1), (1, 1), (2, 2)');
    const update = `UPDATE loose l SET total = l.total + 1 FROM accounts a WHERE a.total > l.total RETURNING l.user_id`;
    expect(await client.rows(update)).toHaveLength(5);
    expect(await client.rows('SELECT user_id, total FROM loose ORDER BY user_id')).toEqual([
      ['1', '2'],
      ['1', '2'],
      ['1', '2'],
      ['2', '3'],
      ['2', '3'],
    ]);
  });

  it('are explained', async () => {
    const sql = 'UPDATE loose SET total = (SELECT max(total) FROM accounts)';
    const lines = (await client.rows(`EXPLAIN ${sql}`)).flat().join('\n');
    expect(lines).toMatch(/rows: .*\n(.*\n)* +-> {2}Leaf 1 on shard 1/);
    const measured = (await client.rows(`EXPLAIN (ANALYZE, TIMING off) ${sql}`)).flat().join('\n');
    expect(measured).toContain('run: UPDATE 2 in');
  });

  it('are written as triggers have them', async () => {
    await client.rows(`CREATE FUNCTION doubled() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.total := NEW.total * 2; RETURN NEW; END $$`);
    await client.rows(`CREATE TRIGGER doubling BEFORE UPDATE ON loose
      FOR EACH ROW EXECUTE FUNCTION doubled()`);
    const update = `UPDATE loose SET total = (SELECT count(*) FROM accounts) RETURNING total`;
    expect(await client.rows(update)).toEqual([['6'], ['6']]);
    await client.rows('DROP TRIGGER doubling ON loose');
  });

  it('are left alone where a policy lets them be seen and not be written', async () => {
    await client.rows(`ALTER TABLE loose ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
      CREATE POLICY seen ON loose FOR SELECT USING (true);
      CREATE POLICY written ON loose FOR UPDATE USING (total > 1)`);
    const update = 'UPDATE loose SET total = (SELECT max(total) FROM accounts) RETURNING user_id';
    expect(await client.rows(update)).toEqual([['2']]);
    await client.rows(`ALTER TABLE loose DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
      DROP POLICY seen ON loose; DROP POLICY written ON loose`);
  });
});

describe('A row is found again', () => {
  it('by a unique constraint of columns that are not NULL, the key beside it', async () => {
    await client.rows(`CREATE TABLE coded (user_id bigint NOT NULL, code text NOT NULL, part int,
      total int, UNIQUE (user_id, part), UNIQUE (user_id, code))`);
    await client.rows(
      `INSERT INTO coded VALUES (1, 'a', NULL, 1), (1, 'b', NULL, 2), (2, 'a', 1, 3)`,
    );
    await client.rows(`UPDATE coded SET total = total + (SELECT max(total) FROM accounts)
      WHERE code = 'a' AND total < (SELECT sum(total) FROM accounts)`);
    await client.rows(`DELETE FROM coded WHERE total = (SELECT min(total) FROM coded)`);
    await client.rows(`UPDATE coded SET user_id = user_id + 1 WHERE total > 30`);
    expect(await client.rows('SELECT * FROM coded ORDER BY user_id')).toEqual([
      ['2', 'a', null, '31'],
      ['3', 'a', '1', '33'],
    ]);
    await client.rows('DROP TABLE coded');
  });

  it.each(['UNIQUE (total)', 'code int NOT NULL DEFAULT 1, UNIQUE (total, code) DEFERRABLE'])(
    'where it lies, if no constraint of a reference table keeps its rows apart at any time: %s',
    async (constraint) => {
      await client.rows(`CREATE TABLE weak (total int, ${constraint})`);
      await client.rows(`SELECT create_reference_table('weak')`);
      await client.rows('INSERT INTO weak (total) VALUES (1), (NULL), (NULL)');
      const rows = await client.rows(
        'UPDATE weak SET total = total + (SELECT max(total) FROM accounts) RETURNING total',
      );
      expect(rows).toEqual([['31'], [null], [null]]);
      await client.rows('DROP TABLE weak');
    },
  );
});

describe('It is refused with a reason', () => {
  it('where a row without a key is asked for as a whole, over copies of the rows', async () => {
    const sql =
      'UPDATE loose l SET total = length(l::text) FROM accounts a WHERE a.total > l.total';
    expect(errorCode(await client.query(sql))).toBe('0A000');
    expect(errorCode(await client.query(`${sql} AND l.user_id = 1 AND a.user_id = 1`))).toBe('');
  });
});

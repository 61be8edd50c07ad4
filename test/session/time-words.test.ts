// Time words: 'now' and 'today' without a type are one time on all shards where they are times, else text.

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { copyIn } from '../parity/copy-client.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

const SHARDS = 3;

let tested: TestProxy;
let client: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: SHARDS });
  client = new pg.Client(tested.login);
  await client.connect();
  await client.query(`CREATE TYPE mood AS ENUM ('now', 'later')`);
  await client.query('CREATE DOMAIN due AS date');
  await client.query(`CREATE TABLE notes (user_id int8 NOT NULL, id int4 NOT NULL DEFAULT 1, word text, day date, at timestamptz,
    local timestamp, clock time, feeling mood, days date[], span tstzrange, due due, UNIQUE (user_id, id))`);
});

beforeEach(async () => {
  await client.query('DELETE FROM notes');
  await client.query(`INSERT INTO notes (user_id, id, word, feeling, day)
    SELECT g, 1, 'today', 'now', CURRENT_DATE FROM generate_series(1, 6) g`);
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

const count = async (sql: string, ...values: unknown[]): Promise<number> => {
  const { rows } = await client.query(`SELECT count(*)::int4 AS n FROM (${sql}) q`, values);
  return rows[0].n as number;
};

test('a cancel while a server is asked ends the statement', async () => {
  const direct = await RawClient.login(tested.shards[0]!);
  await direct.rows('BEGIN');
  await direct.rows('LOCK TABLE notes');
  const asked = expect(
    client.query("SELECT count(*) FROM notes WHERE day = 'today'"),
  ).rejects.toMatchObject({ code: '57014' });
  const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await expect.poll(() => direct.rows(cancel)).toEqual([['t']]);
  await direct.rows('COMMIT');
  await asked;
  await direct.close();
});

describe('over several shards', () => {
  test.each([
    ['at', `UPDATE notes SET at = 'now'`],
    ['at', `UPDATE notes SET at = E'n\\x6fw' WHERE word = 'today'`],
    ['at', `UPDATE notes SET at = U&'\\006eow'`],
    ['at', `UPDATE notes SET at = U&'n!006fw' UESCAPE '!'`],
    ['at', `UPDATE notes SET at = 'no'\n'w'`],
    ['at', `UPDATE notes SET at = $$now$$`],
    ['at', `UPDATE notes SET at = ' NOW '`],
    ['at', `UPDATE notes SET (id, at) = (2, 'now')`],
    ['at', `UPDATE notes SET at = coalesce(at, 'now')`],
    ['at', `UPDATE notes SET at = CASE WHEN id = 1 THEN 'now' ELSE at END`],
    ['at', `UPDATE notes SET at = E'n\\x6fw'::timestamptz`],
    ['at', `UPDATE notes SET at = timestamp with time zone 'now'`],
    ['local', `UPDATE notes SET local = 'now'`],
    ['clock', `UPDATE notes SET clock = 'now'`],
    ['clock', `UPDATE notes SET clock = 'now'::time`],
    ['clock', `UPDATE notes SET clock = time 'now'`],
    [
      'at',
      `DELETE FROM notes; INSERT INTO notes (user_id, at) VALUES (1, 'now'), (2, 'now'), (3, 'now')`,
    ],
    [
      'at',
      `DELETE FROM notes; INSERT INTO notes (user_id, at) SELECT g, 'now' FROM generate_series(1, 6) g`,
    ],
  ])('writes one time to %s: %s', async (column, sql) => {
    await client.query(sql);
    expect(await count(`SELECT DISTINCT ${column} FROM notes`)).toBe(1);
    const near = column === 'clock' ? 'LOCALTIME' : column === 'at' ? 'now()' : 'LOCALTIMESTAMP';
    const late = `SELECT FROM notes WHERE (${column} BETWEEN ${near} - interval '1 minute' AND ${near}) IS NOT TRUE`;
    expect(await count(late)).toBe(0);
  });

  test.each([
    `SELECT DISTINCT coalesce(at, 'now') FROM notes`,
    `SELECT DISTINCT CASE WHEN true THEN 'now' ELSE at END FROM notes`,
    `SELECT DISTINCT coalesce(at, $1) FROM (SELECT 'now' AS n, at FROM notes) x WHERE $1 < 'tomorrow'::timestamptz`,
  ])('reads one time: %s', async (sql) => {
    const values = sql.includes('$1') ? ['2020-01-01'] : [];
    expect((await client.query(sql, values)).rows).toHaveLength(1);
  });

  test.each([
    [`day = 'today'`, 6],
    [`day = E'tod\\x61y' AND user_id > 0`, 6],
    [`day IN ('yesterday', 'tomorrow')`, 0],
    [`day BETWEEN 'yesterday' AND 'tomorrow'`, 6],
    [`day > 'yesterday' AND word = 'today' AND feeling = 'now'`, 6],
    [`word IN ('now', 'yesterday')`, 0],
    [`'now' IS NOT NULL`, 6],
  ])('finds what one server would: %s', async (condition, rows) => {
    expect(await count(`SELECT user_id FROM notes WHERE ${condition}`)).toBe(rows);
    const { rowCount } = await client.query(`UPDATE notes SET id = 3 WHERE ${condition}`);
    expect(rowCount).toBe(rows);
  });

  test.each([
    ['UPDATE notes SET at = $1 WHERE user_id > $2', ['now', 0]],
    ['UPDATE notes SET at = coalesce(at, $1), local = $1::timestamp', ['now']],
    ['UPDATE notes SET word = $2, at = $1', [' Now', 'now']],
    [
      `DELETE FROM notes WHERE word = $2 AND day < $1 OR day = 'today' AND at = $3`,
      ['today', 'now', 'now'],
    ],
  ])('takes parameters for what they are: %s', async (sql, values) => {
    await client.query(sql, values);
    expect(await count(`SELECT DISTINCT at FROM notes`)).toBe(1);
    expect(await count(`SELECT FROM notes WHERE day = $1 AND word = $2`, 'today', 'today')).toBe(
      sql.includes('word = $2,') ? 0 : 6,
    );
  });

  test('goes by them in COPY and in cursors', async () => {
    const raw = await RawClient.login(tested.login);
    const copied = `COPY (SELECT coalesce(at, 'now') FROM notes) TO STDOUT`;
    const rows = (await raw.query(copied)).filter(({ type }) => type === 'd');
    expect(rows).toHaveLength(6);
    expect(new Set(rows.map(({ body }) => body.toString())).size).toBe(1);
    const copy = `COPY notes (user_id, at) FROM STDIN WHERE at < E'n\x6fw'`;
    const { tag } = await copyIn(raw, copy, [
      Buffer.from('11\tyesterday\n12\tyesterday\n11\ttomorrow\n12\ttomorrow\n'),
    ]);
    expect(tag).toBe('COPY 2');
    await raw.query(`BEGIN; UPDATE notes SET at = now()`);
    await raw.query(`DECLARE c CURSOR FOR SELECT user_id FROM notes WHERE at = 'now'`);
    expect(await raw.rows('FETCH ALL FROM c')).toHaveLength(8);
    await raw.query('COMMIT');
    await raw.close();
  });

  test('keeps words of text, and the names of columns', async () => {
    await client.query(`UPDATE notes SET word = 'now'`);
    expect(await count(`SELECT DISTINCT word FROM notes WHERE word = 'now'`)).toBe(1);
    const { rows, fields } = await client.query(
      `SELECT 'now', 'today' AS t FROM notes UNION SELECT word, 'today' FROM notes`,
    );
    expect(rows).toEqual([{ '?column?': 'now', t: 'today' }]);
    expect(fields.map(({ name }) => name)).toEqual(['?column?', 't']);
    const union = await client.query(
      `SELECT 'now' UNION SELECT at FROM notes WHERE at IS NOT NULL`,
    );
    expect(union.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
      ['?column?', 1184],
    ]);
  });

  test.each([
    [`UPDATE notes SET at = 'today 10:00'`, `at = CURRENT_DATE + time '10:00'`],
    [`UPDATE notes SET at = 'tomorrow 10:00'::timestamptz`, `at = CURRENT_DATE + 1 + time '10:00'`],
    [`UPDATE notes SET days = '{today}'`, `days = ARRAY[CURRENT_DATE]`],
    [`UPDATE notes SET span = '[yesterday,now]'`, `upper(span) = at`],
  ])('has one server read what is more than a word: %s', async (sql, condition) => {
    await client.query('BEGIN');
    await client.query('UPDATE notes SET at = now()');
    await client.query(sql);
    expect(await count(`SELECT FROM notes WHERE ${condition}`)).toBe(6);
    await client.query('COMMIT');
  });

  test.each([
    [`day = ANY ('{today,tomorrow}')`, 6],
    [
      `'[yesterday,tomorrow 1:00]'::tstzrange @> day::timestamptz AND day < 'tomorrow 10:00'::timestamptz`,
      6,
    ],
    [`day = 'today 0:00' OR '{now}' = ARRAY[word]`, 6],
  ])('finds by it what one server would: %s', async (condition, rows) => {
    expect(await count(`SELECT user_id FROM notes WHERE ${condition}`)).toBe(rows);
  });

  test('refuses it in a type that is made of dates', async () => {
    await expect(client.query(`UPDATE notes SET due = 'today'`)).rejects.toMatchObject({
      code: '0A000',
      hint: expect.stringContaining('CURRENT_DATE'),
    });
    await client.query('BEGIN');
    for (const user of [1, 2]) {
      await client.query(`UPDATE notes SET due = 'today', at = 'now' WHERE user_id = ${user}`);
    }
    expect(await count(`SELECT FROM notes WHERE due = CURRENT_DATE AND at = now()`)).toBe(2);
    await client.query('COMMIT');
  });

  test('tells errors as the server does', async () => {
    await expect(
      client.query(`SELECT nothing FROM notes WHERE day = 'today'`),
    ).rejects.toMatchObject({
      code: '42703',
    });
    await expect(client.query(`UPDATE notes SET id = 'now'`)).rejects.toMatchObject({
      code: '22P02',
    });
  });
});

describe('a transaction', () => {
  test.each([false, true])('has one time, with parameters: %s', async (extended) => {
    await client.query('BEGIN');
    for (const user of [1, 2, 3]) {
      const say = (sql: string) =>
        extended ? client.query(sql, [user]) : client.query(sql.replaceAll('$1', String(user)));
      await say(`UPDATE notes SET at = 'now', local = E'n\\x6fw' WHERE user_id = $1`);
      await say(`UPDATE notes SET word = 'as of now' WHERE user_id = $1 AND at <= 'now'`);
      await client.query('SELECT pg_sleep(0.002)');
    }
    expect(await count(`SELECT FROM notes WHERE at = now() AND local = LOCALTIMESTAMP`)).toBe(3);
    expect(await count(`SELECT FROM notes WHERE at = 'now'`)).toBe(3);
    expect(await count(`SELECT FROM notes WHERE word = 'as of now'`)).toBe(3);
    await client.query('COMMIT');
  });

  test.each([
    `UPDATE notes SET at = now(), ä = 1 WHERE user_id = 2`,
    `SELECT now(), CURRENT_DATE, 'ä', nothing FROM notes WHERE user_id = 2 AND at < 'now'`,
    `INSERT INTO notes (user_id, id, at, none) VALUES (2, 2, now(), 1)`,
    `SELECT now() + CURRENT_DATE FROM notes WHERE user_id = 2`,
    `UPDATE notes SET at = 'now', day = 'today', other = at`,
    `SELECT at, 'now' < at, none FROM notes`,
  ])('tells where an error is in the text of the client: %s', async (sql) => {
    await client.query('BEGIN');
    await client.query('UPDATE notes SET id = 2 WHERE user_id = 1');
    const told = await client.query(sql).catch((error: unknown) => error);
    await client.query('ROLLBACK');
    const shard = await client.query('SELECT drive.shard_id() AS n FROM notes WHERE user_id = 2');
    const alone = await client
      .query(`/* drive.shard=${shard.rows[0].n} */ ${sql}`)
      .catch((error: unknown) => error);
    const { message, position } = alone as pg.DatabaseError;
    const moved = Number(position) - `/* drive.shard=${shard.rows[0].n} */ `.length;
    expect(told).toMatchObject({ message, position: String(moved) });
  });

  test('goes on where a question about its words has no answer', async () => {
    await client.query('BEGIN');
    await client.query('UPDATE notes SET id = 2 WHERE user_id = 1');
    expect(await count(`SELECT FROM notes WHERE user_id > 1 AND 'now' IS NOT NULL`)).toBe(5);
    await client.query('COMMIT');
  });
});

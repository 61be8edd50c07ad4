// One time: whatever shards a statement or a transaction needs, now() is the same on all of them.

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { copyIn } from '../parity/copy-client.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

const SHARDS = 3;
const USERS = [1, 2, 3, 4, 5, 6];

let tested: TestProxy;
let client: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: SHARDS });
  client = new pg.Client(tested.login);
  await client.connect();
  await client.query(`CREATE TABLE notes (user_id int8, id int4, other int4, at timestamptz,
    made timestamptz DEFAULT now(), day date NOT NULL DEFAULT (CURRENT_TIMESTAMP + '1 day')::date,
    PRIMARY KEY (user_id, id))`);
  await client.query(
    `CREATE VIEW stamped AS SELECT user_id, id, now() AS seen FROM notes WHERE made <= now()`,
  );
  await client.query('CREATE VIEW again AS SELECT id, seen FROM stamped WHERE user_id > 0');
});

beforeEach(async () => {
  await client.query('DELETE FROM notes');
  const rows = USERS.map((user) => `(${user}, 1, ${7 - user}, NULL)`).join(', ');
  await client.query(`INSERT INTO notes (user_id, id, other, at) VALUES ${rows}`);
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

/** How many times there are in the column, all rows taken together. */
async function times(column: string, table = 'notes'): Promise<number> {
  const { rows } = await client.query(`SELECT count(DISTINCT ${column})::int4 AS n FROM ${table}`);
  return rows[0].n as number;
}

/** The column is now() of the transaction in the rows of all users. */
async function areNow(column: string): Promise<void> {
  const late = `SELECT user_id FROM notes WHERE id = 9 AND ${column} IS DISTINCT FROM now()`;
  expect((await client.query(late)).rows).toEqual([]);
  const { rows } = await client.query('SELECT count(*)::int4 AS n FROM notes WHERE id = 9');
  expect(rows).toEqual([{ n: 3 }]);
}

test('columns of a domain have one default, their own or the domain’s', async () => {
  await client.query(`CREATE DOMAIN moment AS timestamptz; CREATE DOMAIN stamp AS moment DEFAULT now();
    CREATE TABLE domained (user_id int8, id int4, own moment DEFAULT now(), its stamp,
      PRIMARY KEY (user_id, id))`);
  await client.query('INSERT INTO domained (user_id, id) VALUES (1, 1), (2, 1), (3, 1)');
  await client.query(`MERGE INTO domained d USING (VALUES (1), (2), (3)) v (k) ON d.user_id = v.k AND d.id = 2
    WHEN NOT MATCHED THEN INSERT (user_id, id) VALUES (v.k, 2)`);
  const raw = await RawClient.login(tested.login);
  await raw.rows(`SET DateStyle = 'German'`);
  await copyIn(raw, 'COPY domained (user_id, id) FROM STDIN', [Buffer.from('1\t3\n2\t3\n3\t3\n')]);
  await raw.close();
  const counted = `SELECT id, count(DISTINCT own)::int4 AS own, count(DISTINCT its)::int4 AS its
    FROM domained GROUP BY id ORDER BY id`;
  expect((await client.query(counted)).rows).toEqual(
    [1, 2, 3].map((id) => ({ id, own: 1, its: 1 })),
  );
  await client.query('UPDATE domained SET own = DEFAULT, its = DEFAULT');
  const all = 'SELECT count(DISTINCT own)::int4 + count(DISTINCT its)::int4 AS n FROM domained';
  expect((await client.query(all)).rows).toEqual([{ n: 2 }]);
  await client.query('DROP TABLE domained; DROP DOMAIN stamp; DROP DOMAIN moment');
});

describe('a statement over several shards', () => {
  test('leaves the columns that it does not name to one default', async () => {
    expect(await times('made')).toBe(1);
    await client.query('UPDATE notes SET made = DEFAULT');
    expect(await times('made')).toBe(1);
  });

  test.each([
    'UPDATE notes SET at = now()',
    'UPDATE notes SET (other, at) = (0, CURRENT_TIMESTAMP) WHERE user_id > 0',
    'UPDATE notes n SET at = now() FROM notes m WHERE m.user_id = n.other',
    'UPDATE notes SET at = x.t FROM (SELECT now() AS t) x',
    "UPDATE notes SET at = CAST('now' AS timestamptz)",
    `WITH u AS (UPDATE notes SET at = now() RETURNING *) SELECT count(*) FROM u`,
    `MERGE INTO notes n USING notes m ON m.user_id = n.user_id AND m.id = n.id
       WHEN MATCHED THEN UPDATE SET at = transaction_timestamp()`,
    `INSERT INTO notes VALUES (1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0), (5, 1, 0), (6, 1, 0)
       ON CONFLICT (user_id, id) DO UPDATE SET at = now()`,
  ])('writes one time: %s', async (sql) => {
    await client.query(sql);
    expect(await times('at')).toBe(1);
    expect((await client.query('SELECT FROM notes WHERE at IS NULL')).rowCount).toBe(0);
  });

  test.each([
    ['INSERT INTO notes SELECT user_id, 9, other, now() FROM notes', 'at'],
    ['INSERT INTO notes SELECT user_id, 9, other FROM notes', 'made'],
    ['INSERT INTO notes (id, user_id) SELECT DISTINCT 9, other FROM notes WHERE id = 1', 'made'],
    ['INSERT INTO notes VALUES (1, 9, 1, now()), (2, 9, 1, now()), (3, 9, 1, now())', 'at'],
    ['INSERT INTO notes VALUES (1, 9), (2, 9), (3, 9)', 'made'],
    ['INSERT INTO notes VALUES (1, 9, 2, NULL, DEFAULT), (2, 9, 2, NULL, DEFAULT)', 'made'],
    ['INSERT INTO notes (made, id, user_id) VALUES (DEFAULT, 9, 1), (now(), 9, 2)', 'made'],
    [
      `MERGE INTO notes n USING notes m ON m.user_id = n.user_id AND n.id = 9
        WHEN NOT MATCHED THEN INSERT (user_id, id) VALUES (m.user_id, 9)`,
      'made',
    ],
    [
      `MERGE INTO notes n USING notes m ON n.id = 9 AND m.other = n.user_id
        WHEN MATCHED THEN DELETE
        WHEN NOT MATCHED AND m.user_id < 4 THEN INSERT VALUES (m.user_id, 9, 1, now(), DEFAULT) RETURNING n.made`,
      'made',
    ],
    [
      `MERGE INTO notes n USING notes m ON n.id = 9 AND m.other = n.user_id WHEN NOT MATCHED AND m.user_id < 3
          THEN INSERT OVERRIDING USER VALUE VALUES (m.user_id, (SELECT 8 + count(*) FROM notes WHERE user_id = 1))
        WHEN NOT MATCHED THEN INSERT (id, "user_id") VALUES (9, m.other + 3)`,
      'made',
    ],
    [
      `MERGE INTO notes n USING (SELECT user_id AS k FROM notes) m ON m.k = n.user_id
        WHEN MATCHED AND n.user_id > 3 THEN UPDATE SET made = DEFAULT, id = 9
        WHEN MATCHED THEN UPDATE SET user_id = n.user_id + 100, id = 9, day = DEFAULT, made = DEFAULT`,
      'made',
    ],
  ])('inserts rows of one time: %s', async (sql, column) => {
    await client.query(sql);
    const { rows } = await client.query(
      `SELECT count(DISTINCT ${column})::int4 AS n, count(*) > 1 AS several FROM notes WHERE id = 9`,
    );
    expect(rows).toEqual([{ n: 1, several: true }]);
  });

  test.each([
    ['UPDATE notes SET at = now()', 'at'],
    [`UPDATE notes SET at = 'now'`, 'at'],
    ['UPDATE notes n SET at = now() FROM notes m WHERE m.user_id = n.other', 'at'],
    ['DELETE FROM notes; INSERT INTO notes VALUES (1, 1), (2, 1), (3, 1)', 'made'],
    [
      'UPDATE notes SET made = NULL; INSERT INTO notes SELECT other, 2, 2 FROM notes LIMIT 5',
      'made',
    ],
  ])('explains what it writes at one time: %s', async (sql, column) => {
    const [last, ...before] = sql.split('; ').reverse();
    for (const each of before) await client.query(each);
    await client.query(`EXPLAIN (ANALYZE, COSTS off) ${last}`);
    expect(await times(column)).toBe(1);
  });

  test('keeps the rows of a query that tells it, all by one time', async () => {
    await client.query(
      'CREATE MATERIALIZED VIEW kept AS SELECT user_id, clock_timestamp() < now() AS late, now() AS seen FROM notes',
    );
    expect(await times('seen', 'kept')).toBe(1);
    await client.query('REFRESH MATERIALIZED VIEW kept');
    expect(await times('seen', 'kept')).toBe(1);
    await client.query('DROP MATERIALIZED VIEW kept');
  });

  test('returns it by its name', async () => {
    const { rows, fields } = await client.query(
      'UPDATE notes SET at = now() RETURNING now(), at, CURRENT_DATE',
    );
    expect(fields.map(({ name }) => name)).toEqual(['now', 'at', 'current_date']);
    for (const row of rows) expect(row.now).toEqual(row.at);
    expect(new Set(rows.map(({ at }) => at.getTime())).size).toBe(1);
  });

  test.each([
    'SELECT DISTINCT seen FROM stamped',
    'SELECT seen FROM again GROUP BY seen',
    'SELECT DISTINCT s.seen - now() FROM stamped s JOIN notes n USING (user_id, id)',
    'SELECT count(DISTINCT seen) FROM again a',
    'SELECT DISTINCT statement_timestamp() FROM notes',
    "SELECT DISTINCT 'now'::timestamptz FROM notes",
    'SELECT DISTINCT n FROM notes, now() n',
    'SELECT DISTINCT g FROM notes, generate_series(now(), now(), $$1 day$$::interval) g',
  ])('reads one time: %s', async (sql) => {
    const { rows } = await client.query(sql);
    expect(rows).toHaveLength(1);
  });
});

test.each([
  'COPY (SELECT now() FROM notes) TO STDOUT',
  'COPY (SELECT now(), count(DISTINCT other) FROM notes GROUP BY user_id) TO STDOUT (FORMAT csv)',
])('copies one time: %s', async (sql) => {
  const raw = await RawClient.login(tested.login);
  const times = (await raw.query(sql))
    .filter(({ type }) => type === 'd')
    .map(({ body }) => body.toString('latin1').split(/[\t,\n]/)[0]);
  await raw.close();
  expect(times).toHaveLength(USERS.length);
  expect(new Set(times).size).toBe(1);
});

test('a MERGE that leaves all to defaults has the time of the transaction, which began elsewhere', async () => {
  await client.query('CREATE TABLE log (id int4 DEFAULT 1, made timestamptz DEFAULT now())');
  await client.query('BEGIN');
  const { rows: began } = await client.query('SELECT now() AS at FROM notes WHERE user_id = 1');
  const { rows } = await client.query(
    `MERGE INTO log USING (VALUES (1)) v (k) ON id = k + 1
      WHEN NOT MATCHED THEN INSERT DEFAULT VALUES RETURNING made AS at`,
  );
  await client.query('ROLLBACK');
  await client.query('DROP TABLE log');
  expect(rows).toEqual(began);
});

describe('a transaction over several shards', () => {
  const say = {
    simple: (sql: string, ...values: unknown[]) =>
      client.query(
        values.reduce<string>((text, v, i) => text.replace(`$${i + 1}`, String(v)), sql),
      ),
    extended: (sql: string, ...values: unknown[]) => client.query(sql, values),
  };

  test.each(['simple', 'extended'] as const)(
    'has one time by the %s protocol',
    async (protocol) => {
      const query = say[protocol];
      await client.query('BEGIN');
      for (const user of [1, 2, 3]) {
        await query('INSERT INTO notes (user_id, id) VALUES ($1, 9)', user);
        await query('UPDATE notes SET at = now() WHERE user_id = $1 AND id = 9', user);
        await client.query('SELECT pg_sleep(0.002)');
      }
      await areNow('made');
      await areNow('at');
      const told = [];
      for (const user of [1, 2, 3]) {
        const { rows } = await query('SELECT now(), user_id FROM notes WHERE user_id = $1', user);
        told.push(rows[0].now.getTime());
      }
      expect(new Set(told).size).toBe(1);
      await client.query('COMMIT');
      expect(await times('made')).toBe(2);
    },
  );

  test('tells errors of a statement as they are', async () => {
    await client.query('BEGIN');
    await client.query('UPDATE notes SET at = now() WHERE user_id = 1');
    const failed = client.query('INSERT INTO notes (user_id, id) VALUES (2, 1)');
    await expect(failed).rejects.toMatchObject({ code: '23505', table: 'notes' });
    await client.query('ROLLBACK');
  });
});

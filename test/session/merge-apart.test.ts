// MERGE that inserts on other shards than it looks at: triggers, concurrent changes, and what is refused.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let tested: TestProxy;
let plain: Client;
let client: Client;
let other: Client;
let direct: Client;

const TABLES = `
  CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE accounts (user_id int8 PRIMARY KEY, owner text, total int CHECK (total < 1000),
    twice int GENERATED ALWAYS AS (total * 2) STORED);
  CREATE TABLE stamped (LIKE accounts INCLUDING ALL);
  CREATE TABLE loose (user_id int8, owner text);
  CREATE TABLE numbered (user_id int8 DEFAULT 5, owner text);
  CREATE TABLE entries (user_id int8 NOT NULL, id int, name text COLLATE nocase, total int,
    PRIMARY KEY (user_id, id));
  CREATE TABLE heard (user_id int8 NOT NULL, what text);
  CREATE VIEW rich AS SELECT * FROM accounts WHERE total > 15;
  CREATE VIEW recent AS SELECT * FROM accounts WHERE now() > '2000-01-01';
  CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.owner := upper(NEW.owner) || '!'; RETURN NEW; END$$;
  CREATE TRIGGER stamps BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
  CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO heard VALUES (coalesce(NEW.user_id, OLD.user_id), TG_OP || ' ' || TG_WHEN);
    RETURN NULL; END$$;
  CREATE TRIGGER hears AFTER INSERT OR UPDATE OR DELETE ON stamped FOR EACH ROW EXECUTE FUNCTION hear();`;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 2,
    prepare: async (databases) => {
      for (const place of [databases.plain, ...databases.shards]) {
        const made = await connectAsText(place);
        await made.query(TABLES);
        await made.end();
      }
    },
  });
  const places = [tested.plain, tested.login, tested.login, tested.shards[1]!];
  [plain, client, other, direct] = (await Promise.all(places.map(connectAsText))) as [
    Client,
    Client,
    Client,
    Client,
  ];
});

afterAll(async () => {
  await Promise.all([plain, client, other, direct].map((each) => each.end()));
  await tested.close();
});

const ROWS = [
  'TRUNCATE accounts, stamped, loose, numbered, entries, heard',
  `INSERT INTO accounts VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30)`,
  `INSERT INTO stamped SELECT user_id, owner, total FROM accounts`,
  `INSERT INTO entries VALUES (11, 1, 'ONE', 1), (12, 2, 'x', 2), (13, 3, 'Three', 3), (14, 4, 'four', 4)`,
];

beforeEach(async () => {
  for (const each of [plain, client, other]) await each.query('ROLLBACK');
  for (const sql of ROWS) for (const each of [plain, client]) await each.query(sql);
});

const code = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => '',
    (error: { code?: string }) => error.code ?? String(error),
  );

async function same(sql: string): Promise<string[][]> {
  const ask = async (each: Client) => {
    const { rows, command, rowCount } = await each.query({ text: sql, rowMode: 'array' });
    return { rows: rows.map((row) => JSON.stringify(row)).sort(), command, rowCount };
  };
  const [expected, given] = [await ask(plain), await ask(client)];
  expect(given, sql).toEqual(expected);
  return given.rows.map((row) => JSON.parse(row) as string[]);
}

describe('As on one server', () => {
  it.each([
    [
      'with triggers for each row, which see and change what is written',
      `MERGE INTO stamped s USING entries e ON s.total = e.total * 10
        WHEN MATCHED AND e.id = 1 THEN DELETE
        WHEN MATCHED THEN UPDATE SET owner = e.name, total = e.total
        WHEN NOT MATCHED THEN INSERT (user_id, owner, total) VALUES (e.id + 100, e.name, e.total)
        RETURNING merge_action(), s.*, e.id`,
    ],
    [
      'by a collation that holds texts equal',
      `MERGE INTO accounts a USING entries e ON a.user_id = e.id AND e.name <> 'FOUR'
        WHEN MATCHED AND e.name = 'one' THEN UPDATE SET owner = e.name
        WHEN NOT MATCHED AND e.name = 'Four' THEN INSERT VALUES (e.user_id * 3, e.name, 1)
        RETURNING a.user_id, e.name = 'three', a.owner`,
    ],
    [
      'through a view, which does not show all rows',
      `MERGE INTO rich r USING entries e ON r.total = e.total * 10
        WHEN MATCHED AND e.id = 3 THEN DELETE WHEN MATCHED THEN UPDATE SET owner = e.name
        WHEN NOT MATCHED THEN INSERT (user_id, owner, total) VALUES (e.user_id * 2, e.name, e.total) RETURNING merge_action(), r.*`,
    ],
    [
      'from its own rows',
      `MERGE INTO accounts a USING (SELECT user_id + 1 AS next, total FROM accounts) b ON a.user_id = b.next
        WHEN MATCHED THEN UPDATE SET total = a.total + b.total
        WHEN NOT MATCHED THEN INSERT (user_id, total) VALUES (b.next * 10, b.total) RETURNING *`,
    ],
  ])('%s', async (_, sql) => {
    expect((await same(sql)).length).toBeGreaterThan(1);
    for (const table of ['accounts', 'stamped', 'heard']) await same(`SELECT * FROM ${table}`);
  });

  it('where the keys lead to one shard, but not that of the row that is inserted', async () => {
    await same(`MERGE INTO accounts a USING (SELECT * FROM entries WHERE user_id = 11) e ON a.user_id = e.user_id
      WHEN NOT MATCHED THEN INSERT (user_id, total) VALUES (40, e.total)`);
    await same('SELECT * FROM accounts WHERE user_id = 40');
  });

  it('and not at all where a row cannot be written', async () => {
    const sql = `MERGE INTO accounts a USING entries e ON a.total = e.total * 10
      WHEN MATCHED THEN UPDATE SET total = 0
      WHEN NOT MATCHED THEN INSERT (user_id, total) VALUES (e.user_id, e.total * 1000)`;
    expect(await Promise.all([code(plain.query(sql)), code(client.query(sql))])).toEqual([
      '23514',
      '23514',
    ]);
    await same('SELECT * FROM accounts');
  });

  it('explained', async () => {
    const sql = `MERGE INTO accounts a USING entries e ON a.total = e.total * 10
      WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (user_id) VALUES (e.user_id + 1)`;
    const steps = (await textRows(client, `EXPLAIN (ANALYZE, COSTS off) ${sql}`)).flat().join('\n');
    expect(steps).toContain(
      'match: MERGE INTO accounts a USING … AS "e" ON a.total = e.total * 10',
    );
    expect(steps).toContain('when not matched, by e.user_id + 1: INSERT (user_id) VALUES (…)');
    expect(await textRows(client, 'SELECT user_id FROM accounts ORDER BY 1')).toEqual([['15']]);
  });
});

/** Resolves when a backend of shard 1 waits for a lock. */
async function untilWaiting(): Promise<void> {
  const sql = `SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await textRows(direct, sql))[0]![0] === '0');
}

const MERGE = `MERGE INTO accounts a USING (VALUES (10), (50)) v (total) ON a.total = v.total
  WHEN MATCHED THEN UPDATE SET owner = a.owner || ' merged'
  WHEN NOT MATCHED THEN INSERT (user_id, owner, total) VALUES (v.total, 'new', v.total)`;

describe('A row that another transaction changes meanwhile', () => {
  it.each([
    [
      'is merged as it is then',
      `UPDATE accounts SET owner = 'changed' WHERE user_id = 1`,
      [
        ['1', 'changed merged', '10'],
        ['50', 'new', '50'],
      ],
    ],
    [
      'matches no more',
      `UPDATE accounts SET total = 11 WHERE user_id = 1`,
      [
        ['1', 'one', '11'],
        ['10', 'new', '10'],
        ['50', 'new', '50'],
      ],
    ],
    [
      'is gone',
      `DELETE FROM accounts WHERE user_id = 1`,
      [
        ['10', 'new', '10'],
        ['50', 'new', '50'],
      ],
    ],
  ])('%s', async (_, change, expected) => {
    await other.query('BEGIN');
    await other.query(change);
    const merged = client.query(MERGE);
    await untilWaiting();
    await other.query('COMMIT');
    await merged;
    const rows = await textRows(
      client,
      `SELECT user_id, owner, total FROM accounts WHERE user_id NOT IN (2, 3) ORDER BY 1`,
    );
    expect(rows).toEqual(expected);
  });
});

describe('Refused, with what to do', () => {
  const into = (table: string, on: string, insert: string) =>
    `MERGE INTO ${table} a USING entries e ON ${on} WHEN NOT MATCHED THEN INSERT ${insert}`;
  it.each([
    ['no key, where it may be NULL', into('loose', 'a.owner = e.name', `(owner) VALUES ('x')`)],
    ['a row that would have no key', into('loose', 'a.owner = e.name', `VALUES (NULL, 'x')`)],
    ['a view of another time', into('recent', 'a.total = e.total', `VALUES (e.id, 'x')`)],
    [
      'all columns of a source that is a join by USING',
      `MERGE INTO accounts a USING entries e JOIN entries f USING (id) ON a.total = e.total
        WHEN NOT MATCHED THEN INSERT (user_id) VALUES (e.id) RETURNING *`,
    ],
    [
      'a source with a FULL JOIN by USING of more than two relations',
      `MERGE INTO accounts a USING entries e JOIN entries f USING (id) FULL JOIN entries g USING (id) ON a.total = e.total
        WHEN NOT MATCHED THEN INSERT (user_id) VALUES (e.id)`,
    ],
    [
      'a join with what has no name',
      `MERGE INTO accounts a USING entries e CROSS JOIN (SELECT 1 AS one) ON a.total = e.total
        WHEN NOT MATCHED THEN INSERT (user_id) VALUES (e.id)`,
    ],
    [
      'text of no known collation, where there are others',
      `MERGE INTO accounts a USING (SELECT user_id, lower(name) AS n FROM entries) e ON a.owner = e.n
        WHEN NOT MATCHED THEN INSERT (user_id) VALUES (e.user_id)`,
    ],
  ])('%s', async (_, sql) => {
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '0A000',
      hint: expect.stringMatching(/\.$/),
    });
    expect(await textRows(client, 'SELECT count(*) FROM accounts')).toEqual([['3']]);
  });
});

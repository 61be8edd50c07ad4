// MERGE whose matches are found first: moved rows, concurrent changes, and what is refused.

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
  CREATE DOMAIN points AS int CHECK (VALUE < 1000);
  CREATE TABLE accounts (user_id int8 PRIMARY KEY, owner text, total points,
    twice int GENERATED ALWAYS AS (total * 2) STORED, number int GENERATED ALWAYS AS IDENTITY);
  CREATE TABLE named (user_id int8 NOT NULL, name text COLLATE nocase, total int,
    PRIMARY KEY (user_id, name));
  CREATE TABLE stamped (user_id int8 PRIMARY KEY, owner text);
  CREATE TABLE loose (user_id int8, owner text);
  CREATE TABLE entries (user_id int8 NOT NULL, id int, name text, total int, PRIMARY KEY (user_id, id));
  CREATE TABLE kept (user_id int8 PRIMARY KEY, owner text);
  ALTER TABLE kept ENABLE ROW LEVEL SECURITY; ALTER TABLE kept FORCE ROW LEVEL SECURITY;
  CREATE POLICY seen ON kept FOR SELECT USING (true); CREATE POLICY made ON kept FOR INSERT WITH CHECK (true);
  CREATE POLICY changed ON kept FOR UPDATE USING (owner <> 'own');
  CREATE TABLE heard (user_id int8 NOT NULL, what text);
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
  'TRUNCATE accounts, named, stamped, loose, entries, heard, kept',
  `INSERT INTO accounts (user_id, owner, total) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30)`,
  `INSERT INTO named VALUES (1, 'One', 10), (2, 'Two', 20), (3, 'Three', 30)`,
  `INSERT INTO stamped SELECT user_id, owner FROM accounts`,
  `INSERT INTO loose SELECT user_id, owner FROM accounts`,
  `INSERT INTO loose VALUES (1, 'one')`,
  `INSERT INTO kept VALUES (1, 'own'), (2, 'own')`,
  `INSERT INTO entries VALUES (11, 1, 'ONE', 1), (12, 2, 'two', 2), (13, 3, 'Three', 3), (14, 4, 'four', 4)`,
];

beforeEach(async () => {
  for (const each of [plain, client, other]) await each.query('ROLLBACK');
  for (const sql of ROWS) for (const each of [plain, client]) await each.query(sql);
});

const SHOWN = [
  'user_id, owner, total, twice FROM accounts',
  '* FROM named',
  '* FROM loose',
  '* FROM stamped',
  '* FROM heard',
];

async function same(sql: string): Promise<void> {
  const ask = async (each: Client) => {
    const { rows, command, rowCount } = await each.query({ text: sql, rowMode: 'array' });
    return { rows: rows.map((row) => JSON.stringify(row)).sort(), command, rowCount };
  };
  expect(await ask(client), sql).toEqual(await ask(plain));
}

describe('As on one server', () => {
  it.each([
    [
      'rows that move with a domain, a generated column and an identity',
      `MERGE INTO accounts a USING entries e ON a.user_id = e.id
        WHEN MATCHED AND e.id = 1 THEN UPDATE SET user_id = e.user_id + 1, total = e.total + 5
        WHEN MATCHED THEN UPDATE SET user_id = e.user_id + 20, owner = DEFAULT
        WHEN NOT MATCHED THEN INSERT (user_id, total) VALUES (e.user_id, e.total)
        RETURNING merge_action(), a.user_id, a.owner, a.total, a.twice, e.name`,
    ],
    [
      'rows whose primary key has a collation that holds texts equal',
      `MERGE INTO named n USING entries e ON n.name = e.name
        WHEN MATCHED THEN UPDATE SET user_id = e.user_id + 6, name = e.name || '!', total = (SELECT max(id) FROM entries)
        WHEN NOT MATCHED AND e.id IN (SELECT total / 5 FROM named) THEN INSERT VALUES (e.user_id, e.name, 0)
        RETURNING merge_action(), n.*, e.id`,
    ],
    [
      'triggers for each row, of rows that stay',
      `MERGE INTO stamped s USING entries e ON s.user_id = e.id
        WHEN MATCHED AND e.name = (SELECT min(name) FROM entries WHERE id > 1) THEN DELETE
        WHEN MATCHED THEN UPDATE SET owner = (SELECT max(name) FROM entries WHERE user_id <> e.user_id)
        WHEN NOT MATCHED THEN INSERT VALUES ((SELECT max(user_id) FROM stamped) + e.id, e.name)
        RETURNING merge_action(), s.*, old.owner, new.owner`,
    ],
    [
      'triggers for each row, of rows that move',
      `MERGE INTO stamped s USING entries e ON s.user_id = e.id
        WHEN MATCHED THEN UPDATE SET user_id = e.user_id + 1 RETURNING s.user_id, old.user_id, s.owner`,
    ],
    [
      'a table without a primary key, and rows of it that are alike',
      `MERGE INTO loose a USING entries e ON a.user_id = e.id
        WHEN MATCHED AND e.id > (SELECT min(id) + 1 FROM entries) THEN DELETE
        WHEN MATCHED AND e.id = 2 THEN UPDATE SET user_id = e.user_id + 5, owner = a.owner || (SELECT count(*) FROM entries)
        WHEN MATCHED THEN UPDATE SET owner = (SELECT max(name) FROM entries WHERE user_id <> e.user_id)
        WHEN NOT MATCHED THEN INSERT VALUES ((SELECT max(user_id) FROM loose) + e.id, e.name)
        RETURNING merge_action(), a.*, e.id`,
    ],
    [
      'a table without a primary key, and rows that the source lacks',
      `MERGE INTO loose a USING (VALUES (2), (9)) v (k) ON a.user_id = v.k
        WHEN NOT MATCHED BY SOURCE AND a.user_id > (SELECT min(id) FROM entries) THEN UPDATE SET user_id = 12, owner = 'left'
        WHEN NOT MATCHED BY SOURCE THEN DELETE
        WHEN NOT MATCHED THEN INSERT VALUES ((SELECT max(user_id) FROM loose) + v.k, 'late') RETURNING merge_action(), a.*, v.k`,
    ],
    [
      'chance in ON, which is asked once for each two rows',
      `MERGE INTO accounts a USING entries e ON a.user_id = e.id AND random() < 2
        WHEN MATCHED AND e.total > (SELECT min(total) FROM entries) THEN UPDATE SET owner = e.name
        WHEN MATCHED AND random() < 2 THEN DELETE
        WHEN NOT MATCHED THEN INSERT (user_id, total) VALUES (e.user_id * 2 + 1, e.total) RETURNING merge_action(), a.user_id, a.owner`,
    ],
    [
      'chance in ON, and rows that belong to other shards',
      `MERGE INTO loose a USING (VALUES (1), (2), (8)) v (k) ON a.user_id = v.k + (random() * 0)::int AND random() >= 0
        WHEN MATCHED THEN UPDATE SET owner = 'met' WHEN NOT MATCHED THEN INSERT VALUES (v.k + 1, 'new') RETURNING a.*, v.k`,
    ],
    [
      'nothing that matches',
      `MERGE INTO accounts a USING (SELECT * FROM entries WHERE false) e ON a.user_id = e.id
        WHEN MATCHED THEN UPDATE SET user_id = e.user_id RETURNING a.*`,
    ],
    [
      'the time of the transaction',
      `MERGE INTO accounts a USING entries e ON a.user_id = e.id AND now() > '2000-01-01'
        WHEN MATCHED THEN UPDATE SET user_id = e.user_id + 1 + (extract(epoch FROM now()) * 0)::int
        RETURNING a.user_id`,
    ],
  ])('%s', async (_, sql) => {
    await same(sql);
    for (const shown of SHOWN) await same(`SELECT ${shown}`);
  });

  it('chance in ON changes no row that was not found', async () => {
    const text = `MERGE INTO accounts a USING (VALUES (1, 'x'), (2, 'y'), (3, 'z')) v (k, t) ON a.user_id = v.k AND random() < 0.5
      WHEN MATCHED THEN UPDATE SET owner = v.t WHEN NOT MATCHED THEN INSERT (user_id, owner) VALUES (v.k + 11, v.t)
      RETURNING merge_action(), a.user_id, v.k`;
    for (let round = 0; round < 12; round++) {
      for (const sql of ROWS) await client.query(sql);
      const answer = await textRows(client, text);
      // Each row of the source does one thing.
      expect(answer.map(([, , k]) => k).sort()).toEqual(['1', '2', '3']);
      const changed = answer.filter(([action]) => action === 'UPDATE').map(([, id]) => id);
      const named = await textRows(
        client,
        `SELECT user_id FROM accounts WHERE user_id < 4 AND owner IN ('x', 'y', 'z')`,
      );
      expect(named.map(([id]) => id).sort()).toEqual(changed.sort());
      const [[count]] = (await textRows(client, 'SELECT count(*) FROM accounts')) as [[string]];
      expect(Number(count)).toBe(6 - changed.length);
    }
  });

  it('a policy that lets rows be seen and not changed', async () => {
    const sql = `MERGE INTO kept k USING entries e ON k.user_id = e.id
      WHEN MATCHED AND e.id < (SELECT max(id) FROM entries) THEN UPDATE SET owner = e.name
      WHEN NOT MATCHED THEN INSERT VALUES (e.user_id, e.name)`;
    for (const each of [plain, client]) {
      await expect(each.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('explained', async () => {
    const sql = `MERGE INTO accounts a USING entries e ON a.user_id = e.id
      WHEN MATCHED AND e.total > 2 THEN UPDATE SET user_id = e.user_id + 1, owner = DEFAULT WHEN MATCHED THEN DELETE`;
    const steps = (await textRows(client, `EXPLAIN (ANALYZE, COSTS off) ${sql}`)).flat().join('\n');
    expect(steps).toContain('match: MERGE INTO accounts a USING … AS "e" ON a.user_id = e.id');
    expect(steps).toContain(
      'when matched and e.total > 2: update user_id = e.user_id + 1, owner = DEFAULT',
    );
    expect(await textRows(client, 'SELECT user_id FROM accounts')).toEqual([['14']]);
  });
});

/** Resolves when a backend of shard 1 waits for a lock. */
async function untilWaiting(): Promise<void> {
  const sql = `SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await textRows(direct, sql))[0]![0] === '0');
}

const MERGE = `MERGE INTO accounts a USING (VALUES (10), (50)) v (total) ON a.total = v.total
  WHEN MATCHED AND a.owner <> 'kept' THEN UPDATE SET user_id = v.total + 2, owner = a.owner || ' moved'
  WHEN NOT MATCHED THEN INSERT (user_id, owner, total) VALUES (v.total + 4, 'new', v.total)`;

describe('A row that another transaction changes meanwhile', () => {
  it.each([
    [
      'moves as it is then',
      `UPDATE accounts SET owner = 'changed' WHERE user_id = 1`,
      [
        ['12', 'changed moved', '10'],
        ['54', 'new', '50'],
      ],
    ],
    [
      'stays where it is left alone then',
      `UPDATE accounts SET owner = 'kept' WHERE user_id = 1`,
      [
        ['1', 'kept', '10'],
        ['54', 'new', '50'],
      ],
    ],
    [
      'matches no more',
      `UPDATE accounts SET total = 11 WHERE user_id = 1`,
      [
        ['1', 'one', '11'],
        ['14', 'new', '10'],
        ['54', 'new', '50'],
      ],
    ],
    [
      'is gone',
      `DELETE FROM accounts WHERE user_id = 1`,
      [
        ['14', 'new', '10'],
        ['54', 'new', '50'],
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
  const into = (table: string, on: string, whens: string) =>
    `MERGE INTO ${table} a USING entries e ON ${on} ${whens}`;
  it.each([
    [
      'chance in ON, where rows move',
      into(
        'accounts',
        'a.user_id = e.id + (random() * 0)::int',
        'WHEN MATCHED THEN UPDATE SET user_id = e.user_id + 1',
      ),
    ],
    [
      'chance in ON, and rows that the source lacks',
      into(
        'accounts',
        'a.user_id = e.id + (random() * 0)::int',
        'WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED THEN INSERT (user_id) VALUES (e.id)',
      ),
    ],
    [
      'where a row lies in RETURNING that is not known before',
      into(
        'accounts',
        'a.user_id = e.id',
        'WHEN MATCHED THEN UPDATE SET owner = DEFAULT RETURNING (SELECT max(x.id) FROM entries x WHERE x.name > a.ctid::text)',
      ),
    ],
  ])('%s', async (_, sql) => {
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '0A000',
      hint: expect.stringMatching(/\.$/),
    });
    expect(await textRows(client, 'SELECT count(*) FROM accounts')).toEqual([['3']]);
  });
});

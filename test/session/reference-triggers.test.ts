// Triggers of reference tables fire on every shard, each with its own time and chance: the copies are the same even so.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { copyIn } from '../parity/copy-client.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const trigger = (name: string, when: string, body: string): string => `
  CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN ${body} END$f$;
  CREATE TRIGGER ${name} ${when} FOR EACH ROW EXECUTE FUNCTION ${name}();`;

const TABLES = `
  CREATE TABLE plans (id int PRIMARY KEY, note text, n int DEFAULT 0, changed timestamptz);
  CREATE TABLE seats (id int PRIMARY KEY, plan int, changed timestamptz);
  CREATE TABLE log (id serial, what text, at timestamptz DEFAULT clock_timestamp());
  CREATE TABLE bags (word text, n int DEFAULT 0) PARTITION BY LIST (word);
  CREATE TABLE bags_a PARTITION OF bags FOR VALUES IN ('a');
  CREATE TABLE bags_b PARTITION OF bags DEFAULT;
  CREATE TABLE source (id int, user_id int);
  INSERT INTO source SELECT n, n FROM generate_series(1, 4) n;`;

const TRIGGERS = `
  ALTER TABLE seats ADD FOREIGN KEY (plan) REFERENCES plans ON UPDATE CASCADE;
  ${trigger('counts', 'BEFORE INSERT ON plans', 'NEW.n := NEW.n + 1; RETURN NEW;')}
  ${trigger('stamps', 'BEFORE UPDATE ON plans', 'NEW.changed := clock_timestamp(); RETURN NEW;')}
  ${trigger('restamps', 'BEFORE UPDATE ON seats', 'NEW.changed := now(); RETURN NEW;')}
  ${trigger('logs', 'AFTER INSERT OR UPDATE OR DELETE ON plans', 'INSERT INTO log (what) VALUES (TG_OP); RETURN NULL;')}
  ${trigger('counts_words', 'BEFORE INSERT ON bags', 'NEW.n := NEW.n + 1; RETURN NEW;')}`;

const REFERENCES = ['plans', 'seats', 'log', 'bags'];

let tested: TestProxy;
let client: Client;
let shards: readonly Client[];

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  client = await connectAsText(tested.login);
  shards = await Promise.all(tested.shards.map(connectAsText));
  await client.query(TABLES);
  for (const table of REFERENCES) await client.query(`SELECT create_reference_table('${table}')`);
  await client.query(TRIGGERS);
});

afterAll(async () => {
  await Promise.all([client, ...shards].map((each) => each.end()));
  await tested.close();
});

beforeEach(async () => {
  await client.query('ROLLBACK');
  await client.query('DELETE FROM seats; DELETE FROM plans; DELETE FROM log; DELETE FROM bags');
  await client.query(`INSERT INTO plans (id, note) VALUES (1, 'a'), (2, 'b'), (3, 'b')`);
  await client.query(`INSERT INTO seats VALUES (1, 1), (2, 1), (3, 2)`);
  await client.query(`INSERT INTO bags VALUES ('a', 1), ('a', 1), ('b', 2)`);
});

const contents = (of: Client) =>
  Promise.all(
    REFERENCES.map((table) => textRows(of, `SELECT * FROM ${table} AS t ORDER BY t::text`)),
  );

/** Of the home shard, when all have the same. */
async function agreed(): Promise<(string | null)[][][]> {
  const [home, ...others] = await Promise.all(shards.map(contents));
  for (const other of others) expect(other).toEqual(home);
  return home!;
}

describe('all copies are the same behind', () => {
  it.each([
    `INSERT INTO plans (id, note) VALUES (4, 'c'), (5, 'd') RETURNING n`,
    `INSERT INTO plans (id, note) SELECT id + 3, 'x' FROM source`,
    `INSERT INTO plans (id, note) VALUES (3, 'c'), (4, 'd') ON CONFLICT DO NOTHING`,
    `INSERT INTO plans VALUES (3, 'c', 1, NULL), (4, 'd', 1, NULL) ON CONFLICT (id) DO UPDATE SET note = 'e'`,
    `INSERT INTO plans (id, note) VALUES (3, 'c'), (4, 'd') ON CONFLICT (id) DO UPDATE SET note = 'e'`,
    `UPDATE plans SET note = 'z' RETURNING changed`,
    `UPDATE plans SET note = 'z' WHERE random() < 2`,
    `UPDATE plans SET note = s.user_id::text FROM source s WHERE s.id = plans.id`,
    'UPDATE plans SET id = id + 10',
    `MERGE INTO plans USING source s ON s.id = plans.id WHEN MATCHED THEN UPDATE SET note = 'm'
      WHEN NOT MATCHED THEN INSERT (id, note) VALUES (s.id, 'new')`,
    `WITH w AS (UPDATE plans SET note = 'w' RETURNING id) SELECT count(*) FROM w, source WHERE w.id = source.id`,
    'DELETE FROM plans WHERE id = 3',
    `UPDATE seats SET plan = 2`,
    `INSERT INTO bags SELECT 'a', 5 FROM generate_series(1, 3)`,
    `INSERT INTO bags_a VALUES ('a', 7)`,
    `UPDATE bags SET word = 'b' WHERE word = 'a'`,
  ])('%s', async (sql) => {
    const before = await agreed();
    await client.query(sql);
    expect(await agreed()).not.toEqual(before);
  });

  it('COPY', async () => {
    const raw = await RawClient.login(tested.login);
    await copyIn(raw, 'COPY plans FROM STDIN', [Buffer.from('7\tx\t1\t\\N\n8\ty\t5\t\\N\n')]);
    await raw.close();
    const [plans] = await agreed();
    expect(plans!.slice(-2).map(([id, , n]) => [id, n])).toEqual([
      ['7', '2'],
      ['8', '6'],
    ]);
  });

  it('statements of one transaction, some of which are taken back', async () => {
    await client.query('BEGIN');
    await client.query(`UPDATE plans SET note = 'one'`);
    await client.query('SAVEPOINT s');
    await client.query(`UPDATE plans SET note = 'two' WHERE id = 1`);
    await client.query('RELEASE s');
    await client.query('SAVEPOINT t');
    await client.query(`UPDATE plans SET note = 'three' WHERE id = 2`);
    await client.query('ROLLBACK TO t');
    await client.query(`UPDATE plans SET note = note || '!' WHERE id = 3`);
    const inside = await textRows(client, 'SELECT id, note, changed FROM plans ORDER BY 1');
    await client.query('COMMIT');
    expect(inside.map(([, note]) => note)).toEqual(['two', 'one', 'one!']);
    await agreed();
    expect(await textRows(client, 'SELECT id, note, changed FROM plans ORDER BY 1')).toEqual(
      inside,
    );
  });
});

it('rows that another transaction writes meanwhile are left alone', async () => {
  const other = await connectAsText(tested.login);
  try {
    await client.query('BEGIN');
    await client.query(`UPDATE plans SET note = 'mine' WHERE id = 1`);
    await other.query(`UPDATE plans SET note = 'theirs' WHERE id = 2`);
    await client.query(`UPDATE plans SET note = 'mine' WHERE id = 3`);
    await client.query('COMMIT');
  } finally {
    await other.end();
  }
  const [plans] = await agreed();
  expect(plans!.map(([, note]) => note)).toEqual(['mine', 'theirs', 'mine']);
});

it('a trigger that fires whatever is set is refused where it gives each copy another row', async () => {
  await client.query('ALTER TABLE plans ENABLE ALWAYS TRIGGER counts');
  try {
    const before = await agreed();
    const insert = client.query(`INSERT INTO plans (id, note) VALUES (4, 'c')`);
    await expect(insert).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('reference table "public"."plans"'),
      hint: expect.stringContaining('ENABLE ALWAYS'),
    });
    expect(await agreed()).toEqual(before);
  } finally {
    await client.query('ALTER TABLE plans ENABLE TRIGGER counts');
  }
});

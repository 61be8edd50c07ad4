// Reference tables: written through the proxy, every shard has the same copy.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

describe.each([1, 2, 3])('A reference table over %i shards', (shardCount) => {
  let tested: TestProxy;
  let proxy: pg.Client;
  let shards: pg.Client[];

  beforeAll(async () => {
    tested = await startTestProxy({
      shards: shardCount,
      config: { sharding: { tables: { country: { kind: 'reference' } } } },
    });
    proxy = await connected(tested.login);
    shards = await Promise.all(tested.shards.map(connected));
    await proxy.query('CREATE TABLE home (n int); INSERT INTO home VALUES (1), (2)');
  });

  beforeEach(async () => {
    await proxy.query(`CREATE TABLE country (
      id serial PRIMARY KEY, code text UNIQUE, made timestamptz DEFAULT clock_timestamp(),
      chance float8 DEFAULT random(), long text GENERATED ALWAYS AS (code || '!') STORED,
      odd text DEFAULT 'a "b" \\ {c},' || E'\\n')`);
  });

  afterEach(async () => {
    await proxy.query('ROLLBACK');
    await proxy.query('DROP TABLE country');
  });

  afterAll(async () => {
    await Promise.all([proxy, ...shards].map((client) => client.end()));
    await tested.close();
  });

  /** The rows of the copies, which must all be the same. */
  async function copy(): Promise<unknown[]> {
    const copies = await Promise.all(
      shards.map(async (shard) => (await shard.query('SELECT * FROM country ORDER BY id')).rows),
    );
    for (const each of copies) expect(each).toEqual(copies[0]);
    return copies[0]!;
  }

  it('is made on every shard and gets the same rows, defaults and all', async () => {
    const { rows, rowCount } = await proxy.query(
      `INSERT INTO country (code) VALUES ('de'), ('fr') RETURNING id, code`,
    );
    expect(rowCount).toBe(2);
    expect(rows.map(({ code }) => code)).toEqual(['de', 'fr']);
    expect((await copy()).map((row) => (row as { id: number }).id)).toEqual(
      rows.map(({ id }) => id),
    );
  });

  it('takes parameters, NULL and rows of home tables', async () => {
    const bare = await proxy.query('INSERT INTO country AS c (code) VALUES ($1), ($2);', [
      'x',
      null,
    ]);
    expect([bare.command, bare.rowCount, bare.rows]).toEqual(['INSERT', 2, []]);
    await proxy.query(`INSERT INTO country (code) SELECT 'h' || n FROM home`);
    await proxy.query('INSERT INTO country DEFAULT VALUES -- the end');
    expect(await copy()).toHaveLength(5);
  });

  it('is updated and deleted from everywhere, and answers once', async () => {
    await proxy.query(`INSERT INTO country (code) VALUES ('a'), ('b'), ('c')`);
    const updated = await proxy.query(
      `UPDATE country SET code = upper(code) WHERE code <> $1 RETURNING code`,
      ['c'],
    );
    expect(updated.rows.map(({ code }) => code).sort()).toEqual(['A', 'B']);
    expect((await proxy.query(`DELETE FROM country WHERE code = 'A'`)).rowCount).toBe(1);
    expect(await copy()).toHaveLength(2);
  });

  it.each([
    'UPDATE country SET made = now()',
    'UPDATE country SET made = CURRENT_TIMESTAMP',
    `UPDATE country SET made = 'now'`,
    'UPDATE country SET chance = random()',
    'UPDATE country SET chance = n FROM home WHERE n = 1',
    'DELETE FROM country WHERE id NOT IN (SELECT id FROM country LIMIT 2)',
    `WITH x AS (UPDATE country SET odd = 'w' RETURNING *) SELECT * FROM x`,
  ])('is changed to the same everywhere by %s', async (sql) => {
    await proxy.query(`INSERT INTO country (code) VALUES ('a'), ('b')`);
    expect((await proxy.query(sql)).rowCount).toBe(sql.startsWith('DELETE') ? 0 : 2);
    expect(await copy()).toHaveLength(2);
  });

  it('evaluates defaults once, also of rows that meet others', async () => {
    const { rows: first } = await proxy.query(
      `INSERT INTO country (code) VALUES ('de'), ('fr') RETURNING id`,
    );
    const met = await proxy.query(
      `INSERT INTO country (code) VALUES ('de'), ($1)
       ON CONFLICT (code) DO UPDATE SET odd = excluded.odd || '2', made = now() RETURNING id, code`,
      ['it'],
    );
    expect(met.rows).toEqual([{ id: (first[0] as { id: number }).id, code: 'de' }, met.rows[1]]);
    for (const sql of [
      `INSERT INTO country VALUES (DEFAULT, 'es', DEFAULT), (DEFAULT, 'de', '2020-01-01')
        ON CONFLICT (code) DO UPDATE SET chance = excluded.chance, code = 'met ' || excluded.id`,
      `INSERT INTO country (code) SELECT 'h' || n FROM home
        ON CONFLICT (code) DO UPDATE SET made = CURRENT_TIMESTAMP WHERE country.chance < 2`,
      `INSERT INTO country (code) SELECT 'h' || n FROM home ORDER BY n
        ON CONFLICT (code) DO UPDATE SET made = CURRENT_TIMESTAMP, id = 1000 + excluded.id`,
      `INSERT INTO country SELECT 900, 'fr' ON CONFLICT (code) DO UPDATE SET made = excluded.made`,
      `INSERT INTO country VALUES (901, 'pt') ON CONFLICT (code) DO UPDATE SET made = NULL`,
    ]) {
      await proxy.query(sql);
      await copy();
    }
    const codes = (await copy()).map((row) => (row as { code: string }).code);
    expect(codes).toHaveLength(7);
    expect(codes.filter((code) => /^met \d+$/.test(code))).toHaveLength(1);
  });

  it('evaluates them once in a MERGE', async () => {
    await proxy.query(`INSERT INTO country (code) VALUES ('de'), ('fr')`);
    const before = (await copy()) as { id: number; chance: number }[];
    const { rows } = await proxy.query(
      `MERGE INTO country c USING (VALUES ('de'), ('pt'), ('no')) v (code) ON c.code = v.code
       WHEN MATCHED THEN UPDATE SET chance = DEFAULT, made = DEFAULT
       WHEN NOT MATCHED AND v.code = 'no' THEN INSERT DEFAULT VALUES
       WHEN NOT MATCHED THEN INSERT (code, chance) VALUES (v.code, DEFAULT)
       RETURNING merge_action() AS done, c.code`,
    );
    expect(rows).toHaveLength(3);
    const after = (await copy()) as { id: number; chance: number }[];
    expect(new Set(after.map(({ id }) => id)).size).toBe(4);
    expect(new Set([...before, ...after].map(({ chance }) => chance)).size).toBe(5);
  });

  it('keeps conflicts to what all copies agree on', async () => {
    const insert = `INSERT INTO country (code) VALUES ('a'), ('b') ON CONFLICT`;
    await proxy.query(`INSERT INTO country (code) VALUES ('a')`);
    expect((await proxy.query(`${insert} (code) DO NOTHING`)).rowCount).toBe(1);
    await proxy.query(`INSERT INTO country (id, code, made, chance, odd)
      VALUES (1, 'a', '2026-01-01', 0.5, '') ON CONFLICT (code) DO UPDATE SET odd = 'seen'`);
    expect(await copy()).toHaveLength(2);
  });

  it('is as it was when the transaction is rolled back, or one shard refuses', async () => {
    await proxy.query('BEGIN');
    await proxy.query(`INSERT INTO country (code) VALUES ('a')`);
    await proxy.query('ROLLBACK');
    expect(await copy()).toEqual([]);
    await shards.at(-1)!.query(`INSERT INTO country (code) VALUES ('z')`);
    await expect(proxy.query(`INSERT INTO country (code) VALUES ('z')`)).rejects.toMatchObject({
      code: '23505',
    });
    await shards.at(-1)!.query('DELETE FROM country');
    expect(await copy()).toEqual([]);
  });

  it('is truncated and altered everywhere', async () => {
    await proxy.query(`INSERT INTO country (code) VALUES ('a')`);
    await proxy.query(`ALTER TABLE country ADD COLUMN size int DEFAULT 3`);
    expect(await copy()).toMatchObject([{ code: 'a', size: 3 }]);
    await proxy.query('TRUNCATE country');
    expect(await copy()).toEqual([]);
  });

  it('is joined to sharded tables, also through a view', async () => {
    await proxy.query(`CREATE TABLE member (user_id int, code text)`);
    await proxy.query(`INSERT INTO member VALUES (1, 'a'), (2, 'a'), (3, 'b')`);
    await proxy.query(`INSERT INTO country (code) VALUES ('a')`);
    await proxy.query('CREATE VIEW known AS SELECT code FROM country');
    for (const name of ['country', 'known']) {
      const { rows } = await proxy.query(
        `SELECT user_id FROM member JOIN ${name} USING (code) ORDER BY user_id`,
      );
      expect(rows).toEqual([{ user_id: 1 }, { user_id: 2 }]);
    }
    await proxy.query('DROP VIEW known');
    await proxy.query('DROP TABLE member');
  });

  it('is not written through a view of home, which would write one copy', async () => {
    await proxy.query(`INSERT INTO country (code) VALUES ('a'), ('b')`);
    await proxy.query(`CREATE VIEW few AS SELECT id, code FROM country WHERE id IN (SELECT n FROM home);
      CREATE VIEW again AS SELECT code FROM few; CREATE VIEW numbers AS SELECT n FROM home WHERE n IN (SELECT id FROM country)`);
    for (const sql of [
      `UPDATE few SET code = 'c'`,
      `INSERT INTO again VALUES ('c')`,
      'DELETE FROM again',
      'MERGE INTO few USING home ON id = n WHEN MATCHED THEN DELETE',
      'WITH d AS (DELETE FROM few RETURNING *) SELECT * FROM d',
    ]) {
      // One copy is all of them.
      if (shardCount === 1) break;
      const written = proxy.query(sql);
      await expect(written, sql).rejects.toMatchObject({ code: '0A000' });
    }
    expect((await proxy.query('UPDATE numbers SET n = n WHERE n < 0')).rowCount).toBe(0);
    await proxy.query('CREATE VIEW codes AS SELECT id AS number, code FROM country');
    await proxy.query(`UPDATE codes SET code = code || n FROM home WHERE n = 2 AND code = 'a'`);
    await proxy.query(
      `MERGE INTO codes USING home ON code = 'b' AND n = 1 WHEN MATCHED THEN UPDATE SET code = 'b' || (SELECT max(n) FROM home)`,
    );
    expect(await copy()).toMatchObject([{ code: 'a2' }, { code: 'b2' }]);
    await proxy.query('DROP VIEW again, few, numbers, codes');
  });

  it.each([
    'UPDATE country SET made = DEFAULT',
    `INSERT INTO country (code) VALUES ('a') ON CONFLICT (code) DO UPDATE SET odd = random()`,
    'ALTER TABLE country ADD COLUMN late timestamptz DEFAULT now()',
  ])('refuses %s', async (sql) => {
    await expect(proxy.query(sql)).rejects.toMatchObject({ code: '0A000' });
  });

  it('says so when the copies differ', async () => {
    await proxy.query(`INSERT INTO country (code) VALUES ('a')`);
    await shards.at(-1)!.query('DELETE FROM country');
    const update = proxy.query(`UPDATE country SET odd = ''`);
    // A single copy cannot differ from itself.
    if (shardCount === 1) expect((await update).rowCount).toBe(0);
    else await expect(update).rejects.toMatchObject({ code: 'XX001' });
  });
});

async function connected(place: {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}): Promise<pg.Client> {
  const { host, port, database, user, password } = place;
  const client = new pg.Client({ host, port, database, user, password });
  await client.connect();
  return client;
}

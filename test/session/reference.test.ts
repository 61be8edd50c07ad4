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

  it('takes a row whose virtual column only who reads it finds wrong', async () => {
    await proxy.query('ALTER TABLE country ADD n int, ADD twice int GENERATED ALWAYS AS (n * 2)');
    await proxy.query(`INSERT INTO country (code, n) VALUES ('a', 2000000000)`);
    await proxy.query(`INSERT INTO country (code, n) SELECT 'b', 2000000000 RETURNING n`);
    await expect(proxy.query('SELECT twice FROM country')).rejects.toMatchObject({ code: '22003' });
    for (const shard of shards) {
      const { rows } = await shard.query('SELECT code, long, n FROM country ORDER BY code');
      expect(rows).toEqual(['a', 'b'].map((code) => ({ code, long: `${code}!`, n: 2000000000 })));
    }
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

  it('evaluates DEFAULT once in what UPDATE and ON CONFLICT set', async () => {
    await proxy.query(`ALTER TABLE country ADD COLUMN size int DEFAULT 3;
      INSERT INTO country (code, size) VALUES ('de', 1), ('fr', 2), ('it', 3)`);
    const before = (await copy()) as { id: number; chance: number }[];
    const { rows } = await proxy.query(
      `UPDATE country c SET (chance, made) = (DEFAULT, DEFAULT), id = DEFAULT, long = DEFAULT
        FROM home WHERE n = 1 AND code <> 'it' RETURNING c.id, c.chance, n`,
    );
    expect(rows).toHaveLength(2);
    const after = (await copy()) as typeof before;
    const chances = new Set([...before, ...after].map(({ chance }) => chance));
    expect([after.length, chances.size]).toEqual([3, 5]);
    expect(after.map(({ id }) => id)).toEqual(
      expect.arrayContaining(rows.map((row) => (row as { id: number }).id)),
    );
    await proxy.query(`INSERT INTO country VALUES (1, 'de', NULL, 0, DEFAULT, '', 7), (9, 'es', NULL, 0, DEFAULT, '', 8)
      ON CONFLICT (code) DO UPDATE SET size = DEFAULT, long = DEFAULT, made = NULL`);
    const sizes = (await copy()).map((row) => {
      const { code, size } = row as { code: string; size: number };
      return `${code} ${size}`;
    });
    expect(sizes.sort()).toEqual(['de 3', 'es 8', 'fr 2', 'it 3']);
  });

  it('gets the defaults of the table through a view that shows the columns, and by UPDATE the view’s', async () => {
    await proxy.query(`CREATE VIEW wide AS SELECT id AS number, made, chance, code AS name, odd, long FROM country;
      CREATE VIEW wider AS SELECT number AS no, name, chance, made, odd FROM wide`);
    await proxy.query(`INSERT INTO wide (name) VALUES ('de'), ('fr')`);
    await proxy.query(`INSERT INTO wider (name) VALUES ('de'), ('it')
      ON CONFLICT (name) DO UPDATE SET chance = excluded.chance, made = DEFAULT`);
    const made = (await copy()) as { id: number; chance: number; made: Date | null }[];
    expect(new Set(made.map(({ chance }) => chance)).size).toBe(3);
    expect(made.filter((row) => row.made === null)).toHaveLength(1);
    await proxy.query(`MERGE INTO wider USING (VALUES ('fr'), ('es')) v (code) ON name = code
      WHEN MATCHED THEN UPDATE SET chance = DEFAULT WHEN NOT MATCHED THEN INSERT (name) VALUES (code)`);
    await proxy.query('ALTER VIEW wider ALTER made SET DEFAULT clock_timestamp()');
    await proxy.query('UPDATE wider SET made = DEFAULT');
    const after = (await copy()) as typeof made;
    expect(after.map(({ chance }) => chance === null)).toEqual([false, true, false, false]);
    expect(after.every((row) => row.made !== null)).toBe(true);
    await proxy.query('DROP VIEW wide CASCADE');
  });

  it('is not inserted into through a view that hides what each copy would give by itself', async () => {
    await proxy.query(`CREATE VIEW codes AS SELECT id, code FROM country;
      CREATE VIEW again AS SELECT code FROM codes; INSERT INTO country (code) VALUES ('a')`);
    for (const sql of [
      `INSERT INTO codes (code) VALUES ('b')`,
      `INSERT INTO again VALUES ('b')`,
      `MERGE INTO again USING home ON code = 'b' WHEN NOT MATCHED THEN INSERT VALUES ('b')`,
    ]) {
      await expect(proxy.query(sql), sql).rejects.toMatchObject({ code: '0A000' });
    }
    await proxy.query(`UPDATE again SET code = 'c'`);
    expect(await copy()).toMatchObject([{ code: 'c' }]);
    await proxy.query('DROP VIEW codes CASCADE');
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

  it('is inserted into through a view that shows a column twice, by either name', async () => {
    await proxy.query(`CREATE TABLE rate (k int PRIMARY KEY, v int DEFAULT 3);
      SELECT create_reference_table('rate');
      CREATE VIEW doubled AS SELECT k, v, k AS again, v AS more FROM rate`);
    await proxy.query('INSERT INTO doubled (k, v) VALUES (1, 1)');
    await proxy.query('INSERT INTO doubled (again, more) SELECT k + 1, v + 1 FROM rate');
    const rates = [
      { k: 1, v: 1 },
      { k: 2, v: 2 },
    ];
    for (const shard of shards) {
      expect((await shard.query('SELECT * FROM rate ORDER BY k')).rows).toEqual(rates);
    }
    for (const sql of [
      'INSERT INTO doubled (k, more) VALUES (1, 9) ON CONFLICT (k) DO UPDATE SET more = excluded.k',
      `MERGE INTO doubled USING rate r ON again = r.k + 1 WHEN MATCHED THEN UPDATE SET more = 0
        WHEN NOT MATCHED THEN INSERT (again) VALUES (9)`,
    ]) {
      if (shardCount === 1) break;
      await expect(proxy.query(sql), sql).rejects.toMatchObject({ code: '0A000' });
    }
    await proxy.query('DROP VIEW doubled; DROP TABLE rate');
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
    `INSERT INTO country (code) VALUES ('a') ON CONFLICT (code) DO UPDATE SET made = DEFAULT`,
    `INSERT INTO country (code) VALUES ('a') ON CONFLICT (code) DO UPDATE SET odd = random()`,
    'ALTER TABLE country ADD COLUMN late timestamptz DEFAULT now()',
  ])('refuses %s', async (sql) => {
    await expect(proxy.query(sql)).rejects.toMatchObject({ code: '0A000' });
  });

  it('is written with the rows of tables that inherit from it, also where nothing keeps rows apart', async () => {
    await proxy.query(`CREATE TABLE plain (a int, b text);
      SELECT create_reference_table('plain')`);
    await proxy.query(`CREATE TABLE kid (c int) INHERITS (plain)`);
    await proxy.query(`CREATE TABLE grandkid (d int) INHERITS (kid);
      INSERT INTO plain VALUES (1, ''), (1, ''), (2, '');
      INSERT INTO kid VALUES (1, '', 5), (1, '', 6), (1, '', 5), (3, '', 7);
      INSERT INTO grandkid VALUES (1, '', 5, 1), (1, '', 5, 2)`);
    // On the last shard they lie in another order.
    const last = shards.at(-1)!;
    await last.query(`WITH gone AS (DELETE FROM ONLY kid RETURNING *)
      INSERT INTO kid SELECT * FROM gone ORDER BY c DESC`);
    const rows = async (of: pg.Client) =>
      (
        await of.query({
          text: `SELECT 'p' AS t, a, b, NULL::int AS c, NULL::int AS d FROM ONLY plain
            UNION ALL SELECT 'k', a, b, c, NULL FROM ONLY kid
            UNION ALL SELECT 'g', a, b, c, d FROM grandkid ORDER BY 1, 2, 4, 5, 3`,
          rowMode: 'array',
        })
      ).rows;
    const alike = async () => {
      const all = await Promise.all(shards.map(rows));
      for (const each of all) expect(each).toEqual(all[0]);
      return all[0]!;
    };
    const drawn = await proxy.query('UPDATE plain SET b = random()::text WHERE a = 1');
    expect(drawn.rowCount).toBe(7);
    const texts = (await alike()).map((row) => (row as unknown[])[2]);
    expect(new Set(texts).size).toBe(8);
    await proxy.query('UPDATE plain SET b = n FROM home WHERE a = n + 1 AND n = 2');
    expect((await alike()).filter((row) => (row as unknown[])[2] === '2')).toHaveLength(1);
    expect((await proxy.query('DELETE FROM plain USING home WHERE a = n')).rowCount).toBe(8);
    expect(await alike()).toEqual([['k', 3, '2', 7, null]]);
    await proxy.query('DROP TABLE plain CASCADE');
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

// Statements that do not tell the keys that triggers give, and triggers of which nothing is known: right, or refused.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const trigger = (table: string, what: string, body: string): string => `
  CREATE FUNCTION ${table}_acts() RETURNS trigger LANGUAGE plpgsql AS $f$${body}$f$;
  CREATE TRIGGER acts ${what} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${table}_acts();`;

const OWNS = `BEGIN NEW.user_id := coalesce(NEW.user_id, 7); IF NEW.user_id >= 100 THEN NEW.user_id := NEW.user_id - 99; END IF; RETURN NEW; END`;

const TABLES = `
  CREATE TABLE given (user_id int8 PRIMARY KEY, id int4);
  CREATE TABLE owners (user_id int8 PRIMARY KEY, n int4);
  CREATE TABLE owned (user_id int8 NOT NULL, id int4, n int4, made timestamptz DEFAULT now(), PRIMARY KEY (user_id, id));
  CREATE TABLE twice (user_id int8 NOT NULL, id int4, n int4, PRIMARY KEY (user_id, id));
  CREATE TABLE looked (user_id int8 NOT NULL, id int4, n int4, PRIMARY KEY (user_id, id));
  CREATE TABLE chance (user_id int8 NOT NULL, id int4, n int4, PRIMARY KEY (user_id, id));
  CREATE TABLE referring (user_id int8 NOT NULL REFERENCES owners, id int4, n int4, PRIMARY KEY (user_id, id));
  CREATE TABLE loose (user_id int8, id int4, n int4);
  CREATE TABLE patched (user_id int8 NOT NULL, id int4, n int4);
  CREATE EXTENSION hstore;
  INSERT INTO owners VALUES (1, 1), (2, 1), (3, 1);
  ${trigger('owned', 'BEFORE INSERT', OWNS)}
  ${trigger('twice', 'BEFORE INSERT OR UPDATE', OWNS)}
  ${trigger('looked', 'BEFORE INSERT', `BEGIN SELECT user_id INTO NEW.user_id FROM given WHERE id = NEW.id; RETURN NEW; END`)}
  ${trigger('chance', 'BEFORE INSERT', `BEGIN IF NEW.user_id IS NULL THEN NEW.user_id := drive.shard_id() + 1; END IF; RETURN NEW; END`)}
  ${trigger('referring', 'BEFORE UPDATE', `BEGIN IF NEW.n = 5 THEN NEW.user_id := NEW.user_id + 1; END IF; RETURN NEW; END`)}
  ${trigger('patched', 'BEFORE INSERT OR UPDATE', `BEGIN RAISE NOTICE '--'; RETURN NEW #= ('user_id=>' || (NEW.id * 3))::hstore; END`)}
  ${trigger('loose', 'BEFORE INSERT OR UPDATE', `BEGIN NEW.user_id := nullif(NEW.user_id, 9); RETURN NEW; END`)}`;

const WRITTEN = ['owned', 'twice', 'looked', 'chance', 'referring', 'loose', 'patched'];

let tested: TestProxy;
let client: Client;
let direct: readonly Client[];

beforeAll(async () => {
  tested = await startTestProxy({ shards: 2 });
  client = await connectAsText(tested.login);
  direct = await Promise.all(tested.shards.map(connectAsText));
  await client.query(TABLES);
});

afterAll(async () => {
  await Promise.all([client, ...direct].map((each) => each.end()));
  await tested.close();
});

beforeEach(async () => {
  await client.query('ROLLBACK');
  await client.query(`TRUNCATE ${WRITTEN.join(', ')}, given;
    INSERT INTO given VALUES (1, 1), (2, 2), (107, 3); INSERT INTO referring VALUES (1, 1, 0), (2, 1, 0)`);
});

async function told(sql: string) {
  try {
    return (await client.query(sql)).rowCount;
  } catch (error) {
    await client.query('ROLLBACK');
    return (error as { code: string }).code;
  }
}

async function expectNoStrays() {
  for (const table of WRITTEN) {
    for (const [shard, each] of direct.entries()) {
      const strays = `SELECT * FROM ${table} WHERE mod(user_id, 2) IS DISTINCT FROM ${shard}`;
      expect(await textRows(each, strays), table).toEqual([]);
    }
  }
}

describe('Where keys are looked for behind the statement', () => {
  it.each([
    [
      'MERGE INTO owned o USING given g ON o.user_id = g.user_id WHEN NOT MATCHED THEN INSERT VALUES (g.user_id, g.id, 0)',
      '0A000',
    ],
    [
      'MERGE INTO owned o USING (SELECT * FROM given WHERE id < 3) g ON o.user_id = g.user_id WHEN NOT MATCHED THEN INSERT VALUES (g.user_id, g.id, 0)',
      2,
    ],
    [
      'MERGE INTO owned o USING (VALUES (104)) g (k) ON o.user_id = g.k WHEN NOT MATCHED THEN INSERT VALUES (g.k, 1, 0)',
      '0A000',
    ],
    [
      'MERGE INTO owned o USING (VALUES (5)) g (k) ON o.user_id = g.k WHEN NOT MATCHED THEN INSERT VALUES (NULL, 1, 0)',
      '0A000',
    ],
    [
      'MERGE INTO owned o USING (VALUES (4)) g (k) ON o.user_id = 4 WHEN NOT MATCHED THEN INSERT VALUES (4, 1, 0)',
      1,
    ],
    [
      'WITH made AS (MERGE INTO owned o USING (VALUES (104)) g (k) ON o.user_id = g.k WHEN NOT MATCHED THEN INSERT VALUES (g.k, 1, 0) RETURNING o.id) SELECT * FROM made',
      '0A000',
    ],
  ] as const)('%s', async (sql, expected) => {
    expect(await told(sql)).toBe(expected);
    await expectNoStrays();
  });
});

it('an operator that makes another row of the new one is seen to give the key', async () => {
  expect(await told('INSERT INTO patched VALUES (1, 2, 0), (2, 3, 0), (3, 1, 0)')).toBe(3);
  await expectNoStrays();
  expect(await told('UPDATE patched SET id = id + 1')).toBe(3);
  await expectNoStrays();
});

it('what rows of several shards return is bounded as a whole', async () => {
  const bytesMax = 1_000_000;
  const small = await tested.beside({ config: { merge: { bytesMax } } });
  const other = await connectAsText(small.login);
  const insert = (length: number) =>
    other.query(`INSERT INTO owned VALUES (1, ${length}, 0), (2, ${length}, 0)
      RETURNING user_id, repeat('x', ${length})`);
  await expect(insert(0.6 * bytesMax)).rejects.toMatchObject({ code: '53400' });
  expect((await insert(0.3 * bytesMax)).rowCount).toBe(2);
  await other.end();
  await small.close();
});

describe('What is not known of a key that a trigger gives', () => {
  it('keeps a row from where it may not belong', async () => {
    // The trigger finds on shard 1 what is there, and of other shards nothing.
    expect(await told('INSERT INTO looked VALUES (1, 1, 0)')).toBe(1);
    expect(await told('INSERT INTO looked (id) VALUES (1)')).toBe('0A000');
    expect(await told('INSERT INTO looked VALUES (1, 3, 0)')).toBe(1);
    await client.query('INSERT INTO given VALUES (5, 6), (4, 8)');
    expect(await told('INSERT INTO looked VALUES (2, 6, 0)')).toBe('23502');
    await expectNoStrays();
  });

  it('that is another on each shard', async () => {
    expect(await told('INSERT INTO chance VALUES (3, 1, 0)')).toBe(1);
    expect(await told('INSERT INTO chance (id) VALUES (1)')).toBe('0A000');
    await expectNoStrays();
  });

  it('where rows are inserted or updated', async () => {
    expect(await told('INSERT INTO twice VALUES (102, 1, 0), (4, 1, 0) RETURNING *')).toBe(2);
    const again = 'ON CONFLICT (user_id, id) DO UPDATE SET n = 1';
    expect(await told(`INSERT INTO twice VALUES (4, 1, 0), (5, 1, 0) ${again}`)).toBe(2);
    expect(await told(`INSERT INTO twice VALUES (102, 1, 0) ${again}`)).toBe('0A000');
    await expectNoStrays();
  });

  it('may be that there is none', async () => {
    expect(await told('INSERT INTO loose VALUES (1, 1, 0), (2, 1, 0)')).toBe(2);
    expect(await told('INSERT INTO loose VALUES (9, 1, 0)')).toBe('0A000');
    expect(await told('INSERT INTO loose (id) VALUES (1)')).toBe('0A000');
    expect(await told('UPDATE loose SET n = 4')).toBe(2);
    await expectNoStrays();
  });

  it('where the row refers to others by it', async () => {
    expect(await told('UPDATE referring SET n = 4')).toBe(2);
    expect(await told('UPDATE referring SET n = 5 WHERE user_id = 1')).toBe('0A000');
    expect(await textRows(client, 'SELECT user_id, n FROM referring ORDER BY 1')).toEqual([
      ['1', '4'],
      ['2', '4'],
    ]);
    await expectNoStrays();
  });
});

describe('Defaults that tell the time', () => {
  it('tell one of rows that are inserted again', async () => {
    expect(await told('INSERT INTO owned (user_id, id) VALUES (103, 1), (1, 2), (NULL, 3)')).toBe(
      3,
    );
    const times = 'SELECT count(*), count(DISTINCT made) FROM owned';
    expect(await textRows(client, times)).toEqual([['3', '1']]);
    await expectNoStrays();
  });
});

describe('EXPLAIN ANALYZE', () => {
  it('takes rows where they belong', async () => {
    await client.query('EXPLAIN (ANALYZE) INSERT INTO owned VALUES (103, 1, 0)');
    await client.query('EXPLAIN INSERT INTO owned VALUES (105, 1, 0)');
    await client.query('EXPLAIN ANALYZE INSERT INTO owned SELECT 109, 1, 0');
    expect(await textRows(client, 'SELECT user_id FROM owned ORDER BY 1')).toEqual([['4'], ['10']]);
    await expectNoStrays();
  });
});

describe('A cursor over several shards', () => {
  it('has its row updated where the trigger leaves the key alone in no case', async () => {
    await client.query('INSERT INTO twice VALUES (1, 1, 0), (2, 1, 0)');
    await client.query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM twice; FETCH c');
    expect(await told('UPDATE twice SET n = 2 WHERE CURRENT OF c')).toBe('0A000');
    await client.query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM twice; FETCH c');
    expect(await told('DELETE FROM twice WHERE CURRENT OF c')).toBe(1);
    await client.query('COMMIT');
    await expectNoStrays();
  });
});

describe('A trigger that has just been made', () => {
  it('gives rows their keys in the transaction that made it, too', async () => {
    await client.query('CREATE TABLE fresh (user_id int8 NOT NULL, id int4)');
    await client.query('INSERT INTO fresh VALUES (103, 0)');
    await client.query(
      `BEGIN; CREATE TRIGGER acts BEFORE INSERT ON fresh FOR EACH ROW EXECUTE FUNCTION owned_acts()`,
    );
    expect(await told('INSERT INTO fresh VALUES (103, 1), (NULL, 2)')).toBe(2);
    await client.query('COMMIT');
    expect(await told('INSERT INTO fresh VALUES (103, 3)')).toBe(1);
    expect(await textRows(client, 'SELECT id FROM fresh WHERE user_id = 4 ORDER BY 1')).toEqual([
      ['1'],
      ['3'],
    ]);
    expect(await textRows(client, 'SELECT id FROM fresh WHERE user_id = 7')).toEqual([['2']]);
  });
});

// A trigger BEFORE gives rows their sharding key, or another: they are where one looks for them, as on one PostgreSQL.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient, rawMessage } from '../support/raw-client.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const trigger = (table: string, what: string, body: string): string => `
  CREATE FUNCTION ${table}_${what.replace(/\W+/g, '_')}() RETURNS trigger LANGUAGE plpgsql AS $f$${body}$f$;
  CREATE TRIGGER ${what.replace(/\W+/g, '_')} ${what} ON ${table}
    FOR EACH ROW EXECUTE FUNCTION ${table}_${what.replace(/\W+/g, '_')}();`;

/** A tenant's id where none is given; 100 and more stand for what is ten less; 666 is left out. */
const OWNS = `BEGIN
  NEW.user_id := coalesce(NEW.user_id, nullif(current_setting('app.tenant', true), '')::int8, 7);
  IF NEW.user_id = 666 THEN RETURN NULL; END IF;
  IF NEW.user_id >= 100 THEN NEW.user_id := NEW.user_id - 91; NEW.note := 'moved ' || coalesce(NEW.note, ''); END IF;
  RETURN NEW; END`;

const TABLES = `
  CREATE TABLE owners (user_id int8 PRIMARY KEY, name text);
  INSERT INTO owners SELECT i, 'owner ' || i FROM generate_series(1, 30) i;
  CREATE TABLE audit (user_id int8 NOT NULL, what text);
  CREATE TABLE owned (user_id int8 NOT NULL, id int4, note text DEFAULT 'none', PRIMARY KEY (user_id, id));
  CREATE VIEW shown AS SELECT id, user_id AS owner, note FROM owned;
  CREATE TABLE papers (user_id int8 NOT NULL REFERENCES owners, id int4, note text, PRIMARY KEY (user_id, id));
  CREATE TABLE pushed (user_id int4 NOT NULL, id int4, note text, PRIMARY KEY (user_id, id));
  CREATE TABLE parted (user_id int8 NOT NULL, id int4, note text) PARTITION BY RANGE (id);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
  CREATE TABLE plain (user_id int8 NOT NULL, id int4, note text);
  INSERT INTO plain VALUES (1, 1, 'a'), (2, 2, 'b'), (103, 3, 'c'), (104, 4, NULL), (666, 5, 'left out');
  ${trigger('owned', 'BEFORE INSERT', OWNS)}
  ${trigger('owned', 'AFTER INSERT', `BEGIN INSERT INTO audit VALUES (NEW.user_id, 'made ' || NEW.id); RETURN NULL; END`)}
  ${trigger('papers', 'BEFORE INSERT', OWNS)}
  ${trigger('parted', 'BEFORE INSERT', OWNS)}
  ${trigger('pushed', 'BEFORE UPDATE', `BEGIN IF NEW.note = 'on' THEN NEW.user_id := NEW.user_id + 1; END IF; RETURN NEW; END`)}
  ${trigger('pushed', 'AFTER UPDATE', `BEGIN INSERT INTO audit VALUES (NEW.user_id, OLD.user_id || '>' || NEW.user_id); RETURN NULL; END`)}`;

const WRITTEN = ['owned', 'papers', 'pushed', 'parted', 'audit'];

const ROWS = [
  `TRUNCATE owned, papers, pushed, parted, audit`,
  `INSERT INTO pushed VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 3, 'c'), (3, 9, 'd')`,
];

const INSERTS = [
  'INSERT INTO % (id) VALUES (1)',
  'INSERT INTO % (id) VALUES (1), (2) RETURNING *',
  'INSERT INTO % (user_id, id) VALUES (NULL, 1) RETURNING id, user_id',
  'INSERT INTO % (user_id, id) VALUES (1, 1), (NULL, 2), (103, 3), (104, 4), (3, 5) RETURNING id',
  'INSERT INTO % AS t VALUES (103, 1) RETURNING t.*',
  `INSERT INTO % (note, user_id, id) VALUES ('x', 666, 1), ('y', 103, 2), ('z', 5, 3), ('w', 666, 4) RETURNING id, note`,
  'INSERT INTO % (user_id, id) VALUES ((SELECT NULL::int8), 1)',
  'INSERT INTO % (user_id, id) VALUES (100 + 3, 1), (1 + 1, 1) RETURNING user_id',
  'INSERT INTO % (user_id, id) SELECT nullif(id, 1), id FROM generate_series(1, 3) id RETURNING *',
  'INSERT INTO % (id) SELECT id FROM generate_series(1, 3) id',
  'INSERT INTO % SELECT * FROM plain RETURNING note',
  'INSERT INTO % SELECT * FROM plain WHERE user_id = 103',
  'WITH p AS (SELECT * FROM plain) INSERT INTO % SELECT * FROM p',
  `WITH made AS (INSERT INTO % (id, note) VALUES (1, 'a'), (2, 'b') RETURNING user_id, id) SELECT id, user_id FROM made`,
  `WITH made AS (INSERT INTO % VALUES (1, 1, 'a') RETURNING id) INSERT INTO % SELECT 103, id + 1 FROM made RETURNING *`,
  `WITH made AS (INSERT INTO % VALUES (103, 1, 'a') RETURNING id) SELECT * FROM made`,
  'INSERT INTO % (user_id, id) VALUES (103, 1); INSERT INTO % (id) VALUES (2)',
  `PREPARE put (int8) AS INSERT INTO % (user_id, id) VALUES ($1, 1) RETURNING *; EXECUTE put (103); EXECUTE put (4); DEALLOCATE put`,
];

const BY_KEY = [
  'INSERT INTO % (user_id, id) VALUES (103, 1), (12, 1)',
  'INSERT INTO % (user_id, id) VALUES (12, 1), (103, 1) ON CONFLICT DO NOTHING RETURNING *',
  `INSERT INTO % (user_id, id) VALUES (12, 1), (3, 1), (4, 1); INSERT INTO % VALUES (103, 1), (104, 2) ON CONFLICT (user_id, id) DO UPDATE SET note = 'again' RETURNING *`,
  `INSERT INTO % (user_id, id) VALUES (NULL, 1); INSERT INTO % AS t VALUES (NULL, 1) ON CONFLICT (user_id, id) DO UPDATE SET note = t.note || '!'`,
  'INSERT INTO % (user_id, id) VALUES (103, 1), (103, NULL)',
];

const VIEWED = [
  'INSERT INTO shown (id) VALUES (1) RETURNING *',
  'INSERT INTO shown VALUES (1, 103), (2, 1), (3, NULL) RETURNING owner',
  'INSERT INTO shown SELECT id, user_id FROM plain',
];

const UPDATES = [
  `UPDATE pushed SET note = 'on' WHERE user_id = 1`,
  `UPDATE pushed SET note = 'on' WHERE user_id = 1 RETURNING *`,
  `UPDATE pushed AS p SET note = 'on' RETURNING p.id;`,
  `UPDATE pushed SET note = 'off' RETURNING *`,
  `UPDATE pushed SET note = 'on' WHERE user_id = 99`,
  `UPDATE pushed SET note = 'on' FROM plain WHERE plain.user_id = pushed.user_id RETURNING pushed.*, plain.note`,
  `UPDATE pushed SET note = 'on' FROM plain WHERE plain.id = pushed.id RETURNING pushed.*`,
  `UPDATE pushed SET note = (SELECT 'on' FROM plain WHERE id = 2)`,
  `UPDATE pushed SET user_id = user_id + 1, note = 'on' WHERE id = 9 RETURNING *`,
  `UPDATE pushed SET user_id = user_id + 1 WHERE id = 9 RETURNING *`,
  `WITH was AS (UPDATE pushed SET note = 'on' WHERE id = 1 RETURNING user_id) SELECT * FROM was`,
  `INSERT INTO pushed VALUES (1, 1, 'x'), (5, 5, 'y') ON CONFLICT (user_id, id) DO UPDATE SET note = 'on' RETURNING *`,
  `INSERT INTO pushed VALUES (1, 1, 'x') ON CONFLICT (user_id, id) DO UPDATE SET note = 'on'`,
  `INSERT INTO pushed SELECT 1, 1, 'x' FROM plain WHERE id = 3 ON CONFLICT (user_id, id) DO UPDATE SET note = 'on' RETURNING *`,
  `BEGIN; DECLARE c CURSOR FOR SELECT * FROM pushed WHERE user_id = 1; FETCH c; UPDATE pushed SET note = 'on' WHERE CURRENT OF c; COMMIT`,
  `DELETE FROM pushed WHERE user_id = 1`,
];

/** Rows of VALUES are returned in their order. */
const inOrder = (sql: string, rows: string[]) =>
  /^INSERT INTO [^;]* VALUES [^;]*$/.test(sql) ? rows : rows.sort();

describe.each([3, 2, 1])('Over %i shards', (shards) => {
  let tested: TestProxy;
  let plain: Client;
  let client: Client;
  let direct: readonly Client[];

  beforeAll(async () => {
    tested = await startTestProxy({ shards });
    client = await connectAsText(tested.login);
    plain = await connectAsText(tested.plain);
    direct = await Promise.all(tested.shards.map(connectAsText));
    for (const each of [plain, client]) await each.query(TABLES);
  });

  afterAll(async () => {
    await Promise.all([plain, client, ...direct].map((each) => each.end()));
    await tested.close();
  });

  beforeEach(async () => {
    for (const each of [plain, client]) {
      await each.query('ROLLBACK');
      for (const sql of ROWS) await each.query(sql);
    }
  });

  async function answerOf(on: Client, sql: string, values?: readonly unknown[]) {
    try {
      const extended = values === undefined ? {} : { values: [...values], queryMode: 'extended' };
      const result = await on.query({ text: sql, rowMode: 'array', ...extended });
      return [result].flat().map(({ rows, command, rowCount, fields }) => ({
        rows: inOrder(
          sql,
          rows.map((row: unknown) => JSON.stringify(row)),
        ),
        columns: fields.map(({ name }: { name: string }) => name),
        command,
        rowCount,
      }));
    } catch (error) {
      return { code: (error as { code: string }).code };
    }
  }

  async function expectSame(sql: string, values?: readonly unknown[]) {
    const answer = await answerOf(plain, sql, values);
    expect(await answerOf(client, sql, values), sql).toEqual(answer);
    await expectSameRows(sql);
    return answer;
  }

  async function expectSameRows(sql: string) {
    for (const table of WRITTEN) {
      const all = `SELECT t::text FROM ${table} t ORDER BY 1`;
      const own = await textRows(plain, all);
      const lying = await Promise.all(
        direct.map((each, shard) =>
          textRows(each, `SELECT t::text, mod(user_id, ${shards}) = ${shard} FROM ${table} t`),
        ),
      );
      const sorted = lying.flat().sort(([a], [b]) => (a! < b! ? -1 : a! > b! ? 1 : 0));
      const expected = own
        .map(([row]) => [row, 't'])
        .sort(([a], [b]) => (a! < b! ? -1 : a! > b! ? 1 : 0));
      expect(sorted, `${table} after ${sql}`).toEqual(expected);
    }
  }

  const statements = [
    ...['owned', 'papers', 'parted'].flatMap((table) =>
      [...INSERTS, ...(table === 'parted' ? [] : BY_KEY)].map((sql) => sql.replaceAll('%', table)),
    ),
    ...VIEWED,
    ...UPDATES,
  ];

  it.each(statements)('%s', async (sql) => {
    await expectSame(sql);
  });

  it.each(statements.filter((sql) => !/; *\S/.test(sql)))('extended: %s', async (sql) => {
    await expectSame(sql, []);
  });

  it.each(statements.filter((sql) => !sql.startsWith('BEGIN')))(
    'in a transaction: %s',
    async (sql) => {
      for (const each of [plain, client]) {
        await each.query(
          `BEGIN; SET LOCAL app.tenant = 8; INSERT INTO owned (id) VALUES (50); SAVEPOINT s`,
        );
      }
      const answer = await answerOf(plain, sql);
      expect(await answerOf(client, sql), sql).toEqual(answer);
      for (const each of [plain, client]) {
        await each.query(`ROLLBACK TO s; UPDATE pushed SET note = 'on' WHERE id = 2; COMMIT`);
      }
      await expectSameRows(sql);
    },
  );

  it('is so of parameters', async () => {
    const sql = 'INSERT INTO owned (user_id, id) VALUES ($1, $2), ($3, $4) RETURNING *';
    await expectSame(sql, [null, 1, 103, 2]);
    await expectSame(sql, [4, 1, null, 2]);
    await expectSame('INSERT INTO papers (user_id, id) VALUES ($1, $2)', [103, 2]);
    await expectSame('INSERT INTO papers (user_id, id) VALUES ($1, $2)', [null, 3]);
    await expectSame('UPDATE pushed SET note = $1 WHERE user_id = $2', ['on', 1]);
    await expectSame('INSERT INTO owned SELECT $1::int8, $2::int4 RETURNING user_id', [103, 7]);
  });

  it('tells errors as one server does', async () => {
    const errors = [
      'INSERT INTO papers (user_id, id) VALUES (1, 1), (NULL, 2), (77, 3)',
      'INSERT INTO papers (user_id, id) VALUES (190, 1)',
      'INSERT INTO owned (user_id, id) VALUES (103, 1), (103, 1)',
    ];
    for (const sql of errors) expect(await expectSame(sql), sql).toHaveProperty('code');
    await expectSame('INSERT INTO owned (id) VALUES (1)');
    expect(await expectSame('INSERT INTO owned (id) VALUES (1)')).toEqual({ code: '23505' });
  });

  it('looks through what is copied', async () => {
    const raw = await RawClient.login(tested.login);
    const copied = async (rows: string) => {
      raw.send(encodeQuery('COPY owned (user_id, id) FROM STDIN'));
      raw.send(rawMessage('d', Buffer.from(rows)), rawMessage('c'));
      return errorCode(await raw.until('Z'));
    };
    expect(await copied('1\t1\n2\t2\n666\t3\n')).toBe('');
    expect(await textRows(client, 'SELECT id FROM owned WHERE user_id = 2')).toEqual([['2']]);
    // 7, and 12 for 103, are of other shards than 0 and 103.
    if (shards > 1) {
      expect(await copied('1\t11\n\\N\t12\n')).toBe('0A000');
      expect(await copied('1\t11\n104\t12\n')).toBe('0A000');
    }
    expect(await textRows(client, 'SELECT count(*) FROM owned')).toEqual([['2']]);
    await raw.close();
  });
});

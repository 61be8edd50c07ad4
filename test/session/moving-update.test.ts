// UPDATE of the key of rows that triggers and foreign keys act upon: as one PostgreSQL does it, or refused.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

/** Sharded tables, most of them with the same columns. */
const COLUMNS = `user_id int8 NOT NULL, id int NOT NULL, title text, total int, changed int DEFAULT 0,
  twice int GENERATED ALWAYS AS (total * 2) STORED, number int GENERATED ALWAYS AS IDENTITY (START 7)`;

const trigger = (table: string, what: string, body: string): string => `
  CREATE FUNCTION ${table}_${what.replace(/\W+/g, '_').toLowerCase()}() RETURNS trigger LANGUAGE plpgsql AS $f$${body}$f$;
  CREATE TRIGGER zz_${what.replace(/\W+/g, '_').toLowerCase()} ${what} ON ${table}
    FOR EACH ROW EXECUTE FUNCTION ${table}_${what.replace(/\W+/g, '_').toLowerCase()}();`;

const TABLES = `
  CREATE TABLE country (code text PRIMARY KEY);
  CREATE TABLE stamped (${COLUMNS}, country text REFERENCES country, PRIMARY KEY (user_id, id));
  CREATE TABLE picky (${COLUMNS}, PRIMARY KEY (user_id, id));
  CREATE TABLE pushed (${COLUMNS}, PRIMARY KEY (user_id, id));
  CREATE TABLE heap (user_id int8 NOT NULL, id int, title text);
  CREATE TABLE parts (user_id int4 NOT NULL, id int, title text, PRIMARY KEY (user_id, id)) PARTITION BY RANGE (id);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (2);
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (2) TO (100);
  CREATE TABLE audit (user_id int8 NOT NULL, what text, made timestamptz DEFAULT now());
  CREATE TABLE audited (${COLUMNS}, PRIMARY KEY (user_id, id));
  CREATE TABLE loud (${COLUMNS}, country text REFERENCES country, PRIMARY KEY (user_id, id));
  CREATE TABLE owners (user_id int8 PRIMARY KEY, name text);
  CREATE TABLE folders (user_id int8 REFERENCES owners ON UPDATE CASCADE ON DELETE CASCADE, id int, title text, PRIMARY KEY (user_id, id));
  CREATE TABLE papers (user_id int8 NOT NULL, id int, folder int, title text, changed int DEFAULT 0, PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, folder) REFERENCES folders ON UPDATE CASCADE ON DELETE CASCADE);
  CREATE TABLE kept (user_id int8 PRIMARY KEY, name text);
  CREATE TABLE links (user_id int8 REFERENCES kept ON DELETE CASCADE, id int, PRIMARY KEY (user_id, id));
  CREATE TABLE people (user_id int8 PRIMARY KEY, name text);
  CREATE TABLE shelves (user_id int8 NOT NULL REFERENCES people, id int, note text DEFAULT 'none', twice int GENERATED ALWAYS AS (id * 2) STORED,
    above int, PRIMARY KEY (user_id, id), FOREIGN KEY (user_id, above) REFERENCES shelves);
  CREATE TABLE nodes (user_id int8 NOT NULL, id int, above int, changed int DEFAULT 0, PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, above) REFERENCES nodes ON UPDATE CASCADE ON DELETE CASCADE);
  CREATE TABLE books (user_id int8 NOT NULL REFERENCES people, id int, shelf int, title text, changed int DEFAULT 0,
    PRIMARY KEY (user_id, id), FOREIGN KEY (user_id, shelf) REFERENCES shelves ON DELETE CASCADE);
  CREATE TABLE pages (user_id int8 NOT NULL REFERENCES people, book int, n int, PRIMARY KEY (user_id, book, n),
    FOREIGN KEY (user_id, book) REFERENCES books ON UPDATE CASCADE ON DELETE CASCADE);
  CREATE TABLE marks (user_id int8 NOT NULL, id int, shelf int, note text, PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, shelf) REFERENCES shelves DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE tags (user_id int8 NOT NULL, id int, shelf int, note text, PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, shelf) REFERENCES shelves);
  ${trigger('marks', 'BEFORE INSERT', `BEGIN NEW.note := 'new'; RETURN NEW; END`)}
  ${trigger('tags', 'BEFORE INSERT', `BEGIN NEW.note := 'new'; RETURN NEW; END`)}
  ${trigger('nodes', 'BEFORE UPDATE', `BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END`)}
  ${trigger('books', 'BEFORE UPDATE', `BEGIN NEW.changed := OLD.changed + 1; NEW.title := OLD.user_id || ' ' || NEW.title; RETURN NEW; END`)}
  ${trigger(
    'stamped',
    'BEFORE UPDATE',
    `DECLARE was text := coalesce(OLD.title, '-'); BEGIN
      -- A row that was deleted and inserted would look alike: select nothing from it.
      IF NEW.title IS DISTINCT FROM OLD.title OR TG_OP = 'UPDATE' THEN
        NEW.changed := OLD.changed + 1;
        NEW.title := upper(was) || ' ' || OLD.user_id || '>' || NEW.user_id || extract(epoch FROM interval '1 s')::int;
      END IF;
      RETURN NEW; END`,
  )}
  ${trigger('picky', 'BEFORE UPDATE OF user_id', `BEGIN IF OLD.total > 20 THEN RETURN NULL; ELSIF OLD.total < 0 THEN RETURN OLD; END IF; RETURN NEW; END`)}
  CREATE TRIGGER aa_same BEFORE UPDATE ON picky FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
  ${trigger('pushed', 'BEFORE UPDATE', `BEGIN IF NEW.id > 1 THEN NEW.user_id := NEW.user_id + 1; END IF; RETURN NEW; END`)}
  ${trigger('heap', 'BEFORE UPDATE', `BEGIN NEW.title = concat(OLD.user_id, NEW.title); RETURN NEW; END`)}
  ${trigger('parts', 'BEFORE UPDATE', `BEGIN NEW.title = OLD.title || NEW.user_id; RETURN NEW; END`)}
  ${trigger(
    'audited',
    'AFTER UPDATE',
    `BEGIN
      INSERT INTO audit (what, user_id) VALUES ('left ' || OLD.title, OLD.user_id);
      IF NEW.user_id <> OLD.user_id THEN
        INSERT INTO public.audit VALUES (NEW.user_id, format('%s came', NEW.id));
      END IF;
      RETURN NULL; END`,
  )}
  ${trigger(
    'loud',
    'AFTER INSERT OR UPDATE OR DELETE',
    `BEGIN INSERT INTO audit VALUES (coalesce(NEW.user_id, OLD.user_id), TG_OP); RETURN NULL; END`,
  )}
  ${trigger('papers', 'BEFORE UPDATE', `BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END`)}`;

const SHARDED = ['stamped', 'picky', 'pushed', 'heap', 'parts', 'audit', 'audited', 'loud'];
const CASCADED = [
  'owners',
  'folders',
  'papers',
  'kept',
  'links',
  'people',
  'nodes',
  'shelves',
  'marks',
  'tags',
  'books',
  'pages',
];
const ALL = [...SHARDED, ...CASCADED];

const FILLED = ['stamped', 'picky', 'pushed', 'audited', 'loud'];

const ROWS = [
  ...ALL.toReversed().map((table) => `DELETE FROM ${table}`),
  ...FILLED.map(
    (
      table,
    ) => `INSERT INTO ${table} (user_id, id, title, total, number) OVERRIDING SYSTEM VALUE VALUES
      (1, 1, 'a', 10, 11), (1, 2, 'b', 30, 12), (2, 1, 'c', -5, 13), (2, 3, 'd', 21, 14), (3, 1, NULL, NULL, 15)`,
  ),
  `INSERT INTO heap VALUES (1, 1, 'x'), (1, 1, 'x'), (2, 2, 'y'), (3, NULL, NULL)`,
  `INSERT INTO parts VALUES (1, 1, 'x'), (1, 2, 'x'), (2, 5, 'y')`,
  `INSERT INTO owners VALUES (1, 'one'), (2, 'two'), (3, 'three')`,
  `INSERT INTO folders VALUES (1, 1, 'f'), (1, 2, 'g'), (2, 1, 'h')`,
  `INSERT INTO papers VALUES (1, 1, 1, 'p'), (1, 2, 2, 'q'), (1, 3, NULL, 'r'), (2, 1, 1, 's')`,
  `INSERT INTO kept VALUES (1, 'one'), (2, 'two'), (3, 'three')`,
  `INSERT INTO links VALUES (1, 1)`,
  `INSERT INTO nodes VALUES (1, 1, NULL), (1, 2, 1), (1, 3, 2), (1, 4, NULL), (2, 9, NULL), (2, 10, 9)`,
  `INSERT INTO people SELECT * FROM owners`,
  `INSERT INTO shelves (user_id, id, note, above) VALUES (1, 1, 'low', NULL), (2, 1, 'high', NULL), (2, 2, NULL, 1), (3, 1, '', NULL)`,
  `INSERT INTO marks VALUES (1, 1, 1), (1, 2, NULL)`,
  `INSERT INTO tags VALUES (1, 1, 1), (1, 2, NULL)`,
  `INSERT INTO books VALUES (1, 1, 1, 'a'), (1, 2, NULL, 'b'), (2, 1, 1, 'c')`,
  `INSERT INTO pages VALUES (1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1)`,
  `DELETE FROM audit`,
];

interface Stand {
  readonly tested: TestProxy;
  readonly plain: Client;
  readonly client: Client;
  /** Another client of the proxy. */
  readonly second: Client;
}

async function standOver(shards: number): Promise<Stand & { close(): Promise<void> }> {
  const config = { sharding: { tables: { country: { kind: 'reference' } } } } as const;
  const tested = await startTestProxy({
    shards,
    config,
    prepare: async (databases) => {
      for (const place of [databases.plain, ...databases.shards]) {
        const made = await connectAsText(place);
        await made.query(TABLES);
        await made.query(`INSERT INTO country VALUES ('de'), ('fr')`);
        await made.end();
      }
    },
  });
  const places = [tested.plain, tested.login, tested.login];
  const clients = (await Promise.all(places.map(connectAsText))) as [Client, Client, Client];
  const [plain, client, second] = clients;
  return {
    ...{ tested, plain, client, second },
    async close() {
      await Promise.all(clients.map((each) => each.end()));
      await tested.close();
    },
  };
}

describe.each([2, 3])('Over %i shards', (shards) => {
  let stand: Awaited<ReturnType<typeof standOver>>;

  beforeAll(async () => {
    stand = await standOver(shards);
  });

  afterAll(() => stand.close());

  beforeEach(async () => {
    for (const each of [stand.plain, stand.client, stand.second]) await each.query('ROLLBACK');
    for (const sql of ROWS) {
      for (const each of [stand.plain, stand.client]) await each.query(sql);
    }
  });

  async function answerOf(client: Client, sql: string) {
    try {
      const { rows, command, rowCount } = await client.query({ text: sql, rowMode: 'array' });
      return { rows: rows.map((row) => JSON.stringify(row)).sort(), command, rowCount };
    } catch (error) {
      return { code: (error as { code: string }).code };
    }
  }

  /** What differs by when it was written is left out. */
  async function contentsOf(client: Client): Promise<Record<string, unknown>> {
    const contents: Record<string, unknown> = {};
    for (const table of ALL) {
      const rows = await textRows(client, `SELECT to_jsonb(t) - 'made' FROM ${table} t`);
      contents[table] = rows.flat().sort();
    }
    return contents;
  }

  async function expectSame(sql: string) {
    const { plain, client } = stand;
    const answer = await answerOf(plain, sql);
    expect(await answerOf(client, sql), sql).toEqual(answer);
    expect(await contentsOf(client), sql).toEqual(await contentsOf(plain));
    for (const table of ALL) {
      const strays = `SELECT count(*) FROM ${table} WHERE mod(user_id, ${shards}) <> drive.shard_id()`;
      expect(await textRows(client, strays), table).toEqual([['0']]);
    }
    return answer;
  }

  describe('rows get to their new shards as their triggers have them:', () => {
    it.each([
      `UPDATE stamped SET user_id = 8 WHERE user_id = 1 RETURNING *`,
      `UPDATE stamped SET user_id = user_id + 11, total = total + 1 RETURNING user_id, old.title, new.title, twice, changed`,
      `UPDATE stamped s SET user_id = s.user_id + 4 * o.user_id + 5, country = 'de' FROM owners o WHERE o.user_id = s.id RETURNING s.*, o.name`,
      `UPDATE stamped SET user_id = 7 WHERE user_id = 2 AND id = 1 RETURNING id`,
      `UPDATE picky SET user_id = user_id + 5 RETURNING *`,
      `UPDATE picky SET user_id = 8, id = id + user_id, title = 'new' WHERE user_id IN (1, 3) RETURNING id, title, user_id`,
      `UPDATE pushed SET user_id = user_id + 13 RETURNING user_id, id`,
      // Their triggers alone move them.
      `UPDATE pushed SET user_id = user_id + 18 WHERE user_id > 0 RETURNING user_id, id`,
      `UPDATE pushed SET user_id = user_id + 13 WHERE user_id = 1 RETURNING *`,
      `UPDATE heap SET user_id = user_id + 1 RETURNING *`,
      `UPDATE parts SET user_id = user_id + 1, id = id + 1 RETURNING *`,
      `UPDATE parts_2 SET user_id = user_id + 3 RETURNING *`,
      `UPDATE audited SET user_id = 4, title = title || '!' WHERE user_id = 1 RETURNING user_id, id`,
      `UPDATE audited SET user_id = user_id + 5`,
      `UPDATE owners SET user_id = 7 WHERE user_id = 1 RETURNING *`,
      `UPDATE owners SET user_id = user_id + 100, name = name || user_id RETURNING *`,
      `UPDATE kept SET user_id = 4 WHERE user_id = 2 RETURNING *`,
      // What they refer to by the new key is on another shard.
      `UPDATE books SET user_id = 2, id = id + 10 WHERE user_id = 1 AND id = 1 RETURNING *`,
      `UPDATE books SET user_id = 2, id = id + 10, shelf = 2 WHERE user_id = 1 AND id = 1 RETURNING *`,
      `UPDATE books SET user_id = 2, id = 7 WHERE id = 2 RETURNING *`,
      `UPDATE books SET user_id = 5 - user_id, id = id + 20, shelf = 1 WHERE id = 1 AND user_id = 2`,
      // A table that refers to itself.
      `UPDATE shelves SET user_id = 3, id = id + 10, above = 1 WHERE user_id = 2 AND id = 2 RETURNING *`,
      `UPDATE shelves SET user_id = 1, id = id + 10 WHERE user_id = 2 AND id = 2 RETURNING *`,
      `UPDATE nodes SET user_id = 5 WHERE user_id = 1 AND id = 1 RETURNING *`,
      `UPDATE nodes SET user_id = 2, above = 10 WHERE user_id = 1 AND id = 4 RETURNING *`,
      `UPDATE nodes SET user_id = 2, above = 10 WHERE user_id = 1 AND id = 1`,
      `UPDATE nodes SET user_id = user_id + 5 WHERE above IS NULL`,
      `WITH moved AS (UPDATE stamped SET user_id = 6 WHERE user_id = 1 RETURNING *) SELECT count(*), sum(changed) FROM moved`,
    ])('%s', async (sql) => {
      expect(await expectSame(sql)).not.toHaveProperty('code');
    });
  });

  describe('rows that MERGE moves, too:', () => {
    it.each([
      `MERGE INTO stamped s USING (VALUES (1, 20, 'x'), (3, 31, 'y'), (9, 9, 'z')) v (u, k, t) ON s.user_id = v.u
        WHEN MATCHED AND s.id = 2 THEN DELETE
        WHEN MATCHED THEN UPDATE SET user_id = v.k, title = v.t
        WHEN NOT MATCHED THEN INSERT (user_id, id, title, number) OVERRIDING SYSTEM VALUE VALUES (v.k, 1, v.t, 99)
        RETURNING merge_action(), s.*, v.t, old.title`,
      `MERGE INTO audited a USING owners o ON a.user_id = o.user_id
        WHEN MATCHED AND a.id = 1 THEN UPDATE SET user_id = o.user_id + 10
        WHEN MATCHED AND a.id = 2 THEN UPDATE SET total = 0 WHEN MATCHED THEN DELETE`,
      `MERGE INTO books b USING (VALUES (1, 2, 1), (2, 3, 1)) v (u, k, s) ON b.user_id = v.u AND b.id = v.s
        WHEN MATCHED THEN UPDATE SET user_id = v.k, id = b.id + 10 * v.k RETURNING b.*, v.k`,
      `MERGE INTO owners o USING (VALUES (1), (2)) v (u) ON o.user_id = v.u
        WHEN MATCHED THEN UPDATE SET user_id = v.u + 9, name = 'moved' RETURNING o.*`,
    ])('%s', async (sql) => {
      expect(await expectSame(sql)).not.toHaveProperty('code');
    });

    it.each([2, 13])('but where a trigger may change the key: from 1 to %i', async (key) => {
      const sql = `MERGE INTO pushed p USING (VALUES (1, ${key})) v (u, k) ON p.user_id = v.u
        WHEN MATCHED THEN UPDATE SET user_id = v.k`;
      expect(await answerOf(stand.client, sql)).toEqual({ code: '0A000' });
    });
  });

  describe('rows that ON CONFLICT moves, too:', () => {
    it.each([
      `INSERT INTO stamped (user_id, id, title, number) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'n', 50), (5, 1, 'new', 51)
        ON CONFLICT (user_id, id) DO UPDATE SET user_id = 8, title = excluded.title RETURNING user_id, id, title, changed, twice`,
      `INSERT INTO audited AS a (user_id, id, number) OVERRIDING SYSTEM VALUE VALUES (1, 1, 60), (1, 2, 61), (2, 3, 62)
        ON CONFLICT (user_id, id) DO UPDATE SET user_id = a.user_id + 3`,
      `INSERT INTO owners VALUES (1, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 7 RETURNING *`,
      `INSERT INTO owners SELECT user_id, 'n' FROM kept ON CONFLICT (user_id) DO UPDATE SET user_id = owners.user_id + 10, name = excluded.name`,
      `INSERT INTO kept VALUES (2, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 4`,
      `INSERT INTO pushed (user_id, id, number) OVERRIDING SYSTEM VALUE VALUES (1, 2, 9) ON CONFLICT (user_id, id) DO UPDATE SET user_id = 12 RETURNING *`,
    ])('%s', async (sql) => {
      expect(await expectSame(sql)).not.toHaveProperty('code');
    });

    it('but where they refer to what is on the other shard', async () => {
      const sql = `INSERT INTO books VALUES (1, 1) ON CONFLICT (user_id, id) DO UPDATE SET user_id = 2, id = 20`;
      expect(await answerOf(stand.client, sql)).toEqual({ code: '0A000' });
    });
  });

  describe('what one server refuses is refused:', () => {
    it.each([
      `INSERT INTO kept VALUES (1, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 4`,
      `INSERT INTO kept VALUES (2, 'x') ON CONFLICT (user_id) DO UPDATE SET user_id = 3`,
      `UPDATE stamped SET user_id = 3, country = 'xx' WHERE user_id = 2 AND id = 3`,
      `UPDATE stamped SET user_id = 3 - user_id WHERE id = 1 AND user_id < 3`,
      `UPDATE stamped SET user_id = 2 WHERE id = 1`,
      `UPDATE kept SET user_id = 4 WHERE user_id = 1`,
      `UPDATE shelves SET user_id = 1, above = 5 WHERE user_id = 2 AND id = 2`,
      `UPDATE shelves SET user_id = 1, id = 1 WHERE user_id = 2 AND id = 2`,
      `UPDATE nodes SET user_id = 5 WHERE user_id = 1 AND id = 2`,
      `UPDATE nodes SET user_id = 2, above = 3 WHERE user_id = 1 AND id = 4`,
      `UPDATE books SET user_id = 3, shelf = 2 WHERE user_id = 1 AND id = 1`,
      `UPDATE books SET user_id = 4 WHERE id = 2`,
    ])('%s', async (sql) => {
      expect(await expectSame(sql)).toHaveProperty('code');
    });
  });

  it('to what is not there by a foreign key that is looked at once: as one server says it', async () => {
    const sql = 'UPDATE tags SET user_id = 6 WHERE id = 1';
    const told = async (each: Client) => {
      const { message, detail } = await each.query(sql).catch((error) => error);
      return { message, detail };
    };
    expect(await told(stand.client)).toEqual(await told(stand.plain));
  });

  it('but not to what is not there by a foreign key that may wait for COMMIT', async () => {
    const sql = 'UPDATE marks SET user_id = 6';
    expect(await answerOf(stand.client, sql)).toEqual({ code: '0A000' });
    expect(await expectSame('UPDATE marks SET user_id = 2')).toHaveProperty('rows');
  });

  it('but not where they refer to each other from several shards', async () => {
    const sql = 'UPDATE nodes SET user_id = 8, above = 2 WHERE id > 1';
    expect(await answerOf(stand.client, sql)).toEqual({ code: '0A000' });
    expect(await expectSame(`${sql} AND user_id = 1`)).toHaveProperty('rowCount', 3);
  });

  it('in a transaction, to a savepoint and back', async () => {
    const update = `UPDATE audited SET user_id = user_id + 5 WHERE id = 1`;
    for (const sql of ['BEGIN', 'SAVEPOINT s', update]) await expectSame(sql);
    for (const sql of ['ROLLBACK TO s', update, update, 'COMMIT']) await expectSame(sql);
  });

  it('one waits for another that refers to the same row of another shard', async () => {
    const { plain, client, second } = stand;
    const move = (id: number, key: number) =>
      `UPDATE books SET user_id = ${key}, id = id + 30, shelf = NULL WHERE user_id = 1 AND id = ${id}`;
    await client.query('BEGIN');
    await client.query(move(1, 2));
    const waiting = second.query(move(2, 2));
    await client.query('COMMIT');
    await waiting;
    for (const id of [1, 2]) await plain.query(move(id, 2));
    expect(await contentsOf(client)).toEqual(await contentsOf(plain));
  });

  it('with parameters and values in binary', async () => {
    const { plain, client } = stand;
    const query = {
      text: `UPDATE stamped SET user_id = $1, total = $2 WHERE user_id = $3 RETURNING total, title, twice`,
      values: [4, 99, 1],
      binary: true,
      rowMode: 'array' as const,
    };
    const sorted = async (each: Client) =>
      (await each.query(query)).rows.map((row) => JSON.stringify(row)).sort();
    expect(await sorted(client)).toEqual(await sorted(plain));
    expect(await contentsOf(client)).toEqual(await contentsOf(plain));
  });

  describe('with triggers for INSERT and DELETE,', () => {
    it.each([
      `UPDATE loud SET user_id = user_id + 5, country = 'fr' RETURNING *`,
      `UPDATE loud SET user_id = 8 WHERE user_id = 1`,
      `UPDATE loud SET user_id = 2 WHERE id = 1`,
    ])('those of the UPDATE fire, and no others: %s', async (sql) => {
      await expectSame(sql);
    });

    it('what keeps them from firing is gone behind it, and behind an error', async () => {
      const { client } = stand;
      const role = async () =>
        (
          await textRows(
            client,
            `SELECT DISTINCT current_setting('session_replication_role') FROM owners`,
          )
        ).flat();
      await client.query('BEGIN');
      await client.query('UPDATE loud SET user_id = user_id + 1');
      expect(await role()).toEqual(['origin']);
      await client.query('SAVEPOINT s');
      await expect(client.query(`UPDATE loud SET user_id = 2 WHERE id = 1`)).rejects.toMatchObject({
        code: '23505',
      });
      await client.query('ROLLBACK TO s');
      expect(await role()).toEqual(['origin']);
      await client.query('COMMIT');
      expect(await role()).toEqual(['origin']);
    });
  });
});
